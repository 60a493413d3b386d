"""Redacts addresses (URLs) for logs, errors and pages: neither user information nor a query value is ever shown.

`shown` is the address for people. `redacted` takes the same parts out of what a library says about an address, since
libraries repeat what they were given.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import parse_qsl, quote, quote_plus, unquote, unquote_plus, urlsplit

HIDDEN = "***"

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*")
_SECRET_NAME = re.compile(r"pass|pwd|secret|token|key|sig|auth|code|cred", re.IGNORECASE)
_LONG, _SHORTEST = 12, 4
"""Characters from which on a query value is taken for a secret, and below which a value is left in other texts."""
_PASSWORDS = frozenset({"password", "sslpassword"})
"""What libpq calls passwords in the query of an address."""
_USER_AND_PASSWORD = re.compile(r"(?P<user>[^:/@]*)(?::(?P<password>[^@]*))?@")
"""As SQLAlchemy reads an address: a slash or a question mark in a password need not be escaped."""
_ADDRESS_IN_LINE = re.compile(r"""'[^']*://[^']*'|"[^"]*://[^"]*"|\S*://\S*""")


def shown(address: str) -> str:
    """The address without user information, and with `***` for the query: a name in it may be a part of a value.

    Where it cannot be told for sure which part is which, only the scheme is left.
    """
    scheme, found, rest = address.partition("://")
    if not found or not _SCHEME.fullmatch(scheme):
        return "…"
    if scheme.startswith("sqlite"):  # a file: there is no place for a user
        path, _, query = rest.partition("?")
        hidden = f"?{HIDDEN}" if query else ""
        return f"{scheme}://{path}{hidden}" if not path or path.startswith("/") else f"{scheme}://…"
    try:
        parts = urlsplit(address)
        host, _ = parts.netloc.rpartition("@")[2], parts.port
    except ValueError:
        return f"{scheme}://…"
    # What looks like host and port may be a user, and a password whose special characters are not escaped.
    password_may_be_there = ":" in host or not scheme.startswith("http")
    if "@" in parts.path or ("@" in f"{parts.query}{parts.fragment}" and password_may_be_there):
        return f"{scheme}://…"
    return f"{scheme}://{host}{parts.path}{'?' + HIDDEN if parts.query else ''}"


def redacted(text: str, address: str) -> str | None:
    """What a library says, without what `shown` leaves out of the address; None where a secret stands in it.

    A secret is not replaced: where it is a common word, the gap in a well-known sentence would tell it.
    """
    secrets, others = _parts(address)
    if any(secret in text for secret in secrets):
        return None
    for other in sorted(others, key=len, reverse=True):
        text = re.sub(rf"(?<!\w){re.escape(other)}(?!\w)", HIDDEN, text)
    return text


def redacted_line(line: str) -> str:
    """A line of a file, with asterisks for the user information and query of each address: columns stay as they are."""
    return _ADDRESS_IN_LINE.sub(lambda found: _starred(found[0]), line)


def _starred(address: str) -> str:
    scheme, mark, rest = address.partition("://")
    user, at, rest = rest.rpartition("@")
    path, query = re.match(r"([^?#]*)(.*)", rest, re.DOTALL).groups()  # type: ignore[union-attr] # it matches any text
    end = query[-1] if query and query[-1] in "'\"" else ""
    hidden = query[: len(query) - len(end)]
    return f"{scheme}{mark}{'*' * len(user)}{at}{path}{hidden[:1]}{'*' * len(hidden[1:])}{end}"


def has_password(address: str) -> bool:
    """Whether a password stands in an address, as user information or as a query value."""
    scheme, _, rest = address.partition("://")
    found = None if scheme.startswith("sqlite") else _USER_AND_PASSWORD.match(rest)
    named = (name.casefold() for name, _ in parse_qsl(rest.partition("?")[2], keep_blank_values=False))
    return bool(found and found["password"]) or not _PASSWORDS.isdisjoint(named)


def _parts(address: str) -> tuple[set[str], set[str]]:
    """The secrets in an address, and what else is not shown of it, each in every form in which it may be repeated."""
    web, _, rest = address.partition("://")
    secrets: set[str] = set()
    others: set[str] = set()
    for user, password in () if web.startswith("sqlite") else _readings(rest):
        others |= set(_forms(user))
        secrets |= {form for piece in (password, *password.split("@")) for form in _forms(piece)}
    query, _, fragment = rest.partition("?")[2].partition("#")
    secrets |= set(_forms(fragment))
    for pair in re.split("[&;]", query):
        name, equals, value = pair.partition("=")
        if not equals:
            secrets |= set(_forms(name))
        elif unquote(name).casefold() in _PASSWORDS or (web.startswith("http") and _is_secret(name, value)):
            secrets |= set(_forms(value))
        else:
            words = (value, *re.split("[ =+]", unquote(value)))
            # What is as short as `5` or `csv` stands in many sentences by chance.
            others |= {form for word in words if len(word) >= _SHORTEST for form in _forms(word)}
    return secrets, others


def _is_secret(name: str, value: str) -> bool:
    """Whether a query value of a web address is a secret: by its name, or since nobody would write it by hand."""
    return bool(_SECRET_NAME.search(unquote(name))) or len(value) >= _LONG


def _readings(rest: str) -> Iterator[tuple[str, str]]:
    """User and password, as those read them who take the first `@` for their end, and those who take the last."""
    if found := _USER_AND_PASSWORD.match(rest):
        yield found["user"], found["password"] or ""
    user, _, password = rest.partition("?")[0].rpartition("@")[0].partition(":")
    yield user, password


def _forms(text: str) -> Iterator[str]:
    if text:
        for plain in {text, unquote(text), unquote_plus(text)}:
            yield from (plain, quote(plain, safe=""), quote_plus(plain), repr(plain)[1:-1])
