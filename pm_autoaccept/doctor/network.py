"""Whether the service's host can be reached, and shows a certificate that we trust. Nothing is sent over HTTP."""

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
LONGEST = 10.0
"""Seconds to wait for a connection."""


@dataclass(frozen=True, slots=True)
class _Failure:
    """A kind of error, and what to do about it; `{host}` and `{port}` are filled in.

    Attributes:
        says_more: the error's own words tell more than the kind.
    """

    kind: type[OSError]
    found: str
    advice: str
    says_more: bool = True


_FAILURES = (
    _Failure(
        ssl.SSLCertVerificationError,
        "its certificate cannot be verified",
        "if a proxy of your own stands between, name a file with its authority's certificate in SSL_CERT_FILE; "
        "otherwise do not go on: somebody may be listening",
    ),
    _Failure(ssl.SSLError, "it does not speak TLS as we do", "see that the address is one of https"),
    _Failure(
        socket.gaierror,
        "its name cannot be resolved",
        "see that the name is right, and that this machine's DNS works; behind a proxy, set PROXY or HTTPS_PROXY",
    ),
    _Failure(
        TimeoutError,
        "it does not answer",
        "let this machine reach {host} port {port} through the firewall; behind a proxy, set PROXY or HTTPS_PROXY",
        says_more=False,
    ),
    _Failure(
        ConnectionRefusedError,
        "nothing listens there",
        "see that the address is right, and that the service runs",
        says_more=False,
    ),
    _Failure(ConnectionError, "the connection was cut", "see whether a firewall or a proxy between closes it"),
    _Failure(OSError, "it cannot be reached", "see that this machine is on the network"),
)
"""The first that fits is what is said."""


async def reach(
    base_url: str,
    *,
    timeout: float,  # noqa: ASYNC109 — bounds one connection, not this function
    egress: Egress | None = None,
) -> Finding:
    """Open a connection to the service's host, through a proxy where one is set, and close it again."""
    egress = egress or Egress()
    proxy = egress.proxy(base_url)
    parts = urlsplit(base_url)
    host, secure = parts.hostname or "", parts.scheme == "https"
    port = parts.port or (443 if secure else 80)
    through = "" if proxy is None else f", through the proxy {proxy}"

    async def connect() -> asyncio.StreamWriter:
        trust = ssl.create_default_context() if secure else None
        async with asyncio.timeout(min(timeout, LONGEST)):
            if proxy is None:
                return (await asyncio.open_connection(host, port, ssl=trust))[1]
            return await _through(proxy, host, port, trust)

    try:
        writer = await egress.passage.through(proxy, connect, call=f"CONNECT {host}:{port}")
    except (NotSent, ProxyNotAuthorised) as error:
        return problem(CHECK, f"{host} port {port}: {error.text}", PROXY_ADVICE)
    except LedgerError as error:
        return problem(CHECK, f"not tried: the proxy's password cannot be remembered: {error}", "see to the ledger")
    except OSError as error:
        failure = next(each for each in _FAILURES if isinstance(error, each.kind))
        found = f"{host} port {port}{through}: {failure.found}"
        if failure.says_more and (why := getattr(error, "verify_message", None) or error.strerror):
            found += f" ({why})"
        return problem(CHECK, found, failure.advice.format(host=host, port=port))
    found = f"{host} port {port} can be reached{through}"
    tls = writer.get_extra_info("ssl_object")
    if isinstance(tls, ssl.SSLObject):
        until = (tls.getpeercert() or {}).get("notAfter", "an unknown day")
        found += f", by {tls.version()}; its certificate is valid until {until}"
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
    return ok(CHECK, found)


async def _through(proxy: Proxy, host: str, port: int, trust: ssl.SSLContext | None) -> asyncio.StreamWriter:
    """A connection through a proxy; raises what its refusal means, or OSError."""
    parts = urlsplit(proxy.address)
    to_proxy = ssl.create_default_context() if parts.scheme == "https" else None
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port, ssl=to_proxy)
    try:
        where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        head = "".join(f"{name}: {value}\r\n" for name, value in ({"Host": where} | proxy.headers).items())
        writer.write(f"CONNECT {where} HTTP/1.1\r\n{head}\r\n".encode())
        await _answered(reader, proxy, where)
        if trust is not None:
            await writer.start_tls(trust, server_hostname=host)
    except BaseException:
        writer.transport.abort()
        raise
    return writer


async def _answered(reader: asyncio.StreamReader, proxy: Proxy, where: str) -> None:
    """Wait for a proxy's answer to CONNECT; raises what it means where the way is not open."""
    try:
        answer = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        answer = ""
    status = re.match(r"HTTP/1\.[01] ([0-9]{3})", answer)
    if status is None:
        raise ConnectionAbortedError(errno.ECONNABORTED, "the proxy hung up, or did not answer as a proxy does")
    if int(status[1]) != HTTPStatus.OK:
        lines = (line.partition(":") for line in answer.split("\r\n")[1:])
        raise refusal(proxy, int(status[1]), {name: value for name, _, value in lines}, call=f"CONNECT {where}")
