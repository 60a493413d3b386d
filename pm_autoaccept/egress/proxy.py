"""One HTTP proxy: parses its address, signs in to it, and turns its refusal of CONNECT (407, 403 …) into an error.

No message quotes an invalid address, because it may contain a password.
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

_EXAMPLE = "use http://HOST:PORT"


@dataclass(frozen=True, slots=True)
class Proxy:
    """An HTTP proxy.

    Attributes:
        address: scheme, host and port without credentials, so it may be shown.
        origin: the environment variable or setting that names it.
        credentials: username, colon, password, as sent; None to send none.
    """

    address: str
    origin: str
    credentials: bytes | None = field(default=None, repr=False)

    @property
    def headers(self) -> dict[str, str]:
        """The headers that sign in to the proxy."""
        if self.credentials is None:
            return {}
        return {"Proxy-Authorization": f"Basic {b64encode(self.credentials).decode()}"}

    def __str__(self) -> str:
        """The address and its origin."""
        return f"{self.address} ({self.origin})"


def parse_proxy(text: str, *, origin: str, password: str | None = None) -> Proxy:
    """Parse a proxy address: `http://HOST:PORT`, optionally with `USER:PASSWORD@` before the host, or HOST:PORT.

    Args:
        text: the address. Special characters in a username or password are percent-encoded, for example `%40`.
        origin: the environment variable or setting that names it.
        password: the password, if it is not in the address.

    Raises:
        ValueError: the address is invalid, or its scheme is not supported.
    """
    written = text.strip()
    scheme, found, _ = written.partition("://")
    if not found:
        written, scheme = f"http://{written}", "http"
    if scheme.lower() not in _PORTS:
        kind = (
            f"unsupported proxy scheme `{scheme.lower()}`" if _SCHEME.fullmatch(scheme) else "unsupported proxy scheme"
        )
        raise ValueError(f"{kind}; use an HTTP proxy: http://HOST:PORT or https://HOST:PORT")
    host, port, userinfo = _parts(written)
    # A `/`, `?` or `#` in a password would end the host early, and another host would be called.
    if port == 0 or not _is_host(host) or not re.fullmatch(r"[^/?#]*/?", written.partition("://")[2]):
        raise ValueError(
            f"invalid proxy address; {_EXAMPLE}, put an IPv6 address in brackets, and percent-encode special "
            "characters in the username and password, for example @ as %40"
        )
    shown = f"[{host}]" if ":" in host else host
    address = f"{scheme.lower()}://{shown}:{port or _PORTS[scheme.lower()]}"
    return Proxy(address, origin, _credentials(userinfo, password))


def _parts(address: str) -> tuple[str, int | None, str]:
    """Host, port and user information; an empty host if the address cannot be split."""
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
            raise ValueError("the proxy address has no username for this password; use http://USER@HOST:PORT")
        written = quote(password, safe="")
    if not userinfo:
        return None
    username = unquote_to_bytes(user)
    if b":" in username:
        raise ValueError("the proxy username contains a colon, which Basic authentication does not allow")
    return username + b":" + unquote_to_bytes(written)


def proxy_error(proxy: Proxy, status: int, headers: Mapping[str, str], *, call: str) -> PortfolioManagerError:
    """The error for a proxy that refuses a call. No byte of the call was sent.

    Args:
        proxy: the proxy.
        status: the status of its reply to CONNECT, or 407.
        headers: the headers of that reply.
        call: the call that was not sent.
    """
    if status != HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
        return NotSent(f"no connection: the proxy {proxy} answered {_status(status)} to CONNECT", call=call)
    wants = _unsupported_schemes(headers)
    if proxy.credentials is None:
        how = wants or "; use the address http://USER:PASSWORD@HOST:PORT, or set PROXY and PROXY_PASSWORD"
        return NotSent(f"no connection: the proxy {proxy} requires a username and password{how}", call=call)
    return ProxyNotAuthorised(f"the proxy {proxy} refused the username or password{wants}", call=call)


def _unsupported_schemes(headers: Mapping[str, str]) -> str:
    """The authentication schemes of a proxy, if it does not offer Basic; otherwise empty."""
    asked = ", ".join(value for name, value in headers.items() if name.lower() == "proxy-authenticate")
    schemes = dict.fromkeys(_CHALLENGE.findall(asked[:_MAX_CHALLENGE_CHARACTERS]))
    if not schemes or "basic" in {scheme.lower() for scheme in schemes}:
        return ""
    return f"; it requires {', '.join(schemes)}, and this program supports only Basic authentication"


def _status(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)
