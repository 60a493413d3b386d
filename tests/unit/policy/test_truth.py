"""True, false, unknown: their gap is false, ours is unknown."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

import pytest

from pm_autoaccept.model import (
    AccountInfo,
    Address,
    CustomField,
    MeterInfo,
    NotLearnt,
    PropertyInfo,
    PropertyShare,
    Truth,
    Verdict,
)
from pm_autoaccept.policy import tabulate
from tests.key_tables import key_table

NUMBER = "custom.Utility Customer Number"


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        ("always", "true"),
        ("{kind: meter}", "true"),
        ("{id: 30511977}", "true"),
        ("{account.id: {in: [1, 410221]}}", "true"),
        ("{account.id: {above: 410220, at_most: 410221}}", "true"),
        ("{account.id: {below: 410221}}", "false"),
        ("{account.username: riverside_props}", "true"),
        ("{account.username: Riverside_Props}", "false"),
        ("{account.username: {equals: RIVERSIDE_props, clean: fold_case}}", "true"),
        ("{account.username: {equals: props, clean: last 5}}", "true"),
        ("{account.first_name: Ines}", "true"),
        ("{account.organization: Riverside}", "false"),
        ("{account.connected: true}", "true"),
        ("{sender.username: [green_consult, watt_watchers]}", "true"),
        ("{forwarded: true}", "true"),
        ("{access_level: Read Write}", "true"),
        ("{access_level: Read}", "false"),
        ("{property.gross_floor_area: {at_least: '100,000'}}", "true"),
        ("{property.gross_floor_area: {at_least: 120500.5}}", "false"),
        ("{property.year_built: 1998}", "true"),
        ("{property.is_federal: false}", "true"),
        ("{property.is_institutional: false}", "false"),
        ("{property.address.state: [OR, WA]}", "true"),
        ("{property.address.county: Multnomah}", "false"),
        ("{property.share: shared}", "true"),
        ("{property.verdict: accept}", "false"),
        ("{meter.type: Electric, meter.in_use: true}", "true"),
        ("{meter.first_bill_date: {at_most: 2015-01-01}}", "true"),
        ("{meter.inactive_date: {present: false}}", "true"),
        ("{meter.inactive_date: {present: true}}", "false"),
        ("{meter.name: {starts_with: [Main, House]}}", "true"),
        ("{meter.name: {starts_with: [House, Main]}}", "true"),
        ("{meter.name: {starts_with: [House, Side]}}", "false"),
        ("{not: {meter.name: {contains: [gas, water]}}}", "true"),
        ("{meter.first_bill_date: {in: [today, 2015-01-01]}}", "true"),
        ("{meter.first_bill_date: {in: [today - 1d, 2015-01-02]}}", "false"),
        ("{meter.name: {ends_with: gas}}", "false"),
        ("{meter.type: {contains: lectr}}", "true"),
        ("{meter.name: {matches: 'Main'}}", "false"),
        ("{meter.name: {matches: 'Main .*'}}", "true"),
        ("{connection.custom.utility customer number: {equals: '0041001234', clean: digits}}", "true"),
        ("{property.custom.PARCEL: R-2201-7}", "true"),
        ("{custom.Parcel: R-2201-7}", "false"),
        ("{not: {account.username: spam_one}}", "true"),
        ("{not: {not: {account.username: spam_one}}}", "false"),
        ("{any: [{account.username: spam_one}, {meter.type: Electric}]}", "true"),
        ("{all: [{account.username: spam_one}, {meter.type: Electric}]}", "false"),
        ("{not: {any: [{account.username: spam_one}, {meter.type: Electric}]}}", "false"),
        ("{not: {all: [{account.username: spam_one}, {meter.type: Electric}]}}", "true"),
    ],
)
def test_conditions_on_a_meter(ask, meter, when, expected):
    """Each field and operator says what the language page says of it."""
    assert ask(when, meter) == expected


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        ("{custom.Key: x}", "false"),
        ("{not: {custom.Key: x}}", "false"),
        ("{not: {not: {custom.Key: x}}}", "false"),
        ("{custom.Key: {present: false}}", "true"),
        ("{not: {custom.Key: {present: true}}}", "true"),
        ("{not: {custom.Key: {present: false}}}", "false"),
        ("{not: {all: [{custom.Key: x}, {meter.type: Electric}]}}", "false"),
        ("{custom.Unheard Of: x}", "unknown"),
        ("{not: {custom.Unheard Of: x}}", "unknown"),
        ("{custom.Unheard Of: {present: false}}", "unknown"),
        ("{custom.Unheard Of: x, account.username: other}", "false"),
        ("{custom.Unheard Of: x, meter.type: Electric}", "unknown"),
        ("{account.username: other, custom.Unheard Of: x}", "false"),
        ("{not: {account.username: other, custom.Unheard Of: x}}", "true"),
        ("{any: [{meter.type: Electric}, {custom.Unheard Of: x}]}", "true"),
        ("{not: {any: [{meter.type: Electric}, {custom.Unheard Of: x}]}}", "false"),
        ("{any: [{custom.Unheard Of: x}, {meter.type: Electric}]}", "true"),
        ("{any: [{custom.Unheard Of: x}, {account.username: other}]}", "unknown"),
        ("{not: {any: [{custom.Unheard Of: x}, {meter.type: Electric}]}}", "false"),
        ("{not: {all: [{custom.Unheard Of: x}, {account.username: other}]}}", "true"),
    ],
)
def test_gaps(ask, meter, when, expected):
    """What the customer left out is false, plain and negated; what we could not learn is unknown."""
    assert ask(when, meter) == expected


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (("0041001234",), "true"),
        (("0041–001–234",), "true"),  # noqa: RUF001 - en dashes
        (("０041−001‑234",), "true"),  # noqa: RUF001 - a full-width zero, a minus, a non-breaking hyphen
        (("41001234",), "false"),
        (("",), "false"),
        (("call me",), "false"),
        (("0041001234", "0041001234 "), "true"),
        (("0041001234", "0099000000"), "unknown"),
        (("0041001234", ""), "unknown"),
    ],
)
def test_custom_field_values(ask, connection, values, expected):
    """A value is compared after folding and cleaning; twice with different values is unknown; no digits is absent."""
    custom = tuple(CustomField(" utility CUSTOMER number", value) for value in values)
    request = replace(connection, custom=custom)
    assert ask(f"{{{NUMBER}: {{equals: 0041-001-234, clean: digits}}}}", request) == expected


def test_blank_after_cleaning_is_absent(ask, connection):
    """`present` too looks at the cleaned value."""
    request = replace(connection, custom=(CustomField("Utility Customer Number", "call me"),))
    assert ask(f"{{{NUMBER}: {{present: true}}}}", request) == "true"
    assert ask(f"{{{NUMBER}: {{present: false, clean: digits}}}}", request) == "true"


def test_definitions_that_were_not_learnt(ask, connection, facts):
    """Without the account's custom fields a value that is there can be used, and one that is not is unknown."""
    given = replace(facts, defined=NotLearnt("429"))
    assert ask(f"{{{NUMBER}: {{equals: '0099817', clean: digits}}}}", connection, given=given) == "true"
    assert ask("{custom.Parcel: {present: false}}", connection, given=given) == "unknown"


