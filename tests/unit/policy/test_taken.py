"""Whether another owner has said the same."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pm_autoaccept.errors import PolicyRefused
from pm_autoaccept.model import ANY_FIELD, Claim, CustomField, Kind, Need, NotLearnt, RequestKey, Truth
from pm_autoaccept.policy import load, run_cases
from pm_autoaccept.policy.analysis import asks_who, guaranteed_fields
from pm_autoaccept.policy.evaluation import taken
from pm_autoaccept.policy.evaluation.taken import AcceptedClaims, collect_claims

NUMBER = "Utility Customer Number"
WHEN = f"{{custom.{NUMBER}: {{taken: true, clean: digits}}}}"
OTHER = RequestKey(Kind.METER, 7)


def claim(value: str = "0099817", owner: int | None = 2, name: str = NUMBER, **said) -> Claim:
    """Another request that says this."""
    return Claim(key=said.pop("key", OTHER), owner=owner, custom=(CustomField(name, value),), **said)


@pytest.fixture
def asked(rule, connection, facts):
    """How a condition comes out for the connection, whose number is 0099817, beside these claims."""

    def _asked(*claims, when=WHEN, missing=None, request=connection):
        policy = rule(when, on="connection")
        given = replace(facts, claims=collect_claims(policy.taken, claims, missing=missing))
        judgement = policy.judge(request, given, {})
        return {"rule": "true", "default": "false"}.get(judgement.reason.kind, "unknown")

    return _asked


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({}, "true"),
        ({"value": "00-998-17 "}, "true"),
        ({"name": "utility CUSTOMER number"}, "true"),
        ({"value": "99817"}, "false"),
        ({"value": "call me"}, "false"),
        ({"name": "Parcel"}, "false"),
        ({"owner": 410221}, "false"),
        ({"owner": None}, "unknown"),
        ({"doubt": "nobody knows"}, "unknown"),
        ({"doubt": "nobody knows", "value": "1"}, "false"),
        ({"value": "1", "unread": frozenset({"utility customer number"})}, "unknown"),
        ({"value": "1", "unread": frozenset({""})}, "unknown"),
        ({"value": "1", "unread": frozenset({"parcel"})}, "false"),
        ({"value": "1", "unread": frozenset({""}), "owner": 410221}, "false"),
    ],
)
def test_another_owner(asked, said, expected):
    """The same value, cleaned the same way, in the same field of another owner; doubt is unknown."""
    opposite = {"true": "false", "false": "true"}.get(expected, expected)
    false = WHEN.replace("true", "false")
    assert asked(claim(**said)) == expected
    assert asked(claim(**said), when=false) == opposite
    assert asked(claim(**said), when=f"{{not: {WHEN}}}") == opposite
    assert asked(claim(**said), when=f"{{not: {false}}}") == expected


def test_what_is_sure_stands_before_what_is_not(asked):
    """One that surely has it suffices, whatever else is not known."""
    doubtful = claim(doubt="nobody knows", key=RequestKey(Kind.CONNECTION, 1))
    assert asked(doubtful, claim(), missing="a list is not whole") == "true"
    assert asked(claim("1"), missing="a list is not whole") == "unknown"
    twice = Claim(key=OTHER, owner=2, custom=(CustomField(NUMBER, "0099817"), CustomField(NUMBER, "5")))
    assert asked(twice) == "unknown"
    same = Claim(key=OTHER, owner=2, custom=(CustomField(NUMBER, "0099817"), CustomField(NUMBER, "0099817 ")))
    assert asked(same) == "true"


def test_no_value_is_nobodys(asked, connection):
    """Whoever left it out has taken nothing: false, plain and negated."""
    for value in ("", "call me"):
        request = replace(connection, custom=(CustomField(NUMBER, value),))
        for when in (WHEN, WHEN.replace("true", "false"), f"{{not: {WHEN}}}"):
            assert asked(claim(""), when=when, request=request, missing="a list is not whole") == "false"


def test_what_was_not_learnt(rule, ask, connection, facts):
    """Without the ledger nobody can say."""
    assert ask(WHEN, connection) == "unknown"
    given = replace(facts, claims=NotLearnt("the ledger is away"))
    judgement = rule(WHEN, on="connection").judge(connection, given, {})
    assert judgement.unknown == (f"custom.{NUMBER}",)
    assert "the ledger is away" in judgement.reason.text
    assert "another owner may have the same value" in judgement.reason.text
    others = rule("{custom.Parcel: {taken: true}}", on="connection")
    assert ask(WHEN, connection, given=replace(facts, claims=collect_claims(others.taken, [claim()]))) == "unknown"


def test_the_other_is_named(rule, connection, facts):
    """The reason says which request of which account, the evidence also by what name it goes."""
    policy = rule(WHEN, on="connection", more=", about: This number is bound already")
    given = replace(facts, claims=collect_claims(policy.taken, [claim(username="harbor_realty")]))
    judgement = policy.judge(connection, given, {})
    assert judgement.reason.other == OTHER
    assert judgement.reason.text == (
        "Rule asked matched (hold): This number is bound already. The same value is in meter:7 of account 2."
    )
    (evidence,) = judgement.evidence
    assert (evidence.expected, evidence.truth) == ("taken by another owner", Truth.TRUE)
    assert evidence.found == "00-998-17, also in meter:7 of harbor_realty"


def test_the_other_is_named_beside_other_conditions(rule, connection, facts):
    """However the conditions are grouped."""
    for when in (
        f"{{custom.{NUMBER}: {{taken: true, clean: digits}}, kind: connection}}",
        f"{{any: [{{kind: meter}}, {WHEN}]}}",
        f"{{not: {{any: [{{kind: meter}}, {WHEN.replace('true', 'false')}]}}}}",
    ):
        policy = rule(when, on="connection")
        given = replace(facts, claims=collect_claims(policy.taken, [claim()]))
        assert policy.judge(connection, given, {}).reason.other == OTHER


def test_two_fields_and_two_cleanings_do_not_mix_up(load, connection, facts):
    """Each test asks about its own field, cleaned in its own way."""
    policy = load(
        f"""
        rules:
        - {{id: parcel, on: connection, when: {{custom.Parcel: {{taken: true}}}}, then: reject}}
        - {{id: whole, on: connection, when: {{custom.{NUMBER}: {{taken: true}}}}, then: reject}}
        - {{id: digits, on: connection, when: {WHEN}, then: reject}}
        """
    )
    for claims, decides in (
        ([claim("00-998-17")], "whole"),
        ([claim("0099817")], "digits"),
        ([claim("P-1", name="Parcel")], "parcel"),
        ([claim("00-998-17", name="Parcel"), claim("P-1")], None),
    ):
        given = replace(facts, claims=collect_claims(policy.taken, claims))
        request = replace(connection, custom=(*connection.custom, CustomField("Parcel", "P-1")))
        assert policy.judge(request, given, {}).rule == decides


@pytest.mark.parametrize(
    ("claims", "why"),
    [
        ([claim(doubt="nobody knows")], "meter:7 may have the same value: nobody knows"),
        ([claim(owner=None)], "meter:7 may have the same value: its owner is unknown"),
        ([claim("1", unread=frozenset({""}))], "the value of this field in meter:7 is unknown"),
        (
            [Claim(key=OTHER, owner=2, custom=(CustomField(NUMBER, "0099817"), CustomField(NUMBER, "5")))],
            "meter:7 may have the same value: it has two different values for this field",
        ),
    ],
)
def test_why_it_is_not_known(rule, connection, facts, claims, why):
    """The reason says which request is in the way, or what is missing."""
    policy = rule(WHEN, on="connection")
    judgement = policy.judge(connection, replace(facts, claims=collect_claims(policy.taken, claims)), {})
    assert f"is unknown: {why}." in judgement.reason.text
    assert judgement.reason.other is None
    missing = collect_claims(policy.taken, [claim("1")], missing="a list is not whole")
    judgement = policy.judge(connection, replace(facts, claims=missing), {})
    assert "is unknown: another owner may have the same value: a list is not whole." in judgement.reason.text


def test_fields_of_the_requests_above(rule, meter, facts):
    """What was answered at connection is looked for in the same custom field, in requests of every kind."""
    policy = rule(f"{{connection.custom.{NUMBER}: {{taken: true, clean: digits}}}}")
    for said, decided in (("0041001234", True), ("1", False)):
        given = replace(facts, claims=collect_claims(policy.taken, [claim(said)]))
        assert (policy.judge(meter, given, {}).rule is not None) is decided


def test_what_follows_from_it(rule, refused):
    """It needs the ledger, has a value, and lets nobody in by itself."""
    policy = rule(WHEN, on="connection")
    assert policy.needs == {Need.CLAIMS, Need.CUSTOM_FIELDS}
    condition = policy.rules[0].when
    assert guaranteed_fields(condition) == {f"custom.{NUMBER}"}
    assert not asks_who(condition)
    for when, message in {
        "{meter.name: {taken: true}}": "`taken` is for custom fields",
        "{property.year_built: {taken: true}}": "`taken` is for text",
        "{custom.A: {taken: maybe}}": "invalid value `maybe`; expected true or false",
        "{custom.A: {taken: true, at_least: 4}}": "`custom.A` is read as a number",
    }.items():
        faults = refused(f"rules: [{{id: a, on: meter, when: {when}, then: hold}}]")
        assert any(message in fault.message for fault in faults), faults


CASE = """
cases:
- about: a number that somebody else has
  request: {{kind: connection, account: {{id: 1, username: a}}, custom: {{Number: {value}}}}}
  facts: {{{facts}}}
  expect: {{verdict: {verdict}, rule: {rule}}}
