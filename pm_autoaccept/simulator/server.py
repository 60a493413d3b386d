"""The edge: aiohttp requests in, answers out, and the faults in between."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import format_datetime

from aiohttp import web

from pm_autoaccept.simulator import broken_answers
from pm_autoaccept.simulator.call_log import Call, Log
from pm_autoaccept.simulator.dispatch import Processor, Request
from pm_autoaccept.simulator.faults import OF_AN_ANSWER, Fault, FaultKind, Faults
from pm_autoaccept.simulator.request_validation import LARGEST_BODY
from pm_autoaccept.simulator.service_call import Answer
from pm_autoaccept.simulator.services import BASE, matches
from pm_autoaccept.simulator.unconfirmed import Inferred
from pm_autoaccept.simulator.world import World


class Server:
    """Serves a world's services.

    Attributes:
        before_processing: called right before a call is processed; through it a test lets customers act in between.
    """

    def __init__(
        self,
        world: World,
        *,
        inferred: Inferred,
        latency: float,
        clock: Callable[[], datetime],
        faults: Faults,
        log: Log,
    ) -> None:
        self.before_processing: Callable[[Call], None] | None = None
        self._processor = Processor(world, inferred=inferred)
        self._inferred = inferred
        self._latency = latency
        self._clock = clock
        self._faults = faults
        self._log = log

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Answer one call, and say what time it is in this world."""
        response = await self._serve(request)
        if not response.prepared:
            response.headers.setdefault("Date", self._date())
        return response

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        call = self._log.begin(at=self._clock(), method=request.method, path=request.raw_path)
        received = Request(
            method=request.method,
            path=request.path.removeprefix(BASE),
            query=request.query,
            headers=request.headers,
            body=await _body(request),
        )
        call.body = received.body
        for match in matches(received.path):
            if match.service.method == received.method:
                call.service, call.ids = match.service.name, match.ids
        fault = self._faults.befall(service=call.service, method=call.method)
        if self._latency:
            await asyncio.sleep(self._latency)
        if fault is not None:
            call.fault = fault.kind
            if fault.kind is FaultKind.DELAY and not fault.after:
                await self._faults.wait(fault.seconds)
            elif not fault.after and fault.kind not in OF_AN_ANSWER:
                return await self._spoil(request, call, fault, None)
        if self.before_processing is not None:
            self.before_processing(call)
        self._log.process(call)
        answer = self._processor.process(received, call, now=self._clock())
        if fault is not None and (fault.after or fault.kind in OF_AN_ANSWER):
            return await self._spoil(request, call, fault, answer)
        return self._respond(call, answer)

    async def _spoil(self, request: web.Request, call: Call, fault: Fault, answer: Answer | None) -> web.StreamResponse:
        """Do what the fault says, with the answer of a call that was processed all the same."""
        if fault.kind is FaultKind.RESET:
            return broken_answers.reset(request)
        if fault.kind is FaultKind.DELAY and answer is not None:
            await self._faults.wait(fault.seconds)
            return self._respond(call, answer)
        if fault.kind in OF_AN_ANSWER and answer is not None:
            return await broken_answers.spoilt(
                request, call, answer, fault=fault, faults=self._faults, date=self._date()
            )
        call.status = fault.status
        return broken_answers.instead(fault, inferred=self._inferred)

    def _date(self) -> str:
        return format_datetime(self._clock().astimezone(UTC), usegmt=True)

    def _respond(self, call: Call, answer: Answer) -> web.Response:
        call.status = answer.status
        if answer.status != web.HTTPUnauthorized.status_code:
            return web.Response(status=answer.status, body=answer.body, content_type="application/xml")
        headers = {"WWW-Authenticate": 'Basic realm="Portfolio Manager"'}
        form = self._inferred.unauthorised_body
        if form == "xml":
            return web.Response(status=401, body=answer.body, content_type="application/xml", headers=headers)
        page = broken_answers.PAGE_FOR_PEOPLE.format("Unauthorized") if form == "html" else ""
        return web.Response(status=401, text=page, content_type="text/html", headers=headers)


async def _body(request: web.Request) -> bytes:
    """The body, as far as one byte beyond what is allowed."""
    body = bytearray()
    async for chunk in request.content.iter_chunked(65_536):
        if len(body) <= LARGEST_BODY:
            body += chunk
    return bytes(body[: LARGEST_BODY + 1])
