"""A service that answers with bytes: for what no well-behaved server can be made to send."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

OK = b'HTTP/1.1 200 OK\r\nContent-Type: application/xml\r\nContent-Length: 23\r\n\r\n<response status="Ok"/>'


@dataclass
class RawService:
    """Sends `answer` to each request, then closes if `closes`. `requests` are those that came, head and body."""

    answer: bytes | Callable[[int], bytes]
    closes: bool = True
    requests: list[bytes] = field(default_factory=list)
    url: str = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = next(
                    (int(line[15:]) for line in head.split(b"\r\n") if line.startswith(b"Content-Length:")), 0
                )
                self.requests.append(head + await reader.readexactly(length))
                number = len(self.requests)
                writer.write(self.answer if isinstance(self.answer, bytes) else self.answer(number))
                await writer.drain()
                if self.closes:
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()


@asynccontextmanager
async def serving(answer: bytes | Callable[[int], bytes], *, closes: bool = True) -> AsyncIterator[RawService]:
    """A raw service on a port of this machine."""
    service = RawService(answer, closes=closes)
    async with await asyncio.start_server(service.serve, "127.0.0.1", 0) as server:
        service.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/ws"
        yield service
