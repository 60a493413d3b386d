"""A policy beside the custom fields that an account defines."""

from __future__ import annotations

import pytest

from pm_autoaccept.model import CustomFieldDefinition
from pm_autoaccept.policy.custom_fields.compare import compare

NUMBER = CustomFieldDefinition(
    id=1,
    name="Customer Number",
    required=True,
    valid_characters="Numeric",
    when_to_prompt="Once",
    min_chars=8,
    max_chars=10,
)
PARCEL = CustomFieldDefinition(
    id=2, name="Parcel", required=False, valid_characters="Alphanumeric", when_to_prompt="Property", max_chars=12
)
POINT = CustomFieldDefinition(id=3, name="Point-ID", required=False, valid_characters="Any", when_to_prompt="Meter")
DEFINED = (NUMBER, PARCEL, POINT)


def faults(test: str, on: str = "connection", note: str = "x", definitions=DEFINED) -> list[str]:
    """What is said of one rule with this test, without the file and the line that is shown."""
    text = f"version: 1\nrules:\n  - id: a\n    on: {on}\n    when: {{{test}}}\n    then: hold\n    note: {note}\n"
    return [fault.message for fault in compare({"p.yaml": text.encode()}, definitions).faults]


def test_a_policy_that_goes_with_the_definitions_has_nothing_said_of_it():
    """Names are compared as the language does: without regard to case and kind of dash."""
    assert faults("custom.customer number: '12345678'") == []
    assert faults("custom.Point\u2013ID: {present: true}, property.custom.Parcel: {present: true}", on="meter") == []
    assert faults("connection.custom.Customer Number: {matches: '[0-9]{10}'}", on="[property, meter]") == []


def test_a_name_that_is_not_defined_is_told_with_the_likely_one():
    """In conditions, in look-ups, on the right of same_as, in notes, and under private."""
    wrong = "our account defines no custom field `Customer Numbr` (did you mean `Customer Number`?); it defines"
    for test in (
        "custom.Customer Numbr: {present: true}",
        "any: [{custom.Customer Numbr: '1'}]",
        "not: {custom.Customer Numbr: '1'}",
        "lookup: {in: t, by: {number: custom.Customer Numbr}}",
        "lookup: {in: t, by: {number: id}, where: {any: [{name: {same_as: custom.Customer Numbr}}]}}",
        "account.organization: {same_as: custom.Customer Numbr}",
    ):
        (said,) = faults(test)
        assert said.startswith(wrong), test
    (said,) = faults("id: 1", note="'{custom.Customer Numbr|or none} {id}'")
    assert said.startswith(wrong)
    (fault,) = compare({"p.yaml": b"version: 1\nprivate: [custom.Customer Numbr]\n"}, DEFINED).faults
    assert (fault.line, fault.column) == (2, 11)


def test_an_account_without_custom_fields_is_told_so():
    """There is no likely name where there is none at all."""
    (said,) = faults("custom.Parcel: x", definitions=())
    assert "it defines none" in said


@pytest.mark.parametrize(
    ("field", "on", "says"),
    [
        (
            "custom.Customer Number",
            "meter",
            "never there on meter requests; write `connection.custom.Cust",
        ),
        (
            "custom.Customer Number",
            "[connection, meter]",
            "Customer Number` there, in a rule of its own",
        ),
        ("custom.Parcel", "meter", "write `property.custom.Parcel` there"),
        ("connection.custom.Parcel", "property", "write `custom.Parcel` there"),
        ("connection.custom.Parcel", "[property, meter]", "write `custom.Parcel` or `property.custom.Parcel` there"),
        ("property.custom.Point-ID", "meter", "write `custom.Point-ID` there"),
        ("property.custom.Customer Number", "meter", "write `connection.custom.Customer Number` there"),
        ("custom.Parcel", "connection", "is not known when connection requests are judged: leave them out"),
    ],
)
def test_a_field_that_is_asked_with_another_kind_of_request_is_told_with_its_name_there(field, on, says):
    """Asked once and used on a meter as `custom.` it would never be there, and the test would always be false."""
    (said,) = faults(f"{field}: {{present: true}}", on=on)
    assert "is asked" in said
    assert says in said


def test_a_note_may_name_a_field_that_only_some_of_its_requests_have():
    """It says what stands there for the others."""
    assert faults("id: 1", on="[connection, meter]", note="'{custom.Customer Number|or your number}'") == []
    assert len(faults("id: 1", on="meter", note="'{custom.Customer Number|or your number}'")) == 1


@pytest.mark.parametrize(
    ("test", "says"),
    [
        ("custom.Customer Number: '00-998-17'", "no answer can be `00-998-17`: Portfolio Manager takes 8 to 10 digits"),
        ("custom.Customer Number: ['1234567', '12345678']", "no answer can be `1234567`"),
        ("custom.Customer Number: {in: ['12345678901'], clean: digits}", "`12345678901`"),
        ("custom.Customer Number: {matches: '[0-9]{3}-[0-9]{5}'}", "no answer can fit this pattern"),
        ("custom.Customer Number: {matches: '[0-9]{11}'}", "no answer can fit this pattern"),
        ("custom.Customer Number: {starts_with: 'A'}", "no answer can have `A` in it"),
        ("not: {custom.Customer Number: {matches: '[A-Z]+'}}", "no answer can fit"),
        ("custom.Customer Number: {equals: 'A890', clean: last 4}", "`A890`"),
        ("custom.Customer Number: {matches: '[0-9]{8}', clean: zero_fill 9}", "and the answer is cleaned before"),
    ],
)
def test_what_no_answer_can_be_is_told(test, says):
    """Where valid characters, the least or the most of them rule it out, the test could never be true."""
    (said,) = faults(test)
    assert says in said


@pytest.mark.parametrize(
    "test",
    [
        "custom.Customer Number: ['12345678', '1234567890']",
        "custom.Customer Number: {in: billing_accounts}",
        "custom.Customer Number: {matches: '[0-9]{3}-?[0-9]{5}'}",
        "custom.Customer Number: {matches: '[0-9]+', clean: no_leading_zeros}",
        "custom.Customer Number: {equals: '7', clean: no_leading_zeros}",
        "custom.Customer Number: {matches: '[0-9]{12}', clean: zero_fill 12}",
        "custom.Customer Number: {equals: '1234', clean: last 4}",
        "custom.Customer Number: {equals: '5', as: number}",
        "custom.Customer Number: {matches: '.*\\b.*'}",
    ],
)
def test_what_an_answer_may_be_is_not_told(test):
    """A warning is sure: what cleaning may bring about, and what is not understood of a pattern, passes."""
    assert faults(test) == []


def test_letters_of_other_languages_and_blanks_are_not_ruled_out():
    """EPA does not say what it takes for alphanumeric beyond the word."""
    for answer in ("Île 4", "A12"):
        assert faults(f"custom.Parcel: {answer}", on="property") == []
    assert len(faults("custom.Parcel: A-12", on="property")) == 1
    assert len(faults("custom.Parcel: {equals: A-12, clean: letters_digits}", on="property")) == 0


def test_what_customers_must_fill_in_and_no_rule_asks_is_told():
    """They are troubled with it for nothing."""
    text = b"version: 1\nrules: [{id: a, on: meter, when: {custom.Point-ID: '1'}, then: hold}]\n"
    assert compare({"p.yaml": text}, DEFINED).never_asked == ("Customer Number",)
    text = text.replace(b"custom.P", b"connection.custom.Customer Number: x, custom.P")
    assert compare({"p.yaml": text}, DEFINED).never_asked == ()
