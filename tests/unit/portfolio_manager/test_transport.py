"""One call over HTTP: what is sent, what is refused, and whose errors come out."""

from __future__ import annotations

import asyncio
import base64
import gzip
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp.abc import AbstractResolver

import pm_autoaccept
from pm_autoaccept.config import SERVICES
from pm_autoaccept.errors import AnswerUnknown, ConfigurationError, NotSent, Transient
from pm_autoaccept.parse import MAX_BYTES
from pm_autoaccept.portfolio_manager.services import CUSTOMERS, DISCONNECT
from pm_autoaccept.portfolio_manager.transport import Connection, checked_base_url
from tests.unit.portfolio_manager.raw_service import OK, serving

GET = CUSTOMERS.call()
POST = DISCONNECT.call(7, keepShares="false")
SECRET = "pass:wörd \u2603"


@asynccontextmanager
async def connected(url: str, **more: object):
    """A connection with a password worth hiding."""
    settings = {"base_url": url, "username": "jos\u00e9", "password": SECRET, "timeout": 30.0}
    async with Connection(**settings | more) as connection:
        yield connection


async def test_what_is_sent() -> None:
    """One request: signed in with UTF-8, XML asked for and sent, the query said, and nothing else told."""
    async with serving(OK) as service, connected(service.url + "/") as connection:
        reply = await connection.exchange(POST, b"<terminateSharingResponse/>")
    assert (reply.status, reply.body, reply.cut) == (200, b'<response status="Ok"/>', None)
    (request,) = service.requests
    head, _, body = request.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    fields = dict(line.split(": ", 1) for line in lines[1:])
    assert lines[0] == "POST /ws/disconnect/account/7?keepShares=false HTTP/1.1"
    assert base64.b64decode(fields["Authorization"].removeprefix("Basic ")).decode() == f"jos\u00e9:{SECRET}"
    assert fields["Accept"] == fields["Content-Type"] == "application/xml"
    assert fields["User-Agent"] == f"pm-autoaccept/{pm_autoaccept.__version__}"
    assert body == b"<terminateSharingResponse/>"


async def test_cookies_are_not_kept() -> None:
    """Every call signs in by itself; a cookie that came is not sent back."""
    answer = OK.replace(b"\r\n", b"\r\nSet-Cookie: session=1; Path=/\r\n", 1)
    # A jar that keeps cookies keeps none of a numeric address.
    async with (
        serving(answer, closes=False) as service,
        connected(service.url.replace("127.0.0.1", "localhost")) as connection,
    ):
        await connection.exchange(GET)
        await connection.exchange(GET)
    assert len(service.requests) == 2
    assert not any(b"cookie" in request.lower() for request in service.requests)


@pytest.mark.parametrize("call", [GET, POST], ids=["GET", "POST"])
@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: " + b"y" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n",
        OK.replace(b"Content-Length: 23", b"Transfer-Encoding: chunked"),
    ],
    ids=["closed", "half a head", "another protocol", "endless head", "bad length", "no chunks"],
)
async def test_a_broken_answer_is_never_asked_for_again(call, answer: bytes) -> None:
    """A call leaves exactly once, also where aiohttp would repeat a GET by itself; and its error tells no secrets."""
    body = None if call is GET else b"<terminateSharingResponse/>"
    async with serving(answer) as service, connected(service.url) as connection:
        with pytest.raises(Transient if call is GET else AnswerUnknown) as raised:
            await connection.exchange(call, body)
    assert len(service.requests) == 1
    assert not isinstance(raised.value, NotSent)
    # An error of aiohttp as cause or context would carry the request's headers into every traceback that is logged.
    assert raised.value.__cause__ is raised.value.__context__ is None


