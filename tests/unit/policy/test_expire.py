"""Waiting: `expire`, `held_for`, `age`, `requested_at`, `today`, and what a doubtful clock does to them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner

from pm_autoaccept.cli import cli
from pm_autoaccept.model import AnswerRule, Held, Need, NotLearnt, ReasonKind, Verdict
from pm_autoaccept.policy.durations import written_duration

NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)
DAY = timedelta(days=1)
DOUBT = NotLearnt("our clock and the service's differ by 7m")
EXPIRE = "expire: {after: 30d, then: reject, note: 'Waited {held_for}.'}"
HELD_IF_KNOWN = "when: {account.username: riverside_props}, then: hold"


@pytest.fixture
def policy(load):
    """A rule that holds one customer for thirty days, and a default that holds the others for two."""
    note = "note: '{account.first_name|or Friend}, send your form.'"
    return load(
        f"""
        rules: [{{id: waits, on: [connection, meter], {HELD_IF_KNOWN}, {EXPIRE}}}]
        default: {{then: hold, expire: {{after: 2d, then: reject, {note}}}}}
        """
    )


def test_what_its_own_rule_has_held_for_long_enough_is_rejected(policy, connection, facts, now):
    """With the note of the expiry, for a reason of its own, by the rule that held it."""
    facts = replace(facts, held=Held("waits", now - 30 * DAY))
    judged = policy.judge(connection, facts, {})
    assert (judged.verdict, judged.reason.kind, judged.rule) == (Verdict.REJECT, ReasonKind.EXPIRED, "waits")
    assert judged.note == "Waited 30d."
    assert judged.reason.text == "Rule waits has held the request for 30d; it rejects requests held for 30d."
    assert [each.field for each in judged.evidence] == ["account.username"]


def test_people_are_told_when_what_waited_is_rejected(load, connection, facts, now):
    """The rule decides then, too."""
    policy = load(f"rules: [{{id: waits, on: connection, {HELD_IF_KNOWN}, tell: tenant-forms, {EXPIRE}}}]")
    judged = policy.judge(connection, replace(facts, held=Held("waits", now - 30 * DAY)), {})
    assert (judged.reason.kind, judged.tell) == (ReasonKind.EXPIRED, "tenant-forms")


def test_who_may_answer_is_the_same_after_a_hold_has_expired(load, connection, facts, now):
    """A person can still answer before the reject is sent, for example during a pause."""
    two = "answer: {by: desk, people: 2}"
    policy = load(f"rules: [{{id: waits, on: connection, {HELD_IF_KNOWN}, {two}, {EXPIRE}}}]")
    judged = policy.judge(connection, replace(facts, held=Held("waits", now - 30 * DAY)), {})
    assert (judged.reason.kind, judged.answer) == (ReasonKind.EXPIRED, AnswerRule(by="desk", people=2))
    policy = load(
        f"rules: [{{id: other, on: meter, when: always, then: hold}}]\ndefault: {{then: hold, {two}, {EXPIRE}}}"
    )
    judged = policy.judge(connection, replace(facts, held=Held(None, now - 30 * DAY)), {})
    assert (judged.reason.kind, judged.answer) == (ReasonKind.EXPIRED, AnswerRule(by="desk", people=2))


@pytest.mark.parametrize(
    "held",
    [
        None,
        NotLearnt("the ledger was not asked"),
        Held("waits", NOW - 30 * DAY + timedelta(seconds=1)),
        Held("another-rule", NOW - 99 * DAY),
        Held(None, NOW - 99 * DAY),
        Held("waits", NOW + DAY),
    ],
)
def test_whatever_else_is_held_goes_on_being_held(policy, connection, facts, held):
    """Not held yet, not long enough, by another rule, by the default, or since when is not known."""
    judged = policy.judge(connection, replace(facts, held=held), {})
    assert (judged.verdict, judged.reason.kind) == (Verdict.HOLD, ReasonKind.RULE)


def test_nothing_expires_while_our_clock_is_in_doubt(policy, connection, facts, now):
    """Nobody can say how long it was then."""
    facts = replace(facts, held=Held("waits", now - 99 * DAY), now=DOUBT)
    assert policy.judge(connection, facts, {}).verdict is Verdict.HOLD


def test_an_expired_rule_that_is_unknown_holds(load, connection, facts, now):
    """Waiting ends only while the rule is true."""
    policy = load(f"rules: [{{id: waits, on: connection, when: {{custom.Unheard Of: x}}, then: hold, {EXPIRE}}}]")
    judged = policy.judge(connection, replace(facts, held=Held("waits", now - 99 * DAY)), {})
    assert (judged.verdict, judged.reason.kind) == (Verdict.HOLD, ReasonKind.UNKNOWN)


def test_the_default_expires_too(policy, connection, facts, now):
    """What no rule is true of may end as well, and says so."""
    other = replace(connection, username="another")
    judged = policy.judge(other, replace(facts, held=Held(None, now - 2 * DAY)), {})
    assert (judged.verdict, judged.reason.kind, judged.rule) == (Verdict.REJECT, ReasonKind.EXPIRED, None)
    assert judged.note == "Ines, send your form."
    assert judged.reason.text == "The default has held the request for 2d; it rejects requests held for 2d."
    held = policy.judge(other, replace(facts, held=Held("waits", now - 99 * DAY)), {})
    assert (held.verdict, held.reason.kind) == (Verdict.HOLD, ReasonKind.DEFAULT)


def test_an_expiry_without_a_note_rejects_without_one(load, connection, facts, now):
    """As any reject may."""
    policy = load(f"rules: [{{id: waits, on: connection, {HELD_IF_KNOWN}, expire: {{after: 1h, then: reject}}}}]")
    judged = policy.judge(connection, replace(facts, held=Held("waits", now - DAY)), {})
    assert (judged.verdict, judged.note) == (Verdict.REJECT, None)


def test_what_the_note_of_an_expiry_names_is_read_from_the_service(policy):
    """The facts that it shows are brought, as for any other note."""
    assert policy.needs == {Need.ACCOUNTS}


@pytest.mark.parametrize(
    ("then", "expire", "message"),
    [
        ("hold", "30d", "`expire` must be a mapping; allowed keys: after, then and note"),
        ("hold", "{after: 30d}", "missing `then` in `expire`; write it as {after: 30d, then: reject}"),
        ("hold", "{then: reject}", "missing `after` in `expire`; write it as {after: 30d"),
        (
            "hold",
            "{after: 30d, then: accept}",
            "a hold can only expire with `then: reject`; nothing is accepted by waiting",
        ),
        ("hold", "{after: 30d, then: [reject]}", "a hold can only expire with `then: reject`"),
        (
            "hold",
            "{after: 30, then: reject}",
            "invalid duration in `after`; use a number and s, m, h or d, for example 30d",
        ),
        ("hold", "{after: 0d, then: reject}", "invalid duration in `after`; use a number and s"),
        ("hold", "{after: [30d], then: reject}", "invalid duration in `after`; use a number and s"),
        ("hold", "{after: 30d, then: reject, tell: x}", "unknown key `tell` in `expire`; allowed keys"),
        ("hold", "{after: 30d, then: reject, not: x}", "unknown key `not` in `expire` (did you mean `note`?)"),
        ("hold", "{after: 30d, then: reject, note: '{meter.name}'}", "`meter.name`"),
        (
            "reject",
            "{after: 30d, then: reject}",
            "`expire` is allowed with `then: hold` only, but `then` is reject; remove it",
        ),
        ("hold", "!x {after: 30d, then: reject}", "`!` begins a YAML tag"),
        ("hold", "{after: !x 30d, then: !x reject}", "`!` begins a YAML tag"),
    ],
)
def test_what_is_no_expiry_is_refused(refused, then, expire, message):
    """Each fault is named where it stands, and a rule whose expiry is not understood is not used."""
    faults = refused(f"rules: [{{id: a, on: connection, when: always, then: {then}, expire: {expire}}}]")
    assert all(message in fault.message for fault in faults)


@pytest.mark.parametrize(
    ("when", "comes_out"),
    [
        ("{age: {above: 30d}}", "true"),
        ("{age: {above: 31d}}", "false"),
        ("{age: {at_least: 30d, at_most: 31d}}", "true"),
        ("{not: {age: {below: 30d}}}", "true"),
        ("{requested_at: {below: now - 30d}}", "true"),
        ("{requested_at: {below: now - 31d}}", "false"),
        ("{requested_at: {below: now + 1d}}", "true"),
        ("{requested_at: {at_least: '2026-01-01T00:00:00-06:00'}}", "true"),
        ("{requested_at: {at_least: '2026-02-03T00:00Z'}}", "false"),
        ("{held_for: {above: 4d}}", "true"),
        ("{held_for: {above: 5d}}", "false"),
        ("{held_for: {present: true}}", "true"),
        ("{meter.first_bill_date: {below: today}}", "true"),
        ("{meter.first_bill_date: {above: today - 90000d}}", "true"),
        ("{meter.first_bill_date: [today, today - 4080d]}", "true"),
    ],
)
def test_times_are_compared_with_the_time_of_the_decision(ask, meter, facts, when, comes_out):
    """A request that was asked 30 days and an hour ago, held for five days by some rule."""
    meter = replace(meter, requested_at=NOW - 30 * DAY - timedelta(hours=1))
    facts = replace(facts, held=Held("some", NOW - 5 * DAY))
    assert ask(when, meter, given=facts) == comes_out


@pytest.mark.parametrize(
    ("when", "comes_out"),
    [
        ("{age: {above: 30d}}", "unknown"),
        ("{held_for: {above: 1d}}", "unknown"),
        ("{requested_at: {below: now - 30d}}", "unknown"),
        ("{meter.first_bill_date: {below: today}}", "unknown"),
        ("{requested_at: {below: '2027-01-01T00:00:00Z'}}", "true"),
        ("{meter.first_bill_date: {below: 2026-01-01}}", "true"),
    ],
)
def test_what_hangs_on_our_clock_is_unknown_while_it_is_in_doubt(ask, meter, facts, when, comes_out):
    """What is compared with a written date does not hang on it."""
    meter = replace(meter, requested_at=NOW - 40 * DAY)
    assert ask(when, meter, given=replace(facts, now=DOUBT, held=Held("some", NOW))) == comes_out


@pytest.mark.parametrize(
    ("when", "comes_out"),
    [("{age: {above: 1s}}", "false"), ("{held_for: {above: 1s}}", "false"), ("{age: {present: false}}", "true")],
)
def test_a_request_without_a_date_that_nobody_holds_is_neither_old_nor_held(ask, meter, facts, when, comes_out):
    """Its audit element is optional by EPA's schema: their gap."""
    assert ask(when, meter, given=replace(facts, held=None)) == comes_out


