"""Matches texts against regular expressions with RE2, in linear time, with a fast check before."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import re2

_COMPARED = 10
"""The maximum length of the prefix for the fast check; most patterns have a shorter fixed prefix."""


def holding(pattern: Any) -> Callable[[str, object], bool]:  # noqa: ANN401 - google-re2 ships no types
    """A function that checks whether the pattern matches a whole text, always in linear time.

    RE2 knows a lower and an upper bound for the texts that a pattern can match. Comparing a text with these bounds is
    many times faster than matching it.
    """
    # Bytes, because converting match positions in a str takes re2 longer than matching.
    compiled = re2.compile(pattern.pattern.encode(), pattern.options)
    match = compiled.fullmatch
    try:
        first, last = compiled.possiblematchrange(_COMPARED)
    except re2.error:  # there are no bounds: it may match any text
        return lambda text, _: match(text.encode()) is not None

    def holds(text: str, _: object) -> bool:
        written = text.encode()
        return first <= written <= last and match(written) is not None

    return holds
