"""A real HTTP proxy on this machine, which knows by itself where names lead: its clients look up none of them."""

from __future__ import annotations

import asyncio
import ssl
from base64 import b64decode
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

CERTIFICATE = Path(__file__).parent / "fixtures" / "behind-a-proxy.pem"
"""For pm.example.test, data.example.test, EPA's host and localhost; it is its own authority."""

REFUSED = b'HTTP/1.1 407 Sign in\r\nProxy-Authenticate: Basic realm="proxy"\r\nContent-Length: 0\r\n\r\n'


def trust() -> ssl.SSLContext:
    """Trust in that certificate."""
    return ssl.create_default_context(cafile=str(CERTIFICATE))


def presented() -> ssl.SSLContext:
    """What a server presents that has that certificate."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(CERTIFICATE)
    return context


@dataclass(frozen=True, slots=True)
class Asked:
    """What a proxy was asked: the method, where to, and the credentials that came along."""

    method: str
    target: str
    credentials: str | None


@dataclass(slots=True)
class ConnectProxy:
    """A proxy, by CONNECT and, for plain HTTP, by whole addresses.

    Attributes:
        hosts: `name:port` → the port on 127.0.0.1 that it leads to.
        credentials: `user:password`, without which nobody passes; None lets everybody pass.
        answer: what it answers instead of what it should; empty hangs up.
        hears: called with the head of each request.
        hangs: it says nothing at all until this is set.
        asked: every request, in order.
    """

    hosts: dict[str, int]
    credentials: str | None = None
    answer: bytes | None = None
    hears: Callable[[bytes], object] = lambda _head: None
    hangs: asyncio.Event | None = None
    asked: list[Asked] = field(default_factory=list)
    port: int = 0
    _open: set[asyncio.StreamWriter] = field(default_factory=set)

    @property
    def tries(self) -> int:
        """How often credentials came."""
        return sum(each.credentials is not None for each in self.asked)

    def hang_up(self) -> None:
        """End every connection."""
        for writer in self._open:
            writer.transport.abort()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        self._open.add(writer)
        try:
            await self._serve(reader, writer)
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            self._open.discard(writer)
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        self.hears(head.encode())
        first, *lines = head.split("\r\n")
        method, target, _ = first.split(" ")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        sent = headers.get("proxy-authorization")
        said = None if sent is None else b64decode(sent.removeprefix("Basic ")).decode()
        self.asked.append(Asked(method, target, said))
        if self.hangs is not None:
            await self.hangs.wait()
            return
        if self.answer is not None or (self.credentials is not None and said != self.credentials):
            writer.write(REFUSED if self.answer is None else self.answer)
            await writer.drain()
            return
        url = urlsplit(target)
        where = target if method == "CONNECT" else f"{url.hostname}:{url.port or 80}"
        if where not in self.hosts:
            writer.write(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
            await writer.drain()
            return
        to_reader, to_writer = await asyncio.open_connection("127.0.0.1", self.hosts[where])
        if method == "CONNECT":
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        else:
            kept = "\r\n".join(line for line in lines if not line.lower().startswith("proxy-"))
            to_writer.write(f"{method} {url.path}?{url.query} HTTP/1.1\r\n{kept}".encode())
        await both_ways((reader, writer), (to_reader, to_writer))

    @asynccontextmanager
    async def serving(self, *, tls: bool = False) -> AsyncIterator[ConnectProxy]:
        """Serve on a port of this machine; with `tls` it is itself spoken to by TLS."""
        server = await asyncio.start_server(self.serve, "127.0.0.1", 0, ssl=presented() if tls else None)
        async with server:
            self.port = server.sockets[0].getsockname()[1]
            try:
                yield self
            finally:
                self.hang_up()


Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def both_ways(one: Ends, other: Ends) -> None:
    """Carry what comes from either end to the other, until both have ended."""

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(1 << 16):
                writer.write(data)
                await writer.drain()
        writer.close()

    await asyncio.gather(carry(one[0], other[1]), carry(other[0], one[1]))


@asynccontextmanager
async def behind_tls(port: int) -> AsyncIterator[int]:
    """A port of this machine that speaks TLS, with that certificate, before a server that does not."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            await both_ways((reader, writer), await asyncio.open_connection("127.0.0.1", port))

    async with await asyncio.start_server(serve, "127.0.0.1", 0, ssl=presented()) as server:
        yield server.sockets[0].getsockname()[1]
