"""One proxy: how its address is written, what it is sent, and what its refusal means.

No message repeats an address that could not be read: it may hold a password.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from ipaddress import IPv6Address
from urllib.parse import quote, unquote_to_bytes, urlsplit

from pm_autoaccept.errors import NotSent, PortfolioManagerError, ProxyNotAuthorised

_PORTS = {"http": 80, "https": 443}
_HOST = re.compile(r"(?!-)[\w.-]{1,253}")
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*", re.IGNORECASE)
_CHALLENGE = re.compile(r"(?:^|,)\s*([A-Za-z][A-Za-z-]*)(?=\s|,|$)")
_MAX_CHALLENGE_CHARACTERS = 300

_EXAMPLE = "write http://HOST:PORT"


@dataclass(frozen=True, slots=True)
class Proxy:
    """An HTTP proxy.

    Attributes:
        address: scheme, host and port, without credentials: it may be shown.
        origin: the variable or the setting that names it.
        credentials: username, colon, password, as they are sent; None where it is not signed in to.
    """

    address: str
    origin: str
    credentials: bytes | None = field(default=None, repr=False)

    @property
    def headers(self) -> dict[str, str]:
        """What signs in to it."""
        if self.credentials is None:
            return {}
        return {"Proxy-Authorization": f"Basic {b64encode(self.credentials).decode()}"}

    def __str__(self) -> str:
        """Its address, and who named it."""
        return f"{self.address} ({self.origin})"


def parse_proxy(text: str, *, origin: str, password: str | None = None) -> Proxy:
    """Read a proxy's address: `http://HOST:PORT`, with `USER:PASSWORD@` before the host, or HOST:PORT alone.

    Args:
        text: the address. What is special in a username or a password is written as `%40`.
        origin: who names it.
        password: the password, where it does not stand in the address.

    Raises:
        ValueError: it cannot be read, or is of a kind that is not supported.
    """
    written = text.strip()
    scheme, found, _ = written.partition("://")
    if not found:
        written, scheme = f"http://{written}", "http"
    if scheme.lower() not in _PORTS:
        kind = f"a proxy of the kind `{scheme.lower()}`" if _SCHEME.fullmatch(scheme) else "that"
        raise ValueError(f"{kind} is not supported; name an HTTP proxy: {_EXAMPLE}, or https://HOST:PORT")
    host, port, userinfo = _parts(written)
    # A password with a `/`, `?` or `#` in it would end the host early, and something else would be asked.
    if port == 0 or not _is_host(host) or not re.fullmatch(r"[^/?#]*/?", written.partition("://")[2]):
        raise ValueError(
            f"that is no proxy's address; {_EXAMPLE}, an IPv6 address in brackets, and special characters of a "
            "username or a password as %40"
        )
    shown = f"[{host}]" if ":" in host else host
    address = f"{scheme.lower()}://{shown}:{port or _PORTS[scheme.lower()]}"
    return Proxy(address, origin, _credentials(userinfo, password))


def _parts(address: str) -> tuple[str, int | None, str]:
    """Host, port, and what stands before them; no host where they cannot be told apart."""
    try:
        parts = urlsplit(address)
        return parts.hostname or "", parts.port, parts.netloc.rpartition("@")[0]
    except ValueError:
        return "", None, ""


def _is_host(host: str) -> bool:
    if ":" not in host:
        return _HOST.fullmatch(host) is not None
    try:
        return bool(IPv6Address(host))
    except ValueError:
        return False


def _credentials(userinfo: str, password: str | None) -> bytes | None:
    user, _, written = userinfo.partition(":")
    if password is not None:
        if not user:
            raise ValueError("the address names no user for this password; write it as http://USER@HOST:PORT")
        written = quote(password, safe="")
    if not userinfo:
        return None
    username = unquote_to_bytes(user)
    if b":" in username:
        raise ValueError("the proxy's username holds a colon, which Basic authorization cannot carry")
    return username + b":" + unquote_to_bytes(written)


def proxy_error(proxy: Proxy, status: int, headers: Mapping[str, str], *, call: str) -> PortfolioManagerError:
    """What it means that a proxy does not let a call through. Nothing of the call has left.

    Args:
        proxy: which one.
        status: its answer to CONNECT, or its 407.
        headers: of that answer.
        call: what was to be sent.
    """
    if status != HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
        return NotSent(f"no connection: the proxy {proxy} answered {_status(status)} to CONNECT", call=call)
    wants = _unsupported_schemes(headers)
    if proxy.credentials is None:
        how = wants or "; write its address as http://USER:PASSWORD@HOST:PORT, or set PROXY and PROXY_PASSWORD"
        return NotSent(f"no connection: the proxy {proxy} asks for a username and a password{how}", call=call)
    return ProxyNotAuthorised(f"the proxy {proxy} refused the username or the password{wants}", call=call)


def _unsupported_schemes(headers: Mapping[str, str]) -> str:
    """What a proxy asks for, where that is nothing that we can do."""
    asked = ", ".join(value for name, value in headers.items() if name.lower() == "proxy-authenticate")
    schemes = dict.fromkeys(_CHALLENGE.findall(asked[:_MAX_CHALLENGE_CHARACTERS]))
    if not schemes or "basic" in {scheme.lower() for scheme in schemes}:
        return ""
    return f"; it asks for {', '.join(schemes)}, and this program signs in by Basic only"


def _status(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)
