"""Proxy or direct: chooses how a host is reached, from the setting PROXY, environment variables and NO_PROXY."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import urlsplit

from pm_autoaccept.egress.proxy import Proxy, parse_proxy

DIRECT = "none"
"""The value of the setting PROXY that disables proxies, whatever the environment variables are."""

PROXY_VARIABLES = ("https_proxy", "http_proxy", "all_proxy", "no_proxy")
_PORTS = {"http": 80, "https": 443}


def proxy_variables(environment: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """The usual proxy environment variables: lower-case name → the name as it was set, and its value.

    A lower-case variable overrides the upper-case one, like in curl and Python. If it is empty, neither counts.
    """
    found: dict[str, tuple[str, str]] = {}
    for variable in PROXY_VARIABLES:
        name = variable if variable in environment else variable.upper()
        value = environment.get(name, "").strip()
        if value:
            found[variable] = (name, value)
    return found


@dataclass(frozen=True, slots=True)
class Route:
    """How one address is reached: through a proxy, or directly.

    Attributes:
        why: the reason for connecting directly; empty with a proxy, which shows its own origin.
    """

    proxy: Proxy | None
    why: str = ""


@dataclass(frozen=True, slots=True)
class Proxies:
    """The configured proxies. Without any, every address is reached directly.

    Attributes:
        setting: the setting PROXY: an address or `none`. None if it is not set, so the environment variables apply.
        password: the setting PROXY_PASSWORD.
        variables: as `proxy_variables` returns them.
    """

    setting: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)
    variables: Mapping[str, tuple[str, str]] = field(default_factory=dict, repr=False)

    @property
    def may_sign_in(self) -> bool:
        """Whether a proxy password may be sent."""
        return self.setting is not None or any("@" in value for _, value in self.variables.values())

    def route(self, url: str) -> Route:
        """How an address is reached.

        Raises:
            ValueError: the proxy address is invalid. The message begins with its origin.
        """
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or _PORTS.get(parts.scheme, 0)
        if is_this_machine(host):
            return Route(None, "it is on this machine")
        named = self._named(parts.scheme)
        if named is None:
            return Route(None, "no proxy is set")
        origin, text = named
        if text == DIRECT:
            return Route(None, f"{origin} is none")
        except_for, exceptions = self.variables.get("no_proxy", ("", ""))
        if _in_no_proxy(host, port, exceptions):
            return Route(None, f"{except_for} includes it")
        try:
            return Route(parse_proxy(text, origin=origin, password=self.password if self.setting else None))
        except ValueError as error:
            raise ValueError(f"{origin}: {error}") from None

    def _named(self, scheme: str) -> tuple[str, str] | None:
        """The origin and address of the proxy for this scheme."""
        if self.setting is not None:
            return "PROXY", self.setting
        return self.variables.get(f"{scheme}_proxy") or self.variables.get("all_proxy")


def is_this_machine(host: str) -> bool:
    """Whether a host is this machine, by its name or address alone."""
    name = _normalized(host)
    address = _address(name)
    if address is None:
        return name == "localhost" or name.endswith(".localhost")
    return address.is_loopback or address.is_unspecified


def _in_no_proxy(host: str, port: int, exceptions: str) -> bool:
    """Whether NO_PROXY includes a host: `*`, a domain with its subdomains, an address or a network, and maybe a port.

    Names are not resolved. A network matches only a host that is written as an address.
    """
    name = _normalized(host)
    return any(_exception_matches(each, name, port) for each in re.split(r"[\s,]+", exceptions) if each)


def _exception_matches(exception: str, host: str, port: int) -> bool:
    if exception == "*":
        return True
    with_port = re.fullmatch(r"(\[[^\]]*\]|[^:]*):([0-9]{1,5})", exception)
    if with_port:
        exception, wanted = with_port[1], int(with_port[2])
        if wanted != port:
            return False
    address = _address(host)
    if address is not None:
        try:
            return address in ip_network(exception.removeprefix("[").removesuffix("]"), strict=False)
        except ValueError:
            return False
    domain = _normalized(exception.removeprefix("*").lstrip("."))
    return bool(domain) and (host == domain or host.endswith(f".{domain}"))


def _normalized(name: str) -> str:
    """A name for comparison: lower-case ASCII without a final dot."""
    plain = name.rstrip(".").lower()
    with suppress(UnicodeError):
        return plain if plain.isascii() else plain.encode("idna").decode()
    return plain


def _address(host: str) -> IPv4Address | IPv6Address | None:
    """A host that is written as an address. An IPv4-mapped IPv6 address becomes IPv4."""
    with suppress(ValueError):
        address = ip_address(host)
        return getattr(address, "ipv4_mapped", None) or address
    return None
