"""What the program is measured against: short scripts without policy, ledger or checks, as people write them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

import aiohttp
import requests
from lxml import etree

from tests.acceptance.processes import Served

LISTS = {"connect/account": "accountId", "share/property": "propertyId", "share/meter": "meterId"}
"""Path of a kind's services → the element with the id that an answer names. Parents come first."""

ACCEPT = b"<sharingResponse><action>Accept</action></sharingResponse>"
XML = {"Content-Type": "application/xml"}

Page = tuple[list[str], bool]
"""The ids on a page, and whether another follows."""


def read(document: bytes, name: str) -> Page:
    """What a script reads of a page."""
    root = etree.fromstring(document)
    return [each.text or "" for each in root.findall(f"*/{name}")], root.find(
        "links/link[@linkDescription='next page']"
    ) is not None


def one_by_one(served: Served, paths: Sequence[str] = tuple(LISTS), *, answer: bool = True) -> tuple[float, int]:
    """A `requests` script: follow the next links of each list, then accept one request after the other.

    Returns seconds, and how many calls were made.
    """
    with requests.Session() as session:
        session.auth = (served.username, served.password)
        calls, found = 0, []
        begun = time.perf_counter()
        for path in paths:
            page, more = 1, True
            while more:
                got = session.get(f"{served.url}/{path}/pending/list", params={"page": page})
                got.raise_for_status()
                ids, more = read(got.content, LISTS[path])
                found += [f"{served.url}/{path}/{each}" for each in ids]
                page, calls = page + 1, calls + 1
        for url in found if answer else ():
            session.post(url, data=ACCEPT, headers=XML).raise_for_status()
            calls += 1
        return time.perf_counter() - begun, calls


async def bare_loop(served: Served, in_flight: int) -> tuple[float, int]:
    """An aiohttp loop: so many calls in flight, pages too, parents before children and otherwise in no order.

    Returns seconds, and how many calls were made.
    """
    calls = 0
    turn = asyncio.Semaphore(in_flight)
    auth = aiohttp.encode_basic_auth(served.username, served.password)
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0), headers={"Authorization": auth}, raise_for_status=True
    ) as session:

        async def get(path: str, page: int) -> Page:
            nonlocal calls
            async with turn, session.get(f"{served.url}/{path}/pending/list", params={"page": page}) as got:
                calls += 1
                return read(await got.read(), LISTS[path])

        async def accept(path: str, number: str) -> None:
            nonlocal calls
            async with turn, session.post(f"{served.url}/{path}/{number}", data=ACCEPT, headers=XML) as got:
                calls += 1
                await got.read()

        async def every(path: str) -> list[str]:
            found, page, more = [], 1, True
            while more:  # as many pages at once as calls; those beyond the end are empty
                pages = await asyncio.gather(*(get(path, page + ahead) for ahead in range(in_flight)))
                found += [each for ids, _ in pages for each in ids]
                page, more = page + in_flight, all(more for _, more in pages)
            return found

        begun = time.perf_counter()
        lists = await asyncio.gather(*map(every, LISTS))
        for path, ids in zip(LISTS, lists, strict=True):
            await asyncio.gather(*(accept(path, each) for each in ids))
        return time.perf_counter() - begun, calls
