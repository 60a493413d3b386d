"""Downloads `url` data sources over HTTP(S), with ETag and Last-Modified, size limits, timeouts and proxy support."""

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
from pm_autoaccept.redaction import redact_message

_IN_MEMORY = 16 << 20
"""A response up to this size is kept in memory, a larger one in a temporary file."""
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
"""The content types accepted for a CSV file or a list of lines."""
_CSV = _TEXT - {"application/octet-stream", "text/plain"}
_CHARSETS = frozenset({"", "utf-8", "utf8", "us-ascii", "ascii"})


@dataclass(frozen=True, slots=True)
class Reach:
    """Limits of a download: bytes after decompression, seconds until the next byte, and seconds in total."""

    largest: int = LARGEST
    next: timedelta = timedelta(seconds=30)
    whole: timedelta = timedelta(minutes=4)


REACH = Reach()


async def read_url(
    source: Source, *, before: Reading | None = None, reach: Reach = REACH, egress: Egress | None = None
) -> Reading:
    """Download the rows of a `url` source.

    Args:
        source: a `url` source.
        before: the last successful reading; returned as `again` when the server says that nothing has changed.
        reach: limits of the download.
        egress: how URLs are reached, for example through a proxy; directly if None.
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
        why = f"the download failed: {getattr(error, 'text', error)}"
    except TimeoutError:
        why = "the download timed out"
    except (aiohttp.ClientError, OSError, zlib.error, ValueError) as error:
        why = f"the download failed: {_in_words(error)}"
    # A server or a library may repeat the URL, which can hold a secret.
    return doubt(source, redact_message(why, source.url or "") or "the download failed; the error would reveal the URL")


@asynccontextmanager
async def _answer(
    url: URL, condition: Mapping[str, str], reach: Reach, egress: Egress
) -> AsyncIterator[aiohttp.ClientResponse]:
    """The response to a GET. Redirects are followed on the same host only, because the policy names whom it trusts."""
    timeout = aiohttp.ClientTimeout(
        total=reach.whole.total_seconds(), sock_connect=reach.next.total_seconds(), sock_read=reach.next.total_seconds()
    )
    headers = {
        "User-Agent": f"pm-autoaccept/{pm_autoaccept.__version__}",
        "Accept": "text/csv, text/plain;q=0.9, */*;q=0.1",
        "Accept-Encoding": "gzip",
        **condition,
    }
    # Decompressed here in chunks, because a small compressed response may become a huge one.
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
                raise Doubtful(
                    f"it redirects to another host ({led_to.origin()}); if you trust that host, use its URL here"
                )
            url = led_to
        raise Doubtful(f"it redirects more than {_REDIRECTS} times")


async def _get(session: aiohttp.ClientSession, url: URL, proxy: Proxy | None, call: str) -> aiohttp.ClientResponse:
    """The response to a GET, through a proxy or directly; raises if the proxy refuses."""
    if proxy is None:
        return await session.get(url, allow_redirects=False)
    # aiohttp uses `proxy_headers` for CONNECT only.
    plain = proxy.headers if url.scheme == "http" else {}
    try:
        answer = await session.get(
            url, allow_redirects=False, proxy=proxy.address, proxy_headers=proxy.headers, headers=plain
        )
    except aiohttp.ClientHttpProxyError as error:
        # Raised without this error as its context, because it holds the proxy's password.
        refused = refusal(proxy, error.status, error.headers or {}, call=call)
    else:
        if url.scheme != "http" or answer.status != HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
            return answer
        answer.close()
        refused = refusal(proxy, answer.status, answer.headers, call=call)
    raise refused


def _look_at(answer: aiohttp.ClientResponse, source: Source) -> None:
    """Refuse a response whose status or headers do not belong to a table."""
    if answer.status != HTTPStatus.OK:
        raise Doubtful(f"the server responded with {answer.status} {answer.reason or ''}".rstrip())
    kind, charset = answer.content_type, (answer.charset or "").lower()
    # aiohttp reports octet-stream if the server sends no content type.
    if kind not in _TEXT:
        what = "a web page (possibly a sign-in page)" if "html" in kind else kind
        raise Doubtful(f"the response is {what}, not CSV or text")
    if kind in _CSV and not source.has_header:
        raise Doubtful("the response is CSV; name the key column, for example `key: account_number`")
    if source.encoding is None and charset not in _CHARSETS:
        named = read_encoding(charset)
        raise Doubtful(f"the response is {charset}, not UTF-8" + (f"; write `encoding: {named}`" if named else ""))
    if answer.headers.get("Content-Encoding", "identity").lower() not in {"identity", "gzip", "x-gzip"}:
        raise Doubtful(f"the response has the unsupported Content-Encoding {answer.headers['Content-Encoding']}")


async def _receive(answer: aiohttp.ClientResponse, file: IO[bytes], largest: int) -> None:
    """Write the decompressed response to a file, up to the size limit."""
    size = 0
    async with aclosing(_unpacked(answer)) as unpacked:
        async for data in unpacked:
            if not size and data.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"<":
                raise Doubtful("the response begins like a web page, not like CSV or text")
            size += len(data)
            if size > largest:
                raise Doubtful(f"the response is larger than {largest:,} bytes")
            file.write(data)
    file.seek(0)


async def _unpacked(answer: aiohttp.ClientResponse) -> AsyncGenerator[bytes]:
    """The response body, decompressed in chunks."""
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
            raise Doubtful("the compressed response has several parts or trailing data")
    yield unpacking.flush()
    if not unpacking.eof:
        raise Doubtful("the response ended early")


def _mark(headers: Mapping[str, str]) -> str:
    """The server's version of the contents: ETag and Last-Modified."""
    said = {name: headers[name] for name in ("ETag", "Last-Modified") if name in headers}
    return json.dumps(said) if said else ""


def _condition(mark: str) -> dict[str, str]:
    """The headers of a conditional GET."""
    said = json.loads(mark) if mark else {}
    asked = {"ETag": "If-None-Match", "Last-Modified": "If-Modified-Since"}
    return {asked[name]: value for name, value in said.items()}


def _last_modified(headers: Mapping[str, str]) -> datetime | None:
    with suppress(KeyError, ValueError):
        moment = parsedate_to_datetime(headers["Last-Modified"])
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return None


def _in_words(error: Exception) -> str:
    """The error without the URL, because a query string may hold a secret."""
    if isinstance(error, aiohttp.ClientProxyConnectionError):
        return f"the proxy {error.host}: {error.strerror or type(error.os_error).__name__}"
    if isinstance(error, aiohttp.ClientConnectorError):
        return f"{error.host}: {error.strerror or type(error.os_error).__name__}"
    if isinstance(error, aiohttp.ClientPayloadError):
        return "the response ended early"
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return "the server closed the connection"
    if isinstance(error, aiohttp.ClientError | ValueError):  # their messages contain URLs
        return type(error).__name__
    return str(error)
