"""One call over HTTP: the edge where aiohttp's errors become ours. Nothing is repeated here, nothing decided."""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
import struct
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from ipaddress import ip_address
from types import TracebackType
from typing import Self

import aiohttp
from aiohttp.connector import AddrInfoType
from aiohttp.connector import Connection as ClientConnection
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.tracing import Trace
from yarl import URL

import pm_autoaccept
from pm_autoaccept.egress import refusal
from pm_autoaccept.egress.proxy_password import Egress
from pm_autoaccept.errors import ConfigurationError, NotAuthorised, NotSent, PortfolioManagerError
from pm_autoaccept.parse import MAX_BYTES
from pm_autoaccept.portfolio_manager.responses import Reply, no_answer, one_line
from pm_autoaccept.portfolio_manager.services import Call
from pm_autoaccept.redaction import redact_url

KEEP_ALIVE = 4.0
"""Seconds that an idle connection is kept. Common servers close theirs after 5: a POST on one that is being closed
would be of unknown fate, so we are the first to let go."""


class _Connector(aiohttp.TCPConnector):
    """Connections that are let go at once, and never used again after something came that was not asked for."""

    def __init__(self, *, timeout: float, refused: Callable[[], bool], trust: ssl.SSLContext | bool = True) -> None:
        self._refused = refused
        # How many at once is the pace's business; a second limit here would only eat up the time to connect.
        super().__init__(
            limit=0, keepalive_timeout=KEEP_ALIVE, socket_factory=partial(_socket, timeout=timeout), ssl=trust
        )

    async def connect(
        self,
        req: aiohttp.ClientRequest,
        traces: list[Trace],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - aiohttp's own signature
    ) -> ClientConnection:
        """A connection on which nothing lies that would be taken for the answer to what is about to be sent.

        Proxies send a 408 before they close an idle connection: read as a POST's answer it would say what became of a
        request that nobody has seen.
        """
        try:
            connection = await super().connect(req, traces, timeout)
        except (aiohttp.ClientConnectorError, aiohttp.ClientHttpProxyError, TimeoutError):
            raise
        except (aiohttp.ClientError, HttpProcessingError, OSError) as error:
            # A proxy that hangs up, or speaks something else, before there is a way to the service.
            why = OSError(errno.EPROTO, f"the proxy did not answer CONNECT: {_words(error)}")
            raise aiohttp.ClientConnectorError(req.connection_key, why) from None
        try:
            # Twice round the loop, what has reached this machine has been read.
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        except asyncio.CancelledError:
            connection.close()
            raise
        if connection.protocol is None or connection.protocol.should_close:
            connection.close()
            early = OSError(errno.EPROTO, "it had ended, or an answer came on it before anything was asked")
            raise aiohttp.ClientConnectorError(req.connection_key, early)
        if self._refused():
            # It came while this call was waiting for its connection.
            connection.close()
            raise _NotAnyMore
        return connection


def _socket(address: AddrInfoType, *, timeout: float) -> socket.socket:
    """A socket that keeps nothing back: what has not arrived when it is closed, or in time, never arrives.

    Else the system would go on delivering a POST after we, or all of our process, had given it up.
    """
    family, kind, protocol, *_ = address
    made = socket.socket(family, kind, protocol)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # on Linux
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(timeout * 1000))
    return made


class _NotAnyMore(Exception):
    """The credentials were refused meanwhile, so that the call does not leave."""


class _Broken(Exception):
    """The connection broke. Not aiohttp's own error, so that aiohttp does not send the request again."""


