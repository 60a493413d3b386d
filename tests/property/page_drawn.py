"""Policies, drawn twice over: in the page's words (`page`), and as the text that the real loader reads."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from pm_autoaccept.model import Kind
from tests.property import page
from tests.property.page import OURS, Group, Lookup, Not, Parts, Source, Test
from tests.property.page_worlds import (
    ALL,
    BLANKS,
    CLEANINGS,
    COLUMNS,
    DATES,
    FIELDS,
    LIKE,
    METERS,
    ORDERED,
    PATTERNS,
    RELATIVE,
    SHARES,
    TEXTS,
    WRITTEN,
    Asked,
    Draw,
    Named,
    one_in,
    world_of,
)

ORDERS = (None, "month/day/year", "day.month.year")
"""In which order our tables write dates."""
PARTS: dict[str, Callable[[str], str]] = {
    "starts_with": lambda member: member[:2],
    "ends_with": lambda member: member[-2:],
    "contains": lambda member: member[1:3],
}
"""A part of a choice's member, for the operators that ask for one."""

WAYS = ("test", "test", "any", "any", "any", "not", "all", "several", "lookup", "split")
"""The ways in which a condition is made."""

Both = tuple[Any, dict[str, Any]]
"""A condition: in the page's words, and as it is written."""


@dataclass(frozen=True)
class Question:
    """A policy and what it is asked of: in the page's words, and in the program's."""

    text: str
    rules: tuple[page.Rule, ...]
    default: str
    world: page.World
    asked: Asked


def questions(ways: tuple[str, ...] = WAYS) -> st.SearchStrategy[Question]:
    """A kind of request, data, a few rules whose conditions are made in these ways, and a world."""
    return st.composite(_question)(ways)


def _question(draw: Draw, ways: tuple[str, ...]) -> Question:
    kind = draw(st.sampled_from(Kind))
    sources, data = _data(draw)
    rules = [_rule(draw, f"rule-{number}", kind, sources, ways) for number in range(draw(st.integers(1, 4)))]
    default = draw(st.sampled_from(("hold", "hold", "reject", "accept")))
    zone = draw(st.sampled_from(("UTC", "America/Chicago", "Pacific/Auckland")))
    policy = {
        "version": "1",
        "time_zone": zone,
        "data": data,
        "rules": [written for _, written in rules],
        "default": {"then": default} | _everyone(default),
    }
    world, asked = world_of(draw, kind, sources, ZoneInfo(zone), many='"split"' in json.dumps(policy))
    return Question(json.dumps(policy, indent=1), tuple(rule for rule, _ in rules), default, world, asked)


def _everyone(then: str) -> dict[str, str]:
    return {"i_accept_everyone": "true"} if then == "accept" else {}


def _data(draw: Draw) -> tuple[dict[str, Source], dict[str, Any]]:
    sources, data = {}, {}
    for name, (key, columns) in COLUMNS.items():
        clean = {column: tuple(draw(st.lists(st.sampled_from(CLEANINGS), max_size=2))) for column in key}
        kinds = (*(["text"] * len(key)), *columns.values())
        cells = (st.sampled_from((*WRITTEN[kind], *WRITTEN[kind], *BLANKS, "n/a")) for kind in kinds)
        rows = draw(st.lists(st.tuples(*cells), max_size=6))
        dates = draw(st.sampled_from(ORDERS))
        rows = [tuple(_in_order(draw, cell, dates) for cell in row) for row in rows]
        sources[name] = Source(key, clean, columns, OURS if one_in(draw, 8) else rows, dates or "year-month-day")
        said: dict[str, Any] = {"csv": "x.csv", "key": list(key), "columns": columns} if columns else {"lines": "x.txt"}
        if columns and dates:
            said["dates"] = dates
        of_columns = {column: list(each) for column, each in clean.items() if each}
        data[name] = said | ({"clean": of_columns if columns else of_columns["value"]} if of_columns else {})
    return sources, data


def _in_order(draw: Draw, cell: str, dates: str | None) -> str:
    """A day as our table writes it, or, now and then, as 2026-01-31 or in another order."""
    if cell not in DATES or dates is None or one_in(draw, 4):
        return cell
    year, month, day = cell.split("-")
    written = draw(st.sampled_from((dates, dates, "day/month/year")))
    return written.replace("year", year).replace("month", month.lstrip("0")).replace("day", day)


