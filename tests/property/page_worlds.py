"""Requests, facts, data and other owners, drawn twice over: in the page's words, and as the program takes them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from pm_autoaccept.model import (
    AccountInfo,
    Address,
    Claim,
    CustomField,
    Facts,
    Held,
    Kind,
    MeterInfo,
    NotLearnt,
    PendingRequest,
    PropertyInfo,
    PropertyShare,
    RequestKey,
    Verdict,
)
from tests.property import page
from tests.property.page import OURS, Source

Draw = Callable[[st.SearchStrategy[Any]], Any]

ALL = frozenset(Kind)
SHARES = frozenset({Kind.PROPERTY, Kind.METER})
METERS = frozenset({Kind.METER})
NOW = datetime(2026, 3, 4, 3, tzinfo=UTC)
WHY = NotLearnt("it was drawn so")

TEXTS = ("alpha", "Alpha", "00-12", "0012", "\uff11\uff12", "00\u201312", "$1,200.50", "4", "1.2E3", "n/a", "today")
"""What people type: names, numbers with and without dashes of many kinds, a full-width number, one from a spreadsheet,
words for nothing."""
BLANKS = ("", "  ")
MANY = (
    "0012; 00-12",
    "alpha/4",
    "0012\nAlpha\n",
    "4;;12/1.2E3",
    "1.2E3;1.5E7",
    "n/a; 1.2E3/4",
    "$0.5; 1200.5/+4",
    "2026-03-04; 2026-03-04",
    "\uff11\uff12\uff1b 4",
    "n/a",
    " ; \n",
    "2026-03-03; 2026-03-05",
    "2026-03-04/4; 1200.5",
    ";".join(["4"] * 20),
    ";".join(["4"] * 21),
)
"""What people type into one field for several values: with a full-width semicolon too, with nothing between
separators, and more than anybody has."""
DATES = ("2026-03-03", "2026-03-04", "2026-03-05")
POOLS: dict[str, tuple[Any, ...]] = {
    "text": TEXTS,
    "integer": (0, 1, 4, 12, 1998),
    "number": (Decimal("0.5"), Decimal(4), Decimal("1200.5"), Decimal("1200.51")),
    "boolean": (True, False),
    "date": tuple(map(date.fromisoformat, DATES)),
    "moment": (NOW, NOW - timedelta(hours=12), NOW - timedelta(days=2)),
    "duration": (timedelta(), timedelta(hours=12), timedelta(days=2)),
}
WRITTEN: dict[str, tuple[str, ...]] = {
    "text": TEXTS,
    "integer": ("0", "1", "4", "12", "1998"),
    "number": ("0.5", "4", "$1,200.5", "+1200.51"),
    "boolean": ("true", "false"),
    "date": DATES,
    "moment": ("2026-03-04T03:00:00Z", "2026-03-03T09:00:00-06:00", "2026-03-02T03:00:00+00:00"),
    "duration": ("0h", "12h", "2d"),
}
"""The same values as a policy writes them."""
RELATIVE = {"date": ("today", "today - 1d", "today + 1d"), "moment": ("now", "now - 12h", "now + 1d")}
PATTERNS = ("[0-9]+", "[Aa]lpha.*", ".*-.*", "4|12", ".*")
CLEANINGS = (
    "points",
    "digits",
    "letters_digits",
    "no_spaces",
    "no_leading_zeros",
    "fold_case",
    "first 2",
    "last 2",
    "zero_fill 4",
)
ORDERED = ("at_least", "at_most", "above", "below")


@dataclass(frozen=True)
class Named:
    """A field: its type, the kinds that have it, whether the customer may leave it out, and values in its bounds."""

    type: str
    kinds: frozenset[Kind] = ALL
    members: tuple[str, ...] = ()
    theirs: bool = True
    written: tuple[str, ...] = ()


FIELDS = {
    "account.username": Named("text", theirs=False),
    "account.organization": Named("text"),
    "account.connected": Named("boolean", theirs=False),
    "sender.username": Named("text"),
    "requested_at": Named("moment"),
    "age": Named("duration"),
    "held_for": Named("duration"),
    "access_level": Named("choice", SHARES, ("Read", "Read Write"), theirs=False),
    "property.name": Named("text", SHARES),
    "property.year_built": Named("integer", SHARES, written=("1", "4", "12", "1998")),
    "property.occupancy": Named("integer", SHARES, theirs=False, written=("5", "50", "95")),
    "property.gross_floor_area": Named("number", SHARES),
    "property.is_institutional": Named("boolean", SHARES),
    "property.address.state": Named("choice", SHARES, ("IL", "OR")),
    "property.share": Named("choice", METERS, tuple(PropertyShare), theirs=False),
    "property.verdict": Named("choice", METERS, tuple(Verdict)),
    "meter.name": Named("text", METERS, theirs=False),
    "meter.in_use": Named("boolean", METERS, theirs=False),
    "meter.inactive_date": Named("date", METERS),
    "custom.A": Named("custom"),
    "custom.B": Named("custom"),
    "connection.custom.A": Named("custom", SHARES),
    "property.custom.A": Named("custom", METERS),
}
PREFIXES = {"custom.": ALL, "connection.custom.": SHARES, "property.custom.": METERS}
LIKE = {"choice": "text", "custom": "text", "integer": "number"}

COLUMNS: dict[str, tuple[tuple[str, ...], dict[str, str]]] = {
    "known": (("value",), {}),
    "accounts": (("number",), {"units": "integer"}),
    "points": (
        ("number", "meter"),
        {"units": "integer", "share": "number", "until": "date", "open": "boolean", "name": "text"},
    ),
}
"""Data → its key columns, and its declared ones with their types."""


@dataclass(frozen=True)
class Asked:
    """What the program's policy is asked of, but for the data."""

    request: PendingRequest
    facts: Facts
    claims: tuple[Claim, ...] | NotLearnt


