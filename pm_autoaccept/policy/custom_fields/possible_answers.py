"""Which texts a field can have, by allowed characters and length: literals and patterns that can never match."""

from __future__ import annotations

import math
import re
import string
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TypeAlias

import re2

from pm_autoaccept.model import CustomFieldDefinition
from pm_autoaccept.policy.cleaning import POINTS, Cleaning

Characters: TypeAlias = frozenset[str]
"""ASCII characters, and `BEYOND_ASCII` where any others are possible too."""

BEYOND_ASCII = "beyond ASCII"
"""Represents all other characters: EPA does not say which of them it allows, so none of them is ruled out alone."""
ANY = frozenset(map(chr, range(128))) | {BEYOND_ASCII}
DIGITS = frozenset(string.digits)
CAPITALS = frozenset(string.ascii_uppercase)
LETTERS = frozenset(string.ascii_letters) | {BEYOND_ASCII}
BLANKS = frozenset(string.whitespace)

_PIECE = re.compile(
    r"(?P<one>\[\^?\]?(?>(?:\[:\^?[a-z]+:\]|\\.|[^\]\\])*)\]|\\x[0-9A-Fa-f]{2}|\\[dDwWsS\W]|[^\\()\[|^$*+?{])"
    r"(?:(?P<sign>[*+?])|\{(?P<least>[0-9]+)(?P<comma>,?)(?P<most>[0-9]*)\})?\??(?![*+?{])",
    re.DOTALL,
)
"""One character, escape or character class of an RE2 pattern, with its quantifier."""


@dataclass(frozen=True, slots=True)
class PossibleAnswers:
    """The characters that a text can be made of, and its minimum and maximum length."""

    allowed: Characters
    shortest: int
    longest: int | None

    @classmethod
    def of(cls, definition: CustomFieldDefinition) -> PossibleAnswers:
        """What Portfolio Manager lets customers enter in a custom field; a blank entry is not an answer."""
        # EPA does not say whether a blank within a text counts as alphanumeric, so it is not ruled out.
        restricted = {"Numeric": DIGITS, "Alphanumeric": DIGITS | LETTERS | BLANKS}
        allowed = restricted.get(definition.valid_characters or "", ANY)
        return cls(allowed, max(definition.min_chars or 0, 1), definition.max_chars or None)

    @classmethod
    def anything(cls) -> PossibleAnswers:
        """Any text that is not blank."""
        return cls(ANY, 1, None)

    def after(self, cleanings: Iterable[Cleaning]) -> PossibleAnswers:
        """What remains after cleaning; where a step may remove characters, the text can have any smaller length."""
        answers = self
        for cleaning in cleanings:
            answers = answers._after(cleaning)
        return answers

    def _after(self, cleaning: Cleaning) -> PossibleAnswers:
        longest = self.longest
        if cleaning.name == "zero_fill":
            filled = None if longest is None else max(longest, cleaning.count)
            return PossibleAnswers(self.allowed | DIGITS, max(self.shortest, cleaning.count), filled)
        if cleaning.name in {"first", "last"}:
            cut = cleaning.count if longest is None else min(longest, cleaning.count)
            return replace(self, shortest=1, longest=cut)
        kept = {
            "points": ANY.difference(POINTS),
            "digits": DIGITS,
            "letters_digits": DIGITS | LETTERS,
            "no_spaces": ANY - BLANKS,
            "fold_case": ANY - CAPITALS,
        }.get(cleaning.name, ANY)
        left = self.allowed & kept
        removes = left != self.allowed or cleaning.name == "no_leading_zeros"
        return replace(self, allowed=left, shortest=1 if removes and cleaning.name != "fold_case" else self.shortest)

    def may_be(self, text: str) -> bool:
        """Whether a value can be this text."""
        return self.shortest <= len(text) and self.may_have(text)

    def may_have(self, text: str) -> bool:
        """Whether this text can be part of a value."""
        if self.longest is not None and len(text) > self.longest:
            return False
        return self.allowed.issuperset(text if text.isascii() else (c if c.isascii() else BEYOND_ASCII for c in text))

    def may_fit(self, pattern: str) -> bool:
        """Whether a value may match: False only if the pattern requires a character or a length that none has.

        A pattern with groups, alternatives or anchors in the middle is not analyzed: it counts as possible.
        """
        flag = "(?i)" if pattern.startswith("(?i)") else ""
        body = pattern.removeprefix(flag).removeprefix("^").removesuffix("$")
        pieces = list(_PIECE.finditer(body))
        if "".join(piece[0] for piece in pieces) != body:
            return True
        shortest, longest = 0, 0.0
        for piece in pieces:
            least, most = _repeats(piece)
            if self._has_one(flag + piece["one"]):
                shortest, longest = shortest + least, longest + most
            elif least:
                return False
        return shortest <= (self.longest or math.inf) and self.shortest <= longest

    def _has_one(self, pattern: str) -> bool:
        """Whether one of the allowed characters matches."""
        compiled = re2.compile(pattern)
        beyond_ascii = BEYOND_ASCII in self.allowed and compiled.possiblematchrange(1)[1] > b"\x7f"
        return beyond_ascii or any(compiled.fullmatch(character) for character in self.allowed)


def _repeats(piece: re.Match[str]) -> tuple[int, float]:
    """How often a piece of a pattern stands there at least and at most."""
    if piece["least"]:
        least = int(piece["least"])
        return least, float(piece["most"] or math.inf) if piece["comma"] else least
    return {"?": (0, 1), "*": (0, math.inf), "+": (1, math.inf)}.get(piece["sign"], (1, 1))