def _rule(
    draw: Draw, id_: str, kind: Kind, sources: dict[str, Source], ways: tuple[str, ...]
) -> tuple[page.Rule, dict[str, Any]]:
    on = draw(st.sampled_from([each for each in (ALL, SHARES, METERS, frozenset({Kind.CONNECTION})) if kind in each]))
    names = tuple(name for name, field in FIELDS.items() if on <= field.kinds)
    when, written = _Conditions(draw, names, sources, ways).some(3)
    # Nothing is accepted by waiting, and a hold would begin it anew: the loader refuses such rules.
    waits = "held_for" in str(written)
    then = draw(st.sampled_from(("reject",) if waits else ("accept", "reject", "hold")))
    until = draw(st.sampled_from((None, None, None, *map(date.fromisoformat, DATES))))
    enforce = not one_in(draw, 4)
    rule = {"id": id_, "on": sorted(on), "when": written, "then": then} | _everyone(then)
    rule |= ({} if enforce else {"enforce": "false"}) | ({"until": until.isoformat()} if until else {})
    return page.Rule(id_, frozenset(on), when, then, enforce, until), rule


@dataclass(frozen=True)
class _Conditions:
    """Draws conditions: on the fields of these names, or inside `where` on the columns of this table."""

    draw: Draw
    names: tuple[str, ...]
    sources: dict[str, Source]
    ways: tuple[str, ...]
    table: str | None = None

    def some(self, depth: int) -> Both:
        """A mapping with one entry, or with several that must all hold."""
        way = self.draw(st.sampled_from(self.ways)) if depth else "test"
        if way == "test" or (way in {"lookup", "split"} and self.table is not None):
            return self._test()
        if way == "split":
            return self._split()
        if way == "lookup":
            return self._lookup(depth - 1)
        if way == "not":
            part, written = self.some(depth - 1)
            return Not(part), {"not": written}
        parts = [self.some(depth - 1) for _ in range(self.draw(st.integers(1, 4 if way == "any" else 2)))]
        if way == "several":
            merged = {next(iter(written)): (part, written) for part, written in parts if len(written) == 1}
            if merged:
                together = {key: value for _, written in merged.values() for key, value in written.items()}
                return Group("all", tuple(part for part, _ in merged.values())), together
        word = "all" if way == "several" else way
        return Group(word, tuple(part for part, _ in parts)), {word: [written for _, written in parts]}

    def _lookup(self, depth: int) -> Both:
        name = self.draw(st.sampled_from(tuple(self.sources)))
        keys = [each for each in self.names if FIELDS[each].type in {"text", "custom", "integer"}]
        by = tuple(self.draw(st.sampled_from(keys)) for _ in self.sources[name].key)
        written: dict[str, Any] = {"in": name, "by": dict(zip(self.sources[name].key, by, strict=True))}
        where = None
        if self.draw(st.booleans()):
            where, written["where"] = _Conditions(self.draw, self.names, self.sources, self.ways, name).some(depth)
        return Lookup(name, by, where), {"lookup": written}

    def _split(self) -> Both:
        """One answer with several values, of which every one or some is tested."""
        customs = [each for each in self.names if FIELDS[each].type == "custom"]
        texts = [each for each in self.names if FIELDS[each].type == "text"]
        name = self.draw(st.sampled_from((*customs, *customs, *texts)))
        marks = st.sampled_from(("newline", "/", ";", ","))
        separators = tuple(self.draw(st.lists(marks, min_size=1, max_size=4, unique=True)))
        said: dict[str, Any] = {"split": separators[0] if len(separators) == 1 else list(separators)}
        tests = []
        for word in self.draw(st.sampled_from((("every",), ("some",), ("every", "some")))):
            of_parts = _OneField(self.draw, self.names, name, FIELDS[name], of_ours=False, part=(word, *separators))
            test, written = of_parts.tests()
            said[word] = written[name]
            tests.append(Parts(name, separators, word, test))
        return Group("all", tuple(tests)), {name: said}

    def _test(self) -> Both:
        """One field or column with one or two operators."""
        if self.table is None:
            name = self.draw(st.sampled_from(self.names))
            field = FIELDS[name]
        else:
            columns = dict.fromkeys(self.sources[self.table].key, "text") | dict(self.sources[self.table].columns)
            name = self.draw(st.sampled_from(sorted(columns)))
            field = Named(columns[name])
        return _OneField(self.draw, self.names, name, field, of_ours=self.table is not None).tests()


