"""HTTP transport: one call with Basic authentication, TLS, timeout and proxy. Translates aiohttp's errors."""

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
from pm_autoaccept.egress import proxy_error
from pm_autoaccept.egress.proxy_password import Egress
from pm_autoaccept.errors import ConfigurationError, NotAuthorised, NotSent, PortfolioManagerError
from pm_autoaccept.parse import MAX_BYTES
from pm_autoaccept.portfolio_manager.responses import Reply, no_answer, one_line
from pm_autoaccept.portfolio_manager.services import Call
from pm_autoaccept.redaction import redact_url

KEEP_ALIVE_S = 4.0
"""How long an idle connection is kept, in seconds. Common servers close theirs after 5. A POST on a connection that is
being closed would have an unknown outcome, so we close it first."""


class _Connector(aiohttp.TCPConnector):
    """A connector whose connections close at once, and are not reused after an unexpected reply arrived on them."""

    def __init__(self, *, timeout: float, refused: Callable[[], bool], trust: ssl.SSLContext | bool = True) -> None:
        self._refused = refused
        # The rate limiter limits concurrency. A second limit here would only use up the time to connect.
        super().__init__(
            limit=0, keepalive_timeout=KEEP_ALIVE_S, socket_factory=partial(_socket, timeout=timeout), ssl=trust
        )

    async def connect(
        self,
        req: aiohttp.ClientRequest,
        traces: list[Trace],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - aiohttp's own signature
    ) -> ClientConnection:
        """A connection without an early reply on it that could be taken for the reply to the next request.

        Proxies send a 408 before they close an idle connection. Read as the reply to a POST, it would be about a
        request that the service never received.
        """
        try:
            connection = await super().connect(req, traces, timeout)
        except (aiohttp.ClientConnectorError, aiohttp.ClientHttpProxyError, TimeoutError):
            raise
        except (aiohttp.ClientError, HttpProcessingError, OSError) as error:
            # The proxy closed the connection, or spoke another protocol, before the tunnel was open.
            why = OSError(errno.EPROTO, f"the proxy did not answer CONNECT: {_error_text(error)}")
            raise aiohttp.ClientConnectorError(req.connection_key, why) from None
        try:
            # After two rounds of the event loop, what has reached this machine has been read.
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        except asyncio.CancelledError:
            connection.close()
            raise
        if connection.protocol is None or connection.protocol.should_close:
            connection.close()
            early = OSError(errno.EPROTO, "the connection was closed, or a reply arrived before a request was sent")
            raise aiohttp.ClientConnectorError(req.connection_key, early)
        if self._refused():
            # A 401 arrived while this call was waiting for its connection.
            connection.close()
            raise _CredentialsRefused
        return connection


def _socket(address: AddrInfoType, *, timeout: float) -> socket.socket:
    """A socket that discards unsent data when it is closed or times out.

    Otherwise the system could still deliver a POST after this call, or the whole process, had given it up.
    """
    family, kind, protocol, *_ = address
    made = socket.socket(family, kind, protocol)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # on Linux
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(timeout * 1000))
    return made


class _CredentialsRefused(Exception):
    """The credentials were refused while the call waited, so it is not sent."""


class _ConnectionBroken(Exception):
    """The connection broke. This is not aiohttp's own error, so that aiohttp does not retry the request."""


