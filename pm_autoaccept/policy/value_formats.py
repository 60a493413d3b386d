"""Known formats of field values (length, characters, range), to reject literals that a field can never equal."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from pm_autoaccept.policy.cleaning import Cleaning
from pm_autoaccept.policy.custom_fields.possible_answers import ANY, Characters, PossibleAnswers
from pm_autoaccept.policy.operators import Operator, Takes


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueFormat:
    """The format of a field's values.

    Attributes:
        description: a description of the values, for messages.
        characters: the characters that a text can contain.
        longest: the maximum length of a text; None if unlimited.
        whole: a pattern that every text matches.
        least: the smallest number; None if unlimited.
        most: the largest number; None if unlimited.
        step: every number is a multiple of this; None if any number is possible.
    """

    description: str
    characters: Characters = ANY
    longest: int | None = None
    whole: re.Pattern[str] | None = None
    least: int | None = None
    most: int | None = None
    step: int | None = None

    @property
    def texts(self) -> PossibleAnswers:
        """The possible texts before cleaning."""
        return PossibleAnswers(self.characters, 1, self.longest)

    def is_never(self, operator: Operator, literal: Any, clean: tuple[Cleaning, ...] = ()) -> bool:  # noqa: ANN401 - a value of any type
        """Whether no value can satisfy the operator with this literal, which is already cleaned."""
        if not isinstance(literal, str):
            return self._is_out_of_range(operator.name, literal)
        if operator.takes is Takes.TEXTS:
            return not self.texts.after(clean).may_have(literal)
        return self.is_never_text(literal, clean)

    def is_never_text(self, literal: str, clean: tuple[Cleaning, ...]) -> bool:
        """Whether no text can equal this one after cleaning."""
        if self.whole is not None and not clean and not self.whole.fullmatch(literal):
            return True
        return not self.texts.after(clean).may_be(literal)

    def _is_out_of_range(self, operator: str, number: Any) -> bool:  # noqa: ANN401 - an integer or a decimal
        """Whether the number is out of range; `above` and `below` may also name the number just outside it."""
        least = self.least if self.least is None or operator != "above" else self.least - 1
        most = self.most if self.most is None or operator != "below" else self.most + 1
        if least is not None and (number < least or (operator == "below" and number == least)):
            return True
        if most is not None and (number > most or (operator == "above" and number == most)):
            return True
        return self.step is not None and operator in {"equals", "in"} and number % self.step != 0