@dataclass(frozen=True)
class _OneField:
    """Draws the tests of one field, or of one column of ours."""

    draw: Draw
    names: tuple[str, ...]
    name: str
    field: Named
    of_ours: bool
    part: tuple[str, ...] = ()
    """Of a part of an answer: whether it stands after `every` or `some`, and where the answer is split."""

    def tests(self) -> Both:
        """Operators in braces, or one value, or a list."""
        custom = self.field.type == "custom"
        kinds = ("text", "number", "date", "date") if self.part else ("text", "text", "number", "date")
        kind = self.draw(st.sampled_from(kinds)) if custom else self.field.type
        cleans = kind == "text" and (bool(self.part) or self.draw(st.booleans()))
        # What leaves nothing of many a part, or would garble it, is tried more often there.
        cleanings = ("digits", "digits", "first 2", *CLEANINGS) if self.part else CLEANINGS
        clean = tuple(self.draw(st.lists(st.sampled_from(cleanings), max_size=2))) if cleans else ()
        within = self.draw(st.sampled_from((None, "0", "0.01", "1,000"))) if kind in {"number", "integer"} else None
        said: dict[str, Any] = {}
        tests = []
        operators = st.sampled_from(self._operators(kind, clean=bool(clean)))
        for operator in self.draw(st.lists(operators, min_size=1, max_size=2, unique=True)):
            key = "in" if operator == "in data" else operator
            literal = self._literal(operator, kind, clean)
            if key not in said and literal is not None:
                said[key] = _as_written(literal)
                word = "text" if kind == "choice" else kind
                tests.append(Test(self.name, operator, literal, word, clean, within and within.replace(",", "")))
        if not tests:
            return self.tests()
        short = set(said) <= {"equals", "in"} and tests[0].operator != "in data"
        if len(said) == 1 and short and not clean and not custom:
            return tests[0], {self.name: self.draw(st.sampled_from((said, *said.values())))}
        if within is not None and "same_as" in said:
            said["within"] = within
        if custom and kind != "text" and (not self._says_itself(tests, kind) or self.draw(st.booleans())):
            said["as"] = kind
        return Group("all", tuple(tests)), {self.name: said | ({"clean": list(clean)} if clean else {})}

    def _operators(self, kind: str, *, clean: bool) -> tuple[str, ...]:
        custom = self.field.type == "custom"
        operators = ["equals", "in", "same_as"]
        if kind in {"text", "choice"}:
            operators += ["matches", "starts_with", "ends_with", "contains"]
        if kind in {"integer", "number", "date", "moment", "duration"}:
            operators += [*ORDERED, *ORDERED]
        if kind in {"text", "integer"} and not clean:
            operators += ["in data", "in data"]
        if kind == "text" and custom and "every" not in self.part:
            operators += ["taken", "taken"]
        return (*operators, *(() if self.of_ours else ("present",)))

    def _says_itself(self, tests: list[Test], kind: str) -> bool:
        """Whether what it is compared with says what a custom field is read as."""
        others = {FIELDS[test.literal].type for test in tests if test.operator == "same_as"}
        beside = any(LIKE.get(other, other) == kind for other in others - {"custom"})
        return beside or any(test.operator in ORDERED or (test.within and test.operator == "same_as") for test in tests)

    def _literal(self, operator: str, kind: str, clean: tuple[str, ...]) -> Any:  # noqa: PLR0911 - one for each kind
        """What stands after the operator; None where nothing can."""
        if operator in {"present", "taken"}:
            return self.draw(st.booleans())
        if operator == "same_as":
            return self._other(LIKE.get(kind, kind))
        written = self.field.written or WRITTEN.get(kind, TEXTS)
        if operator in ORDERED:
            return self.draw(st.sampled_from((*written, *RELATIVE.get(kind, ()) * (3 if self.part else 1))))
        if kind == "choice" and operator in PARTS:
            # What no member has in it is refused.
            return self.draw(st.sampled_from(tuple(PARTS[operator](member) for member in self.field.members)))
        pools = {"in data": ("known", "accounts"), "matches": PATTERNS}
        exact = operator in {"equals", "in"}
        pool = pools.get(operator) or (self.field.members if kind == "choice" and exact else written)
        if operator in pools:
            return self.draw(st.sampled_from(pool))
        fit = [text for text in pool if kind != "text" or self._can_be(text, clean)]
        if fit and (operator == "in" or (operator != "equals" and self.draw(st.booleans()))):
            return tuple(self.draw(st.lists(st.sampled_from(fit), min_size=1, max_size=3)))
        return self.draw(st.sampled_from(fit)) if fit else None

    def _can_be(self, text: str, clean: tuple[str, ...]) -> bool:
        """Whether a value, or a part of it, can be this text."""
        left = page.cleaned(text, clean)
        return bool(left) and not page.garbled(text, clean) and not any(each in left for each in self.part[1:])

    def _other(self, kind: str) -> str | None:
        """A field that this one may be the same as."""
        likes = {name: LIKE.get(FIELDS[name].type, FIELDS[name].type) for name in self.names if name != self.name}
        readable = kind in {"number", "date"}
        fits = [name for name, like in likes.items() if like == kind or (readable and FIELDS[name].type == "custom")]
        return self.draw(st.sampled_from(fits)) if fits else None


def _as_written(literal: Any) -> Any:
    if isinstance(literal, bool):
        return str(literal).lower()
    return list(literal) if isinstance(literal, tuple) else literal
