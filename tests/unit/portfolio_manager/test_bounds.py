"""No call outlives its timeout, wherever it stalls, and nothing of it is delivered later."""

from __future__ import annotations

import asyncio
import gzip
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import aiohttp
import pytest
from aiohttp.abc import AbstractResolver

from pm_autoaccept.errors import AnswerUnknown, NotSent
from pm_autoaccept.portfolio_manager.services import CUSTOMERS, DISCONNECT
from pm_autoaccept.portfolio_manager.transport import Connection
from tests.unit.portfolio_manager.raw_service import OK, serving

POST = DISCONNECT.call(7, keepShares="false")
BODY = b"<terminateSharingResponse/>"
TIMEOUT = 0.3
FOR_EVER = 60.0

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def behaving(serve: Serve) -> AsyncIterator[str]:
    """A server that does with each connection as it likes; `host:port`."""
    tasks = set()

    def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async def run() -> None:
            try:
                with suppress(ConnectionError, asyncio.IncompleteReadError):
                    await serve(reader, writer)
            finally:
                writer.transport.abort()

        tasks.add(asyncio.create_task(run()))

    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    listening.bind(("127.0.0.1", 0))
    async with await asyncio.start_server(begin, sock=listening) as server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def connected(url: str, *, timeout: float = TIMEOUT, connector: aiohttp.BaseConnector | None = None) -> Connection:
    """A connection with little time."""
    return Connection(base_url=url, username="u", password="p", timeout=timeout, connector=connector)


def trickling(begin: bytes, piece: bytes) -> Serve:
    """Read the request, send the beginning, then a piece now and then for ever: no silence is long enough to notice."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(BODY)
        writer.write(begin)
        while True:
            await writer.drain()
            await asyncio.sleep(TIMEOUT / 20)
            writer.write(piece)

    return serve


async def silent(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    """Say nothing."""
    await asyncio.Event().wait()


async def test_a_name_that_never_resolves() -> None:
    """Waiting for an address is a part of the call's time, and nothing was sent."""

    class Never(AbstractResolver):
        async def resolve(self, *_: object, **__: object):
            await asyncio.Event().wait()

        async def close(self) -> None:
            """Nothing is open."""

    connector = aiohttp.TCPConnector(resolver=Never())
    async with connected("https://portfolio.invalid/ws", connector=connector) as connection:
        with pytest.raises(NotSent, match="timeout"):
            await asyncio.wait_for(connection.exchange(POST, BODY), FOR_EVER)


async def test_a_connection_that_is_never_accepted() -> None:
    """A server whose queue is full leaves us waiting before the first byte."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        for each in waiting:
            each.settimeout(0)
            each.connect_ex(server.getsockname())
        async with connected(f"http://127.0.0.1:{server.getsockname()[1]}/ws") as connection:
            with pytest.raises(NotSent, match="timeout"):
                await asyncio.wait_for(connection.exchange(POST, BODY), FOR_EVER)
        for each in waiting:
            each.close()


async def test_a_handshake_that_never_ends() -> None:
    """TLS is before the first byte of the call too."""
    async with behaving(silent) as address, connected(f"https://{address}/ws") as connection:
        with pytest.raises(NotSent, match="timeout"):
            await asyncio.wait_for(connection.exchange(POST, BODY), FOR_EVER)


@pytest.mark.parametrize(
    "serve",
    [
        silent,
        trickling(b"", b"H"),
        trickling(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"),
        trickling(b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 100 Continue\r\n\r\n"),
    ],
    ids=["silent", "status line", "headers", "continue"],
)
async def test_an_answer_that_never_begins(serve: Serve) -> None:
    """It is of unknown fate when the time is over, however busily nothing is said until then."""
    async with behaving(serve) as address, connected(f"http://{address}/ws") as connection:
        with pytest.raises(AnswerUnknown):
            await asyncio.wait_for(connection.exchange(POST, BODY), FOR_EVER)


@pytest.mark.parametrize(
    ("begin", "piece"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n", b" "),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n", b" "),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + gzip.compress(b"")[:10], b"\x00\x00\x00\xff\xff"),
    ],
    ids=["until closed", "by length", "chunks", "gzip that says nothing"],
)
async def test_a_body_that_never_ends(begin: bytes, piece: bytes) -> None:
    """A byte now and then is no silence; the time for the whole ends it, and nothing of the body is kept."""
    async with behaving(trickling(begin, piece)) as address, connected(f"http://{address}/ws") as connection:
        reply = await asyncio.wait_for(connection.exchange(POST, BODY), FOR_EVER)
    assert (reply.status, reply.body) == (200, b"")
    assert "timeout" in reply.cut


@pytest.mark.parametrize("answer", [b"", OK[:-9]], ids=["silent", "half an answer"])
async def test_what_was_not_taken_in_time_is_never_delivered(answer: bytes) -> None:
    """A server that reads only after we gave up finds that we have gone, not the rest of the request."""
    body, given_up, read = b"<x>" * 300_000, asyncio.Event(), asyncio.Queue()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(1)
        writer.transport.pause_reading()
        writer.write(answer)
        await given_up.wait()
        writer.transport.resume_reading()
        received = 0
        try:
            while piece := await reader.read(1_000_000):
                received += len(piece)
        except ConnectionError:
            await read.put((received, "gone"))
        else:
            await read.put((received, "ended"))

    async with behaving(serve) as address, connected(f"http://{address}/ws") as connection:
        with suppress(AnswerUnknown):
            await asyncio.wait_for(connection.exchange(POST, body), FOR_EVER)
        given_up.set()
        received, end = await asyncio.wait_for(read.get(), FOR_EVER)
    assert received < len(body)
    assert end == "gone"


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="needs TCP_USER_TIMEOUT, which only Linux has")
async def test_the_system_gives_up_too_where_we_cannot() -> None:
    """A process that is frozen closes nothing: what nobody acknowledged in time is then thrown away by the system."""
    async with serving(OK, closes=False) as service, connected(service.url, timeout=30.0) as connection:
        await connection.exchange(POST, BODY)
        ((protocol, _),) = next(iter(connection._session.connector._conns.values()))
        kept = protocol.transport.get_extra_info("socket")
        assert kept.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 30_000


@pytest.mark.parametrize("early", [OK, b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n", b"junk"])
async def test_an_answer_that_came_before_its_call_is_none(early: bytes) -> None:
    """What lies on an idle connection is not taken for the answer to a POST that nobody has read."""
    idle = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK)
        await idle.wait()
        writer.write(early)
        await writer.drain()
        await reader.readuntil(BODY)

    async with behaving(serve) as address, connected(f"http://{address}/ws", timeout=30.0) as connection:
        assert (await connection.exchange(CUSTOMERS.call())).status == 200
        idle.set()
        for _ in range(5):
            await asyncio.sleep(0)
        with pytest.raises(AnswerUnknown if early == b"junk" else NotSent):
            await connection.exchange(POST, BODY)


async def test_a_second_answer_in_the_same_breath_is_not_kept_for_the_next_call() -> None:
    """A body longer than it says it is may hold what looks like an answer."""
    async with (
        serving(lambda number: OK + OK if number == 1 else b"", closes=False) as service,
        connected(service.url, timeout=30.0) as connection,
    ):
        await connection.exchange(CUSTOMERS.call())
        service.closes = True
        with pytest.raises(AnswerUnknown):
            await connection.exchange(POST, BODY)
    assert len(service.requests) == 2
