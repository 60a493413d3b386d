"""How each rule comes out for a request, clause by clause: the same that decides, for people to read."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pm_autoaccept.model import Evidence, NotLearnt, Truth, Verdict
from pm_autoaccept.policy import CameOut, nearest, tabulate

POLICY = """
time_zone: America/Chicago
data: {accounts: {values: ['0041001234']}}
rules:
  - {id: of-meters, on: meter, when: always, then: hold}
  - {id: blocked, on: connection, when: {account.username: [spam_one, spam_two]}, then: reject}
  - {id: exception, on: connection, when: {account.username: riverside_props}, then: accept, until: 2026-01-31}
  - {id: tried, on: connection, when: {forwarded: false}, then: reject, enforce: false}
  - id: customer
    on: connection
    when:
      account.address.state: OR
      any:
        - {custom.Utility Customer Number: {in: accounts}, account.job_title: Engineer}
        - {custom.Parcel: {present: true}, account.connected: false}
    then: accept
  - {id: foreigner, on: connection, when: {not: {account.address.country: US}}, then: hold}
  - {id: below, on: connection, when: always, then: hold}
"""


@pytest.fixture
def explain(load, connection, facts):
    """Each rule of the policy by its id, as it was looked at for a connection request."""

    def _explain(text=POLICY, request=connection, given=facts, tables=None):
        looked = load(text).explain(request, given, tables or {})
        return {each.id: each for each in looked}

    return _explain


def test_each_rule_says_how_it_came_out(explain):
    """Also why it was not looked at: it is on other requests, its last day has passed, or the search had ended."""
    assert {name: str(rule.came) for name, rule in explain(tables={"accounts": NotLearnt("gone")}).items()} == {
        "of-meters": CameOut.NOT_ON,
        "blocked": CameOut.FALSE,
        "exception": CameOut.OVER,
        "tried": CameOut.TRUE,
        "customer": CameOut.UNKNOWN,
        "foreigner": CameOut.NOT_ASKED,
        "below": CameOut.NOT_ASKED,
    }


def test_clauses_stand_as_they_were_written(explain):
    """Groups with their parts; each test with what was expected and found; what could not be learnt, and why."""
    state, either = explain(tables={"accounts": NotLearnt("gone")})["customer"].clauses
    assert state.tests == (Evidence("account.address.state", "OR", "OR", Truth.TRUE),)
    assert (either.group, either.truth) == ("one of", Truth.UNKNOWN)
    looked_up, parcel = either.parts
    assert (looked_up.group, looked_up.truth, looked_up.gaps[0].why) == ("all of", Truth.UNKNOWN, "gone")
    assert [each.truth for part in parcel.parts for each in part.tests] == [Truth.FALSE, Truth.FALSE]


def test_not_is_carried_inward_as_it_is_when_deciding(explain):
    """Under `not`, all of some becomes one of their contraries."""
    (rule,) = explain(
        "rules: [{id: a, on: connection, when: {not: {forwarded: true, account.address.state: OR}}, then: hold}]"
    ).values()
    (either,) = rule.clauses
    assert (either.group, either.truth) == ("one of", Truth.TRUE)
    assert [test.expected for part in either.parts for test in part.tests] == ["not true", "not OR"]


def test_the_nearest_rule_is_the_one_that_would_accept_and_lacks_least(load, connection, facts):
    """Of what suffices in one of several ways, the nearest way; rules that turn away would be no help."""
    policy = load(POLICY)
    tables = {"accounts": NotLearnt("gone")}
    elsewhere = replace(connection, custom=())
    looked = policy.explain(elsewhere, replace(facts, account=NotLearnt("x")), tables)
    near = nearest(looked)
    assert near is not None
    assert (near.id, near.then, near.missing) == ("customer", Verdict.ACCEPT, 1)
    assert [each.tests[0].field for each in near.lacking] == ["custom.Utility Customer Number"]


def test_where_no_rule_would_accept_the_nearest_other_one_is_told(explain):
    """And none where every rule was true, unknown, or not on such requests."""
    far = "{id: far, on: connection, when: {account.username: x, forwarded: true}, then: reject}"
    near = "{id: near, on: connection, when: {account.username: x}, then: reject}"
    looked = explain(f"rules: [{far}, {near}]")
    assert nearest(looked.values()).id == "near"
    assert nearest(explain("rules: [{id: a, on: meter, when: always, then: hold}]").values()) is None


WHENS = (
    "always",
    "{account.username: riverside_props}",
    "{custom.Undefined: x}",
    "{any: [{custom.Undefined: x}, {forwarded: false}]}",
    "{all: [{custom.Undefined: x}, {forwarded: true}]}",
    "{not: {any: [{forwarded: true}, {account.address.state: [IL, OR]}]}}",
    "{not: {not: {forwarded: false}}}",
    "{all: [{any: [{forwarded: true}, {account.connected: true}]}]}",
)


@pytest.fixture(params=[True, False], ids=["clock", "no clock"])
def given(request, facts):
    """The facts, also where our clock is in doubt."""
    return facts if request.param else replace(facts, now=NotLearnt("no clock"))


@pytest.mark.parametrize("until", ["", ", until: 2026-01-01", ", until: 2027-01-01"])
@pytest.mark.parametrize("when", WHENS)
def test_what_is_explained_is_what_decides(load, connection, given, when, until):
    """Of every shape of condition: the rule that decides, or stops the search, is the one that came out so."""
    policy = load(f"rules: [{{id: a, on: connection, when: {when}, then: hold{until}}}]")
    judged = policy.judge(connection, given, {})
    (looked,) = policy.explain(connection, given, {})
    expected = {"rule": "true", "unknown": "unknown", "default": "false"}[judged.reason.kind]
    assert ("false" if looked.came is CameOut.OVER else looked.came) == expected
    if judged.rule is not None:
        flat = [test for clause in looked.clauses for test in _tests(clause)]
        assert tuple(flat) == judged.evidence
        assert (looked.missing == 0) is (looked.came is CameOut.TRUE)


def _tests(clause):
    yield from clause.tests
    for part in clause.parts:
        yield from _tests(part)


BY_ROW = """
data: {tenants: {csv: t.csv, key: number, columns: {city: text, status: text, seats: integer}}}
rules:
  - id: tenant
    on: connection
    then: hold
    when:
      NOT:
        lookup:
          in: tenants
          by: {number: custom.Utility Customer Number}
          where: {any: [{city: Salem}, {all: [{status: active}, {seats: {above: 5}}]}]}
"""


@pytest.mark.parametrize("negated", [False, True])
def test_what_a_row_must_pass_stands_as_it_was_written(load, connection, facts, negated):
    """Its groups are kept, below the test that the row is there; under `not` all of some is one of their contraries."""
    text = (
        BY_ROW.replace("NOT:", "not:") if negated else BY_ROW.replace("      NOT:\n", "").replace("        ", "      ")
    )
    policy = load(text)
    table = tabulate(policy.sources["tenants"], [["00-998-17", "Portland", "active", "3"]])
    (rule,) = policy.explain(connection, facts, {"tenants": table})
    one, every = ("all of", "one of") if negated else ("one of", "all of")
    there, passes = rule.clauses[0].parts if negated else rule.clauses
    assert [test.field for test in there.tests] == ["custom.Utility Customer Number"]
    assert passes.group == one
    city, both = passes.parts
    assert [test.expected for test in city.tests] == ["not Salem" if negated else "Salem"]
    assert (both.group, [test.field for part in both.parts for test in part.tests]) == (
        every,
        ["status in tenants", "seats in tenants"],
    )