async def _send_once(request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Prevent aiohttp from retrying a request by itself when a connection breaks.

    aiohttp does so for GET, never for POST. Such a retry would bypass the rate limit.
    """
    try:
        return await send(request)
    except aiohttp.ClientConnectorError:
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise _ConnectionBroken(_error_text(error)) from None


class Transport:
    """An HTTP session with one service as one account. Use it with `async with`.

    `timeout`, in seconds, limits a call as a whole: name lookup, connecting, TLS, sending and reading to the last byte,
    however slowly the bytes arrive. Shorter limits apply to connecting and to each silence of the service. Unsent data
    is not delivered after the timeout, except what a proxy has already received.

    Attributes:
        refused: a 401 was received, so nothing more is sent.

    Raises:
        ConfigurationError: credentials must not be sent to this base URL, Basic authentication cannot carry them, or
            the proxy address is invalid.
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
        # Connecting times out before the reply does, so that a failed connection is recognized: nothing was sent.
        # aiohttp rounds up timeouts above `ceil_threshold`.
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
        """Send the call exactly once, and return the reply.

        Raises:
            NotAuthorised: the credentials were refused before. No byte of the call was sent.
            NotSent: no connection, or the proxy refused to open one. No byte of the call was sent.
            ProxyNotAuthorised: a proxy refused its password, now or before. No byte of the call was sent.
            Transient: a GET was sent, and there was no reply.
            AnswerUnknown: a POST may have been sent, and there was no reply.
        """
        return await self._egress.proxy_guard.send(self._proxy, partial(self._exchange, call, body), call=str(call))

    def _headers(self, body: bytes | None) -> dict[str, str]:
        """The headers of a call. No variable of `_exchange` holds them, because tracebacks may show variables.

        The password is a header of the call, never of the session: aiohttp would send the session's own to a proxy.
        """
        kind = {} if body is None else {"Content-Type": "application/xml"}
        return {"Authorization": self._authorization, **kind}

    async def _exchange(self, call: Call, body: bytes | None) -> Reply:
        refused = NotAuthorised("not sent: the username or password was refused before", call=str(call))
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
                # Before the body is read, which may take long.
                if response.status == HTTPStatus.UNAUTHORIZED:
                    self.refused = True
                content, cut = await _content(response)
                return Reply(response.status, dict(response.headers), content, cut)
        except _CredentialsRefused:
            failure: PortfolioManagerError = refused
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            through = "" if proxy is None else f" through the proxy {proxy}"
            failure = NotSent(f"no connection{through}: {_error_text(error)}", call=str(call))
        except aiohttp.ClientHttpProxyError as error:
            # Use only the status and headers of this error: the rest contains the proxy password.
            assert proxy is not None  # noqa: S101 — only a proxy answers CONNECT
            failure = proxy_error(proxy, error.status, error.headers or {}, call=str(call))
        except (aiohttp.ClientError, HttpProcessingError, OSError, _ConnectionBroken) as error:
            failure = no_answer(call, _error_text(error))
        # Raised here, without aiohttp's error as its context: that error holds the request headers with the password.
        raise failure


def checked_base_url(text: str) -> URL:
    """The base URL, if credentials may be sent to it.

    Raises:
        ConfigurationError: it is invalid, contains credentials, or is neither https nor on this machine.
    """
    try:
        url = URL(text.strip().rstrip("/"))
    except ValueError:
        raise ConfigurationError("invalid service URL; use the form https://HOST/PATH") from None
    if url.raw_user is not None or url.raw_password is not None or "@" in text:
        raise ConfigurationError("the service URL contains credentials; set USERNAME and PASSWORD instead")
    if url.scheme not in ("http", "https") or not url.host or url.raw_query_string or url.raw_fragment:
        raise ConfigurationError(f"invalid service URL {redact_url(text)}; use the form https://HOST/PATH")
    if url.scheme == "http" and not _is_loopback(url.host):
        raise ConfigurationError(f"the service URL {redact_url(text)} would send the password unencrypted; use https")
    return url


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _basic(username: str, password: str) -> str:
    """The Authorization header; non-ASCII as UTF-8, as RFC 7617 prefers (docs/protocol.md#authentication)."""
    if not username or not password:
        raise ConfigurationError("the username or password is empty; set both")
    if ":" in username:
        raise ConfigurationError("the username contains a colon, which Basic authentication does not allow")
    try:
        return aiohttp.encode_basic_auth(username, password, encoding="utf-8")
    except UnicodeEncodeError:
        raise ConfigurationError(
            "the username or password contains an invalid character, which UTF-8 cannot encode"
        ) from None


async def _content(response: aiohttp.ClientResponse) -> tuple[bytes, str | None]:
    """The body, or nothing and why it is incomplete. It is read in pieces, so memory use stays below the size limit."""
    content = bytearray()
    try:
        async for piece in response.content.iter_any():
            content += piece
            if len(content) > MAX_BYTES:
                response.close()
                return b"", f"the reply has more than {MAX_BYTES} bytes"
    except (aiohttp.ClientError, HttpProcessingError, OSError) as error:
        return b"", f"the reply was cut off: {_error_text(error)}"
    return bytes(content), None


def _error_text(error: Exception) -> str:
    """The text of a library's error, never empty."""
    kind = "timeout" if isinstance(error, TimeoutError) else type(error).__name__
    text = one_line(str(error))
    return f"{kind}: {text}" if text else kind
