"""Escapes control characters in text from outside, so that it cannot manipulate a terminal."""

from __future__ import annotations

import unicodedata

_NOT_SHOWN = frozenset({"Cc", "Cf", "Cs"})
"""Control characters, format characters (which change text direction) and surrogates. XML can carry the first two."""


def printable(text: object, *, keep: str = "") -> str:
    """The text with a visible mark for each character that could control a terminal, except those in `keep`."""
    shown = str(text)
    if shown.isprintable():  # no character of any of these categories
        return shown
    return "".join(char if char in keep or unicodedata.category(char) not in _NOT_SHOWN else "�" for char in shown)
