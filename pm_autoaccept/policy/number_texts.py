"""Detect ids garbled by a spreadsheet (4.1001234E7, 41001.5), which `clean` would turn into another customer's id.

A spreadsheet writes 41001234 as `4.1001234E7`; `digits` would make that 410012347.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable

from pm_autoaccept.policy.cleaning import POINTS, Cleaning

_ASIDE = frozenset("'\"`_=()%\N{PER MILLE SIGN}\N{PRIME}\N{DOUBLE PRIME}\N{ARABIC THOUSANDS SEPARATOR}")
_ASIDE_TOO = frozenset({"Zs", "Cc", "Sc", "Pi", "Pf", "Ps", "Pe"})
"""Characters that can surround a number or separate its digits: quotes, spaces, currency and accounting signs."""
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
_ANY_POINT_OR_EXPONENT = re.compile(f"[{re.escape(POINTS)}ex*\N{MULTIPLICATION SIGN}]", re.IGNORECASE)
"""One of these characters is in every text that `_NUMBER` matches. Most answers have none."""
_DECIMAL = str.maketrans(dict.fromkeys(set(POINTS) - {","}, "."))
_MARKS = frozenset({*POINTS, *"eEx*^\N{MULTIPLICATION SIGN}"})
"""Characters without which such a number has another value."""
_TAKES_AWAY = frozenset({"digits", "letters_digits", "first", "last"})


def is_fraction_or_power(text: str) -> bool:
    """Whether the whole folded text is one number with a decimal part or an exponent."""
    if _ANY_POINT_OR_EXPONENT.search(text) is None:
        return False
    bare = "".join(each for each in text if each not in _ASIDE and unicodedata.category(each) not in _ASIDE_TOO)
    return _NUMBER.fullmatch(_CURRENCY.sub("", bare.translate(_DECIMAL))) is not None


def garbling(cleanings: tuple[Cleaning, ...]) -> Callable[[str], bool]:
    """A check whether a folded text is such a number and these cleanings would remove its point or exponent.

    `points` states that the ids really have a point, so it may be removed.
    """
    if _TAKES_AWAY.isdisjoint(cleaning.name for cleaning in cleanings):
        return lambda _: False

    def garbles(text: str) -> bool:
        # The common case first: most keys are plain digits.
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
    """The `clean` to suggest for ids that really have a point, for example `clean: [points, digits]`."""
    names = ["points", *(cleaning.written for cleaning in cleanings if cleaning.name != "points")]
    return f"clean: [{', '.join(names)}]"