def one_in(draw: Draw, times: int) -> bool:
    """Something that happens now and then."""
    return draw(st.integers(1, times)) == 1


def world_of(
    draw: Draw, kind: Kind, sources: dict[str, Source], zone: ZoneInfo, *, many: bool = False
) -> tuple[page.World, Asked]:
    """A world, and the same as the program takes it. `many`: people type several values into one field."""
    texts = (*MANY, *MANY, *TEXTS) if many else TEXTS
    now = OURS if one_in(draw, 3 if many else 8) else draw(st.sampled_from((NOW, NOW + timedelta(hours=12))))
    held = draw(st.sampled_from((None, NOW - timedelta(days=2), OURS)))
    here = {name: field for name, field in FIELDS.items() if kind in field.kinds}
    values = {name: _value(draw, field, texts) for name, field in here.items() if field.type != "custom"}
    values["held_for"] = _since(held, now)
    values["age"] = _since(values["requested_at"], now)
    defined = OURS if one_in(draw, 8) else frozenset({"a "} if one_in(draw, 8) else {"A", "B"})
    answers = {prefix: _answers(draw, texts, once=many) for prefix, kinds in PREFIXES.items() if kind in kinds}
    answers |= {prefix: OURS for prefix in answers if prefix != "custom." and one_in(draw, 8)}
    garbled = {name for name in ("A", "B") if one_in(draw, 20)}
    for name, field in here.items():
        if field.type == "custom":
            prefix, _, own = name.rpartition(".")
            given = OURS if prefix == "custom" and own in garbled else answers[f"{prefix}."]
            values[name] = _answer(own, given, defined)
    others = OURS if one_in(draw, 8) else draw(st.lists(_others(texts), max_size=3))
    world = page.World(values, sources, now, zone, others, not one_in(draw, 6))
    facts = Facts(
        now=_fact(now),
        held=WHY if held is OURS else held and Held("a-rule", held),
        connected=_fact(values["account.connected"]),
        account=_account(values, kind),
        defined=_fact(defined),
        connection_custom=_customs(answers.get("connection.custom.", OURS)),
        property_custom=_customs(answers.get("property.custom.", OURS)),
        property_share=_fact(values.get("property.share", OURS)),
        property_verdict=_fact(values.get("property.verdict", OURS)),
    )
    return world, Asked(_request(values, kind, answers["custom."], garbled), facts, _claims(others))


