"""`private`: a custom field is tested like any other, and its value is shown nowhere."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pm_autoaccept.model import CustomField, Evidence, Truth
from pm_autoaccept.policy import tabulate

SECRET = "s3cret-0041"
RULE = "rules: [{{id: a, on: {on}, when: {when}, then: hold{more}}}]"


@pytest.fixture
def keyed(connection):
    """A connection request with a share key."""
    return replace(connection, custom=(CustomField("Key", SECRET), CustomField("Parcel", "R-1")))


@pytest.fixture
def evidence(load, keyed, facts):
    """What is told of each test of a rule."""

    def _evidence(when):
        policy = load("private: [custom.Key]\n" + RULE.format(on="connection", when=when, more=""))
        return policy.judge(keyed, facts, {}).evidence

    return _evidence


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        (f"{{custom.Key: {SECRET}}}", "(private)"),
        (f"{{custom.Key: [{SECRET}, other]}}", "one of (private)"),
        ("{custom.Key: {matches: 's3.*'}}", "matched by (private)"),
        ("{custom.Key: {contains: '0041'}}", "containing (private)"),
        ("{custom.Key: {present: true}}", "present"),
        ("{custom.key: {equals: '0041', clean: last 4}}", "(private)"),
        ("{not: {custom.Key: other}}", "not (private)"),
    ],
)
def test_evidence_says_that_it_matched_and_not_what(evidence, when, expected):
    """Neither what the customer typed nor what the policy compares it with."""
    (said,) = evidence(when)
    assert (said.expected, said.found, said.truth) == (expected, "matched", Truth.TRUE)


def test_the_reason_says_so_too(load, keyed, facts):
    """The sentence that is recorded and shown names the test without its value."""
    policy = load("private: [custom.Key]\n" + RULE.format(on="connection", when=f"{{custom.Key: {SECRET}}}", more=""))
    assert policy.judge(keyed, facts, {}).reason.text == "Rule a matched (hold): custom.Key is (private)."


def test_where_two_fields_are_compared_neither_is_shown(load, keyed, facts):
    """If they are the same, the one that is not private would tell the one that is."""
    same = replace(keyed, custom=(CustomField("Key", SECRET), CustomField("Parcel", SECRET)))
    for when in ("{custom.Parcel: {same_as: custom.Key}}", "{custom.Key: {same_as: custom.Parcel}}"):
        policy = load("private: [custom.Key]\n" + RULE.format(on="connection", when=when, more=""))
        assert [each.found for each in policy.judge(same, facts, {}).evidence] == ["matched", "matched"]


def test_what_did_not_match_stays_unsaid_as_well(load, keyed, facts):
    """A typing error away from the right value is nobody's business either."""
    when = "{any: [{custom.Key: other}, {custom.Parcel: R-1}, {custom.Key: {present: false}}]}"
    policy = load("private: [custom.Key]\n" + RULE.format(on="connection", when=when, more=""))
    assert policy.judge(keyed, facts, {}).evidence == (
        Evidence("custom.Key", "(private)", "did not match", Truth.FALSE),
        Evidence("custom.Parcel", "R-1", "R-1", Truth.TRUE),
        Evidence("custom.Key", "absent", "did not match", Truth.FALSE),
    )


def test_what_came_with_another_request_is_private_too(load, meter, facts):
    """The owner's answer when connecting, and the property's, are the same field."""
    given = replace(
        facts,
        connection_custom=(CustomField("KEY", SECRET),),
        property_custom=(CustomField("key", SECRET),),
    )
    when = f"{{connection.custom.Key: {SECRET}, property.custom.Key: {SECRET}}}"
    policy = load("private: [custom.Key]\n" + RULE.format(on="meter", when=when, more=""))
    assert [each.found for each in policy.judge(meter, given, {}).evidence] == ["matched", "matched"]


def test_what_is_looked_up_is_not_shown(load, keyed, facts):
    """In data of one column and in a lookup; the other columns of the lookup are shown."""
    policy = load(
        """
        private: [custom.Key]
        data:
          keys: {csv: keys.csv, key: [key, parcel]}
        rules:
          - {id: a, on: connection, then: hold,
             when: {lookup: {in: keys, by: {key: custom.Key, parcel: custom.Parcel}}}}
        """
    )
    table = tabulate(policy.sources["keys"], [(SECRET, "R-1")])
    judged = policy.judge(keyed, facts, {"keys": table})
    assert [each.found for each in judged.evidence] == ["matched", "R-1"]


@pytest.mark.parametrize(
    "note", ["note: '{custom.key}'", "expire: {after: 1d, then: reject, note: '{custom.Key|last4}'}"]
)
def test_a_note_cannot_show_it(refused, note):
    """However it is filtered, and whatever the capitals."""
    text = "private: [custom.Key]\n" + RULE.format(on="connection", when="{custom.Key: x}", more=f", {note}")
    assert any("which is private: it is never shown" in fault.message for fault in refused(text))
    assert any("which is private" in fault.message for fault in refused(f"{text}\ndefault: {{then: hold, {note}}}"))


@pytest.mark.parametrize(
    "what", ["custom.Key", "[Key]", "[account.email]", "[custom.]", "[[custom.Key]]", "{custom.Key: x}"]
)
def test_what_can_be_private(load, refused, what):
    """Custom fields by their names, one or a list; nothing else, since nothing else would be hidden."""
    text = f"private: {what}\n" + RULE.format(on="connection", when="always", more="")
    if what == "custom.Key":
        assert load(text).private == {"key"}
    else:
        assert any("`private` is a list of your custom fields" in fault.message for fault in refused(text))


def test_taken_cannot_be_asked_of_it(refused):
    """The ledger has only digests of what was typed, which cannot be cleaned: nothing would be found to be taken."""
    (fault,) = refused("private: [custom.Key]\n" + RULE.format(on="meter", when="{custom.key: {taken: true}}", more=""))
    assert "`taken` cannot be asked of `custom.key`" in fault.message
