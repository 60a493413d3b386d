"""Every form in which a password could stand somewhere, and the bytes in which it is to be searched."""

from __future__ import annotations

import base64
import json
from math import ceil
from pathlib import Path
from urllib.parse import quote, quote_plus

import psycopg
from psycopg.sql import SQL, Identifier


def forms(username: str, password: str) -> list[bytes]:
    """Plain, escaped, URL-quoted, and in base64: alone, with the username, and wherever in a longer text it stands."""
    pair = f"{username}:{password}"
    texts = [
        password,
        password.encode("ascii", "backslashreplace").decode(),
        json.dumps(password)[1:-1],
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


def kept_in(ledger: str) -> bytes:
    """All that a ledger holds: the bytes of SQLite's files, or of each row of PostgreSQL's tables, as it was given."""
    if ledger.startswith("sqlite:///"):
        file = Path(ledger.removeprefix("sqlite:///"))
        return b"".join(path.read_bytes() for path in file.parent.glob(f"{file.name}*"))
    kept: list[bytes] = []
    with psycopg.connect(ledger) as connection, connection.cursor() as cursor:
        names = cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = current_schema()").fetchall()
        for (name,) in names:
            with cursor.copy(SQL("COPY {} TO STDOUT (FORMAT binary)").format(Identifier(name))) as rows:
                kept += [bytes(each) for each in rows]
    return b"".join(kept)
