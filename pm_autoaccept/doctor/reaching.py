"""Whether the service's host can be reached, and shows a certificate that we trust. Nothing is sent over HTTP."""

from __future__ import annotations

import asyncio
import socket
import ssl
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

from pm_autoaccept.doctor.finding import Finding, ok, problem

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
        "see that the name is right, and that this machine's DNS works; HTTPS_PROXY is not used by this program",
    ),
    _Failure(
        TimeoutError,
        "it does not answer",
        "let this machine reach {host} port {port} through the firewall; HTTPS_PROXY is not used by this program",
        says_more=False,
    ),
    _Failure(
        ConnectionRefusedError,
        "nothing listens there",
        "see that the address is right, and that the service runs",
        says_more=False,
    ),
    _Failure(OSError, "it cannot be reached", "see that this machine is on the network"),
)
"""The first that fits is what is said."""


async def reach(base_url: str, *, timeout: float) -> Finding:  # noqa: ASYNC109 — bounds one connection, not this function
    """Open a connection to the service's host and close it again."""
    parts = urlsplit(base_url)
    host, secure = parts.hostname or "", parts.scheme == "https"
    port = parts.port or (443 if secure else 80)
    try:
        async with asyncio.timeout(min(timeout, LONGEST)):
            reader, writer = await asyncio.open_connection(
                host, port, ssl=ssl.create_default_context() if secure else None
            )
    except OSError as error:
        failure = next(each for each in _FAILURES if isinstance(error, each.kind))
        found = f"{host} port {port}: {failure.found}"
        if failure.says_more and (why := getattr(error, "verify_message", None) or error.strerror):
            found += f" ({why})"
        return problem(CHECK, found, failure.advice.format(host=host, port=port))
    del reader
    found = f"{host} port {port} can be reached"
    tls = writer.get_extra_info("ssl_object")
    if isinstance(tls, ssl.SSLObject):
        until = (tls.getpeercert() or {}).get("notAfter", "an unknown day")
        found += f", by {tls.version()}; its certificate is valid until {until}"
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
    return ok(CHECK, found)
