"""Sources at an address, `url`: asked whether they have changed, bounded in size and time, and never elsewhere."""

from __future__ import annotations

import json
import zlib
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import partial
from http import HTTPStatus
from tempfile import SpooledTemporaryFile
from typing import IO

import aiohttp
from yarl import URL

import pm_autoaccept
from pm_autoaccept.data_sources.source_content import Doubtful, Reading, doubt
from pm_autoaccept.data_sources.streams import LARGEST, take
from pm_autoaccept.data_sources.threads import apart
from pm_autoaccept.egress import Proxy, refusal
from pm_autoaccept.egress.proxy_password import Egress
from pm_autoaccept.errors import ConfigurationError, LedgerError, PortfolioManagerError
from pm_autoaccept.policy import Source
from pm_autoaccept.policy.data.layouts import read_encoding
from pm_autoaccept.redaction import redacted

_IN_MEMORY = 16 << 20
"""Bytes of an answer up to which no file is made of it."""
_PIECE = 1 << 18
_REDIRECTS = 3
_GZIP = 16 + zlib.MAX_WBITS
_TEXT = frozenset(
    {
        "application/csv",
        "application/octet-stream",
        "application/vnd.ms-excel",
        "text/comma-separated-values",
        "text/csv",
        "text/plain",
    }
)
"""What servers call a csv file, or a list of lines; anything else is something else."""
_CSV = _TEXT - {"application/octet-stream", "text/plain"}
_CHARSETS = frozenset({"", "utf-8", "utf8", "us-ascii", "ascii"})


@dataclass(frozen=True, slots=True)
class Reach:
    """What an answer may cost: bytes, unpacked, and how long it may take, until the next of them and altogether."""

    largest: int = LARGEST
    next: timedelta = timedelta(seconds=30)
    whole: timedelta = timedelta(minutes=4)


REACH = Reach()


async def read_url(
    source: Source, *, before: Reading | None = None, reach: Reach = REACH, egress: Egress | None = None
) -> Reading:
    """Ask an address for the rows of a source.

    Args:
        source: a `url` one.
        before: the last good reading: what is returned, `again`, where the server says that nothing has changed.
        reach: what the answer may cost.
        egress: how addresses are reached; directly where None.
    """
    mark = before.mark if before is not None else ""
    try:
        async with _answer(URL(source.url or ""), _condition(mark), reach, egress or Egress()) as answer:
            if answer.status == HTTPStatus.NOT_MODIFIED and before is not None and mark:
                return replace(before, again=True)
            _look_at(answer, source)
            with SpooledTemporaryFile(_IN_MEMORY) as file:
                await _receive(answer, file, reach.largest)
                taken = apart(lambda: take(source, file, largest=reach.largest), name=f"read data {source.name}")
                taking, digest = await taken
            return taking.reading(digest=digest, dated=_last_modified(answer.headers), mark=_mark(answer.headers))
    except Doubtful as error:
        why = str(error)
    except (ConfigurationError, LedgerError, PortfolioManagerError) as error:
        why = f"it cannot be read: {getattr(error, 'text', error)}"
    except TimeoutError:
        why = "it does not answer in time"
    except (aiohttp.ClientError, OSError, zlib.error, ValueError) as error:
        why = f"it cannot be read: {_in_words(error)}"
    # A server may repeat what it was asked, and a library what it was given.
    return doubt(source, redacted(why, source.url or "") or "it cannot be read, and why holds a part of its address")


@asynccontextmanager
async def _answer(
    url: URL, condition: Mapping[str, str], reach: Reach, egress: Egress
) -> AsyncIterator[aiohttp.ClientResponse]:
    """The answer to a GET; it is led elsewhere on the same host only, since a policy names whom it trusts."""
    timeout = aiohttp.ClientTimeout(
        total=reach.whole.total_seconds(), sock_connect=reach.next.total_seconds(), sock_read=reach.next.total_seconds()
    )
    headers = {
        "User-Agent": f"pm-autoaccept/{pm_autoaccept.__version__}",
        "Accept": "text/csv, text/plain;q=0.9, */*;q=0.1",
        "Accept-Encoding": "gzip",
        **condition,
    }
    # Unpacked here, piece by piece: a small answer may be a large one packed.
    async with aiohttp.ClientSession(timeout=timeout, headers=headers, auto_decompress=False) as session:
        for _ in range(_REDIRECTS + 1):
            proxy, call = egress.proxy(str(url)), f"GET {url.host}"
            got = egress.passage.through(proxy, partial(_get, session, url, proxy, call), call=call)
            async with await got as answer:
                if answer.status not in {301, 302, 303, 307, 308}:
                    yield answer
                    return
                led_to = url.join(URL(answer.headers.get("Location", "")))
            if led_to.origin() != url.origin():
                raise Doubtful(f"it leads to another host ({led_to.origin()}); if you trust that, write it here")
            url = led_to
        raise Doubtful(f"it leads from one address to the next, more than {_REDIRECTS} times")