def test_a_date_that_could_not_be_read_makes_age_unknown(ask, meter):
    """And so is how long it was held where the ledger was not asked."""
    meter = replace(meter, faults={"requested_at": "is not a date and time: 'soon'"})
    assert ask("{age: {above: 1s}}", meter) == "unknown"
    assert ask("{held_for: {above: 1s}}", meter) == "unknown"


@pytest.mark.parametrize(
    ("length", "read"),
    [
        (timedelta(days=30), "30d"),
        (timedelta(days=2, hours=4, minutes=5), "2d 4h"),
        (timedelta(days=2, minutes=5), "2d"),
        (timedelta(seconds=90), "1m 30s"),
        (timedelta(milliseconds=20), "0s"),
        (-timedelta(hours=1), "-1h"),
    ],
)
def test_a_length_reads_in_its_largest_units(length, read):
    """As people read it in evidence and notes."""
    assert written_duration(length) == read


def test_check_warns_of_a_rule_that_holds_and_says_no_end_of_it(load, tmp_path):
    """A request that pends keeps its customer from sending a corrected one."""
    ends = f"{{id: ends, on: meter, when: always, then: hold, {EXPIRE}}}"
    rules = f"rules: [{{id: waits, on: connection, when: always, then: hold}}, {ends}]"
    assert load(rules).holding_for_ever == ("waits",)
    (tmp_path / "policy.yaml").write_text(f"version: 1\n{rules}\n")
    result = CliRunner().invoke(cli, ["check", str(tmp_path)])
    assert result.stderr.splitlines()[0].startswith(
        f"{tmp_path}/policy.yaml:2:14: warning: rule waits holds requests without a time limit"
    )
    assert "no problems" in result.stdout
