"""Policies of many kinds of condition, and requests of which much is missing, not learnt, or said twice: drawn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st

from pm_autoaccept.model import (
    AccountInfo,
    Claim,
    CustomField,
    Fact,
    Facts,
    Kind,
    MeterInfo,
    NotLearnt,
    PendingRequest,
    PropertyInfo,
    PropertyShare,
    RequestKey,
    Verdict,
)
from pm_autoaccept.policy import Policy, Table, build_table, collect_claims, load, name_key

NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)
NAMES = ("Number", "Other")
WORDS = ("a", "b", "0041-12", "4112", "12")

_DATA = """\
data:
  known: {csv: k.csv, key: n, clean: digits}
  rows: {csv: r.csv, key: [n, m], columns: {size: number, word: text}}
"""

_LEAVES = (
    *(f"custom.Number: '{word}'" for word in WORDS),
    "custom.Number: {in: ['7', '1-2'], clean: digits}",
    "custom.Number: {equals: A, clean: fold_case}",
    "custom.Number: [a, b]",
    "custom.Other: [a, '12']",
    "custom.Other: {matches: '[ab].*'}",
    "custom.Number: {in: known}",
    "custom.Other: {in: known}",
    "custom.Number: {present: false, clean: digits}",
    "custom.Other: {present: true}",
    "custom.Unheard: a",
    "custom.Number: {at_least: 12}",
    "custom.Number: {same_as: custom.Other}",
    "custom.Number: {same_as: custom.Other, clean: digits}",
    "custom.Number: {taken: true, clean: digits}",
    "custom.Other: {taken: true}",
    "custom.Number: {split: [';', newline], every: {in: known}}",
    "custom.Other: {split: ';', some: [a, '12'], every: {present: true, clean: digits}}",
    "custom.Number: {split: ';', some: {taken: true, clean: digits}}",
    "account.username: a",
    "account.username: [b, c]",
    "account.id: 1",
    "account.id: {in: known}",
    "account.organization: {starts_with: [a, b]}",
    "account.address.state: [IL, IN]",
    "account.email_domain: A.example",
    "account.connected: true",
    "forwarded: false",
    "age: {at_least: 2d}",
    "requested_at: {at_most: now - 1d}",
    "lookup: {in: rows, by: {n: custom.Number, m: custom.Other}}",
    "lookup: {in: rows, by: {n: custom.Number, m: custom.Other}, where: {size: {at_least: 5}, word: [a, b]}}",
    "lookup: {in: rows, by: {n: custom.Number, m: custom.Other}, where: {word: {same_as: account.username}}}",
)
_SHARES = (
    "access_level: Read",
    "connection.custom.Number: [a, '12']",
    "property.year_built: 1990",
    "property.gross_floor_area: {above: 5}",
)
_METERS = ("meter.type: Electric", "meter.name: a", "property.share: none", "property.verdict: [accept, hold]")
LEAVES: Mapping[Kind, tuple[str, ...]] = {
    Kind.CONNECTION: _LEAVES,
    Kind.PROPERTY: (*_LEAVES, *_SHARES),
    Kind.METER: (*_LEAVES, *_SHARES, *_METERS),
}


def _conditions(leaves: tuple[str, ...]) -> st.SearchStrategy[str]:
    """Conditions in braces, on one line."""
    one = st.lists(st.sampled_from(leaves), min_size=1, max_size=3, unique_by=lambda leaf: leaf.partition(":")[0])
    plain = one.map(lambda tests: f"{{{', '.join(tests)}}}")

    def groups(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        several = st.lists(inner, min_size=2, max_size=3).map(", ".join)
        return st.one_of(
            inner.map(lambda each: f"{{not: {each}}}"),
            several.map(lambda each: f"{{any: [{each}]}}"),
            several.map(lambda each: f"{{all: [{each}]}}"),
            st.tuples(st.sampled_from(leaves), several).map(lambda each: f"{{{each[0]}, any: [{each[1]}]}}"),
        )

    return st.recursive(plain, groups, max_leaves=5)


@st.composite
def _rules(draw: st.DrawFn, number: int) -> str:
    kind = draw(st.sampled_from(Kind))
    when = draw(_conditions(LEAVES[kind]))
    then = draw(st.sampled_from(Verdict))
    more = draw(st.sampled_from(("", "", "", ", enforce: false", ", until: 2026-03-03", ", until: 2026-03-04")))
    everyone = ", i_accept_everyone: true" if then is Verdict.ACCEPT else ""
    on = draw(
        st.sampled_from([kind.value, str([each.value for each in Kind if set(LEAVES[kind]) <= set(LEAVES[each])])])
    )
    return f"- {{id: rule-{number}, on: {on}, when: {when}, then: {then}{everyone}{more}}}"


@st.composite
def _texts(draw: st.DrawFn) -> str:
    """A policy of one to eight rules."""
    rules = "\n".join(draw(_rules(number)) for number in range(draw(st.integers(1, 8))))
    return f"version: 1\n{_DATA}rules:\n{rules}\n"


def _facts_or(values: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    return st.one_of(*[values] * 7, st.just(NotLearnt("not told")))


_words = st.sampled_from((*WORDS, " A ", "", "c", "a; b", "4112;12", ";"))
_maybe = st.none() | _words
_custom = st.lists(st.builds(CustomField, st.sampled_from((*NAMES, *NAMES, " number")), _words), max_size=3).map(tuple)
_emails = st.sampled_from((None, "x@a.example", "x@A.EXAMPLE", "nobody"))
_account = st.builds(AccountInfo, organization=_maybe, email=_emails, job_title=_maybe)
_faults = st.sampled_from(
    ({}, {}, {"custom.Number": "torn"}, {"custom": "torn"}, {"account.username": "torn"}, {"meter": "torn"})
)


@dataclass(frozen=True, slots=True)
class Case:
    """A policy, as it was written and as the real loader reads it, and what it is asked of."""

    text: str
    policy: Policy
    request: PendingRequest
    facts: Facts
    tables: Mapping[str, Fact[Table]]


_property = st.builds(PropertyInfo, year_built=st.sampled_from((None, 1990, 1991)))
_meter = st.builds(MeterInfo, type=st.sampled_from((None, "Electric", "Other")), name=_maybe)


@st.composite
def _requests(draw: st.DrawFn) -> PendingRequest:
    kind = draw(st.sampled_from(Kind))
    share, meter = kind is not Kind.CONNECTION, kind is Kind.METER
    return PendingRequest(
        kind=kind,
        id=draw(st.sampled_from((1, 12))),
        account_id=draw(st.sampled_from((1, 12, None))),
        username=draw(_maybe),
        sender_id=draw(st.sampled_from((1, 2, None))),
        requested_at=draw(st.sampled_from((None, NOW, NOW - timedelta(days=3)))),
        access_level=draw(st.sampled_from((None, "Read", "Read Write"))) if share else None,
        custom=draw(_custom),
        account_info=None if share else draw(st.none() | _account),
        property_id=5 if share else None,
        property_info=draw(st.none() | _property) if share else None,
        meter_info=draw(st.none() | _meter) if meter else None,
        faults=draw(_faults),
    )


@st.composite
def _facts(draw: st.DrawFn, policy: Policy) -> Facts:
    others = draw(st.lists(st.builds(_other, st.sampled_from((1, 2, None)), _custom), max_size=2))
    missing = draw(st.sampled_from((None, None, "the list is not whole")))
    names = st.sampled_from((frozenset(NAMES), frozenset(map(name_key, (*NAMES, "Strange")))))
    return Facts(
        now=draw(_facts_or(st.just(NOW))),
        held=None,
        connected=draw(_facts_or(st.booleans())),
        account=draw(_facts_or(_account)),
        defined=draw(_facts_or(names)),
        connection_custom=draw(_facts_or(_custom)),
        property_custom=draw(_facts_or(_custom)),
        property_share=draw(_facts_or(st.sampled_from(PropertyShare))),
        property_verdict=draw(_facts_or(st.none() | st.sampled_from(Verdict))),
        claims=draw(_facts_or(st.just(collect_claims(policy.taken, others, missing=missing)))),
    )


def _other(owner: int | None, custom: tuple[CustomField, ...]) -> Claim:
    return Claim(key=RequestKey(Kind.METER, 77), owner=owner, username="other", custom=custom)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """A policy, a request, the facts and the tables."""
    text = draw(_texts())
    policy = load({"policy.yaml": text.encode()})
    known = build_table(policy.sources["known"], [("12",), ("1",), ("4112",)])
    row = st.tuples(_words, _words, st.sampled_from(("", "3", "7", "x")), st.sampled_from(("", "a", "c")))
    rows = build_table(policy.sources["rows"], draw(st.lists(row, max_size=4)))
    tables = {"known": draw(_facts_or(st.just(known))), "rows": draw(_facts_or(st.just(rows)))}
    return Case(text, policy, draw(_requests()), draw(_facts(policy)), tables)
