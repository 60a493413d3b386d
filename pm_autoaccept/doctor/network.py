"""Checks that the service's host is reachable, directly or through a proxy, and that its certificate is trusted."""

from __future__ import annotations

import asyncio
import errno
import re
import socket
import ssl
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import urlsplit

from pm_autoaccept.doctor.finding import Finding, ok, problem
from pm_autoaccept.doctor.service import PROXY_ADVICE
from pm_autoaccept.egress import Proxy, refusal
from pm_autoaccept.egress.proxy_password import Egress
from pm_autoaccept.errors import LedgerError, NotSent, ProxyNotAuthorised

CHECK = "host"
CONNECT_TIMEOUT_S = 10.0
"""The time limit for opening a connection."""


@dataclass(frozen=True, slots=True)
class _Failure:
    """A kind of connection error, and the advice for it; `{host}` and `{port}` are filled in.

    Attributes:
        add_reason: append the error's own text, which says more than `found`.
    """

    kind: type[OSError]
    found: str
    advice: str
    add_reason: bool = True


_FAILURES = (
    _Failure(
        ssl.SSLCertVerificationError,
        "its certificate cannot be verified",
        "if your own proxy inspects TLS, set SSL_CERT_FILE to a file with its authority's certificate; otherwise stop "
        "here: somebody may be intercepting the connection",
    ),
    _Failure(ssl.SSLError, "the TLS handshake failed", "check that the address is an https address"),
    _Failure(
        socket.gaierror,
        "its name cannot be resolved",
        "check the name and this machine's DNS; behind a proxy, set PROXY or HTTPS_PROXY",
    ),
    _Failure(
        TimeoutError,
        "the connection timed out",
        "allow {host} port {port} through the firewall; behind a proxy, set PROXY or HTTPS_PROXY",
        add_reason=False,
    ),
    _Failure(
        ConnectionRefusedError,
        "the connection was refused: nothing is listening there",
        "check the address, and that the service is running",
        add_reason=False,
    ),
    _Failure(ConnectionError, "the connection was closed", "check whether a firewall or a proxy closes it"),
    _Failure(OSError, "it is unreachable", "check that this machine is on the network"),
)
"""The first match is reported, so specific kinds come before general ones."""


async def check_connection(
    base_url: str,
    *,
    timeout: float,  # noqa: ASYNC109 — bounds one connection, not this function
    egress: Egress | None = None,
) -> Finding:
    """Open a connection to the service's host, through the proxy if one is set, and close it. No HTTP is sent."""
    egress = egress or Egress()
    proxy = egress.proxy(base_url)
    parts = urlsplit(base_url)
    host, secure = parts.hostname or "", parts.scheme == "https"
    port = parts.port or (443 if secure else 80)
    through = "" if proxy is None else f", through the proxy {proxy}"

    async def connect() -> asyncio.StreamWriter:
        trust = ssl.create_default_context() if secure else None
        async with asyncio.timeout(min(timeout, CONNECT_TIMEOUT_S)):
            if proxy is None:
                return (await asyncio.open_connection(host, port, ssl=trust))[1]
            return await _through(proxy, host, port, trust)

    try:
        writer = await egress.passage.through(proxy, connect, call=f"CONNECT {host}:{port}")
    except (NotSent, ProxyNotAuthorised) as error:
        return problem(CHECK, f"{host} port {port}: {error.text}", PROXY_ADVICE)
    except LedgerError as error:
        return problem(
            CHECK, f"not tried: cannot record whether the proxy refuses its password: {error}", "repair the ledger"
        )
    except OSError as error:
        failure = next(each for each in _FAILURES if isinstance(error, each.kind))
        found = f"{host} port {port}{through}: {failure.found}"
        if failure.add_reason and (why := getattr(error, "verify_message", None) or error.strerror):
            found += f" ({why})"
        return problem(CHECK, found, failure.advice.format(host=host, port=port))
    found = f"{host} port {port} is reachable{through}"
    tls = writer.get_extra_info("ssl_object")
    if isinstance(tls, ssl.SSLObject):
        until = (tls.getpeercert() or {}).get("notAfter", "an unknown date")
        found += f", with {tls.version()}; its certificate is valid until {until}"
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
    return ok(CHECK, found)


async def _through(proxy: Proxy, host: str, port: int, trust: ssl.SSLContext | None) -> asyncio.StreamWriter:
    """Open a connection through a proxy with CONNECT; raises what its refusal means, or OSError."""
    parts = urlsplit(proxy.address)
    to_proxy = ssl.create_default_context() if parts.scheme == "https" else None
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port, ssl=to_proxy)
    try:
        where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        head = "".join(f"{name}: {value}\r\n" for name, value in ({"Host": where} | proxy.headers).items())
        writer.write(f"CONNECT {where} HTTP/1.1\r\n{head}\r\n".encode())
        await _read_connect_reply(reader, proxy, where)
        if trust is not None:
            await writer.start_tls(trust, server_hostname=host)
    except BaseException:
        writer.transport.abort()
        raise
    return writer


async def _read_connect_reply(reader: asyncio.StreamReader, proxy: Proxy, where: str) -> None:
    """Wait for the proxy's reply to CONNECT; raises what it means unless it is 200."""
    try:
        answer = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        answer = ""
    status = re.match(r"HTTP/1\.[01] ([0-9]{3})", answer)
    if status is None:
        raise ConnectionAbortedError(errno.ECONNABORTED, "the proxy closed the connection, or its reply is not HTTP")
    if int(status[1]) != HTTPStatus.OK:
        lines = (line.partition(":") for line in answer.split("\r\n")[1:])
        raise refusal(proxy, int(status[1]), {name: value for name, _, value in lines}, call=f"CONNECT {where}")
