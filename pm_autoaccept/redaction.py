"""Redacts URLs in logs, errors and pages: removes usernames, passwords and query values.

`redact_url` makes one address safe to show. `redact_message` removes the same parts from a library's error message,
because libraries quote the address that they were given.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import parse_qsl, quote, quote_plus, unquote, unquote_plus, urlsplit

HIDDEN = "***"

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*")
_SECRET_NAME = re.compile(r"pass|pwd|secret|token|key|sig|auth|code|cred", re.IGNORECASE)
_SECRET_FROM_CHARACTERS, _REDACT_FROM_CHARACTERS = 12, 4
"""A query value of at least 12 characters counts as a secret. Values shorter than 4 stay in messages."""
_PASSWORDS = frozenset({"password", "sslpassword"})
"""libpq's names for passwords in the query of an address."""
_USER_AND_PASSWORD = re.compile(r"(?P<user>[^:/@]*)(?::(?P<password>[^@]*))?@")
"""As SQLAlchemy parses an address: a slash or question mark in a password need not be escaped."""
_ADDRESS_IN_LINE = re.compile(r"""'[^']*://[^']*'|"[^"]*://[^"]*"|\S*://\S*""")


def redact_url(address: str) -> str:
    """The address without user information, and with `***` for the whole query.

    Query names are removed too, because a name may be part of a value. If the parts are ambiguous, only the scheme is
    shown.
    """
    scheme, found, rest = address.partition("://")
    if not found or not _SCHEME.fullmatch(scheme):
        return "…"
    if scheme.startswith("sqlite"):  # a file address has no user
        path, _, query = rest.partition("?")
        hidden = f"?{HIDDEN}" if query else ""
        return f"{scheme}://{path}{hidden}" if not path or path.startswith("/") else f"{scheme}://…"
    try:
        parts = urlsplit(address)
        host, _ = parts.netloc.rpartition("@")[2], parts.port
    except ValueError:
        return f"{scheme}://…"
    # What looks like host and port may be a user and a password with unescaped special characters.
    password_may_be_there = ":" in host or not scheme.startswith("http")
    if "@" in parts.path or ("@" in f"{parts.query}{parts.fragment}" and password_may_be_there):
        return f"{scheme}://…"
    return f"{scheme}://{host}{parts.path}{'?' + HIDDEN if parts.query else ''}"


def redact_message(text: str, address: str) -> str | None:
    """A library's message without the parts of the address that `redact_url` removes; None if it contains a secret.

    Secrets are not replaced with `***`: if the secret is a common word, the gap in a known sentence would reveal it.
    """
    secrets, others = _parts(address)
    if any(secret in text for secret in secrets):
        return None
    for other in sorted(others, key=len, reverse=True):
        text = re.sub(rf"(?<!\w){re.escape(other)}(?!\w)", HIDDEN, text)
    return text


def redact_line(line: str) -> str:
    """A line of a file with the user information and query of each address starred out; columns do not shift."""
    return _ADDRESS_IN_LINE.sub(lambda found: _starred(found[0]), line)


def _starred(address: str) -> str:
    scheme, mark, rest = address.partition("://")
    user, at, rest = rest.rpartition("@")
    path, query = re.match(r"([^?#]*)(.*)", rest, re.DOTALL).groups()  # type: ignore[union-attr] # it matches any text
    end = query[-1] if query and query[-1] in "'\"" else ""
    hidden = query[: len(query) - len(end)]
    return f"{scheme}{mark}{'*' * len(user)}{at}{path}{hidden[:1]}{'*' * len(hidden[1:])}{end}"


def has_password(address: str) -> bool:
    """Whether an address contains a password, as user information or as a query value."""
    scheme, _, rest = address.partition("://")
    found = None if scheme.startswith("sqlite") else _USER_AND_PASSWORD.match(rest)
    named = (name.casefold() for name, _ in parse_qsl(rest.partition("?")[2], keep_blank_values=False))
    return bool(found and found["password"]) or not _PASSWORDS.isdisjoint(named)


def _parts(address: str) -> tuple[set[str], set[str]]:
    """The secrets in an address, and its other hidden parts, each in every form in which a message may quote it."""
    web, _, rest = address.partition("://")
    secrets: set[str] = set()
    others: set[str] = set()
    for user, password in () if web.startswith("sqlite") else _user_and_password(rest):
        others |= set(_quoted_forms(user))
        secrets |= {form for piece in (password, *password.split("@")) for form in _quoted_forms(piece)}
    query, _, fragment = rest.partition("?")[2].partition("#")
    secrets |= set(_quoted_forms(fragment))
    for pair in re.split("[&;]", query):
        name, equals, value = pair.partition("=")
        if not equals:
            secrets |= set(_quoted_forms(name))
        elif unquote(name).casefold() in _PASSWORDS or (web.startswith("http") and _is_secret(name, value)):
            secrets |= set(_quoted_forms(value))
        else:
            words = (value, *re.split("[ =+]", unquote(value)))
            # Values as short as `5` or `csv` occur in many sentences by chance.
            others |= {form for word in words if len(word) >= _REDACT_FROM_CHARACTERS for form in _quoted_forms(word)}
    return secrets, others


def _is_secret(name: str, value: str) -> bool:
    """Whether a query value of a web address is a secret: judged by its name or its length."""
    return bool(_SECRET_NAME.search(unquote(name))) or len(value) >= _SECRET_FROM_CHARACTERS


def _user_and_password(rest: str) -> Iterator[tuple[str, str]]:
    """User and password, once if they end at the first `@` and once if they end at the last: parsers differ."""
    if found := _USER_AND_PASSWORD.match(rest):
        yield found["user"], found["password"] or ""
    user, _, password = rest.partition("?")[0].rpartition("@")[0].partition(":")
    yield user, password


def _quoted_forms(text: str) -> Iterator[str]:
    if text:
        for plain in {text, unquote(text), unquote_plus(text)}:
            yield from (plain, quote(plain, safe=""), quote_plus(plain), repr(plain)[1:-1])
