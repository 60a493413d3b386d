"""Custom fields that are read as numbers and dates, and fields that are compared with one another."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from pm_autoaccept.model import CustomField, NotLearnt, Truth
from pm_autoaccept.policy.analysis import asks_who, fields_tested, guaranteed_fields


def answered(meter, **values):
    """The meter's request, with these answers."""
    return replace(meter, custom=tuple(CustomField(name, value) for name, value in values.items()))


@pytest.mark.parametrize(
    ("value", "when", "expected"),
    [
        ("12", "{custom.Key: {at_least: 4}}", "true"),
        ("12", "{custom.Key: {at_least: '1,000'}}", "false"),
        (" $1,250.50 ", "{custom.Key: {above: 1250, at_most: 1250.5}}", "true"),
        ("-3", "{custom.Key: {below: 0}}", "true"),
        ("012.0", "{custom.Key: {equals: 12, as: number}}", "true"),
        ("012.0", "{custom.Key: {equals: 12}}", "false"),
        ("012.0", "{custom.Key: {in: [11, 12], as: number}}", "true"),
        ("2026-03-04", "{custom.Key: {at_least: today}}", "true"),
        ("2026-03-03", "{custom.Key: {at_least: today}}", "false"),
        ("2026-03-03", "{custom.Key: {above: today - 2d}}", "true"),
        ("2026-03-03", "{custom.Key: {equals: 2026-03-03, as: date}}", "true"),
        ("12", "{not: {custom.Key: {at_least: 4}}}", "false"),
        ("3", "{not: {custom.Key: {at_least: 4}}}", "true"),
    ],
)
def test_a_number_or_a_date_where_one_is_compared_with(ask, meter, value, when, expected):
    """What a custom field is compared with, or `as`, says what its text is read as."""
    assert ask(when, answered(meter, Key=value)) == expected


@pytest.mark.parametrize(
    "value", ["", "n/a", "twelve", "12 units", "1,2", "12e3", "today", "now", "1" * 19, "03/04/2026"]
)
@pytest.mark.parametrize(
    "test", ["{at_least: -9}", "{at_most: 9, as: number}", "{equals: 2026-03-04, as: date}", "{at_most: today}"]
)
def test_what_cannot_be_read_so_matches_nothing(ask, meter, value, test):
    """Words where a number or a date should be are the customer's gap: false, plain and negated."""
    assert ask(f"{{custom.Key: {test}}}", answered(meter, Key=value)) == "false"
    assert ask(f"{{not: {{custom.Key: {test}}}}}", answered(meter, Key=value)) == "false"


@pytest.mark.parametrize(("value", "there"), [("12", True), ("twelve", False), ("", False), ("2026-01-01", False)])
def test_present_looks_at_what_was_read(ask, meter, value, there):
    """What is no number is no answer where a number was asked for, so that a rule can say so to the customer."""
    assert ask("{custom.Key: {present: true, as: number}}", answered(meter, Key=value)) == str(there).lower()
    assert ask("{custom.Key: {present: false, as: number}}", answered(meter, Key=value)) == str(not there).lower()


