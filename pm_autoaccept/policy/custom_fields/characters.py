"""Sets of characters, as ranges of code points: what a pattern allows in one place, what a customer may type."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeAlias

Characters: TypeAlias = tuple[tuple[int, int], ...]
"""Ranges, both ends included, in order and apart from one another."""

LAST = 0x10FFFF
ANY: Characters = ((0, LAST),)


def characters(*ranges: str | tuple[int, int]) -> Characters:
    """The set of these ranges: `09` stands for all from 0 to 9, a single character for itself."""
    return joined((ord(each[0]), ord(each[-1])) if isinstance(each, str) else each for each in ranges)


def joined(ranges: Iterable[tuple[int, int]]) -> Characters:
    """The ranges in order, those that touch made one."""
    found: list[tuple[int, int]] = []
    for low, high in sorted(ranges):
        if found and low <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(high, found[-1][1]))
        else:
            found.append((low, high))
    return tuple(found)


def others(than: Characters) -> Characters:
    """All characters but these."""
    return tuple(_between(than))


def _between(ranges: Characters) -> Iterator[tuple[int, int]]:
    begin = 0
    for low, high in ranges:
        if begin < low:
            yield begin, low - 1
        begin = high + 1
    if begin <= LAST:
        yield begin, LAST


def common(one: Characters, other: Characters) -> Characters:
    """The characters that are in both."""
    pairs = ((max(low, start), min(high, end)) for low, high in one for start, end in other)
    return tuple((low, high) for low, high in pairs if low <= high)


def holds(allowed: Characters, text: str) -> bool:
    """Whether the text is made of these characters only."""
    return all(any(low <= ord(each) <= high for low, high in allowed) for each in text)


DIGITS = characters("09")
LETTERS = joined((*characters("az", "AZ"), (0xAA, LAST)))
"""ASCII's, and everything beyond it: whether a letter of another language is one is not for us to rule out."""
CAPITALS = characters("AZ")
BLANKS = characters("\t\r", " ")