DATA = "data: {accounts: {csv: accounts.csv, key: number, clean: [digits, zero_fill 10]}}"


def test_looking_up(ask, connection):
    """What is looked up is cleaned as the table's keys are."""
    table = key_table("accounts", {"0000099817"}, digest="d")
    when = f"{{{NUMBER}: {{in: accounts}}}}"
    assert ask(when, connection, data=DATA, tables={"accounts": table}) == "true"
    assert ask(f"{{not: {when}}}", connection, data=DATA, tables={"accounts": table}) == "false"
    other = key_table("accounts", {"99817"}, digest="d")
    assert ask(when, connection, data=DATA, tables={"accounts": other}) == "false"
    assert ask("{account.id: {in: accounts}}", connection, data=DATA, tables={"accounts": table}) == "false"
    by_id = key_table("accounts", {"0000410221"}, digest="d")
    assert ask("{account.id: {in: accounts}}", connection, data=DATA, tables={"accounts": by_id}) == "true"


def test_a_table_that_was_not_learnt(rule, connection, facts):
    """A missing table is unknown; an absent value is not in it whatever it says; the reason names rule and table."""
    policy = rule(f"{{{NUMBER}: {{in: accounts}}}}", on="connection", data=DATA)
    judgement = policy.judge(connection, facts, {"accounts": NotLearnt("accounts.csv: no such file")})
    assert judgement.verdict is Verdict.HOLD
    assert (judgement.rule, judgement.unknown) == ("asked", ("accounts",))
    assert judgement.reason.text == (
        "Rule asked could not be evaluated because accounts is unknown: accounts.csv: no such file."
    )
    assert [each.truth for each in judgement.evidence] == [Truth.UNKNOWN]
    assert policy.judge(connection, facts, {}).unknown == ("accounts",)
    absent = replace(connection, custom=())
    assert policy.judge(absent, facts, {}).rule is None


