"""Makes other people's texts harmless for a terminal."""

from __future__ import annotations

import unicodedata

_NOT_SHOWN = frozenset({"Cc", "Cf", "Cs"})
"""Controls, formats (which turn the direction of text), and halves of characters. XML can carry the first two."""


def printable(text: object, *, keep: str = "") -> str:
    """The text with a visible mark in place of each character that could steer a terminal, but for those to `keep`."""
    return "".join(char if char in keep or unicodedata.category(char) not in _NOT_SHOWN else "�" for char in str(text))
