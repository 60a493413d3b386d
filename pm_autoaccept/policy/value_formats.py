"""What the values of a field are like, as far as that is known: a literal that no value can be tests nothing."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from pm_autoaccept.policy.cleaning import Cleaning
from pm_autoaccept.policy.custom_fields.possible_answers import ANY, Characters, PossibleAnswers
from pm_autoaccept.policy.operators import Operator, Takes


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueFormat:
    """The form of a field's values.

    Attributes:
        says: what each value is, for messages.
        characters: of which characters a text is made.
        longest: how many of them it has at most.
        whole: what a text fits as a whole.
        least: the smallest number; None where there is none.
        most: the largest.
        step: of which number each is a multiple; None where others are possible.
    """

    says: str
    characters: Characters = ANY
    longest: int | None = None
    whole: re.Pattern[str] | None = None
    least: int | None = None
    most: int | None = None
    step: int | None = None

    @property
    def texts(self) -> PossibleAnswers:
        """Of which characters and how long a text is, before it is cleaned."""
        return PossibleAnswers(self.characters, 1, self.longest)

    def is_never(self, operator: Operator, literal: Any, clean: tuple[Cleaning, ...] = ()) -> bool:  # noqa: ANN401 - a value of any type
        """Whether no value can be what the operator is given; `literal` and value are cleaned likewise."""
        if not isinstance(literal, str):
            return self._is_out_of_range(operator.name, literal)
        if operator.takes is Takes.TEXTS:
            return not self.texts.after(clean).may_have(literal)
        return self.is_never_text(literal, clean)

    def is_never_text(self, literal: str, clean: tuple[Cleaning, ...]) -> bool:
        """Whether no text is this one after cleaning."""
        if self.whole is not None and not clean and not self.whole.fullmatch(literal):
            return True
        return not self.texts.after(clean).may_be(literal)

    def _is_out_of_range(self, operator: str, number: Any) -> bool:  # noqa: ANN401 - an integer or a decimal
        """Whether no value is this number. A bound that is left out may lie just outside: above 0, below 101."""
        least = self.least if self.least is None or operator != "above" else self.least - 1
        most = self.most if self.most is None or operator != "below" else self.most + 1
        if least is not None and (number < least or (operator == "below" and number == least)):
            return True
        if most is not None and (number > most or (operator == "above" and number == most)):
            return True
        return self.step is not None and operator in {"equals", "in"} and number % self.step != 0
