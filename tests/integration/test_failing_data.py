"""A source that fails in the middle of a run: no accept and no reject rests on it."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from pydantic import SecretStr

from pm_autoaccept import policy
from pm_autoaccept.data_sources import Reading
from pm_autoaccept.data_sources.fetch import Places, read_source
from pm_autoaccept.data_sources.http_source import Reach, read_url
from pm_autoaccept.model import CustomField, Facts, Kind, PendingRequest, Verdict
from pm_autoaccept.policy import Source

RULES = """
version: 1
data:
  accounts: {%s}
rules:
  - id: customer
    on: connection
    when: {custom.Number: {in: accounts}}
    then: accept
  - id: stranger
    on: connection
    when: {not: {custom.Number: {in: accounts}}}
    then: reject
"""
FACTS = Facts(now=datetime(2026, 3, 4, tzinfo=UTC), defined=frozenset({"Number"}))
GOOD = "n\n00-1\n\n2\n"


def connection(number: str | None) -> PendingRequest:
    """A connection request of a customer who says this number."""
    return PendingRequest(
        kind=Kind.CONNECTION,
        id=1,
        account_id=1,
        username="a",
        custom=() if number is None else (CustomField("Number", number),),
    )


class Run:
    """A policy whose one source is read again and again."""

    def __init__(self, declared: str, read: Callable[[Source], Awaitable[Reading]]) -> None:
        self.policy = policy.load({"p.yaml": (RULES % declared).encode()})
        self.read = read

    @classmethod
    def with_data_at(cls, declared: str, places: Places) -> Run:
        """Data that may be in these places."""
        return cls(declared, lambda source: read_source(source, places))

    async def verdicts(self) -> dict[str, str]:
        """What comes of a customer, a stranger, one who says `n/a`, and one who says nothing."""
        reading = await self.read(self.policy.sources["accounts"])
        verdicts = {}
        for number in ("001", "9", "n/a", None):
            judged = self.policy.judge(connection(number), FACTS, {"accounts": reading.table})
            verdicts[number or "nothing"] = judged.verdict.value
        return verdicts


ALL_IS_WELL = {"001": "accept", "9": "reject", "n/a": "hold", "nothing": "hold"}
NOTHING_RESTS_ON_IT = dict.fromkeys(ALL_IS_WELL, Verdict.HOLD.value)


@pytest.mark.parametrize("contents", [None, "", "n\n", "n\n\n", "m\n001\n", "n\n1.23E+11\n", "n\n00\udcfc\n", "<html>"])
async def test_a_file_that_fails(tmp_path, contents):
    """It vanishes, is emptied, half-written, spoilt, or another file: everybody waits, until it is whole again."""
    file = tmp_path / "a.csv"
    run = Run.with_data_at("csv: a.csv, key: n, clean: digits", Places(tmp_path))
    file.write_text(GOOD)
    assert await run.verdicts() == ALL_IS_WELL
    if contents is None:
        file.unlink()
    else:
        file.write_bytes(os.fsencode(contents))
    assert await run.verdicts() == NOTHING_RESTS_ON_IT
    file.write_text(GOOD)
    assert await run.verdicts() == ALL_IS_WELL


async def test_a_database_that_fails(tmp_path):
    """Its table is dropped, its file is gone: everybody waits."""
    path = tmp_path / "b.db"

    def write(statement: str) -> None:
        with sqlite3.connect(path) as database:
            database.execute(statement)
        database.close()

    places = Places(tmp_path, {"billing": SecretStr(f"sqlite:///{path}")})
    run = Run.with_data_at("sql: {connection: billing, query: select n from t}, key: n, clean: digits", places)
    assert await run.verdicts() == NOTHING_RESTS_ON_IT
    write("CREATE TABLE t (n TEXT)")
    assert await run.verdicts() == NOTHING_RESTS_ON_IT
    write("INSERT INTO t VALUES ('00-1'), (NULL), (' ')")
    assert await run.verdicts() == ALL_IS_WELL
    write("ALTER TABLE t RENAME TO u")
    assert await run.verdicts() == NOTHING_RESTS_ON_IT
    path.write_bytes(b"no database at all" * 1_000)
    assert await run.verdicts() == NOTHING_RESTS_ON_IT
    path.unlink()
    assert await run.verdicts() == NOTHING_RESTS_ON_IT


async def _hangs_up(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.close()
    return web.Response()


async def _stops_midway(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/csv"})
    await response.prepare(request)
    await response.write(b"n\n001\n")
    await asyncio.Event().wait()
    return response


def _gives(body: str, kind: str = "text/csv", status: int = 200) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(text=body, content_type=kind, status=status)

    return answer


FAILING = {
    "500": _gives(GOOD, status=500),
    "a web page": _gives("<html>Please sign in</html>", "text/html"),
    "a web page called csv": _gives("<html>\n001\n"),
    "emptied": _gives("n\n"),
    "another table": _gives("m\n001\n"),
    "hangs up": _hangs_up,
    "stops midway": _stops_midway,
}


async def test_an_address_that_fails():
    """It answers 500, a web page, nothing, half of it, or not at all: everybody waits, until it is whole again."""
    answer = _gives(GOOD)

    async def handle(request: web.Request) -> web.StreamResponse:
        return await answer(request)

    application = web.Application()
    application.router.add_get("/a.csv", handle)
    async with TestServer(application) as server:
        declared = f"url: '{server.make_url('/a.csv')}', key: n, clean: digits"
        last: list[Reading] = []

        async def read(source: Source) -> Reading:
            before = last[-1] if last else None
            reading = await read_url(source, before=before, reach=Reach(next=timedelta(milliseconds=200)))
            last.append(reading)
            return reading

        run = Run(declared, read)
        for name, failing in FAILING.items():
            answer = _gives(GOOD)
            assert await run.verdicts() == ALL_IS_WELL, name
            answer = failing
            assert await run.verdicts() == NOTHING_RESTS_ON_IT, name
    assert await run.verdicts() == NOTHING_RESTS_ON_IT