def test_several_gaps_are_all_named(rule, connection, facts):
    """The reason tells the first gap, the decision names all of them."""
    judgement = rule("{custom.A: x, custom.B: y, custom.a: z}", on="connection").judge(connection, facts, {})
    assert judgement.unknown == ("custom.A", "custom.B", "custom.a")
    assert "custom.A (and 2 more)" in judgement.reason.text


@pytest.mark.parametrize(
    "test",
    [
        "x",
        "[x, y]",
        "{present: true}",
        "{in: one}",
        "{taken: true}",
        "{matches: x}",
        "{at_least: 4}",
        "{at_least: today}",
    ],
)
def test_the_field_that_was_not_learnt_is_named(rule, connection, facts, test):
    """Whatever is asked of it, and before what it is compared with."""
    policy = rule(f"{{custom.Unheard Of: {test}}}", on="connection", data="data: {one: {values: [x]}}")
    judgement = policy.judge(connection, replace(facts, now=NotLearnt("in doubt")), {})
    assert judgement.unknown == ("custom.Unheard Of",)
    assert "our account defines no custom field with this name" in judgement.reason.text


def test_tests_of_one_policy_do_not_mix_up(load, connection, facts):
    """The same field looked up in two lists, cleaned in two ways, and two fields, in one list."""
    policy = load(
        """
        data:
          first: {values: ['998']}
          second: {values: ['7'], clean: last 1}
        rules:
        - {id: a, on: connection, when: {custom.Parcel: {in: first}}, then: reject}
        - {id: b, on: connection, when: {custom.Key: {in: first}}, then: reject}
        - {id: c, on: connection, when: {not: {custom.Parcel: {in: second}}}, then: reject}
        - {id: d, on: connection, when: {custom.Key: {in: second}, custom.Parcel: {in: second}}, then: accept}
        """
    )
    tables = {name: tabulate(source, [[value] for value in source.values]) for name, source in policy.sources.items()}
    for parcel, key, decides in (
        ("998", "7", "a"),
        ("7", "998", "b"),
        ("8", "7", "c"),
        ("17", "27", "d"),
        ("7", "8", None),
    ):
        custom = (CustomField("Parcel", parcel), CustomField("Key", key))
        assert policy.judge(replace(connection, custom=custom), facts, tables).rule == decides


@pytest.mark.parametrize(
    "field",
    [
        "account.username",
        "access_level",
        "property.id",
        "property.name",
        "property.occupancy",
        "property.is_federal",
        "property.address.state",
        "meter.type",
        "meter.category",
        "meter.in_use",
        "meter.first_bill_date",
        "meter.aggregate",
    ],
)
def test_what_the_schema_requires_and_is_missing(ask, meter, field):
    """An element that EPA's schema requires, or one around it, is our gap when it is missing."""
    bare = replace(meter, username=None, access_level=None, property_id=None, property_info=None, meter_info=None)
    assert ask(f"{{{field}: {{present: false}}}}", bare) == "unknown"