def test_what_was_typed_is_shown(rule, meter, facts):
    """The evidence shows the customer's own words, also where they are no number."""
    when = "{any: [{kind: meter}, {custom.Key: {at_least: 4}}]}"
    judgement = rule(when).judge(answered(meter, Key="twelve"), facts, {})
    assert [(each.expected, each.found, each.truth) for each in judgement.evidence] == [
        ("meter", "meter", Truth.TRUE),
        ("at least 4", "twelve", Truth.FALSE),
    ]


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        ("{property.address.line1: {same_as: account.address.line1}}", "false"),
        ("{not: {property.address.line1: {same_as: account.address.line1}}}", "true"),
        ("{property.address.state: {same_as: account.address.state}}", "true"),
        ("{account.id: {same_as: sender.id}}", "false"),
        ("{custom.Key: {same_as: property.custom.Parcel}}", "false"),
        ("{custom.Key: {same_as: property.custom.Parcel, clean: fold_case}}", "true"),
        ("{property.custom.Parcel: {same_as: custom.Key, clean: [fold_case, first 1]}}", "true"),
        ("{custom.Key: {same_as: custom.Parcel}}", "false"),
        ("{not: {custom.Key: {same_as: custom.Parcel}}}", "false"),
        ("{custom.Parcel: {same_as: custom.Key}}", "false"),
        ("{account.email_domain: {same_as: custom.Utility Customer Number}}", "true"),
        ("{custom.Utility Customer Number: {same_as: account.email_domain}}", "true"),
    ],
)
def test_two_fields(ask, meter, when, expected):
    """Both need a value; they are cleaned alike, and a domain is compared without regard to case."""
    request = answered(meter, Key="r-2201-7", **{"Utility Customer Number": "Riverside.example"})
    assert ask(when, request) == expected


@pytest.mark.parametrize(
    ("value", "within", "expected"),
    [
        ("120500", "", "true"),
        ("120,500.00", "", "true"),
        ("120500.01", "", "false"),
        ("120500.01", ", within: 0.01", "true"),
        ("120499.99", ", within: 0.01", "true"),
        ("120500.011", ", within: 0.01", "false"),
        ("120000", ", within: 500", "true"),
        ("large", ", within: 500", "false"),
    ],
)
def test_two_numbers(ask, meter, value, within, expected):
    """A custom field beside a number is read as one, on either side, and `within` allows a difference."""
    request = answered(meter, Key=value)
    assert ask(f"{{custom.Key: {{same_as: property.gross_floor_area{within}}}}}", request) == expected
    assert ask(f"{{property.gross_floor_area: {{same_as: custom.Key{within}}}}}", request) == expected
    assert ask("{custom.Key: {same_as: custom.Parcel, within: 0}}", request) == "false"


def test_the_difference_is_never_rounded(ask, meter):
    """Numbers with more digits than a decimal usually keeps are still compared exactly."""
    info = replace(meter.property_info, gross_floor_area=Decimal("123456789012345678.123456789012345679"))
    request = replace(answered(meter, Key="123456789012345678.123456789012345678"), property_info=info)
    within = "{{custom.Key: {{same_as: property.gross_floor_area, within: {}}}}}"
    assert ask(within.format("0.000000000000000001"), request) == "true"
    assert ask(within.format("0"), request) == "false"
    none = answered(meter, Key="0.000000000000000001")
    info = replace(meter.property_info, gross_floor_area=Decimal(123456789012345678))
    far = replace(none, property_info=info)
    assert ask(within.format("123456789012345677.999999999999999999"), far) == "true"
    assert ask(within.format("123456789012345677.999999999999999998"), far) == "false"


def test_two_dates(ask, meter):
    """A custom field beside a date is read as one."""
    assert ask("{custom.Key: {same_as: meter.first_bill_date}}", answered(meter, Key="2015-01-01")) == "true"
    assert ask("{meter.first_bill_date: {same_as: custom.Key}}", answered(meter, Key="01.01.2015")) == "false"


def test_gaps_of_two_fields(ask, meter, rule, facts):
    """Their gap is false whatever else is not known; otherwise ours is unknown, and each is named."""
    blind = replace(facts, account=NotLearnt("404"), property_custom=NotLearnt("500"))
    assert ask("{custom.Key: {same_as: account.organization}}", meter, given=blind) == "false"
    assert ask("{account.organization: {same_as: custom.Key}}", meter, given=blind) == "false"
    when = "{account.organization: {same_as: property.custom.Parcel}}"
    judgement = rule(when).judge(meter, blind, {})
    assert judgement.unknown == ("account.organization", "property.custom.Parcel")
    assert "account.organization (and 1 more) is unknown: 404" in judgement.reason.text
    assert ask(f"{{not: {when}}}", meter, given=replace(blind, account=facts.account)) == "false"
    request = answered(meter, Key="x")
    assert ask("{custom.Key: {same_as: account.organization}}", request, given=blind) == "unknown"
    assert ask("{not: {custom.Key: {same_as: account.organization}}}", request, given=blind) == "unknown"