async def _get(session: aiohttp.ClientSession, url: URL, proxy: Proxy | None, call: str) -> aiohttp.ClientResponse:
    """The answer to a GET, through a proxy or directly; raises what a proxy's refusal means."""
    if proxy is None:
        return await session.get(url, allow_redirects=False)
    # aiohttp uses `proxy_headers` for CONNECT only.
    plain = proxy.headers if url.scheme == "http" else {}
    try:
        answer = await session.get(
            url, allow_redirects=False, proxy=proxy.address, proxy_headers=proxy.headers, headers=plain
        )
    except aiohttp.ClientHttpProxyError as error:
        # Raised without that error as its context: it holds the proxy's password.
        refused = refusal(proxy, error.status, error.headers or {}, call=call)
    else:
        if url.scheme != "http" or answer.status != HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
            return answer
        answer.close()
        refused = refusal(proxy, answer.status, answer.headers, call=call)
    raise refused


def _look_at(answer: aiohttp.ClientResponse, source: Source) -> None:
    """Refuse what is no table, by what the server says of it."""
    if answer.status != HTTPStatus.OK:
        raise Doubtful(f"it answers {answer.status} {answer.reason or ''}".rstrip())
    kind, charset = answer.content_type, (answer.charset or "").lower()
    # aiohttp says octet-stream where the server says nothing.
    if kind not in _TEXT:
        what = "a web page, perhaps one to sign in at" if "html" in kind else kind
        raise Doubtful(f"it is {what}, not csv or text")
    if kind in _CSV and not source.has_header:
        raise Doubtful("it is csv; say which column is the key, as `key: account_number`")
    if source.encoding is None and charset not in _CHARSETS:
        named = read_encoding(charset)
        raise Doubtful(f"it is {charset}, not UTF-8" + (f"; write `encoding: {named}`" if named else ""))
    if answer.headers.get("Content-Encoding", "identity").lower() not in {"identity", "gzip", "x-gzip"}:
        raise Doubtful(f"it is packed with {answer.headers['Content-Encoding']}, which was not asked for")


async def _receive(answer: aiohttp.ClientResponse, file: IO[bytes], largest: int) -> None:
    """Write the answer into a file, unpacked, no more than so many bytes of it."""
    size = 0
    async with aclosing(_unpacked(answer)) as unpacked:
        async for data in unpacked:
            if not size and data.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"<":
                raise Doubtful("it begins as a web page does, not as csv or text")
            size += len(data)
            if size > largest:
                raise Doubtful(f"it is larger than {largest:,} bytes")
            file.write(data)
    file.seek(0)


async def _unpacked(answer: aiohttp.ClientResponse) -> AsyncGenerator[bytes]:
    """The answer's bytes, unpacked piece by piece."""
    pieces = answer.content.iter_chunked(_PIECE)
    if answer.headers.get("Content-Encoding", "identity").lower() == "identity":
        async for piece in pieces:
            yield piece
        return
    unpacking = zlib.decompressobj(_GZIP)
    async for piece in pieces:
        yield unpacking.decompress(piece, _PIECE)
        while unpacking.unconsumed_tail:
            yield unpacking.decompress(unpacking.unconsumed_tail, _PIECE)
        if unpacking.unused_data:
            raise Doubtful("it is packed in several parts, or something follows it")
    yield unpacking.flush()
    if not unpacking.eof:
        raise Doubtful("it ends before it is whole")


def _mark(headers: Mapping[str, str]) -> str:
    """What the server calls this version of the contents."""
    said = {name: headers[name] for name in ("ETag", "Last-Modified") if name in headers}
    return json.dumps(said) if said else ""


def _condition(mark: str) -> dict[str, str]:
    """The headers that ask for the contents only if they are another version."""
    said = json.loads(mark) if mark else {}
    asked = {"ETag": "If-None-Match", "Last-Modified": "If-Modified-Since"}
    return {asked[name]: value for name, value in said.items()}


def _last_modified(headers: Mapping[str, str]) -> datetime | None:
    with suppress(KeyError, ValueError):
        moment = parsedate_to_datetime(headers["Last-Modified"])
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return None


def _in_words(error: Exception) -> str:
    """What went wrong, without the address: its query may hold what is secret."""
    if isinstance(error, aiohttp.ClientProxyConnectionError):
        return f"the proxy {error.host}: {error.strerror or type(error.os_error).__name__}"
    if isinstance(error, aiohttp.ClientConnectorError):
        return f"{error.host}: {error.strerror or type(error.os_error).__name__}"
    if isinstance(error, aiohttp.ClientPayloadError):
        return "it ends before it is whole"
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return "the server hung up"
    if isinstance(error, aiohttp.ClientError | ValueError):  # their texts hold addresses
        return type(error).__name__
    return str(error)
