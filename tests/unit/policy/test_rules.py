"""What a rule may say beside its conditions: `until`, `enforce: false`, `tell`; and the time zone of its days."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from pm_autoaccept.model import AnswerRule, NotLearnt, ReasonKind, Shadow, Truth, Verdict

DOUBT = NotLearnt("our clock and the service's are 7 minutes apart")
MIDNIGHT = datetime(2026, 7, 1, 4, 59, tzinfo=UTC)
"""One minute before the first of July in Chicago."""


@pytest.fixture
def exception(load):
    """An exception until the end of June, in Chicago."""
    return load(
        """
        time_zone: America/Chicago
        rules:
          - {id: exception, on: connection, when: {account.username: riverside_props}, then: accept, until: 2026-06-30}
        default: {then: reject}
        """
    )


@pytest.mark.parametrize(("minutes", "verdict"), [(0, Verdict.ACCEPT), (1, Verdict.REJECT)])
def test_the_last_day_is_within_and_ends_in_the_policys_time_zone(exception, connection, facts, minutes, verdict):
    """In Chicago the day ends five hours after it does in UTC."""
    now = MIDNIGHT + timedelta(minutes=minutes)
    assert exception.judge(connection, replace(facts, now=now), {}).verdict is verdict


def test_the_last_day_is_among_the_evidence(exception, connection, facts):
    """Whoever reads the decision sees that the exception had not run out yet."""
    judged = exception.judge(connection, replace(facts, now=MIDNIGHT), {})
    last = judged.evidence[-1]
    assert (last.field, last.expected, last.found, last.truth) == (
        "today",
        "at most 2026-06-30",
        "2026-06-30",
        Truth.TRUE,
    )


def test_a_doubtful_clock_makes_until_unknown(exception, connection, facts):
    """Whether the exception still applies cannot be said, so the search stops and the request is held."""
    judged = exception.judge(connection, replace(facts, now=DOUBT), {})
    assert (judged.verdict, judged.reason.kind, judged.rule) == (Verdict.HOLD, ReasonKind.UNKNOWN, "exception")
    assert judged.unknown == ("now",)
    assert DOUBT.why in judged.reason.text
    other = replace(connection, username="another")
    assert exception.judge(other, replace(facts, now=DOUBT), {}).verdict is Verdict.REJECT


def test_today_is_that_of_the_policys_time_zone(load, meter, facts):
    """A date is compared with the day it is where the policy's people live."""
    when = "{meter.first_bill_date: {at_most: today - 30d}}"
    rules = f"rules: [{{id: old, on: meter, when: {when}, then: reject}}]"
    dated = replace(meter, meter_info=replace(meter.meter_info, first_bill_date=date(2026, 6, 1)))
    now = replace(facts, now=MIDNIGHT)
    assert load(rules).judge(dated, now, {}).verdict is Verdict.REJECT
    assert load(f"time_zone: America/Chicago\n{rules}").judge(dated, now, {}).verdict is Verdict.HOLD


SHADOWS = """
rules:
  - {id: not-on, on: meter, when: always, then: reject, enforce: false}
  - {id: would-accept, on: connection, when: {account.username: riverside_props}, then: accept, enforce: false}
  - {id: would-stop, on: connection, when: {custom.Undefined: x}, then: reject, enforce: false}
  - {id: is-false, on: connection, when: {account.username: another}, then: reject, enforce: false}
  - {id: decides, on: connection, when: {account.address.state: OR}, then: reject, tell: the-supervisors}
  - {id: below, on: connection, when: always, then: hold, enforce: false, tell: nobody}
"""


def test_rules_that_are_not_enforced_decide_nothing(load, connection, facts):
    """Those above the one that decides say what they would have; none stops the search, not even an unknown one."""
    judged = load(SHADOWS).judge(connection, facts, {})
    assert (judged.verdict, judged.rule, judged.tell) == (Verdict.REJECT, "decides", "the-supervisors")
    assert judged.shadows == (
        Shadow("would-accept", Verdict.ACCEPT),
        Shadow("would-stop", Verdict.HOLD, ("custom.Undefined",)),
    )


def test_the_default_comes_with_what_was_not_enforced(load, connection, facts):
    """Also where no rule decides, all that would have is there, and nobody is told of it."""
    elsewhere = replace(connection.account_info, address=replace(connection.account_info.address, state="IL"))
    judged = load(SHADOWS).judge(replace(connection, account_info=elsewhere), facts, {})
    assert (judged.verdict, judged.rule, judged.tell) == (Verdict.HOLD, None, None)
    assert [each.rule for each in judged.shadows] == ["would-accept", "would-stop", "below"]


def test_a_rule_that_stops_the_search_tells_nobody(load, connection, facts):
    """A rule that could not be judged has not decided."""
    policy = load("rules: [{id: a, on: connection, when: {custom.Undefined: x}, then: hold, tell: people}]")
    judged = policy.judge(connection, facts, {})
    assert (judged.reason.kind, judged.tell) == (ReasonKind.UNKNOWN, None)


ANSWERED = """
rules:
  - {id: ours, on: connection, when: {account.username: riverside_props}, then: hold, answer: {by: desk, people: 2}}
  - {id: asked, on: property, when: {custom.Undefined: x}, then: hold, answer: {people: 3}}
default: {then: hold, answer: {by: supervisors}}
"""


def test_a_hold_says_who_may_answer(load, connection, meter, facts):
    """The rule that holds, also if it is unknown; the default for what no rule holds. Groups are named once for all."""
    policy = load(ANSWERED)
    assert policy.judge(connection, facts, {}).answer == AnswerRule(by="desk", people=2)
    assert policy.judge(meter, facts, {}).answer == AnswerRule(by="supervisors")
    unknown = load(ANSWERED.replace("on: property", "on: meter")).judge(meter, facts, {})
    assert (unknown.reason.kind, unknown.answer) == (ReasonKind.UNKNOWN, AnswerRule(people=3))
    assert policy.told == {"desk", "supervisors"}


def test_a_hold_that_is_not_enforced_holds_nobody_for_ever(load):
    """So `check` does not warn of it."""
    assert load("rules: [{id: a, on: meter, when: always, then: hold, enforce: false}]").holding_for_ever == ()
