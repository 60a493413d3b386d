"""Sends one HTTP request through a proxy or directly, without redirects, and turns a proxy's refusal into an error."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

import aiohttp
from yarl import URL

from pm_autoaccept.egress.proxy import Proxy, proxy_error


async def send_request(
    session: aiohttp.ClientSession,
    method: str,
    url: URL,
    *,
    proxy: Proxy | None,
    call: str,
    data: bytes | None = None,
    headers: Mapping[str, str] | None = None,
) -> aiohttp.ClientResponse:
    """The response to a request; redirects are not followed.

    Args:
        session: the session.
        method: `GET` or `POST`.
        url: the address.
        proxy: the proxy; None to connect directly.
        call: the call, for error messages.
        data: the body, if any.
        headers: headers in addition to those of the session.

    Raises:
        PortfolioManagerError: the proxy refuses the call. Nothing was sent.
    """
    own = dict(headers or {})
    if proxy is None:
        return await session.request(method, url, allow_redirects=False, data=data, headers=own)
    # aiohttp uses `proxy_headers` for CONNECT only.
    plain = proxy.headers if url.scheme == "http" else {}
    try:
        answer = await session.request(
            method,
            url,
            allow_redirects=False,
            proxy=proxy.address,
            proxy_headers=proxy.headers,
            data=data,
            headers={**own, **plain},
        )
    except aiohttp.ClientHttpProxyError as error:
        # Raised without this error as its context, because it holds the proxy's password.
        refused = proxy_error(proxy, error.status, error.headers or {}, call=call)
    else:
        if url.scheme != "http" or answer.status != HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
            return answer
        answer.close()
        refused = proxy_error(proxy, answer.status, answer.headers, call=call)
    raise refused


def connection_fault(error: Exception) -> str:
    """The error in words, without the URL, because a path or query may hold a secret."""
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