def test_evidence_of_two_fields(rule, meter, facts):
    """Both values are shown, each under its own field."""
    when = "{property.gross_floor_area: {same_as: custom.Key, within: 1}}"
    judgement = rule(when).judge(answered(meter, Key="120,501"), facts, {})
    assert [(each.field, each.expected, each.found) for each in judgement.evidence] == [
        ("property.gross_floor_area", "the same as custom.Key within 1", "120500"),
        ("custom.Key", "the same as property.gross_floor_area within 1", "120,501"),
    ]
    assert "property.gross_floor_area is the same as custom.Key within 1" in judgement.reason.text


def test_what_follows_from_it(load):
    """An accept may rest on it where either side says who; both fields are asked for, and there where it is true."""
    accept = "rules: [{id: a, on: meter, when: {property.name: {same_as: property.custom.Parcel}}, then: accept}]"
    condition = load(accept).rules[0].when
    assert asks_who(condition)
    assert guaranteed_fields(condition) == {"property.name", "property.custom.Parcel"}
    assert [field.name for field in fields_tested(condition)] == ["property.name", "property.custom.Parcel"]
    the_other_way = accept.replace(
        "property.name: {same_as: property.custom.Parcel}", "custom.A: {same_as: connection.custom.A}"
    )
    assert asks_who(load(the_other_way).rules[0].when)


@pytest.mark.parametrize(
    ("when", "message"),
    [
        ("{custom.A: {at_least: many}}", "a custom field is compared so with a number or a date"),
        ("{custom.A: {at_least: 3, below: 2026-01-01}}", "`2026-01-01` stands where a number"),
        ("{custom.A: {at_least: 3, starts_with: '0'}}", "`custom.A` is read as a number"),
        ("{custom.A: {at_least: 3, in: known}}", "what is looked up in data is a text"),
        ("{custom.A: {equals: 3, as: integer}}", "`as` is number or date"),
        ("{custom.A: {as: number}}", "`as` stands beside a test"),
        ("{custom.A: {equals: x, as: number}}", "`x` stands where a number"),
        (
            "{custom.A: {equals: 3, as: number, clean: digits}}",
            "`clean` is for text, and `custom.A` is read as a number",
        ),
        ("{meter.name: {equals: 3, as: number}}", "`as` is for custom fields, and `meter.name` is a text already"),
        ("{custom.A: {equals: 3, within: 1}}", "`within` stands beside `same_as`"),
        ("{custom.A: {same_as: custom.B, within: -1}}", "`within` is a number, 0 or more"),
        ("{custom.A: {same_as: custom.B, within: [1]}}", "`within` is a number, 0 or more"),
        ("{meter.name: {same_as: custom.B, within: 1}}", "`within` is for numbers, and `meter.name` is a text"),
        ("{custom.A: {same_as: [custom.B]}}", "`same_as` is followed by the name of one other field"),
        ("{custom.A: {same_as: Custom.B}}", "there is no field `Custom.B`"),
        ("{custom.A: {same_as: custom.a}}", "always the same as itself"),
        ("{meter.name: {same_as: property.year_built}}", "the two can never be the same"),
        ("{custom.A: {same_as: meter.in_use}}", "the two can never be the same"),
        ("{custom.A: {same_as: property.name, as: number}}", "`custom.A` is read as a number; the two can never"),
    ],
)
def test_faults(refused, when, message):
    """What cannot be compared is refused, with what to do."""
    text = f"data: {{known: {{values: ['1']}}}}\nrules: [{{id: a, on: meter, when: {when}, then: hold}}]"
    assert any(message in fault.message for fault in refused(text)), [fault.message for fault in refused(text)]
