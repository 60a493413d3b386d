"""Data at an address, from a real server: asked whether it has changed, and never taken for what it is not."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer, unused_port

from pm_autoaccept.data_sources.fetch import Places, read_source
from pm_autoaccept.data_sources.http_source import Reach, read_url
from pm_autoaccept.model import NotLearnt
from pm_autoaccept.policy import Form, Source, Table
from pm_autoaccept.policy.values import FieldType

CSV = {"Content-Type": "text/csv; charset=utf-8"}
TEXT = "n,t\n00-1,4\n,5\n2,\n"


@dataclass(slots=True)
class Shelf:
    """A server of data, which answers as it is told and remembers what it was asked.

    Attributes:
        answer: how it answers.
        asked: the headers of each request.
    """

    answer: Callable[[web.Request], Awaitable[web.StreamResponse]] | None = None
    asked: list[dict[str, str]] = field(default_factory=list)
    url: str = ""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer a request."""
        self.asked.append(dict(request.headers))
        assert self.answer is not None
        return await self.answer(request)

    def gives(self, body: bytes | str, status: int = 200, **headers: str) -> None:
        """Answer so from now on."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        data = body.encode() if isinstance(body, str) else body

        async def answer(_: web.Request) -> web.Response:
            return web.Response(body=data, status=status, headers=CSV | named)

        self.answer = answer


@pytest.fixture
async def shelf() -> AsyncIterator[Shelf]:
    """A server of data on this machine."""
    made = Shelf()
    application = web.Application()
    application.router.add_get("/{path:.*}", made.handle)
    async with TestServer(application) as server:
        made.url = str(server.make_url("/accounts.csv?key=s3cret"))
        yield made


@pytest.fixture
def source(shelf: Shelf) -> Source:
    """What a policy declares of it."""
    return Source(name="accounts", form=Form.URL, url=shelf.url, key=("n",), columns={"t": FieldType.INTEGER})


async def test_a_table_at_an_address(shelf, source, tmp_path):
    """It is read as a file is, and is from when the server says."""
    shelf.gives(TEXT, Last_Modified="Tue, 03 Mar 2026 08:00:00 GMT")
    reading = await read_source(source, Places(tmp_path))
    assert isinstance(reading.table, Table)
    assert reading.table.row(("00-1",)) == {"n": "00-1", "t": 4}
    assert (reading.table.rows, reading.dropped) == (2, 1)
    assert reading.dated == datetime(2026, 3, 3, 8, tzinfo=UTC)
    assert shelf.asked[0]["User-Agent"].startswith("pm-autoaccept/")
    assert "If-None-Match" not in shelf.asked[0]


async def test_one_key_a_line(shelf, source):
    """Without a key column it is a list; nobody says when it is from."""
    shelf.gives("a\n\n b \n", Content_Type="text/plain")
    reading = await read_url(replace(source, key=("value",), columns={}, plain=True))
    assert isinstance(reading.table, Table)
    assert reading.table.has(("b",)) is True
    assert (reading.table.rows, reading.dated) == (2, None)


async def test_what_has_not_changed_is_not_sent_again(shelf, source):
    """The server is told which version we have; its 304 keeps that very table, and another version replaces it."""
    modified = "Tue, 03 Mar 2026 08:00:00 GMT"
    shelf.gives(TEXT, ETag='"one"', Last_Modified=modified)
    first = await read_url(source)
    shelf.gives(b"", 304)
    second = await read_url(source, before=first)
    assert second == replace(first, again=True)
    assert second.table is first.table
    assert (shelf.asked[1]["If-None-Match"], shelf.asked[1]["If-Modified-Since"]) == ('"one"', modified)
    shelf.gives("n,t\n9,9\n", ETag='"two"')
    third = await read_url(source, before=second)
    assert isinstance(third.table, Table)
    assert (third.table.has(("9",)), third.again) == (True, False)
    shelf.gives(b"", 304)
    assert isinstance((await read_url(source)).table, NotLearnt)


async def test_packed_and_led_on(shelf, source):
    """An answer may be packed, and the host may lead on within itself."""
    shelf.gives(gzip.compress(TEXT.encode()), Content_Encoding="gzip")
    packed = (await read_url(source)).table
    assert isinstance(packed, Table)
    plain = shelf.answer

    async def led(request: web.Request) -> web.StreamResponse:
        if request.path == "/accounts.csv":
            raise web.HTTPFound("/there.csv")
        assert plain is not None
        return await plain(request)

    shelf.answer = led
    assert (await read_url(source)).table == packed


WEB_PAGE = "<!DOCTYPE html><title>Please sign in</title>"
BOMB = gzip.compress(b"n,t\n" + b"1,1\n" * 1_000_000)
HALF = gzip.compress(TEXT.encode() * 100)[:-20]


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ((TEXT, 500), "the server responded with 500 Internal Server Error"),
        ((TEXT, 404), "the server responded with 404 Not Found"),
        ((TEXT, 206), "the server responded with 206 Partial Content"),
        ((TEXT, 204), "the server responded with 204 No Content"),
        (
            (WEB_PAGE, 200, {"Content_Type": "text/html"}),
            "the response is a web page (possibly a sign-in page), not CSV",
        ),
        ((WEB_PAGE, 200), "the response begins like a web page"),
        ((b"\xef\xbb\xbf \n<html>", 200, {"Content_Type": "text/plain"}), "the response begins like a web page"),
        (('{"n": 1}', 200, {"Content_Type": "application/json"}), "the response is application/json, not CSV or text"),
        ((TEXT, 200, {"Content_Type": "text/csv; charset=iso-8859-1"}), "the response is iso-8859-1, not UTF-8"),
        ((b"n,t\nZ\xfcrich,1\n", 200), "line 2 is not UTF-8"),
        (("", 200), "the column n is missing in the header"),
        (("n,t\n", 200), "there are no keys"),
        (("n,t\n1.23E+11,1\n", 200), "line 2: a spreadsheet changed the key to 1.23E+11"),
        (("n,t\n" + "1,1\n" * 1_000, 200), "is larger than 3,000 bytes"),
        ((BOMB, 200, {"Content_Encoding": "gzip"}), "is larger than 3,000 bytes"),
        ((HALF, 200, {"Content_Encoding": "gzip"}), "the response ended early"),
        (
            (gzip.compress(b"n,t\n") + gzip.compress(b"1,1\n"), 200, {"Content_Encoding": "gzip"}),
            "has several parts or trailing data",
        ),
        ((b"n,t\n1,1\n", 200, {"Content_Encoding": "gzip"}), "the download failed: Error -3"),
        ((TEXT, 200, {"Content_Encoding": "br"}), "the response has the unsupported Content-Encoding br"),
        (
            (b"", 302, {"Location": "https://elsewhere.example/a.csv"}),
            "it redirects to another host (https://elsewhere.",
        ),
        ((b"", 302, {"Location": "/accounts.csv"}), "it redirects more than 3 times"),
        ((b"", 302, {"Location": "https://[/"}), "the download failed"),
        ((b"", 302), "it redirects more than"),
    ],
)
async def test_what_is_no_table(shelf, source, answer, why):
    """Whatever the server says but a whole table in UTF-8: not learnt, with the reason, without what may be secret."""
    body, status, headers = (*answer, {})[:3]
    shelf.gives(body, status, **headers)
    learnt = (await read_url(source, reach=Reach(largest=3_000))).table
    assert isinstance(learnt, NotLearnt)
    assert why in learnt.why
    assert learnt.why.startswith(f"{shelf.url.partition('?')[0]}: ")
    assert "s3cret" not in learnt.why


async def test_a_list_that_is_csv(shelf, source):
    """A csv file is not read as a list, whose keys would be whole lines."""
    shelf.gives(TEXT)
    learnt = (await read_url(replace(source, key=("value",), columns={}, plain=True))).table
    assert isinstance(learnt, NotLearnt)
    assert "the response is CSV; name the key column" in learnt.why


async def test_an_answer_that_breaks_off(shelf, source):
    """Half a table is none, whether the server says how long it was to be or sends it in pieces."""

    async def half(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers=CSV)
        response.content_length = 1_000
        await response.prepare(request)
        await response.write(TEXT.encode())
        assert request.transport is not None
        request.transport.close()
        return response

    shelf.answer = half
    learnt = (await read_url(source)).table
    assert isinstance(learnt, NotLearnt)
    assert learnt.why.endswith("the response ended early")


async def test_a_server_that_does_not_answer(shelf, source):
    """It is not waited for longer than it may take, neither for the first byte nor for the next."""
    never = asyncio.Event()

    async def silent(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers=CSV)
        if request.query.get("begins"):
            await response.prepare(request)
            await response.write(b"n,t\n1,1\n")
        await never.wait()
        return response

    shelf.answer = silent
    for url in (shelf.url, f"{shelf.url}&begins=1"):
        reading = await read_url(replace(source, url=url), reach=Reach(next=timedelta(milliseconds=100)))
        assert isinstance(reading.table, NotLearnt)
        assert reading.table.why.endswith("the download timed out")
    never.set()


async def test_a_server_that_is_not_there(tmp_path):
    """Nobody listens: the reason names the host."""
    url = f"http://127.0.0.1:{unused_port()}/a.csv"
    source = Source(name="accounts", form=Form.URL, url=url, key=("n",))
    learnt = (await read_source(source, Places(Path(tmp_path)))).table
    assert isinstance(learnt, NotLearnt)
    assert "the download failed: 127.0.0.1: " in learnt.why
