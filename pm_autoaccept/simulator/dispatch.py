"""One call, from the bytes of its request to the bytes of its answer, without waiting for anything.

Nothing is awaited here, so that what a call reads of the world is what it changes.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from pm_autoaccept.simulator import response_bodies
from pm_autoaccept.simulator.call_log import Call
from pm_autoaccept.simulator.error_answers import Refusal, access_denied, not_found, unauthorised
from pm_autoaccept.simulator.read_services import reading
from pm_autoaccept.simulator.request_validation import LARGEST_BODY
from pm_autoaccept.simulator.service_call import Answer, Asked
from pm_autoaccept.simulator.services import Caller, matches
from pm_autoaccept.simulator.unconfirmed import Inferred
from pm_autoaccept.simulator.world import Account, World
from pm_autoaccept.simulator.write_services import changing


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request as it came, its path already below the base."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


class Processor:
    """Answers requests from a world."""

    def __init__(self, world: World, *, inferred: Inferred) -> None:
        self._world = world
        self._inferred = inferred
        self._services: dict[str, Callable[[Asked], Answer]] = reading() | changing()

    def process(self, request: Request, call: Call, *, now: datetime) -> Answer:
        """Sign in, find the service, check, do; the call is told who called, what changed and how it ended."""
        try:
            answer = self._process(request, call, now)
        except Refusal as refusal:
            call.error = refusal.text
            answer = Answer(response_bodies.error(refusal), status=refusal.status)
        call.effects = answer.effects
        self._world.leave(answer.effects, now=now)
        return answer

    def _process(self, request: Request, call: Call, now: datetime) -> Answer:
        caller = self._sign_in(request.headers.get("Authorization", ""))
        call.caller = caller.username
        there = matches(request.path)
        if not there:
            raise not_found()
        for match in there:
            if match.service.method == request.method:
                break
        else:
            raise Refusal(405, "Method Not Allowed")
        _check_media_types(request, expects_body=match.service.receives is not None)
        customer = caller.id != self._world.provider.id
        if match.service.caller is not Caller.ANYBODY and customer != (match.service.caller is Caller.CUSTOMER):
            raise access_denied()
        asked = Asked(
            world=self._world,
            inferred=self._inferred,
            caller=caller,
            ids=match.ids,
            query=request.query,
            body=request.body,
            now=now,
        )
        return self._services[match.service.name](asked)

    def _sign_in(self, header: str) -> Account:
        scheme, _, encoded = header.partition(" ")
        try:
            credentials = base64.b64decode(encoded.strip(), validate=True)
        except (binascii.Error, ValueError) as error:
            raise unauthorised() from error
        if scheme.lower() != "basic":
            raise unauthorised()
        for account in (self._world.provider, *self._world.accounts.values()):
            pair = f"{account.username}:{account.password}"
            # which encoding the header has is not documented (docs/protocol.md#authentication)
            if credentials in {pair.encode(), pair.encode("latin-1", "ignore")}:
                return account
        raise unauthorised()


def _check_media_types(request: Request, *, expects_body: bool) -> None:
    accepted = {part.partition(";")[0].strip() for part in request.headers.get("Accept", "*/*").split(",")}
    if not accepted & {"application/xml", "text/xml", "application/*", "*/*"}:
        raise Refusal(406, "Not Acceptable")
    if not expects_body:
        return
    if request.headers.get("Content-Type", "").partition(";")[0].strip().lower() != "application/xml":
        raise Refusal(415, "Unsupported Media Type")
    if len(request.body) > LARGEST_BODY:
        raise Refusal(413, "Request Entity Too Large")
