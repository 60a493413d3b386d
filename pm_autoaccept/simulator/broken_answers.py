"""What a fault makes of an answer: other words, another form, too much, too little, or no end."""

from __future__ import annotations

import gzip
import socket
import struct
import zlib
from collections.abc import Iterator
from contextlib import suppress

from aiohttp import web

from pm_autoaccept.simulator import response_bodies
from pm_autoaccept.simulator.call_log import Call
from pm_autoaccept.simulator.error_answers import Refusal
from pm_autoaccept.simulator.faults import Fault, FaultKind, Faults
from pm_autoaccept.simulator.service_call import Answer
from pm_autoaccept.simulator.unconfirmed import Inferred

PAGE_FOR_PEOPLE = "<!DOCTYPE html><html><head><title>{0}</title></head><body><h1>{0}</h1></body></html>"
_REASONS = {429: "The rate limit has been exceeded", 500: "Internal Server Error", 502: "Down for maintenance"}

_MEGABYTE = b" " * 1_048_576
_TOO_LARGE = 12
_BOMB = 64
_NOW_AND_THEN = 0.05


def instead(fault: Fault, *, inferred: Inferred) -> web.Response:
    """An answer that has nothing to do with the call: a status, or a page for people."""
    if fault.kind is FaultKind.HTML:
        page = PAGE_FOR_PEOPLE.format(_REASONS.get(fault.status, "Portfolio Manager"))
        body, defaults = page.encode(), {"Content-Type": "text/html; charset=utf-8"}
    else:
        body = response_bodies.error(Refusal(fault.status, _REASONS.get(fault.status, "An error occurred")))
        defaults = {"Content-Type": fault.content_type}
        if fault.status == web.HTTPTooManyRequests.status_code and inferred.retry_after is not None:
            defaults["Retry-After"] = str(inferred.retry_after)
    said = {name.casefold() for name, _ in fault.headers}
    headers = [*fault.headers, *((name, text) for name, text in defaults.items() if name.casefold() not in said)]
    return web.Response(status=fault.status, body=body if fault.body is None else fault.body.encode(), headers=headers)


def reset(request: web.Request) -> web.Response:
    """Reset the connection, so that the other side sees no orderly end."""
    transport = request.transport
    if transport is not None:  # else the other side has gone already
        sock = transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    return web.Response()


async def spoilt(
    request: web.Request, call: Call, answer: Answer, *, fault: Fault, faults: Faults, date: str
) -> web.StreamResponse:
    """The answer of a call that was processed, as the fault spoils it."""
    call.status = answer.status
    headers = {"Content-Type": "application/xml", "Date": date}
    match fault.kind:
        case FaultKind.OVERLONG:
            return _overlong(request, answer, headers)
        case FaultKind.TRICKLE:
            return await _trickled(request, answer, headers, fault=fault, faults=faults)
        case FaultKind.TRUNCATED:
            return await _truncated(request, answer, headers)
        case FaultKind.MISLABELLED:
            headers["Content-Type"] = fault.content_type
        case FaultKind.GZIP | FaultKind.BROKEN_GZIP | FaultKind.GZIP_BOMB:
            headers["Content-Encoding"] = "gzip"
    return web.Response(status=answer.status, body=_body(fault.kind, answer.body), headers=headers)


def _body(kind: FaultKind, body: bytes) -> bytes:
    """The whole body, as it is sent."""
    match kind:
        case FaultKind.TOO_LARGE:
            return body + _MEGABYTE * _TOO_LARGE
        case FaultKind.GZIP:
            return gzip.compress(body)
        case FaultKind.GZIP_BOMB:
            return b"".join(_bomb(body))
        case FaultKind.BROKEN_GZIP:
            packed = bytearray(gzip.compress(body))
            packed[len(packed) // 2] ^= 0xFF
            return bytes(packed)
        case _:
            return body


def _bomb(body: bytes) -> Iterator[bytes]:
    """The body and a great many blanks after it, in a few kilobytes of gzip."""
    packing = zlib.compressobj(level=9, wbits=31)
    yield packing.compress(body)
    for _ in range(_BOMB):
        yield packing.compress(_MEGABYTE)
    yield packing.flush()


def _overlong(request: web.Request, answer: Answer, headers: dict[str, str]) -> web.Response:
    """Send more than was promised: the body a second time, as if it were the beginning of another answer."""
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    if request.transport is not None:
        start = f"HTTP/1.1 {answer.status} X\r\n{head}Content-Length: {len(answer.body)}\r\n\r\n"
        request.transport.write(start.encode() + answer.body * 2)
        request.transport.close()
    return web.Response()


async def _truncated(request: web.Request, answer: Answer, headers: dict[str, str]) -> web.StreamResponse:
    """Promise the whole body and send half of it."""
    response = web.StreamResponse(status=answer.status, headers=headers)
    response.content_length = len(answer.body)
    response.force_close()
    with suppress(ConnectionResetError):  # the other side has gone already
        await response.prepare(request)
        await response.write(answer.body[: len(answer.body) // 2])
    if request.transport is not None:
        request.transport.close()
    return response


async def _trickled(
    request: web.Request, answer: Answer, headers: dict[str, str], *, fault: Fault, faults: Faults
) -> web.StreamResponse:
    """Send the body and then a blank now and then, until released or left alone."""
    released, seconds = faults.releasing(), _NOW_AND_THEN if fault.seconds is None else fault.seconds
    response = web.StreamResponse(status=answer.status, headers=headers)
    await response.prepare(request)
    try:
        await response.write(answer.body)
        while not await faults.wait(seconds, released=released):
            await response.write(b" ")
    except ConnectionError:
        response.force_close()
    return response
