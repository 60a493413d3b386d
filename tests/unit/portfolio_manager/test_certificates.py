"""A service that cannot prove who it is gets nothing: real TLS on this machine."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from pm_autoaccept.errors import NotSent
from pm_autoaccept.portfolio_manager.services import CUSTOMERS, DISCONNECT
from pm_autoaccept.portfolio_manager.transport import Connection
from tests.unit.portfolio_manager.raw_service import OK

CERTIFICATE = Path(__file__).parents[2] / "fixtures" / "localhost.pem"
"""For localhost and 127.0.0.1; nobody vouches for it."""


class Service:
    """A TLS server; `received` is what came through TLS, decrypted."""

    def __init__(self) -> None:
        self.received = b""
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        try:
            self.received += await reader.readuntil(b"\r\n\r\n")
            writer.write(OK)
            await writer.drain()
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def serving(address: str) -> AsyncIterator[Service]:
    """A TLS server there, with that certificate."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(CERTIFICATE)
    service = Service()
    async with await asyncio.start_server(service.serve, address, 0, ssl=context) as server:
        service.port = server.sockets[0].getsockname()[1]
        yield service


def connected(service: Service, host: str, connector: aiohttp.BaseConnector | None = None) -> Connection:
    """A connection to it by that name."""
    url = f"https://{host}:{service.port}/ws"
    return Connection(base_url=url, username="u", password="hunter2", timeout=30.0, connector=connector)


def trusting() -> aiohttp.TCPConnector:
    """Trust in this very certificate."""
    return aiohttp.TCPConnector(ssl=ssl.create_default_context(cafile=str(CERTIFICATE)))


@pytest.mark.parametrize("call", [CUSTOMERS.call(), DISCONNECT.call(7, keepShares="false")], ids=["GET", "POST"])
async def test_a_certificate_that_nobody_vouches_for(call) -> None:
    """Nothing leaves, no credentials either, and the error says what is wrong."""
    async with serving("127.0.0.1") as service:
        async with connected(service, "localhost") as connection:
            with pytest.raises(NotSent, match="certificate verify failed"):
                await connection.exchange(call)
        assert service.received == b""
        async with connected(service, "localhost", trusting()) as connection:
            assert (await connection.exchange(call)).status == 200
        assert b"Authorization: Basic" in service.received


async def test_a_certificate_of_another_name() -> None:
    """Who is vouched for under one name is nobody under another."""
    async with serving("127.0.0.2") as service:
        async with connected(service, "127.0.0.2", trusting()) as connection:
            with pytest.raises(NotSent, match="certificate is not valid for"):
                await connection.exchange(CUSTOMERS.call())
        assert service.received == b""
