"""Warnings about a policy that loads: each is sure, and says where and what to do."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pm_autoaccept import data_sources, policy
from pm_autoaccept.model import Facts, Kind, MeterInfo, NotLearnt, PendingRequest, PropertyInfo, Truth
from pm_autoaccept.policy import Table
from pm_autoaccept.policy.conditions import AllOf
from pm_autoaccept.policy.evaluation.compiler import judge
from pm_autoaccept.policy.evaluation.request_view import RequestContext
from pm_autoaccept.policy.fields import FIELDS
from pm_autoaccept.policy.lint.implication import never_true
from pm_autoaccept.policy.lint.normal_form import normal
from pm_autoaccept.policy.lint.shadowing import RulesAbove
from pm_autoaccept.policy.lint.warnings import warnings
from tests.forms import short_and_long
from tests.key_tables import key_table

NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)
DATA = "data: {idle: {values: [x]}, used: {values: [y]}}"

Warn = Callable[..., list[tuple[str, str]]]


@pytest.fixture
def warn() -> Warn:
    """Code and message of each warning about these rules, which reject, one line of YAML each."""

    def _warn(*rules: str, head: str = "", tables: dict[str, Table] | None = None) -> list[tuple[str, str]]:
        lines = "\n".join(f"- {{id: r{number}, {rule}}}" for number, rule in enumerate(rules))
        loaded = policy.load({"p.yaml": f"version: 1\n{head}\nrules:\n{lines}\n".encode()})
        return [(each.code, each.fault.message) for each in warnings(loaded, tables=tables or {}, now=NOW)]

    return _warn


def rule(when: str, on: str = "property", then: str = "reject", more: str = "") -> str:
    """A rule without its id."""
    return f"on: {on}, when: {when}, then: {then}{more}"


@pytest.mark.parametrize(
    ("above", "below"),
    [
        ("always", "{account.username: a}"),
        ("{account.username: a}", "{account.username: a}"),
        ("{account.username: [a, b, c]}", "{account.username: [b, a]}"),
        ("{account.username: {in: used}}", "{account.username: {in: used}, access_level: Read}"),
        ("{account.username: {starts_with: ab}}", "{account.username: [abc, abd]}"),
        ("{account.username: {starts_with: [a, b]}}", "{account.username: {starts_with: [ab, ba]}}"),
        ("{account.username: {contains: a}}", "{account.username: {ends_with: ba}}"),
        ("{account.username: {matches: 'a.*'}}", "{account.username: [abc]}"),
        ("{account.username: {matches: 'a.*'}}", "{account.username: {matches: 'a.*'}, access_level: Read}"),
        ("{account.username: {present: true}}", "{account.username: {starts_with: a}}"),
        ("{custom.A: {equals: '12', clean: digits}}", "{custom.a: 1-2}"),
        ("{property.year_built: {at_least: 1990}}", "{property.year_built: {above: 1990}}"),
        ("{property.year_built: {below: 2000}}", "{property.year_built: [1990, 1999]}"),
        ("{not: {property.year_built: {below: 1990}}}", "{property.year_built: {at_least: 1991}}"),
        ("{not: {account.username: [a]}}", "{not: {account.username: [a, b]}}"),
        ("{not: {account.username: [a]}}", "{account.username: [b, c]}"),
        ("{forwarded: false}", "{not: {forwarded: true}}"),
        ("{any: [{access_level: Read}, {account.username: a}]}", "{account.username: a, property.year_built: 1990}"),
        ("{not: {all: [{access_level: Read}, {account.username: a}]}}", "{not: {access_level: Read}}"),
        ("{account.username: a}", "{any: [{account.username: a, access_level: Read}, {all: [{account.username: a}]}]}"),
        ("{property.name: {same_as: account.organization}}", "{property.name: {same_as: account.organization}}"),
        ("{requested_at: {below: 'now - 30d'}}", "{requested_at: {below: 'now - 30d'}, account.username: a}"),
    ],
)
def test_a_rule_that_is_never_reached(warn, above, below):
    """A wider rule above leaves nothing to it, and is named."""
    told = warn(rule(above), rule(below), rule("{access_level: Read}", on="meter"), head=DATA)
    message = "rule r1 is never reached: all its matches are decided earlier, by r0; move it up"
    assert [each for each in told if each[0] != "unused-data"] == [("never-reached", message)]


@pytest.mark.parametrize(
    ("above", "below"),
    [
        ("{account.username: a}", "{account.username: [a, b]}"),
        ("{account.username: a}", "{account.organization: a}"),
        ("{account.username: {equals: a, clean: fold_case}}", "{account.username: {equals: a, clean: no_spaces}}"),
        ("{account.username: {starts_with: ab}}", "{account.username: {starts_with: a}}"),
        ("{account.username: {starts_with: a}}", "{account.username: {contains: a}}"),
        ("{account.username: {in: used}}", "{account.username: y}"),
        ("{account.username: {present: true}}", "{account.username: {present: false}}"),
        ("{account.username: {present: true, clean: digits}}", "{account.username: {starts_with: a}}"),
        ("{not: {account.username: [a, b]}}", "{not: {account.username: [a]}}"),
        ("{forwarded: true}", "{not: {forwarded: true}}"),
        ("{property.year_built: {above: 1990}}", "{property.year_built: {at_least: 1990}}"),
        ("{property.year_built: {at_least: 1990}}", "{property.year_built: {at_most: 2000}}"),
        ("{property.year_built: {present: true}, access_level: Read}", "{property.year_built: {at_most: 2000}}"),
        ("{requested_at: {below: 'now - 30d'}}", "{requested_at: {below: 'now - 20d'}}"),
        ("{not: {custom.A: {taken: true}}}", "{custom.A: a}"),
        ("{custom.A: {taken: false}}", "{not: {custom.A: {taken: true}}}"),
    ],
)
def test_a_rule_that_may_be_reached(warn, above, below):
    """No warning where some request could get past the rule above, or where that is not seen."""
    assert not [each for each in warn(rule(above), rule(below), head=DATA) if each[0] == "never-reached"]


def test_several_rules_may_leave_nothing(warn):
    """Rules above that only together cover it are named together, and no others."""
    one, two, three = (rule(f"{{account.username: {name}}}") for name in "abc")
    (told,) = warn(one, two, three, rule("{account.username: [c, a]}"))
    assert told[1].endswith("decided earlier, by r0, r2; move it up")


def test_what_stops_nothing(warn):
    """A rule that is not enforced, or that ends some day, or is on another kind, leaves the rest to those below."""
    narrow = rule("{account.username: a}")
    for wide in ("{account.username: a}, enforce: false", "{account.username: a}, until: 2027-01-01"):
        when, _, more = wide.partition("}")
        assert warn(rule(f"{when}}}", more=more), narrow) == []
    assert warn(rule("{account.username: a}", on="meter"), narrow) == []
    (told,) = warn(rule("{account.username: a}", on="meter"), rule("{account.username: a}", on="[meter, property]"))
    assert told[1].startswith("rule r1 is never reached for meter requests: ")


@pytest.mark.parametrize(
    "when",
    [
        "{account.username: a, all: [{account.username: b}]}",
        "{account.username: a, not: {account.username: [a, b]}}",
        "{account.username: {in: used}, not: {account.username: {in: used}}}",
        "{account.username: {starts_with: b}, all: [{account.username: [a, c]}]}",
        "{account.organization: {present: false}, all: [{account.organization: {contains: a}}]}",
        "{property.year_built: {at_least: 2000, below: 2000}}",
        "{property.year_built: {above: 2000, at_most: 1990}}",
        "{property.year_built: {above: 2000}, all: [{property.year_built: 1990}]}",
        "{any: [{account.username: a, all: [{account.username: b}]}, {forwarded: true, not: {forwarded: true}}]}",
    ],
)
def test_a_rule_that_is_never_true(warn, when):
    """What excludes itself is said, once."""
    assert [code for code, _ in warn(rule(when), head=DATA) if code != "unused-data"] == ["never-true"]


@pytest.mark.parametrize(
    "when",
    [
        "{account.username: {present: true}, all: [{account.username: {present: false, clean: digits}}]}",
        "{account.username: {starts_with: a, ends_with: b}}",
        "{property.year_built: {at_least: 2000, at_most: 2000}}",
        "{custom.A: {as: number, present: false}, all: [{custom.A: {contains: x}}]}",
        "{not: {account.username: a, access_level: Read}}",
        "{custom.A: a, all: [{custom.A: {taken: true}}]}",
    ],
)
def test_a_rule_that_may_be_true(warn, when):
    """No warning where some request makes it true."""
    assert warn(rule(when)) == []


@pytest.mark.parametrize(
    ("test", "shown"),
    [
        ("custom.A: {matches: '[A-Z]+', clean: fold_case}", "`[A-Z]+`"),
        ("custom.A: {matches: '[A-Z]{2}[0-9]+', clean: digits}", "`[A-Z]{2}[0-9]+`"),
        ("custom.A: {matches: '[0-9]{10}', clean: last 4}", "`[0-9]{10}`"),
        ("custom.A: {matches: '[0-9] [0-9]', clean: no_spaces}", "`[0-9] [0-9]`"),
        ("custom.A: {matches: '[^\\x00-\\x{10FFFF}]'}", "`[^"),
        ("account.email_domain: {matches: '.*\\.EXAMPLE'}", "`.*"),
        ("property.construction_status: {matches: 'Existng.*'}", "`Existng.*`"),
    ],
)
def test_a_pattern_that_nothing_fits(warn, test, shown):
    """What cleaning takes away, what no value of a choice is: said at the pattern."""
    on = "property" if "property" in test else "connection"
    ((code, message),) = warn(rule(f"{{{test}}}", on=on))
    assert code == "pattern-matches-nothing"
    assert shown in message


def test_a_pattern_that_something_fits(warn):
    """Patterns that people write give no warning."""
    for test in ("'[0-9]{4,10}', clean: digits", "'^R-?[0-9]+$'", "'(?i)acme.*'", "'.*', clean: fold_case"):
        assert warn(rule(f"{{custom.A: {{matches: {test}}}}}")) == []


def test_waiting_and_time(warn):
    """A hold without an end, and a rule whose last day has passed; the day itself has not."""
    assert [code for code, _ in warn(rule("always", then="hold"))] == ["hold-without-end"]
    assert warn(rule("always", then="hold", more=", expire: {after: 1d, then: reject}")) == []
    ((code, message),) = warn(rule("always", more=", until: 2026-03-03"))
    assert (code, message) == (
        "until-passed",
        "rule r0 stopped applying after 2026-03-03; remove it, or change `until`",
    )
    assert warn(rule("always", more=", until: 2026-03-04")) == []


def test_data(warn):
    """Data without rows, and data that no rule uses; a lookup uses it too."""
    head = "data:\n  t: {csv: t.csv, key: [a, b]}\n  u: {values: [x]}\n  v: {values: [x]}"
    looking = "{lookup: {in: t, by: {a: account.username, b: property.name}}, account.username: {in: u}}"
    empty = key_table("t", [])
    assert warn(rule(looking), head=head, tables={"t": empty, "u": NotLearnt("gone")}) == [
        ("empty-table", "data t has no rows, so no lookup in it can match"),
        ("unused-data", "data v is declared, but no rule uses it"),
    ]


def test_a_warning_stands_where_its_rule_stands():
    """It has file, line and column, and shows the line."""
    text = b"version: 1\nrules:\n- {id: a, on: meter, when: {custom.A: {matches: 'A', clean: digits}}, then: reject}\n"
    (told,) = warnings(policy.load({"p.yaml": text}), tables={}, now=NOW)
    assert (told.fault.file, told.fault.line, told.fault.column) == ("p.yaml", 3, 49)
    assert told.fault.text.startswith("- {id: a")


def test_the_examples_have_no_warning_but_holds():
    """The policies that come with the program say nothing in vain."""
    for folder in sorted((Path(__file__).parents[3] / "policies").iterdir()):
        loaded = policy.load(data_sources.read_folder(folder))
        told = warnings(loaded, tables=data_sources.read(loaded.sources, folder), now=NOW)
        assert {each.code for each in told} <= {"hold-without-end"}, folder


TESTS = st.one_of(
    st.builds(
        lambda name, test: {name: test},
        st.sampled_from(["account.username", "property.name"]),
        st.one_of(
            st.sampled_from(["a", "ab", "Ab"]),
            st.lists(st.sampled_from(["a", "ab", "b", "A b"]), min_size=1, max_size=3),
            st.sampled_from(
                [
                    {"starts_with": "a"},
                    {"ends_with": ["b", "ab"]},
                    {"contains": "b"},
                    {"matches": "a.*"},
                    {"present": "true"},
                    {"present": "false"},
                    {"present": "false", "clean": "digits"},
                    {"equals": "ab", "clean": "fold_case"},
                    {"in": ["ab", "b"], "clean": ["fold_case", "no_spaces"]},
                    {"starts_with": "a", "clean": "fold_case"},
                ]
            ),
        ),
    ),
    st.builds(
        lambda test: {"property.year_built": test},
        st.one_of(
            st.sampled_from(["1", "2", "3"]),
            st.lists(st.sampled_from(["1", "2", "3"]), min_size=1, max_size=2),
            st.builds(
                lambda operator, year: {operator: year},
                st.sampled_from(["at_least", "at_most", "above", "below"]),
                st.sampled_from(["1", "2", "3"]),
            ),
        ),
    ),
    st.builds(lambda said: {"meter.metered": said}, st.sampled_from(["true", "false", {"present": "false"}])),
)
CONDITIONS = st.recursive(
    TESTS,
    lambda inner: st.one_of(
        st.builds(lambda part: {"not": part}, inner),
        st.builds(
            lambda group, parts: {group: parts},
            st.sampled_from(["all", "any"]),
            st.lists(inner, min_size=1, max_size=3),
        ),
    ),
    max_leaves=4,
)


def _requests() -> list[PendingRequest]:
    """Meter shares with every combination of what the tests above tell apart, each also missing or unreadable."""
    texts, years, metered = (None, "a", "ab", "b", "A b", "Ab", "7"), (None, 1, 2, 3), (None, True, False)
    plain = [
        PendingRequest(
            kind=Kind.METER,
            id=1,
            username=username,
            property_info=PropertyInfo(name=name, year_built=year, gross_floor_area=Decimal(1)),
            meter_info=MeterInfo(metered=said),
        )
        for username, name, year, said in itertools.product(texts, texts, years, metered)
    ]
    names = ("account.username", "property.name", "property.year_built", "meter.metered")
    return plain + [replace(one, faults={name: "garbled"}) for name in names for one in plain[::7]]


REQUESTS = _requests()


@short_and_long(100, 400)
def test_no_warning_is_false(tries):
    """Whatever is proved of two conditions holds for each request of a world that tells all their tests apart."""

    @settings(max_examples=tries, deadline=None)
    @given(CONDITIONS, CONDITIONS)
    def holds(above, below):
        rules = [
            {"id": f"r{n}", "on": "meter", "when": when, "then": "reject"} for n, when in enumerate((above, below))
        ]
        loaded = policy.load({"p.yaml": json.dumps({"version": "1", "rules": rules}).encode()})
        one, other = (each.when for each in loaded.rules)
        rules_above = RulesAbove()
        rules_above.add("above", normal(one))
        stops, never = rules_above.stopping(normal(other)), never_true(normal(other))
        for request in REQUESTS if stops or never else ():
            circumstances = RequestContext(request, Facts(), {})
            truth = judge(other, circumstances).truth
            assert not (never and truth is Truth.TRUE), request
            if stops and truth is not Truth.FALSE:
                assert judge(one, circumstances).truth is not Truth.FALSE, request

    holds()


TEXTS = [
    "a",
    ["a", "ab"],
    ["b", "A b"],
    {"starts_with": ["a", "b"]},
    {"starts_with": "ab"},
    {"ends_with": "b"},
    {"contains": "b"},
    {"matches": "a.*"},
    {"present": "true"},
    {"present": "false"},
    {"present": "false", "clean": "digits"},
    {"equals": "ab", "clean": "fold_case"},
    {"in": ["ab", "b"], "clean": "no_spaces"},
]
YEARS = [
    "2",
    ["1", "3"],
    *({operator: year} for operator in ("at_least", "at_most", "above", "below") for year in ("1", "2", "3")),
]


@pytest.mark.parametrize(
    ("name", "tests"),
    [("property.name", TEXTS), ("property.year_built", YEARS), ("meter.metered", ["true", "false", ["true", "false"]])],
)
def test_no_warning_about_two_tests_is_false(name, tests):
    """Each test beside each other, plain and negated: what is proved of the two holds for every value there can be."""
    conditions = [when for test in tests for when in ({name: test}, {"not": {name: test}})]
    rules = [{"id": f"r{n}", "on": "meter", "when": when, "then": "reject"} for n, when in enumerate(conditions)]
    loaded = policy.load({"p.yaml": json.dumps({"version": "1", "rules": rules}).encode()})
    field = FIELDS[name]
    values = {str(field.value(request, Facts())): request for request in REQUESTS}
    truths = [
        [judge(each.when, RequestContext(one, Facts(), {})).truth for one in values.values()] for each in loaded.rules
    ]
    proved = 0
    for (one, above), (other, below) in itertools.product(zip(loaded.rules, truths, strict=True), repeat=2):
        alone = RulesAbove()
        alone.add("above", normal(one.when))
        both = normal(AllOf((one.when, other.when)))
        if alone.stopping(normal(other.when)):
            proved += 1
            assert all(a is not Truth.FALSE for a, b in zip(above, below, strict=True) if b is not Truth.FALSE)
        if never_true(both):
            proved += 1
            assert not any(a is b is Truth.TRUE for a, b in zip(above, below, strict=True))
    assert proved > len(loaded.rules)
