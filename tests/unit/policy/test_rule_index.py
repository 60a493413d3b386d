"""Rules are asked only of those who may be meant, and of everybody of whom that is not known."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pm_autoaccept.model import CustomField, Kind, NotLearnt
from pm_autoaccept.policy.evaluation.request_view import View
from tests.key_tables import key_table


@pytest.fixture
def asked(load, meter, facts):
    """The places of the rules, given by their conditions, that are asked of a meter, in order."""

    def _asked(*conditions, request=meter, given=facts, tables=None, data=""):
        rules = "\n".join(f"- {{id: r{n}, on: meter, when: {when}, then: hold}}" for n, when in enumerate(conditions))
        policy = load(f"{data}\nrules:\n{rules}\n")
        return list(policy._searches[Kind.METER]._places(View(request, given, tables or {})))

    return _asked


def test_only_those_who_are_named(asked):
    """Of rules that name somebody only those are asked that name this one; all others always are."""
    assert asked(
        "{account.username: spam_one}",
        "{account.username: [x, riverside_props]}",
        "{meter.name: {starts_with: M}}",
        "always",
        "{account.id: 410221, meter.name: {starts_with: M}}",
        "{account.id: 1, account.username: riverside_props}",
    ) == [1, 2, 3, 4]


def test_the_value_that_fewest_rules_name(asked):
    """Of several values that a rule cannot do without, the rarest one is looked for."""
    rules = [f"{{access_level: Read Write, account.username: name{number}}}" for number in range(5)]
    assert asked(*rules) == []


def test_what_is_not_known_may_be_meant(asked, meter, facts):
    """Where the value is not learnt every rule that names one is asked; where the customer gave none, none is."""
    rules = ("{custom.Key: a}", "{custom.Key: b, account.id: {above: 5}}", "{account.id: 1}")
    assert asked(*rules) == []
    assert asked(*rules, given=replace(facts, defined=NotLearnt("429"))) == [0, 1]
    assert asked(*rules, request=replace(meter, faults={"custom.Key": "torn"})) == [0, 1]
    twice = replace(meter, custom=(CustomField("Key", "a"), CustomField("key", "b")))
    assert asked(*rules, request=twice) == [0, 1]
    assert asked(*rules, request=replace(meter, account_id=None)) == [2]


def test_one_of_several(asked, facts):
    """An `any` is passed over only where each of its branches names somebody else."""
    named = "{any: [{account.id: 1}, {account.username: x}]}"
    assert asked(named, "{any: [{account.id: 1}, {account.username: riverside_props}]}") == [1]
    assert asked("{any: [{account.id: 1}, {meter.name: {starts_with: M}}]}") == [0]
    share = "{any: [{account.id: 1}, {property.share: none}]}"
    assert asked(share) == []
    assert asked(share, given=replace(facts, property_share=NotLearnt("x"))) == [0]
    assert asked("{any: [{account.id: 410221}, {account.username: riverside_props}]}") == [0]


def test_what_is_denied_names_nobody(asked):
    """A test under `not` is true of everybody else; two of them name somebody again."""
    assert asked("{not: {account.id: 1}}", "{not: {not: {account.id: 1}}}") == [0]
    assert asked("{not: {any: [{account.id: 1}, {account.id: 2}]}}") == [0]
    assert asked("{not: {not: {account.id: {in: [410221]}}}}") == [0]


def test_keys_of_our_data(asked):
    """A rule on the keys of a table is asked of those who stand there, and of everybody while it cannot be read."""
    data, rule = "data: {ids: {lines: ids.txt}}", "{account.id: {in: ids}}"
    for keys, found in (({"410221"}, [0]), ({"1"}, [])):
        assert asked(rule, data=data, tables={"ids": key_table("ids", keys)}) == found
    assert asked(rule, data=data, tables={"ids": NotLearnt("x")}) == [0]


def test_words_that_move(asked):
    """What is compared with today or now has no fixed value to be found by."""
    assert asked("{meter.first_bill_date: {equals: today}}") == [0]


def test_the_rule_without_its_judgement(load, meter, facts):
    """`decides` names the rule that `judge` would, in order, past those that are not enforced."""
    policy = load("""
        rules:
        - {id: shadow, on: meter, when: {account.id: 410221}, then: reject, enforce: false}
        - {id: other, on: meter, when: {account.id: 1}, then: reject}
        - {id: second, on: meter, when: {account.username: riverside_props}, then: hold}
        - {id: third, on: meter, when: always, then: reject}
    """)
    rule, judgement = policy.decides(meter, facts, {}), policy.judge(meter, facts, {})
    assert rule is not None
    assert rule.id == judgement.rule == "second"
    assert [shadow.rule for shadow in judgement.shadows] == ["shadow"]
    assert load("rules: [{id: a, on: property, when: always, then: hold}]").decides(meter, facts, {}) is None
