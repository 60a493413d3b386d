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
from pm_autoaccept.data_sources.source_content import SourceReading, SourceRefused, failed_reading
from pm_autoaccept.data_sources.streams import MAX_BYTES, read_stream
from pm_autoaccept.data_sources.threads import run_in_thread
from pm_autoaccept.egress.proxy_password import Egress
from pm_autoaccept.egress.request import connection_fault, send_request
from pm_autoaccept.errors import ConfigurationError, LedgerError, PortfolioManagerError
from pm_autoaccept.policy import Source
from pm_autoaccept.policy.data.layouts import read_encoding
from pm_autoaccept.redaction import redact_message

_MAX_BYTES_IN_MEMORY = 16 << 20
"""A response up to this size is kept in memory, a larger one in a temporary file."""
_CHUNK_BYTES = 1 << 18
_MAX_REDIRECTS = 3
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
class DownloadLimits:
    """Limits of a download: bytes after decompression, seconds until the next byte, and seconds in total."""

    max_bytes: int = MAX_BYTES
    read_timeout: timedelta = timedelta(seconds=30)
    total_timeout: timedelta = timedelta(minutes=4)


DOWNLOAD_LIMITS = DownloadLimits()


async def read_url(
    source: Source,
    *,
    before: SourceReading | None = None,
    limits: DownloadLimits = DOWNLOAD_LIMITS,
    egress: Egress | None = None,
) -> SourceReading:
    """Download the rows of a `url` source.

    Args:
        source: a `url` source.
        before: the last successful reading; returned as `again` when the server says that nothing has changed.
        limits: limits of the download.
        egress: how URLs are reached, for example through a proxy; directly if None.
    """
    mark = before.mark if before is not None else ""
    try:
        async with _answer(URL(source.url or ""), _condition(mark), limits, egress or Egress()) as answer:
            if answer.status == HTTPStatus.NOT_MODIFIED and before is not None and mark:
                return replace(before, again=True)
            _look_at(answer, source)
            with SpooledTemporaryFile(_MAX_BYTES_IN_MEMORY) as file:
                await _receive(answer, file, limits.max_bytes)
                taken = run_in_thread(
                    lambda: read_stream(source, file, max_bytes=limits.max_bytes), name=f"read data {source.name}"
                )
                taking, digest = await taken
            return taking.reading(digest=digest, dated=_last_modified(answer.headers), mark=_mark(answer.headers))
    except SourceRefused as error:
        why = str(error)
    except (ConfigurationError, LedgerError, PortfolioManagerError) as error:
        why = f"the download failed: {getattr(error, 'text', error)}"
    except TimeoutError:
        why = "the download timed out"
    except (aiohttp.ClientError, OSError, zlib.error, ValueError) as error:
        why = f"the download failed: {connection_fault(error)}"
    # A server or a library may repeat the URL, which can hold a secret.
    return failed_reading(
        source, redact_message(why, source.url or "") or "the download failed; the error would reveal the URL"
    )


@asynccontextmanager
async def _answer(
    url: URL, condition: Mapping[str, str], limits: DownloadLimits, egress: Egress
) -> AsyncIterator[aiohttp.ClientResponse]:
    """The response to a GET. Redirects are followed on the same host only, because the policy names whom it trusts."""
    timeout = aiohttp.ClientTimeout(
        total=limits.total_timeout.total_seconds(),
        sock_connect=limits.read_timeout.total_seconds(),
        sock_read=limits.read_timeout.total_seconds(),
    )
    headers = {
        "User-Agent": f"pm-autoaccept/{pm_autoaccept.__version__}",
        "Accept": "text/csv, text/plain;q=0.9, */*;q=0.1",
        "Accept-Encoding": "gzip",
        **condition,
    }
    # Decompressed here in chunks, because a small compressed response may become a huge one.
    async with aiohttp.ClientSession(timeout=timeout, headers=headers, auto_decompress=False) as session:
        for _ in range(_MAX_REDIRECTS + 1):
            proxy, call = egress.proxy(str(url)), f"GET {url.host}"
            got = egress.proxy_guard.send(
                proxy, partial(send_request, session, "GET", url, proxy=proxy, call=call), call=call
            )
            async with await got as answer:
                if answer.status not in {301, 302, 303, 307, 308}:
                    yield answer
                    return
                led_to = url.join(URL(answer.headers.get("Location", "")))
            if led_to.origin() != url.origin():
                raise SourceRefused(
                    f"it redirects to another host ({led_to.origin()}); if you trust that host, use its URL here"
                )
            url = led_to
        raise SourceRefused(f"it redirects more than {_MAX_REDIRECTS} times")


def _look_at(answer: aiohttp.ClientResponse, source: Source) -> None:
    """Refuse a response whose status or headers do not belong to a table."""
    if answer.status != HTTPStatus.OK:
        raise SourceRefused(f"the server responded with {answer.status} {answer.reason or ''}".rstrip())
    kind, charset = answer.content_type, (answer.charset or "").lower()
    # aiohttp reports octet-stream if the server sends no content type.
    if kind not in _TEXT:
        what = "a web page (possibly a sign-in page)" if "html" in kind else kind
        raise SourceRefused(f"the response is {what}, not CSV or text")
    if kind in _CSV and not source.has_header:
        raise SourceRefused("the response is CSV; name the key column, for example `key: account_number`")
    if source.encoding is None and charset not in _CHARSETS:
        named = read_encoding(charset)
        raise SourceRefused(f"the response is {charset}, not UTF-8" + (f"; write `encoding: {named}`" if named else ""))
    if answer.headers.get("Content-Encoding", "identity").lower() not in {"identity", "gzip", "x-gzip"}:
        raise SourceRefused(f"the response has the unsupported Content-Encoding {answer.headers['Content-Encoding']}")


async def _receive(answer: aiohttp.ClientResponse, file: IO[bytes], max_bytes: int) -> None:
    """Write the decompressed response to a file, up to the size limit."""
    size = 0
    async with aclosing(_unpacked(answer)) as unpacked:
        async for data in unpacked:
            if not size and data.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"<":
                raise SourceRefused("the response begins like a web page, not like CSV or text")
            size += len(data)
            if size > max_bytes:
                raise SourceRefused(f"the response is larger than {max_bytes:,} bytes")
            file.write(data)
    file.seek(0)


async def _unpacked(answer: aiohttp.ClientResponse) -> AsyncGenerator[bytes]:
    """The response body, decompressed in chunks."""
    pieces = answer.content.iter_chunked(_CHUNK_BYTES)
    if answer.headers.get("Content-Encoding", "identity").lower() == "identity":
        async for piece in pieces:
            yield piece
        return
    unpacking = zlib.decompressobj(_GZIP)
    async for piece in pieces:
        yield unpacking.decompress(piece, _CHUNK_BYTES)
        while unpacking.unconsumed_tail:
            yield unpacking.decompress(unpacking.unconsumed_tail, _CHUNK_BYTES)
        if unpacking.unused_data:
            raise SourceRefused("the compressed response has several parts or trailing data")
    yield unpacking.flush()
    if not unpacking.eof:
        raise SourceRefused("the response ended early")


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