async def test_a_kept_connection_that_the_service_closed_leaves_a_post_unknown() -> None:
    """The request may have reached the service before it closed: it is not sent again on a new connection."""
    async with serving(lambda number: OK if number == 1 else b"", closes=False) as service:
        service.closes = False
        async with connected(service.url) as connection:
            await connection.exchange(GET)
            service.closes = True
            with pytest.raises(AnswerUnknown):
                await connection.exchange(POST, b"<terminateSharingResponse/>")
    assert len(service.requests) == 2


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (OK.replace(b"Length: 23", b"Length: 99"), "broke off"),
        (OK.replace(b"Length: 23", b"Encoding: gzip\r\nContent-Length: 23"), "broke off"),
        (b"HTTP/1.1 200 OK\r\n\r\n" + b" " * (MAX_BYTES + 1), "more than"),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + gzip.compress(b" " * (MAX_BYTES * 20)), "more than"),
    ],
    ids=["short", "no gzip", "large", "bomb"],
)
async def test_a_body_that_is_not_whole_is_left_out(answer: bytes, why: str) -> None:
    """The status has come; of a body that breaks off, or never ends, nothing is kept."""
    async with serving(answer) as service, connected(service.url) as connection:
        reply = await connection.exchange(GET)
    assert (reply.status, reply.body) == (200, b"")
    assert why in reply.cut


@pytest.mark.parametrize("answer", [OK, b""], ids=["speaks plainly", "hangs up"])
async def test_a_service_that_speaks_no_tls_gets_nothing(answer: bytes) -> None:
    """A failed handshake is before the first byte of the call, whatever the call."""

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/ws"
        async with connected(url) as connection:
            with pytest.raises(NotSent, match="no connection"):
                await connection.exchange(POST, b"<terminateSharingResponse/>")


async def test_a_name_that_does_not_resolve_is_before_the_first_byte() -> None:
    """Without an address nothing leaves."""

    class Nowhere(AbstractResolver):
        async def resolve(self, *_: object, **__: object):
            raise OSError(None, "Name or service not known")

        async def close(self) -> None:
            """Nothing is open."""

    connector = aiohttp.TCPConnector(resolver=Nowhere())
    async with connected("https://portfolio.invalid/ws", connector=connector) as connection:
        with pytest.raises(NotSent, match="no connection"):
            await connection.exchange(POST, b"<terminateSharingResponse/>")


async def test_a_connection_that_takes_too_long_is_before_the_first_byte() -> None:
    """A time that runs out while connecting has sent nothing, and is told from one that runs out while waiting."""

    class Nobody(aiohttp.TCPConnector):
        async def connect(self, *_: object, **__: object):
            raise TimeoutError

    async with connected("https://portfolio.invalid/ws", connector=Nobody()) as connection:
        with pytest.raises(NotSent, match="timeout"):
            await connection.exchange(POST, b"<terminateSharingResponse/>")


@pytest.mark.parametrize(
    "url",
    [
        SERVICES["live"],
        SERVICES["test"],
        SERVICES["test"] + "/ ",
        "http://127.0.0.1:8/wstest",
        "http://[::1]/",
        "http://localhost",
    ],
)
def test_a_base_url_may_be_https_or_on_this_machine(url: str) -> None:
    """A password goes over TLS, or does not leave this machine."""
    assert checked_base_url(url).host


@pytest.mark.parametrize(
    "url",
    [
        "http://portfoliomanager.energystar.gov/ws",
        "http://127.0.0.1.example.com/",
        "http://10.0.0.1/",
        "http://[fe80::1]/",
        "ftp://127.0.0.1/",
        "127.0.0.1:80/ws",
        "https:///ws",
        "https://host/ws?x=1",
        "https://host/ws#x",
        "https://host:port/",
        "https://someone:hunter2@host/ws",
        "https://:hunter2@host/ws",
        "",
    ],
)
def test_any_other_base_url_is_refused(url: str) -> None:
    """What cannot be trusted with a password is an error of the configuration, which does not repeat secrets."""
    with pytest.raises(ConfigurationError) as raised:
        checked_base_url(url)
    assert "hunter2" not in str(raised.value)


@pytest.mark.parametrize(
    ("username", "password"), [("", "x"), ("x", ""), ("a:b", SECRET), ("x", "\ud800hunter2"), ("\ud800", SECRET)]
)
def test_credentials_that_basic_cannot_carry_are_refused(username: str, password: str) -> None:
    """A colon in the username would move the border to the password."""
    with pytest.raises(ConfigurationError) as raised:
        Connection(base_url=SERVICES["test"], username=username, password=password, timeout=1.0)
    assert "hunter2" not in str(raised.value)
    assert SECRET not in str(raised.value)