def _value(draw: Draw, field: Named, texts: tuple[str, ...]) -> Any:
    if one_in(draw, 8):
        return draw(st.sampled_from((None, OURS) if field.theirs else (OURS,)))
    if field.type == "text":
        return draw(st.sampled_from(texts))
    return draw(st.sampled_from(field.members or tuple(map(int, field.written)) or POOLS[field.type]))


def _since(moment: Any, now: Any) -> Any:
    if moment is None or moment is OURS:
        return moment
    return OURS if now is OURS else now - moment


def _answers(draw: Draw, texts: tuple[str, ...], *, once: bool) -> list[tuple[str, str]]:
    """What was typed where. `once`: mostly each field stands there, and stands there once."""
    values = st.sampled_from((*texts, *DATES, *BLANKS))
    if once and not one_in(draw, 6):
        return [("A", draw(values)), ("B", draw(values))]
    return draw(st.lists(st.tuples(st.sampled_from(("A", " a", "B")), values), max_size=3))


def _answer(name: str, given: Any, defined: Any) -> Any:
    """The section *True, false, unknown* of custom fields."""
    names = defined if defined is OURS else {each.strip().casefold() for each in defined}
    if given is OURS or (names is not OURS and name.casefold() not in names):
        return OURS
    said = {page.cleaned(value, ()) for each, value in given if each.strip().casefold() == name.casefold()}
    if len(said) > 1:
        return OURS
    value = next(iter(said), "")
    return value or (OURS if names is OURS else None)


def _others(texts: tuple[str, ...]) -> st.SearchStrategy[page.Other]:
    values = st.sampled_from((*texts, OURS))
    return st.builds(page.Other, st.integers(1, 3), values, st.integers(1, 4).map(lambda n: n > 1))


def _fact(value: Any) -> Any:
    return WHY if value is OURS else value


def _customs(pairs: Any) -> Any:
    return WHY if pairs is OURS else tuple(CustomField(name, value) for name, value in pairs)


def _account(values: dict[str, Any], kind: Kind) -> Any:
    organization = values["account.organization"]
    return WHY if organization is OURS or kind is Kind.CONNECTION else AccountInfo(organization=organization)


def _request(values: dict[str, Any], kind: Kind, custom: Any, garbled: set[str]) -> PendingRequest:
    """The request that says this; what of it could not be learnt, could not be read."""
    of_facts = ("account.connected", "age", "held_for", "property.share", "property.verdict")
    ours = {name for name, value in values.items() if value is OURS and name not in of_facts and "custom" not in name}
    if kind is not Kind.CONNECTION:
        ours -= {"account.organization"}
    known = {name: None if value is OURS else value for name, value in values.items()}

    def part(prefix: str) -> dict[str, Any]:
        names = (name for name in known if name.startswith(prefix) and name not in of_facts and "custom" not in name)
        return {name.removeprefix(prefix): known[name] for name in names}

    state = known.get("property.address.state")
    info = {name: value for name, value in part("property.").items() if name != "address.state"}
    return PendingRequest(
        kind=kind,
        id=9,
        account_id=1,
        username=known["account.username"],
        sender_username=known["sender.username"],
        requested_at=known["requested_at"],
        access_level=known.get("access_level"),
        custom=tuple(CustomField(name, value) for name, value in custom),
        account_info=AccountInfo(organization=known["account.organization"]) if kind is Kind.CONNECTION else None,
        property_id=None if kind is Kind.CONNECTION else 8,
        property_info=None if kind is Kind.CONNECTION else PropertyInfo(**info, address=Address(state=state)),
        meter_info=MeterInfo(**part("meter."), category="energy") if kind is Kind.METER else None,
        faults=dict.fromkeys((*ours, *(f"custom.{name}" for name in garbled)), WHY.why),
    )


def _claims(others: Any) -> tuple[Claim, ...] | NotLearnt:
    if others is OURS:
        return WHY
    return tuple(
        Claim(
            key=RequestKey(Kind.CONNECTION, number),
            owner=other.owner,
            custom=() if other.value is OURS else (CustomField("a", other.value),),
            unread=frozenset({"a"}) if other.value is OURS else frozenset(),
            doubt=None if other.sure else WHY.why,
        )
        for number, other in enumerate(others)
    )