def test_required_within_what_is_optional(ask, meter, connection):
    """A property may come without an address, but an address comes with its postal code; an account always has one."""
    bare = replace(meter, property_info=PropertyInfo(), meter_info=MeterInfo(category="energy"))
    assert ask("{property.address.postal_code: {present: false}}", bare) == "true"
    assert ask("{property.occupancy: {present: false}}", bare) == "unknown"
    assert ask("{meter.first_bill_date: {present: false}}", bare) == "unknown"
    partial = replace(meter, property_info=PropertyInfo(address=Address(state="OR")))
    assert ask("{property.address.postal_code: {present: false}}", partial) == "unknown"
    assert ask("{property.address.county: {present: false}}", partial) == "true"
    waste = replace(meter, meter_info=MeterInfo(category="waste"))
    assert ask("{meter.first_bill_date: {present: false}}", waste) == "true"
    assert ask("{account.address.city: {present: false}}", replace(connection, account_info=AccountInfo())) == "unknown"
    assert ask("{account.organization: {present: false}}", replace(connection, account_info=None)) == "unknown"
    assert ask("{account.address.state: OR}", replace(connection, account_info=None)) == "unknown"


def test_blank_is_not_missing(ask, connection):
    """A blank element is the customer's gap, also where the schema requires the element."""
    blank = replace(connection, account_info=AccountInfo(job_title="  ", email="nobody"))
    assert ask("{account.job_title: {present: false}}", blank) == "true"
    assert ask("{account.email_domain: {present: false}}", blank) == "true"


def test_email_domain(ask, connection):
    """Domains are compared without regard to case; an address that is missing is our gap."""
    assert ask("{account.email_domain: RIVERSIDE.example}", connection) == "true"
    assert ask("{account.email_domain: other.example}", connection) == "false"
    assert ask("{account.email_domain: other.example}", replace(connection, account_info=AccountInfo())) == "unknown"
    garbled = replace(connection, faults={"account.email": "it stands twice"})
    assert ask("{account.email_domain: other.example}", garbled) == "unknown"


@pytest.mark.parametrize(
    ("fault", "field"),
    [
        ("property.year_built", "property.year_built"),
        ("property.address", "property.address.county"),
        ("custom.Utility Customer Number", "custom.utility customer number"),
        ("custom", "custom.Parcel"),
        ("sender.id", "forwarded"),
        ("sender.id", "sender.id"),
    ],
)
def test_what_could_not_be_read(ask, meter, fault, field):
    """An element that could not be read is our gap, for its field and for those within it."""
    assert (
        ask(f"{{{field}: {{present: true}}}}", replace(meter, faults=MappingProxyType({fault: "garbled"}))) == "unknown"
    )


def test_forwarded_without_a_sender(ask, meter):
    """The audit element is optional: without it nobody knows that the sender is another, nor that it is not."""
    assert ask("{forwarded: true}", replace(meter, sender_id=None)) == "false"
    assert ask("{forwarded: false}", replace(meter, sender_id=None)) == "false"


def test_facts_that_were_not_learnt(ask, meter, facts):
    """A fact that nobody told us is unknown."""
    given = replace(
        facts,
        account=NotLearnt("x"),
        connection_custom=NotLearnt("x"),
        property_custom=NotLearnt("x"),
        property_share=NotLearnt("x"),
        property_verdict=NotLearnt("x"),
        connected=NotLearnt("x"),
    )
    for field in (
        "account.email",
        "account.email_domain",
        "account.address.city",
        "connection.custom.Parcel",
        "property.custom.Parcel",
        "property.share",
        "property.verdict",
        "account.connected",
    ):
        assert ask(f"{{{field}: {{present: false}}}}", meter, given=given) == "unknown"


def test_verdict_of_the_property(ask, meter, facts):
    """A meter may ask what was decided of its property."""
    assert ask("{property.verdict: accept}", meter, given=replace(facts, property_verdict=Verdict.ACCEPT)) == "true"


