"""Every form in which a password could stand somewhere, to be searched in bytes."""

from __future__ import annotations

import base64
from math import ceil
from urllib.parse import quote, quote_plus


def forms(username: str, password: str) -> list[bytes]:
    """Plain, escaped, URL-quoted, and in base64: alone, with the username, and wherever in a longer text it stands."""
    pair = f"{username}:{password}"
    texts = [
        password,
        password.encode("ascii", "backslashreplace").decode(),
        quote(password, safe=""),
        quote_plus(password),
        password.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"),
    ]
    coded = [piece for text in (pair, password) for each in _encoded(text) for piece in in_base64(each)]
    return [*(text.encode() for text in texts), *dict.fromkeys(coded)]


def _encoded(text: str) -> list[bytes]:
    return [text.encode(), text.encode("latin-1", "replace")]


def in_base64(secret: bytes) -> list[bytes]:
    """What of a secret is the same in base64 whatever stands around it: at each of the three places it may begin."""
    found = []
    for before in range(3):
        whole = base64.b64encode(b"\0" * before + secret)
        found.append(whole[ceil(before * 8 / 6) : (before + len(secret)) * 8 // 6])
    return found
