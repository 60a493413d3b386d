"""The cells of our own tables: which types columns have, and how their texts are read."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from pm_autoaccept.model import Fact, NotLearnt
from pm_autoaccept.policy.cleaning import fold
from pm_autoaccept.policy.data.layouts import DateOrder
from pm_autoaccept.policy.values import FieldType, NotAValue, Relative, Value, read_value

COLUMN_TYPES: Mapping[str, FieldType] = MappingProxyType(
    {kind.value: kind for kind in FieldType if kind is not FieldType.CHOICE}
)
"""The types that a column may be declared as, by the words for them."""

_BOOLEANS: Mapping[str, bool] = MappingProxyType(
    dict.fromkeys(("true", "yes", "t", "y", "1"), True) | dict.fromkeys(("false", "no", "f", "n", "0"), False)
)
"""How spreadsheets and databases write booleans."""


def read_cell(text: str, kind: FieldType, *, column: str, dates: DateOrder | None = None) -> Fact[Value]:
    """What a cell says; not learnt where it is blank, or is no value of the column's type.

    Args:
        text: the cell.
        kind: the column's type.
        column: its name, for the reason.
        dates: how our table writes dates, beside 2026-01-31.
    """
    folded = fold(text)
    if not folded:
        return NotLearnt(f"the cell in column {column} of our table is blank")
    if kind is FieldType.DATE and dates is not None and (day := dates.read(folded)) is not None:
        return day
    if kind is FieldType.BOOLEAN and folded.casefold() in _BOOLEANS:
        return _BOOLEANS[folded.casefold()]
    try:
        value = read_value(folded, kind)
    except NotAValue:
        value = None
    if value is None or isinstance(value, Relative):
        # The cell is not repeated: our tables may hold what is nobody else's business.
        return NotLearnt(f"the cell in column {column} of our table is not a valid {kind}")
    return value
