"""What people can be made to do from the switchboard and from tests: one table of acts by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from pm_autoaccept.model import Action, CustomField, Kind, RequestKey
from pm_autoaccept.simulator import customer_actions, provider_actions
from pm_autoaccept.simulator.unconfirmed import Inferred
from pm_autoaccept.simulator.world import Access, Effect, Meter, World


class ActRefused(ValueError):
    """There is no such act, or an argument is missing or wrong; the text says what to do."""


@dataclass(frozen=True, slots=True)
class _Act:
    """An act under way: the world, the time, and the arguments by name."""

    world: World
    arguments: Mapping[str, Any]
    now: datetime
    inferred: Inferred

    def given(self, name: str) -> object:
        if name not in self.arguments:
            raise ActRefused(f"{name} is missing: say it along with the act")
        return self.arguments[name]

    def number(self, name: str) -> int:
        value = self.given(name)
        if isinstance(value, bool) or not isinstance(value, int):
            raise ActRefused(f"{name} must be a whole number, not {value!r}")
        return value

    def known(self, name: str, among: Mapping[int, object]) -> int:
        number = self.number(name)
        if number not in among:
            raise ActRefused(f"{name} {number} is not known; GET /simulator/world lists what is")
        return number

    def text(self, name: str) -> str:
        value = self.given(name)
        if not isinstance(value, str) or not value:
            raise ActRefused(f"{name} must be a text that is not empty")
        return value

    def access(self) -> Access:
        value = self.arguments.get("access", "Read Write")
        if value not in list(Access):
            raise ActRefused(f"access must be Read or Read Write, not {value!r}")
        return Access(value)

    def account(self, name: str = "account") -> int:
        return self.known(name, self.world.accounts)

    def key(self) -> RequestKey:
        """The property or the meter that the act is about."""
        if "meter" in self.arguments:
            return RequestKey(Kind.METER, self.known("meter", self.world.meters))
        return RequestKey(Kind.PROPERTY, self.known("property", self.world.properties))

    def any_key(self) -> RequestKey:
        """The connection, property or meter that the act is about."""
        return RequestKey(Kind.CONNECTION, self.account()) if "account" in self.arguments else self.key()

    def sender(self) -> int:
        return self.account("sender") if "sender" in self.arguments else self.world.owner_of(self.key())


def _connect(act: _Act) -> tuple[Effect, ...]:
    return customer_actions.connect(act.world, act.account(), now=act.now, inferred=act.inferred)


def _share(act: _Act) -> tuple[Effect, ...]:
    return customer_actions.share(
        act.world, act.key(), sender=act.sender(), access=act.access(), now=act.now, inferred=act.inferred
    )


def _change_access(act: _Act) -> tuple[Effect, ...]:
    act.given("access")
    return customer_actions.change_access(act.world, act.key(), by=act.sender(), access=act.access(), now=act.now)


def _unshare(act: _Act) -> tuple[Effect, ...]:
    return customer_actions.unshare(act.world, act.key(), now=act.now)


def _withdraw(act: _Act) -> tuple[Effect, ...]:
    return customer_actions.withdraw(act.world, act.any_key())


def _disconnect(act: _Act) -> tuple[Effect, ...]:
    return customer_actions.disconnect(act.world, act.account(), now=act.now, inferred=act.inferred)


def _transfer(act: _Act) -> tuple[Effect, ...]:
    return customer_actions.transfer(
        act.world,
        act.known("property", act.world.properties),
        new_owner=act.account("new_owner"),
        keep_access=act.arguments.get("keep_access", True) is True,
        now=act.now,
        inferred=act.inferred,
    )


def _add_meter(act: _Act) -> tuple[Effect, ...]:
    meter = Meter(
        id=act.number("meter"),
        property_id=act.known("property", act.world.properties),
        name=act.text("name"),
        type=act.text("type"),
        unit=act.text("unit"),
    )
    return customer_actions.add_meter(act.world, meter, access=act.access(), now=act.now, inferred=act.inferred)


def _answer_custom_fields(act: _Act) -> tuple[Effect, ...]:
    values = act.given("values")
    if not isinstance(values, Mapping) or not all(isinstance(value, str) for value in values.values()):
        raise ActRefused("values must be an object of custom-field names and texts")
    fields = tuple(CustomField(str(name), value) for name, value in values.items())
    return customer_actions.give_values(act.world, act.any_key(), fields)


def _answer_in_pages(act: _Act) -> tuple[Effect, ...]:
    said = act.given("action")
    if said not in list(Action):
        raise ActRefused(f"action must be Accept or Reject, not {said!r}")
    return provider_actions.answer(act.world, act.any_key(), Action(str(said)), inferred=act.inferred)


def _list_oddly(odd: str, act: _Act) -> tuple[Effect, ...]:
    """Let a list hide a request, or show it twice, for a while; 0 seconds end it."""
    key, until = act.any_key(), act.now + timedelta(seconds=act.number("seconds"))
    which = act.world.hidden if odd == "hidden" else act.world.repeated
    which[key] = until
    return (Effect(kind=key.kind, id=key.id, what="listing", before="", after=odd if until > act.now else "shown"),)


def table() -> dict[str, Callable[[_Act], tuple[Effect, ...]]]:
    """Every act by name; what each needs stands in docs/simulator.md."""
    return {
        "connect": _connect,
        "share": _share,
        "change_access": _change_access,
        "unshare": _unshare,
        "withdraw": _withdraw,
        "disconnect": _disconnect,
        "transfer": _transfer,
        "add_meter": _add_meter,
        "answer_custom_fields": _answer_custom_fields,
        "answer_in_pages": _answer_in_pages,
        "hide": partial(_list_oddly, "hidden"),
        "repeat": partial(_list_oddly, "repeated"),
    }


def perform(
    world: World, name: str, arguments: Mapping[str, Any], *, now: datetime, inferred: Inferred
) -> tuple[Effect, ...]:
    """Let a customer do something.

    Raises:
        ActRefused: there is no such act, or an argument is missing or wrong.
        Refusal: Portfolio Manager would refuse it.
    """
    act = table().get(name)
    if act is None:
        raise ActRefused(f"there is no act {name!r}; the acts are {', '.join(table())}")
    return act(_Act(world, arguments, now, inferred))
