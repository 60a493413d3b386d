"""How the settings' values are written: durations, rates, the address to listen on, the ledger's address.

No message repeats the value: it may be a password that was put into the wrong setting.
"""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import timedelta
from ipaddress import IPv6Address
from urllib.parse import quote, unquote, urlsplit

from pydantic import SecretStr

from pm_autoaccept.egress import DIRECTLY, parse_proxy

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_HOST = re.compile(r"(?!-)[A-Za-z0-9.-]{1,253}")
_LARGEST_PORT = 65535
_SQLITE = "sqlite://"
_POSTGRESQL = frozenset({"postgresql", "postgres"})


def parse_duration(text: object) -> object:
    """Read `90s`, `5m`, `1h` or `2d`; other things are left to the type that they are meant for."""
    if not isinstance(text, str):
        return text
    match = re.fullmatch(r"(\d{1,6})([smhd])", text.strip())
    if match is None:
        raise ValueError("that is no duration; write a number and s, m, h or d, as 60s")
    return timedelta(seconds=int(match[1]) * _SECONDS[match[2]])


def parse_groups(text: object) -> object:
    """Read `tenant-forms, supervisors`: names of lower-case words joined by hyphens, as policies write them."""
    if not isinstance(text, str):
        return text
    names = tuple(name.strip() for name in text.split(","))
    if not all(re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name) for name in names):
        raise ValueError("write the names of groups with commas between them, as tenant-forms, supervisors")
    return names


def parse_rate(text: object) -> object:
    """Read `4 per 1s` as calls per second; `none` as no limit."""
    if not isinstance(text, str):
        return text
    if text.strip() == "none":
        return None
    match = re.fullmatch(r"(\d{1,6}) per (\d{1,6}[smhd])", text.strip())
    period = parse_duration(match[2]) if match else None
    if match is None or not isinstance(period, timedelta) or not period or not int(match[1]):
        raise ValueError("that is no rate; write it as 4 per 1s, or none for a simulator")
    return int(match[1]) / period.total_seconds()


def parse_listen(text: object) -> object:
    """Read `127.0.0.1:9090`, `metrics.internal:9090` or `[::1]:9090`; `none` as not listening."""
    if not isinstance(text, str):
        return text
    if text.strip() == "none":
        return None
    host, port = host_and_port(text.strip())
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def host_and_port(listen: str) -> tuple[str, int]:
    """The host, without brackets, and the port (0 takes a free one) of a `listen` setting.

    Raises:
        ValueError: it is none.
    """
    host, _, port = listen.rpartition(":")
    if re.fullmatch(r"[0-9]{1,5}", port) and int(port) <= _LARGEST_PORT:
        if host.startswith("[") and host.endswith("]"):
            with suppress(ValueError):
                return str(IPv6Address(host[1:-1])), int(port)
        if _HOST.fullmatch(host):
            return host, int(port)
    raise ValueError("that is no address to listen on; write HOST:PORT, as 127.0.0.1:9090")


def parse_ledger(text: object) -> object:
    """Check a ledger's address. It may hold a password, so no message repeats it."""
    if not isinstance(text, str):
        return text
    address = text.strip()
    if is_database(address):
        return address
    scheme, found, _ = address.partition("://")
    raise ValueError(
        f"this version keeps its ledger in SQLite or PostgreSQL, not in {scheme}; "
        "write sqlite:///FILE or postgresql://USER@HOST/DB"
        if found and re.fullmatch(r"[a-z0-9+]+", scheme)
        else "that is no ledger's address; write sqlite:///FILE or postgresql://USER@HOST/DB"
    )


def parse_proxy_setting(text: object) -> object:
    """Check a proxy's address; `none`, or nothing, is no proxy. It may hold a password, so no message repeats it."""
    if not isinstance(text, str):
        return text
    if text.strip().lower() in {"", DIRECTLY}:
        return SecretStr(DIRECTLY)
    parse_proxy(text, origin="PROXY")
    return SecretStr(text.strip())


def proxy_has_password(address: str) -> bool:
    """Whether a proxy's address holds a password, also one that cannot be read."""
    user, at, _ = address.rpartition("@")
    return bool(at) and ":" in user.rpartition("://")[2]


def proxy_shown(address: str) -> str:
    """A proxy's address as it may be shown: its username and its password are left out."""
    return DIRECTLY if address == DIRECTLY else parse_proxy(address, origin="PROXY").address


def is_database(address: str) -> bool:
    """Whether it is the address of an SQLite file or of a database in PostgreSQL."""
    return address.startswith(_SQLITE) or _is_postgresql(address)


def _is_postgresql(address: str) -> bool:
    try:
        parts = urlsplit(address)
        return parts.scheme in _POSTGRESQL and len(parts.path) > 1 and (parts.port is None or parts.port > 0)
    except ValueError:
        return False


def ledger_file(address: str) -> str | None:
    """The file that a ledger is kept in; None where it is in memory or in a database server."""
    return address.removeprefix("sqlite:///") or None if address.startswith("sqlite:///") else None


def password_in(address: str) -> str:
    """The password that stands in a ledger's address, or else nothing."""
    try:
        return unquote(urlsplit(address).password or "")
    except ValueError:
        return ""


def with_password(address: str, password: str) -> str:
    """The address with this password in it, escaped as URLs want it. One without a user is left as it is."""
    parts = urlsplit(address)
    user, at, rest = parts.netloc.rpartition("@")
    if not at or parts.scheme not in _POSTGRESQL:
        return address
    return parts._replace(
        netloc=f"{quote(unquote(user.partition(':')[0]), safe='')}:{quote(password, safe='')}@{rest}"
    ).geturl()
