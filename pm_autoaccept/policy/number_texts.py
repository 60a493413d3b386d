"""Texts that are numbers with a decimal part or an exponent: cleaned of its point, such a key is somebody else's.

A spreadsheet writes 41001234 as `4.1001234E7`, and `digits` makes 410012347 of that.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable

from pm_autoaccept.policy.cleaning import POINTS, Cleaning

_ASIDE = frozenset("'\"`_=()%\N{PER MILLE SIGN}\N{PRIME}\N{DOUBLE PRIME}\N{ARABIC THOUSANDS SEPARATOR}")
_ASIDE_TOO = frozenset({"Zs", "Cc", "Sc", "Pi", "Pf", "Ps", "Pe"})
"""What may stand around a number or between its digits: quotes, blanks, currency signs, and what accountants add."""
_CURRENCY = re.compile(r"^(?:USD|CAD|MXN|EUR|GBP|US|CA|C)(?=[-+.,\d])|(?<=\d)(?:USD|CAD|MXN|EUR|GBP)$", re.IGNORECASE)
_NUMBER = re.compile(
    r"[-+]?(?:"
    r"(?:\d[\d.,]*|[.,]\d+)(?:e|[x*\N{MULTIPLICATION SIGN}]10\^)[-+]?\d+"  # 4.1E7
    r"|(?:\d[\d,]*)?\.\d+"  # 41001.5, 41,001.5
    r"|\d+\.[\d.]*,\d+"  # 41.001,5
    r"|(?![1-9]\d{0,2},\d{3}[-+]?$)\d*,\d+"  # 41001,5, but not 41,001
    r")[-+]?",
    re.IGNORECASE,
)
_DECIMAL = str.maketrans(dict.fromkeys(set(POINTS) - {","}, "."))
_MARKS = frozenset({*POINTS, *"eEx*^\N{MULTIPLICATION SIGN}"})
"""What makes the value of such a number another one where it is missing."""
_TAKES_AWAY = frozenset({"digits", "letters_digits", "first", "last"})


def is_fraction_or_power(text: str) -> bool:
    """Whether the folded text, as a whole, is one number that has a decimal part or an exponent."""
    bare = "".join(each for each in text if each not in _ASIDE and unicodedata.category(each) not in _ASIDE_TOO)
    return _NUMBER.fullmatch(_CURRENCY.sub("", bare.translate(_DECIMAL))) is not None


def garbling(cleanings: tuple[Cleaning, ...]) -> Callable[[str], bool]:
    """What tells of a folded text that it is such a number and that these cleanings would drop its point or exponent.

    `points` says that the ids really have a point, so that it may go.
    """
    if _TAKES_AWAY.isdisjoint(cleaning.name for cleaning in cleanings):
        return lambda _: False

    def garbles(text: str) -> bool:
        # Most keys are digits, or have none.
        if text.isdigit() or not is_fraction_or_power(text):
            return False
        for cleaning in cleanings:
            before, text = text, cleaning.change(text, cleaning.count)
            if cleaning.name != "points" and _marks(text) < _marks(before):
                return True
        return False

    return garbles


def _marks(text: str) -> int:
    return sum(each in _MARKS for each in text)


def with_points(cleanings: Iterable[Cleaning]) -> str:
    """How to say that ids really have a point, as `clean: [points, digits]`."""
    names = ["points", *(cleaning.written for cleaning in cleanings if cleaning.name != "points")]
    return f"clean: [{', '.join(names)}]"
