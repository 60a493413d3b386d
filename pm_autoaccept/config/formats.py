"""Parses and validates setting values: durations, rates, listen addresses, ledger and proxy addresses.

No error message repeats the value: it may be a password in the wrong setting.
"""

from __future__ import annotations

import re
from contextlib import suppress
from importlib.util import find_spec
from ipaddress import IPv6Address
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from pydantic import SecretStr

from pm_autoaccept.egress import DIRECT, parse_proxy
from pm_autoaccept.policy.durations import read_duration

_HOST = re.compile(r"(?!-)[A-Za-z0-9.-]{1,253}")
_LARGEST_PORT = 65535
SQLITE_IN_MEMORY = "sqlite://"
"""The address of a ledger in memory, with which the address of every SQLite file begins."""

_POSTGRESQL = frozenset({"postgresql", "postgres"})


def parse_duration(text: object) -> object:
    """Parse `90s`, `5m`, `1h` or `2d`, as policies do. Values that are not text pass through to pydantic."""
    if not isinstance(text, str):
        return text
    duration = read_duration(text)
    if duration is None:
        raise ValueError("invalid duration; use a number and s, m, h or d, for example 60s")
    return duration


GROUP_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
"""The name of a group of people, as `tell` and `answer` use it."""


def parse_groups(text: object) -> object:
    """Parse `tenant-forms, supervisors`: lower-case words joined by hyphens, separated by commas."""
    if not isinstance(text, str):
        return text
    names = tuple(name.strip() for name in text.split(","))
    if not all(GROUP_NAME.fullmatch(name) for name in names):
        raise ValueError(
            "invalid group name; use lower-case words joined by hyphens, separated by commas, for example "
            "tenant-forms, supervisors"
        )
    return names


def parse_rate(text: object) -> object:
    """Parse `4 per 1s` into calls per second; `none` means no limit."""
    if not isinstance(text, str):
        return text
    if text.strip() == "none":
        return None
    match = re.fullmatch(r"([0-9]{1,6}) per (\S+)", text.strip())
    period = read_duration(match[2]) if match else None
    if match is None or not period or not int(match[1]):
        raise ValueError("invalid rate; use calls per duration, for example 4 per 1s (a simulator may have none)")
    return int(match[1]) / period.total_seconds()


def parse_listen(text: object) -> object:
    """Parse `127.0.0.1:9090`, `metrics.internal:9090` or `[::1]:9090`; `none` means do not listen."""
    if not isinstance(text, str):
        return text
    if text.strip() == "none":
        return None
    host, port = host_and_port(text.strip())
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def check_event_loop(name: str) -> str:
    """The name of an event loop, if it is installed."""
    if name != "asyncio" and find_spec(name) is None:
        raise ValueError(f"{name} is not installed; install pm-autoaccept[{name}] (not on Windows), or use asyncio")
    return name


def host_and_port(listen: str) -> tuple[str, int]:
    """The host (without brackets) and port of a `listen` setting. Port 0 takes a free one.

    Raises:
        ValueError: the address is invalid.
    """
    host, _, port = listen.rpartition(":")
    if re.fullmatch(r"[0-9]{1,5}", port) and int(port) <= _LARGEST_PORT:
        if host.startswith("[") and host.endswith("]"):
            with suppress(ValueError):
                return str(IPv6Address(host[1:-1])), int(port)
        if _HOST.fullmatch(host):
            return host, int(port)
    raise ValueError("invalid listen address; use HOST:PORT, for example 127.0.0.1:9090")


def parse_ledger(text: object) -> object:
    """Validate a ledger address. It may contain a password, so no message repeats it."""
    if not isinstance(text, str):
        return text
    address = text.strip()
    if is_database(address):
        return address
    scheme, found, _ = address.partition("://")
    raise ValueError(
        f"unsupported database {scheme}; use SQLite or PostgreSQL: sqlite:///FILE or postgresql://USER@HOST/DB"
        if found and re.fullmatch(r"[a-z0-9+]+", scheme)
        else "invalid ledger address; use sqlite:///FILE or postgresql://USER@HOST/DB"
    )


def parse_proxy_setting(text: object) -> object:
    """Validate a proxy address; `none` or "" means no proxy. It may contain a password, so no message repeats it."""
    if not isinstance(text, str):
        return text
    if text.strip().lower() in {"", DIRECT}:
        return SecretStr(DIRECT)
    parse_proxy(text, origin="PROXY")
    return SecretStr(text.strip())


def proxy_has_password(address: str) -> bool:
    """Whether a proxy address contains a password, even if the address is invalid."""
    user, at, _ = address.rpartition("@")
    return bool(at) and ":" in user.rpartition("://")[2]


def redact_proxy(address: str) -> str:
    """A proxy address without username and password, safe to show."""
    return DIRECT if address == DIRECT else parse_proxy(address, origin="PROXY").address


def is_database(address: str) -> bool:
    """Whether it is the address of a SQLite file or a PostgreSQL database."""
    return address.startswith(SQLITE_IN_MEMORY) or _is_postgresql(address)


def _is_postgresql(address: str) -> bool:
    try:
        parts = urlsplit(address)
        return parts.scheme in _POSTGRESQL and len(parts.path) > 1 and (parts.port is None or parts.port > 0)
    except ValueError:
        return False


def ledger_file(address: str) -> str | None:
    """The SQLite file of a ledger; None if it is in memory or in a database server."""
    return address.removeprefix("sqlite:///") or None if address.startswith("sqlite:///") else None


def ledger_exists(address: str) -> bool:
    """Whether there is a ledger file; True for a database server, which reports a missing database itself."""
    file = ledger_file(address)
    return address != SQLITE_IN_MEMORY and (file is None or Path(file).exists())


def password_in(address: str) -> str:
    """The password in a database address; "" if there is none."""
    try:
        return unquote(urlsplit(address).password or "")
    except ValueError:
        return ""


def with_password(address: str, password: str) -> str:
    """The address with this password, URL-escaped. An address without a user is returned unchanged."""
    parts = urlsplit(address)
    user, at, rest = parts.netloc.rpartition("@")
    if not at or parts.scheme not in _POSTGRESQL:
        return address
    return parts._replace(
        netloc=f"{quote(unquote(user.partition(':')[0]), safe='')}:{quote(password, safe='')}@{rest}"
    ).geturl()
