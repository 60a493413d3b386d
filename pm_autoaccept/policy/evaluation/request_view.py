"""The values of a request that conditions test (fields, custom fields, table cells), each read once and cached."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from typing import Any, TypeAlias

from pm_autoaccept.model import Fact, Facts, NotLearnt, PendingRequest
from pm_autoaccept.policy.cleaning import Cleaning, cleaner, fold
from pm_autoaccept.policy.conditions import Column
from pm_autoaccept.policy.data.tables import Row, Table
from pm_autoaccept.policy.evaluation.custom_answers import Answers, Custom, answer, by_name
from pm_autoaccept.policy.fields import Field, fault_of
from pm_autoaccept.policy.number_texts import garbling, with_points
from pm_autoaccept.policy.split_answers import Separators
from pm_autoaccept.policy.values import FieldType, Value, read_answer, text_of

Told: TypeAlias = Fact[Value | None]
"""A value; None if the customer gave none; not learnt if we could not read it."""


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """Reads one value from a request. Conditions of a policy that use the same value share one reading."""

    find: Callable[[View], Any]


class View(dict[Reading, Any]):
    """A request with its facts and tables; as a mapping, a cache from reading to value.

    Attributes:
        zone: the time zone of dates.
        row: inside `where`: the row that was found.
        part: inside `split`: the current part of the answer.
    """

    __slots__ = ("facts", "part", "request", "row", "tables", "zone")

    def __init__(
        self,
        request: PendingRequest,
        facts: Facts,
        tables: Mapping[str, Fact[Table]],
        zone: tzinfo = UTC,
        row: Row | None = None,
        *,
        part: str | None = None,
    ) -> None:
        self.request = request
        self.facts = facts
        self.tables = tables
        self.zone = zone
        self.row = row
        self.part = part

    def __missing__(self, reading: Reading) -> Any:  # noqa: ANN401 - each reading brings values of its own type
        found = self[reading] = reading.find(self)
        return found

    def table(self, name: str) -> Fact[Table]:
        """A data table of the policy."""
        return self.tables.get(name, NotLearnt("it was not read"))

    def beside(self, row: Row) -> View:
        """The same view, inside a lookup that found this row."""
        return View(self.request, self.facts, self.tables, self.zone, row)

    def at(self, part: str) -> View:
        """The same view, for one part of an answer."""
        return View(self.request, self.facts, self.tables, self.zone, part=part)


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What a policy is evaluated for: a request with its facts, tables and time zone.

    Attributes:
        row: inside a lookup: the row that it found.
        part: inside `split`: the current part of the answer.
    """

    request: PendingRequest
    facts: Facts
    tables: Mapping[str, Fact[Table]]
    zone: tzinfo = UTC
    row: Row | None = None
    part: str | None = None

    @property
    def view(self) -> View:
        """A view with an empty cache."""
        return View(self.request, self.facts, self.tables, self.zone, self.row, part=self.part)


@dataclass(frozen=True, slots=True)
class Readings:
    """The readings of one policy."""

    _made: dict[Hashable, Reading] = field(default_factory=dict)

    def one(self, what: Hashable, find: Callable[[View], Any]) -> Reading:
        """The shared reading for this."""
        return self._made.setdefault(what, Reading(find))

    def given(self, field: Field | Column) -> Reading:
        """The value of a field or column as given: a `Told`."""
        if isinstance(field, Column):
            return self.one(field, lambda view: _cell(field, view))
        if field.part_of is not None:
            return self.one((field.name, "part"), lambda view: view.part)
        if (custom := field.custom) is None:
            return self.one(field.name, _plainly(field))
        key, among = custom.key, self.one(custom.among, _among(custom))

        def find(view: View) -> Told:
            if view.request.faults and fault_of(view.request, field.name):
                return field.value(view.request, view.facts)
            answers = view[among]
            return answers if isinstance(answers, NotLearnt) else answer(key, answers, view.facts.defined)

        return self.one(field.name, find)

    def parts(self, field: Field, separators: Separators) -> Reading:
        """The parts of a field's text; None if it has none."""
        given = self.given(field)

        def find(view: View) -> Fact[tuple[str, ...] | None]:
            text = view[given]
            if text is None or isinstance(text, NotLearnt):
                return text
            return separators.split(text) or None

        return self.one((given, separators), find)

    def comparable(
        self, field: Field | Column, clean: tuple[Cleaning, ...] = (), read_as: FieldType | None = None
    ) -> Reading:
        """The value of a field for comparison: cleaned, or read as a type; None if nothing is left of it."""
        given = self.given(field)
        if not clean and read_as is None:
            return given
        change = cleaner(clean) if read_as is None else lambda text: read_answer(text, read_as)
        garbles = garbling(clean)
        find_given: Callable[[View], Told] = given.find

        def find(view: View) -> Told:
            value = find_given(view)
            if not isinstance(value, str):
                return value
            if garbles(value):
                return _garbled(clean)
            ready = change(value)
            if ready is None or ready == "":
                return _nothing_left(field)
            return ready

        return self.one((given, clean, read_as), find)

    def as_key(self, field: Field | Column, clean: tuple[Cleaning, ...]) -> Reading:
        """The value of a field as a table key: text, cleaned like the table's keys."""
        given, change, garbles = self.given(field), cleaner(clean), garbling(clean)

        def find(view: View) -> Fact[str | None]:
            value: Told = view[given]
            if value is None or isinstance(value, NotLearnt):
                return value
            text = text_of(value)
            return _garbled(clean) if garbles(text) else change(text) or _nothing_left(field)

        return self.one((given, clean, "key"), find)


def _plainly(field: Field) -> Callable[[View], Told]:
    """A fast version of `Field.value` that skips calls most requests do not need."""
    read = field.read

    def find(view: View) -> Told:
        request = view.request
        if request.faults:
            return field.value(request, view.facts)
        value = read(request, view.facts)
        if isinstance(value, str):
            return (value.strip() if value.isascii() else fold(value)) or None
        return field.value(request, view.facts) if value is None else value

    return find


def _cell(column: Column, view: View) -> Told:
    return (view.row or {}).get(column.column, NotLearnt("there is no such row"))


def _among(custom: Custom) -> Callable[[View], Fact[Answers]]:
    find_all = custom.among

    def find(view: View) -> Fact[Answers]:
        given = find_all(view.request, view.facts)
        return given if isinstance(given, NotLearnt) else by_name(given)

    return find


def _nothing_left(field: Field | Column) -> NotLearnt | None:
    """The value of a text that is empty after cleaning: unknown for a cell of our table, none for an answer."""
    if isinstance(field, Column):
        return NotLearnt(f"the cell in column {field.column} of our table is empty after cleaning")
    return None


def _garbled(clean: tuple[Cleaning, ...]) -> NotLearnt:
    """The reason for an answer that cleaning would turn into another's. It does not quote the answer, for privacy."""
    names = ", ".join(cleaning.written for cleaning in clean)
    return NotLearnt(
        f"it is a number with a decimal part or an exponent, and `clean: {names}` would turn it into a different "
        f"number; if your numbers really contain a point, write `{with_points(clean)}`"
    )