async def _send_once(request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Keeps aiohttp from repeating a request by itself when a connection breaks.

    It does so for GET alone, never for POST, but a repetition that nobody counted would pass by the pace and its limit.
    """
    try:
        return await send(request)
    except aiohttp.ClientConnectorError:
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise _Broken(_words(error)) from None


class Connection:
    """An HTTP session with one service, signed in as one account. Opened and closed by `async with`.

    `timeout`, in seconds, bounds a call as a whole: finding the address, connecting, TLS, sending, and reading to the
    last byte, however many there are and however slowly they come. Parts of it bound its connecting and each silence of
    the service. What has not arrived by then is not delivered later, but for what a proxy has taken.

    Attributes:
        refused: a 401 has come, so that nothing more leaves.

    Raises:
        ConfigurationError: a base URL that must not carry credentials, credentials that Basic cannot carry, or a proxy
            whose address cannot be read.
    """

    def __init__(
        self,
        *,
        base_url: str,
        username: str,
        password: str,
        timeout: float,
        egress: Egress | None = None,
        connector: aiohttp.BaseConnector | None = None,
    ) -> None:
        self.refused = False
        self._base = checked_base_url(base_url)
        self._egress = egress or Egress()
        self._proxy = self._egress.proxy(str(self._base))
        self._authorization = _basic(username, password)
        # A connection comes before an answer, so that one that does not come is told apart: nothing was sent.
        # aiohttp rounds up what is above `ceil_threshold`.
        self._timeout = aiohttp.ClientTimeout(
            total=timeout, connect=min(10.0, timeout / 2), sock_read=timeout * 0.75, ceil_threshold=timeout
        )
        self._connector = connector

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=self._connector or _Connector(timeout=self._timeout.total or 0.0, refused=lambda: self.refused),
            headers={
                "Accept": "application/xml",
                "User-Agent": f"pm-autoaccept/{pm_autoaccept.__version__}",
            },
            timeout=self._timeout,
            cookie_jar=aiohttp.DummyCookieJar(),
            middlewares=(_send_once,),
            trust_env=False,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def exchange(self, call: Call, body: bytes | None = None) -> Reply:
        """Sends the call, exactly once, and brings what came.

        Raises:
            NotAuthorised: the credentials were refused before; not one byte of the call left.
            NotSent: no connection, or a proxy that gives none; not one byte of the call left.
            ProxyNotAuthorised: a proxy refused its password, or did so before; likewise.
            Transient: a GET left, and no answer came.
            AnswerUnknown: a POST may have left, and no answer came.
        """
        return await self._egress.passage.through(self._proxy, partial(self._exchange, call, body), call=str(call))

    def _headers(self, body: bytes | None) -> dict[str, str]:
        """What a call says of itself. No variable of `_exchange` holds it: tracebacks may show those.

        The password goes with the call, never with the session: aiohttp would hand the session's own to a proxy.
        """
        kind = {} if body is None else {"Content-Type": "application/xml"}
        return {"Authorization": self._authorization, **kind}

    async def _exchange(self, call: Call, body: bytes | None) -> Reply:
        refused = NotAuthorised("not sent: the username or the password was refused before", call=str(call))
        if self.refused:
            raise refused
        proxy = self._proxy
        try:
            async with self._session.request(
                call.service.method,
                self._base.joinpath(call.path.removeprefix("/")),
                params=dict(call.query),
                data=body,
                headers=self._headers(body),
                allow_redirects=False,
                proxy=None if proxy is None else proxy.address,
                proxy_headers=None if proxy is None else proxy.headers,
            ) as response:
                # Before its body, which may be long on its way.
                if response.status == HTTPStatus.UNAUTHORIZED:
                    self.refused = True
                content, cut = await _content(response)
                return Reply(response.status, dict(response.headers), content, cut)
        except _NotAnyMore:
            failure: PortfolioManagerError = refused
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            through = "" if proxy is None else f" through the proxy {proxy}"
            failure = NotSent(f"no connection{through}: {_words(error)}", call=str(call))
        except aiohttp.ClientHttpProxyError as error:
            # Of this error only status and headers: the rest of it holds the proxy's password.
            assert proxy is not None  # noqa: S101 — who else answers CONNECT
            failure = refusal(proxy, error.status, error.headers or {}, call=str(call))
        except (aiohttp.ClientError, HttpProcessingError, OSError, _Broken) as error:
            failure = no_answer(call, _words(error))
        # Raised out here, without their error as its context: it carries the request's headers, and so the password.
        raise failure


def checked_base_url(text: str) -> URL:
    """The base URL, if credentials may be sent to it.

    Raises:
        ConfigurationError: it is none, holds credentials of its own, or is neither https nor on this machine.
    """
    try:
        url = URL(text.strip().rstrip("/"))
    except ValueError:
        raise ConfigurationError("the service's URL cannot be read; give one like https://HOST/PATH") from None
    if url.raw_user is not None or url.raw_password is not None or "@" in text:
        raise ConfigurationError("the service's URL holds credentials; put them into USERNAME and PASSWORD")
    if url.scheme not in ("http", "https") or not url.host or url.raw_query_string or url.raw_fragment:
        raise ConfigurationError(f"{redact_url(text)} is no URL of a service; give one like https://HOST/PATH")
    if url.scheme == "http" and not _is_loopback(url.host):
        raise ConfigurationError(f"{redact_url(text)} would send the password in the clear; use https")
    return url


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _basic(username: str, password: str) -> str:
    """The Authorization header; non-ASCII as UTF-8, as RFC 7617 prefers (docs/protocol.md#authentication)."""
    if not username or not password:
        raise ConfigurationError("the username or the password is empty; set both")
    if ":" in username:
        raise ConfigurationError("the username holds a colon, which Basic authorization cannot carry")
    try:
        return aiohttp.encode_basic_auth(username, password, encoding="utf-8")
    except UnicodeEncodeError:
        raise ConfigurationError("the username or the password holds a character that is no text") from None


async def _content(response: aiohttp.ClientResponse) -> tuple[bytes, str | None]:
    """The body, or nothing and why it is not whole. Read in pieces, so that no more than the limit is ever held."""
    content = bytearray()
    try:
        async for piece in response.content.iter_any():
            content += piece
            if len(content) > MAX_BYTES:
                response.close()
                return b"", f"the answer has more than {MAX_BYTES} bytes"
    except (aiohttp.ClientError, HttpProcessingError, OSError) as error:
        return b"", f"the answer broke off: {_words(error)}"
    return bytes(content), None


def _words(error: Exception) -> str:
    """What a library's error says, never empty."""
    kind = "timeout" if isinstance(error, TimeoutError) else type(error).__name__
    text = one_line(str(error))
    return f"{kind}: {text}" if text else kind
