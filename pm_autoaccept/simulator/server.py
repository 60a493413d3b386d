"""The edge: aiohttp requests in, answers out, and the faults in between."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import format_datetime

from aiohttp import web

from pm_autoaccept.simulator import documents
from pm_autoaccept.simulator.asked import Answer
from pm_autoaccept.simulator.faults import Fault, FaultKind, Faults
from pm_autoaccept.simulator.inferred import Inferred
from pm_autoaccept.simulator.log import Call, Log
from pm_autoaccept.simulator.processing import Processor, Request
from pm_autoaccept.simulator.received import LARGEST_BODY
from pm_autoaccept.simulator.refusals import Refusal
from pm_autoaccept.simulator.services import BASE, matches
from pm_autoaccept.simulator.world import World

_PAGE_FOR_PEOPLE = "<!DOCTYPE html><html><head><title>{0}</title></head><body><h1>{0}</h1></body></html>"
_REASONS = {429: "The rate limit has been exceeded", 500: "Internal Server Error", 502: "Down for maintenance"}


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
                await self._faults.wait(fault)
            elif not fault.after and fault.kind is not FaultKind.TRUNCATED:
                return await self._spoil(request, call, fault, None)
        if self.before_processing is not None:
            self.before_processing(call)
        self._log.process(call)
        answer = self._processor.process(received, call, now=self._clock())
        if fault is not None and (fault.after or fault.kind is FaultKind.TRUNCATED):
            return await self._spoil(request, call, fault, answer)
        return self._respond(call, answer)

    async def _spoil(self, request: web.Request, call: Call, fault: Fault, answer: Answer | None) -> web.StreamResponse:
        """Do what the fault says, with the answer of a call that was processed all the same."""
        if fault.kind is FaultKind.RESET:
            _reset(request)
            return web.Response()
        if fault.kind is FaultKind.TRUNCATED and answer is not None:
            return await _truncated(request, call, answer, date=self._date())
        if fault.kind is FaultKind.DELAY and answer is not None:
            await self._faults.wait(fault)
            return self._respond(call, answer)
        call.status = fault.status
        if fault.kind is FaultKind.HTML:
            page = _PAGE_FOR_PEOPLE.format(_REASONS.get(fault.status, "Portfolio Manager"))
            return web.Response(status=fault.status, text=page, content_type="text/html", headers=dict(fault.headers))
        refusal = Refusal(fault.status, _REASONS.get(fault.status, "An error occurred"))
        body = documents.error(refusal) if fault.body is None else fault.body.encode()
        headers = {"Content-Type": fault.content_type} | dict(fault.headers)
        if fault.status == web.HTTPTooManyRequests.status_code and self._inferred.retry_after is not None:
            headers.setdefault("Retry-After", str(self._inferred.retry_after))
        return web.Response(status=fault.status, body=body, headers=headers)

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
        page = _PAGE_FOR_PEOPLE.format("Unauthorized") if form == "html" else ""
        return web.Response(status=401, text=page, content_type="text/html", headers=headers)


async def _body(request: web.Request) -> bytes:
    """The body, as far as one byte beyond what is allowed."""
    body = bytearray()
    async for chunk in request.content.iter_chunked(65_536):
        if len(body) <= LARGEST_BODY:
            body += chunk
    return bytes(body[: LARGEST_BODY + 1])


def _reset(request: web.Request) -> None:
    """Reset the connection, so that the other side sees no orderly end."""
    transport = request.transport
    if transport is None:  # the other side has gone already
        return
    sock = transport.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


async def _truncated(request: web.Request, call: Call, answer: Answer, *, date: str) -> web.StreamResponse:
    """Promise the whole body and send half of it."""
    call.status = answer.status
    response = web.StreamResponse(status=answer.status, headers={"Content-Type": "application/xml", "Date": date})
    response.content_length = len(answer.body)
    response.force_close()
    await response.prepare(request)
    await response.write(answer.body[: len(answer.body) // 2])
    if request.transport is not None:
        request.transport.close()
    return response