"""
RULES = b"""
version: 1
rules:
- {id: conflict, on: connection, when: {custom.Number: {taken: true, clean: digits}}, then: reject}
"""


@pytest.mark.parametrize(
    ("value", "facts", "verdict", "rule"),
    [
        ("no. 7", "taken: {custom.number: true}", "reject", "conflict"),
        ("no. 7", "taken: {custom.Number: false}", "hold", "default"),
        ("no. 7", "account.connected: true", "hold", "conflict, unknown: custom.Number"),
        ("call me", "taken: {custom.Number: true}", "hold", "default"),
    ],
)
def test_a_case_says_what_is_taken(value, facts, verdict, rule):
    """A fact of a case says whether another owner has the same; where it says nothing, that is unknown."""
    case = CASE.format(value=value, facts=facts, verdict=verdict, rule=rule)
    (result,) = run_cases(load({"p.yaml": RULES, "p.test.yaml": case.encode()}))
    assert result.fault is None


def test_a_case_that_does_not_say_what_is_taken():
    """It is told how to say it."""
    case = CASE.format(value=7, facts="account.connected: true", verdict="reject", rule="conflict")
    (result,) = run_cases(load({"p.yaml": RULES, "p.test.yaml": case.encode()}))
    assert "add `taken: {custom.Number: true}`, or `false`, under `facts`" in result.fault.message


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ("taken: custom.Number", "`taken` must be a mapping, for example `taken:"),
        ("taken: {account.id: true}", "`account.id` in `taken` is not a custom field"),
        ("taken: {custom.Number: perhaps}", "invalid value of `custom.Number`; use true if"),
    ],
)
def test_faults_of_what_a_case_says_is_taken(facts, message):
    """It is said of custom fields, with true or false."""
    case = CASE.format(value=7, facts=facts, verdict="hold", rule="default")
    with pytest.raises(PolicyRefused, match=message):
        load({"p.yaml": RULES, "p.test.yaml": case.encode()})


FIELDS = ("Account Number", "Key")


@st.composite
def _claims(draw) -> Claim:
    said = st.builds(CustomField, st.sampled_from(FIELDS), st.sampled_from(["1", "2", "1;2", "A 1", "1.0", ""]))
    return Claim(
        key=RequestKey(Kind.CONNECTION, draw(st.integers(1, 3))),
        owner=draw(st.sampled_from([None, 1, 2])),
        custom=tuple(draw(st.lists(said, max_size=3))),
        unread=draw(st.sampled_from([frozenset(), frozenset({"key"}), frozenset({ANY_FIELD})])),
        doubt=draw(st.sampled_from([None, "in doubt"])),
    )


def _found(claims) -> dict[object, object]:
    """What can be found in claims, whatever the order of equals."""
    return {
        asked: (
            {value: Counter(map(repr, each)) for value, each in said.by_value.items()},
            {
                value: [(claim.doubt is not None or claim.owner is None) for claim in each]
                for value, each in said.by_value.items()
            },
            Counter(map(repr, said.unread)),
        )
        for asked, said in claims.of.items()
    }


TESTS = {
    field: load({"policy.yaml": rules.encode()}).taken
    for field, rules in {
        "number": "version: 1\nrules:\n"
        "  - {id: a, on: [connection], when: {custom.Account Number: {taken: true}}, then: hold}\n",
        "key": "version: 1\nrules:\n"
        "  - {id: a, on: [connection], when: {custom.Key: {taken: true, clean: [digits]}}, then: hold}\n",
    }.items()
}


@given(
    cycles=st.lists(
        st.tuples(
            st.lists(_claims(), max_size=6), st.sets(st.integers(0, 5)), st.sampled_from(["number", "key", "both"])
        ),
        max_size=5,
    )
)
def test_kept_claims_are_what_reading_all_claims_would_give(cycles):
    """Claims come, go and change from one cycle to the next, and so does the policy."""
    kept, standing = AcceptedClaims(), list[Claim]()
    for new, going, which in cycles:
        standing = [claim for place, claim in enumerate(standing) if place not in going] + new
        tests = [test for field, taken in TESTS.items() if which in (field, "both") for test in taken]
        pending = [replace(each) for each in new[:1]]
        found = _found(collect_claims(tests, pending, accepted=standing, kept=kept))
        assert found == _found(collect_claims(tests, [*pending, *standing]))


def test_a_claim_that_is_kept_is_not_read_again(monkeypatch):
    """A policy that compares with a hundred thousand claims reads those that are new."""
    read = []
    monkeypatch.setattr(taken, "fold", lambda text: read.append(text) or text)
    kept, earlier = AcceptedClaims(), claim("1")
    for accepted in ([earlier], [earlier, claim("2")], [earlier]):
        collect_claims(TESTS["number"], [], accepted=accepted, kept=kept)
    assert read == []
    number = [
        replace(each, custom=(CustomField("Account Number", each.custom[0].value),)) for each in (earlier, claim("2"))
    ]
    for accepted in (number[:1], number, number[:1], number[:1]):
        collect_claims(TESTS["number"], [], accepted=accepted, kept=kept)
    assert read == ["1", "2", "2"]


def test_claims_that_could_not_be_brought_up_to_date_are_read_again(monkeypatch):
    """What was kept may be incomplete then, and a duplicate could be missed."""
    first, second = (
        replace(claim(), owner=owner, custom=(CustomField("Account Number", number),))
        for owner, number in ((2, "1"), (3, "2"))
    )
    kept = AcceptedClaims()
    collect_claims(TESTS["number"], [], accepted=[first], kept=kept)
    with monkeypatch.context() as patch:
        patch.setattr(taken, "fold", lambda _text: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            collect_claims(TESTS["number"], [], accepted=[first, second], kept=kept)
    found = _found(collect_claims(TESTS["number"], [], accepted=[first, second], kept=kept))
    assert found == _found(collect_claims(TESTS["number"], [first, second]))
