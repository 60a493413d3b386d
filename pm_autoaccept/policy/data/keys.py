"""Cleans the keys of data tables, and refuses keys that a spreadsheet has changed (1.23E+11, #N/A, 7.00)."""

from __future__ import annotations

import re
from collections.abc import Callable

from pm_autoaccept.policy.cleaning import Cleaning, cleaner, fold
from pm_autoaccept.policy.number_texts import garbling, with_points

_BY_EXCEL = re.compile(r"[0-9]([.,][0-9]+)?E\+[0-9]+|#(N/A|REF!|VALUE!|NAME\?|DIV/0!|NUM!|NULL!|#+)", re.IGNORECASE)
_WITH_ZEROS = re.compile(r"[0-9]+\.0+")
"""How a script writes a key that it mistakes for a number; nobody types it."""


class GarbledKey(ValueError):
    """A spreadsheet or a script has changed a key; the message says how, and what to do."""


def key_reader(cleanings: tuple[Cleaning, ...]) -> Callable[[str], str]:
    """A function that cleans a key and raises `GarbledKey` if it was changed."""
    clean, garbles = cleaner(cleanings), garbling(cleanings)
    names = ", ".join(cleaning.written for cleaning in cleanings)
    points = any(cleaning.name == "points" for cleaning in cleanings)

    def read(written: str) -> str:
        key = fold(written)
        # Most keys consist of digits, which are always fine.
        if not key.isdigit():
            if garbles(key):
                raise GarbledKey(
                    f"a spreadsheet changed the key to {key}, and `clean: {names}` would turn it into a different key; "
                    "format the column as text or, if the keys really contain a point, write "
                    f"`{with_points(cleanings)}`"
                )
            if _BY_EXCEL.fullmatch(key) or (not points and _WITH_ZEROS.fullmatch(key)):
                raise GarbledKey(f"a spreadsheet changed the key to {key}; format the column as text")
        return clean(key)

    return read
