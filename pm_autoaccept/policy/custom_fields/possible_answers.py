"""What customers can answer to a custom field, before and after cleaning: of which characters, and how long."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from pm_autoaccept.model import CustomFieldDefinition
from pm_autoaccept.policy.cleaning import POINTS, Cleaning
from pm_autoaccept.policy.custom_fields.characters import (
    ANY,
    BLANKS,
    CAPITALS,
    DIGITS,
    LETTERS,
    Characters,
    characters,
    common,
    joined,
    others,
)
from pm_autoaccept.policy.custom_fields.characters import holds as made_of
from pm_autoaccept.policy.custom_fields.pattern_satisfiable import may_fit


@dataclass(frozen=True, slots=True)
class Answers:
    """What customers can answer: of which characters, how long at least and at most."""

    allowed: Characters
    shortest: int
    longest: int | None

    @classmethod
    def of(cls, definition: CustomFieldDefinition) -> Answers:
        """What Portfolio Manager lets them type; blank is no answer."""
        # Whether EPA counts a blank within a text as alphanumeric is not said anywhere, so it is not ruled out.
        some_only = {"Numeric": DIGITS, "Alphanumeric": joined((*DIGITS, *LETTERS, *BLANKS))}
        allowed = some_only.get(definition.valid_characters or "", ANY)
        return cls(allowed, max(definition.min_chars or 0, 1), definition.max_chars or None)

    @classmethod
    def anything(cls) -> Answers:
        """Any text that is not blank."""
        return cls(ANY, 1, None)

    def after(self, cleanings: Iterable[Cleaning]) -> Answers:
        """What is left of them; where a cleaning may take something away, any length may be left."""
        answers = self
        for cleaning in cleanings:
            answers = answers._after(cleaning)
        return answers

    def _after(self, cleaning: Cleaning) -> Answers:
        longest = self.longest
        if cleaning.name == "zero_fill":
            filled = None if longest is None else max(longest, cleaning.count)
            return Answers(joined((*self.allowed, *DIGITS)), max(self.shortest, cleaning.count), filled)
        if cleaning.name in {"first", "last"}:
            cut = cleaning.count if longest is None else min(longest, cleaning.count)
            return replace(self, shortest=1, longest=cut)
        kept = {
            "points": others(characters(*POINTS)),
            "digits": DIGITS,
            "letters_digits": joined((*DIGITS, *LETTERS)),
            "no_spaces": others(BLANKS),
            "fold_case": others(CAPITALS),
        }.get(cleaning.name, ANY)
        left = common(self.allowed, kept)
        takes_away = left != self.allowed or cleaning.name == "no_leading_zeros"
        return replace(self, allowed=left, shortest=1 if takes_away and cleaning.name != "fold_case" else self.shortest)

    def may_be(self, text: str) -> bool:
        """Whether one of them is this text."""
        fits = self.shortest <= len(text) and (self.longest is None or len(text) <= self.longest)
        return fits and made_of(self.allowed, text)

    def may_have(self, text: str) -> bool:
        """Whether this text is a part of one of them."""
        return (self.longest is None or len(text) <= self.longest) and made_of(self.allowed, text)

    def may_fit(self, pattern: str) -> bool:
        """Whether one of them may fit the pattern."""
        return may_fit(pattern, allowed=self.allowed, shortest=self.shortest, longest=self.longest)