@pytest.mark.parametrize(
    ("when", "share", "expected"),
    [
        ("{property.share: none}", PropertyShare.NONE, True),
        ("{property.share: [none, shared]}", PropertyShare.NONE, True),
        ("{property.share: [none, shared]}", PropertyShare.SHARED, False),
        ("{not: {property.share: shared}, account.id: 410221}", PropertyShare.NONE, False),
        ("{not: {not: {property.share: none}}, account.id: 410221}", PropertyShare.NONE, True),
        ("{property.share: {matches: none}}", PropertyShare.NONE, False),
        ("{any: [{property.share: none}, {account.id: 410221}]}", PropertyShare.NONE, True),
        ("{any: [{property.share: none, account.id: 1}, {account.id: 410221}]}", PropertyShare.NONE, False),
    ],
)
def test_a_rule_that_accepts_an_unshared_property(rule, meter, facts, when, share, expected):  # noqa: PLR0917 - fixtures
    """Only a rule that rests on a plain `property.share: none` lets a meter share its property read-only."""
    judgement = rule(when, then="accept").judge(meter, replace(facts, property_share=share), {})
    assert judgement.verdict is Verdict.ACCEPT
    assert judgement.accepts_unshared_property is expected
    held = rule(when).judge(meter, replace(facts, property_share=share), {})
    assert held.accepts_unshared_property is False


def test_the_first_rule_that_is_true_decides(load, meter, facts):
    """Rules are tried in order, each on its own kinds, and an unknown one stops the search."""
    text = """
        rules:
        - {id: not-for-meters, on: property, when: always, then: reject}
        - {id: false-one, on: [property, meter], when: {access_level: Read}, then: reject}
        - {id: true-one, on: meter, about: It is ours., when: {account.id: 410221}, then: accept, note: Hello}
        - {id: late-one, on: meter, when: always, then: reject}
    """
    judgement = load(text).judge(meter, facts, {})
    assert (judgement.verdict, judgement.rule, judgement.note) == (Verdict.ACCEPT, "true-one", "Hello")
    assert judgement.reason.text == "Rule true-one matched (accept): It is ours."
    stopped = load(text.replace("access_level: Read", "custom.Unheard: x")).judge(meter, facts, {})
    assert (stopped.verdict, stopped.rule) == (Verdict.HOLD, "false-one")


def test_reasons(rule, load, meter, facts):
    """A reason is one sentence: what is true of the request, or that nothing is."""
    assert rule("{access_level: Read Write, meter.name: [Main electric, x]}").judge(meter, facts, {}).reason.text == (
        "Rule asked matched (hold): access_level is Read Write and meter.name is one of Main electric, x."
    )
    assert rule("always").judge(meter, facts, {}).reason.text == (
        "Rule asked matched (hold): it matches every request of this kind."
    )
    assert rule("{access_level: Read}").judge(meter, facts, {}).reason.text == "No rule matched; held for review."
    text = "rules: [{id: a, on: property, when: always, then: hold}]\ndefault: {then: reject, note: 'No {kind}'}"
    judgement = load(text).judge(meter, facts, {})
    assert (judgement.verdict, judgement.note) == (Verdict.REJECT, "No meter")
    assert judgement.reason.text == "No rule matched; the default is reject."


def test_evidence(rule, meter, facts):
    """Each test of the deciding rule is shown: what was asked, what was found, how it came out."""
    when = "{any: [{account.id: {at_least: 5}}, {not: {meter.name: {matches: 'x.*'}}}], custom.Key: {present: false}}"
    evidence = rule(when).judge(meter, facts, {}).evidence
    assert [(each.field, each.expected, each.found, each.truth) for each in evidence] == [
        ("account.id", "at least 5", "410221", Truth.TRUE),
        ("meter.name", "not matched by x.*", "Main electric", Truth.TRUE),
        ("custom.Key", "absent", None, Truth.TRUE),
    ]
