"""The switchboard under /simulator/: look into the world and the log, make things go wrong, let customers act.

It needs no credentials: it listens where the simulator listens, by default on this machine only.
"""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from datetime import datetime
from typing import Any, Protocol

from aiohttp import web

from pm_autoaccept.model import Kind
from pm_autoaccept.simulator.actions import ActRefused
from pm_autoaccept.simulator.call_log import Log, shown_effect
from pm_autoaccept.simulator.error_answers import Refusal
from pm_autoaccept.simulator.faults import Fault, FaultKind, Faults
from pm_autoaccept.simulator.services import SERVICES
from pm_autoaccept.simulator.world import Account, Effect, Tie, World


class Switched(Protocol):
    """What the switchboard needs of a simulator."""

    world: World
    log: Log
    faults: Faults

    def act(self, act: str, /, **arguments: Any) -> tuple[Effect, ...]:  # noqa: ANN401 - as various as the acts are
        """Let a customer do something."""


class Switchboard:
    """The routes under /simulator/."""

    def __init__(self, simulator: Switched) -> None:
        self._simulator = simulator

    def add_to(self, app: web.Application) -> None:
        """Add the routes to an application."""
        app.router.add_get("/simulator/world", self._world)
        app.router.add_get("/simulator/log", self._log)
        app.router.add_get("/simulator/faults", self._faults)
        app.router.add_post("/simulator/faults", self._add_fault)
        app.router.add_delete("/simulator/faults", self._clear_faults)
        app.router.add_delete("/simulator/faults/{number}", self._remove_fault)
        app.router.add_post("/simulator/act", self._act)

    async def _world(self, _: web.Request) -> web.Response:
        return web.json_response(shown_world(self._simulator.world))

    async def _log(self, request: web.Request) -> web.Response:
        calls = self._simulator.log.calls
        after, last = request.query.get("after", "0"), request.query.get("last", str(len(calls)))
        if not after.isdecimal() or not last.isdecimal():
            raise _bad("after is the number of the last call that is known already, last is how many of the last calls")
        return web.json_response([call.shown() for call in calls[max(int(after), len(calls) - int(last)) :]])

    async def _faults(self, _: web.Request) -> web.Response:
        standing = self._simulator.faults.standing()
        return web.json_response(
            [{"number": number, **asdict(fault), "left": left} for number, (fault, left) in standing.items()]
        )

    async def _add_fault(self, request: web.Request) -> web.Response:
        fault = fault_from(await _object(request))
        return web.json_response({"number": self._simulator.faults.add(fault)}, status=201)

    async def _clear_faults(self, _: web.Request) -> web.Response:
        self._simulator.faults.clear()
        return web.json_response({})

    async def _remove_fault(self, request: web.Request) -> web.Response:
        try:
            self._simulator.faults.remove(int(request.match_info["number"]))
        except (KeyError, ValueError) as error:
            raise _bad("there is no such fault; GET /simulator/faults lists them", status=404) from error
        return web.json_response({})

    async def _act(self, request: web.Request) -> web.Response:
        arguments = await _object(request)
        name = arguments.pop("act", None)
        try:
            effects = self._simulator.act(str(name), **arguments)
        except ActRefused as error:
            raise _bad(str(error)) from error
        except Refusal as refusal:
            raise _bad(refusal.text, status=refusal.status) from refusal
        return web.json_response({"effect": [shown_effect(effect) for effect in effects]})


def _bad(text: str, *, status: int = 400) -> web.HTTPException:
    kind = {403: web.HTTPForbidden, 404: web.HTTPNotFound}.get(status, web.HTTPBadRequest)
    return kind(text=json.dumps({"error": text}), content_type="application/json")


async def _object(request: web.Request) -> dict[str, Any]:
    try:
        value = json.loads(await request.text())
    except ValueError as error:
        raise _bad(f"the body must be a JSON object: {error}") from error
    if not isinstance(value, dict):
        raise _bad("the body must be a JSON object")
    return value


def fault_from(value: dict[str, Any]) -> Fault:
    """A fault from its JSON form, whose keys are the attributes of `Fault`.

    Raises:
        HTTPBadRequest: a key or a value is not one.
    """
    known = {each.name for each in fields(Fault)}
    if unknown := sorted(value.keys() - known):
        raise _bad(f"{unknown[0]} is not known; a fault has {', '.join(sorted(known))}")
    names = [*(service.name for service in SERVICES), "GET", "POST", "PUT"]
    if value.get("service") not in [*names, None]:
        raise _bad(f"there is no service {value['service']!r}; services are {', '.join(sorted(names))}")
    if value.get("kind") not in list(FaultKind):
        raise _bad(f"kind must be one of {', '.join(FaultKind)}")
    wanted: dict[str, tuple[type, ...]] = {
        "after": (bool,),
        "times": (int, type(None)),
        "rate": (int, float),
        "seconds": (int, float, type(None)),
        "status": (int,),
        "body": (str, type(None)),
        "content_type": (str,),
        "headers": (dict,),
    }
    for name, types in wanted.items():
        if name in value and not isinstance(value[name], types):
            raise _bad(f"{name} must be {' or '.join('null' if t is type(None) else t.__name__ for t in types)}")
    headers = tuple((str(name), str(text)) for name, text in value.get("headers", {}).items())
    return Fault(**{**value, "kind": FaultKind(value["kind"]), "headers": headers})


def shown_world(world: World) -> dict[str, Any]:
    """The whole world as JSON: every connection, property share and meter share with its state and whose it is."""
    listed: dict[Kind, list[dict[str, Any]]] = {kind: [] for kind in Kind}
    for tie in world.ties.values():
        listed[tie.key.kind].append(_shown_tie(world, tie))
    return {
        "provider": {"id": world.provider.id, "username": world.provider.username},
        "connections": listed[Kind.CONNECTION],
        "properties": listed[Kind.PROPERTY],
        "meters": listed[Kind.METER],
        "customers": [_shown_account(account) for account in world.accounts.values()],
        "notifications": [
            {**asdict(each), "created_at": _iso(each.created_at), "read": each.id in world.read}
            for each in world.notifications
        ],
    }


def _shown_tie(world: World, tie: Tie) -> dict[str, Any]:
    owner = world.account(world.owner_of(tie.key))
    shown: dict[str, Any] = {
        "id": tie.key.id,
        "state": tie.state,
        "owner": owner.id,
        "username": owner.username,
        "sender": tie.sender,
        "asked_at": _iso(tie.asked_at),
        "custom": [[value.name, value.value] for value in world.answers.get(tie.key, ())],
    }
    if tie.key.kind is not Kind.CONNECTION:
        shown |= {"access": tie.access, "property": world.property_of(tie.key).id}
    return shown


def _shown_account(account: Account) -> dict[str, Any]:
    return {
        "id": account.id,
        "username": account.username,
        "password": account.password,
        "organization": account.info.organization,
    }


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
