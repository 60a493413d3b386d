"""Literals that a field can never have: a blocklist entry that never matches lets everybody on it in."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from pm_autoaccept import policy
from pm_autoaccept.errors import PolicyRefused
from pm_autoaccept.policy import tabulate
from pm_autoaccept.policy.fields import FIELDS
from pm_autoaccept.policy.lint.warnings import warnings
from pm_autoaccept.policy.values import FieldType


def loads(when: str, *, on: str = "meter", data: str = "") -> str:
    """What the loader says of a policy of one rule; nothing where it loads."""
    rule = f"rules:\n- {{id: a, on: {on}, when: {when}, then: reject}}\n"
    try:
        policy.load({"p.yaml": f"version: 1\n{data}{rule}".encode()})
    except PolicyRefused as error:
        return str(error)
    return ""


NEVER = [
    ("account.email_domain", "'@spam.example'"),
    ("account.email_domain", "ines@spam.example"),
    ("account.email_domain", "'*.spam.example'"),
    ("account.email_domain", ".spam.example"),
    ("account.email_domain", "spam.example."),
    ("account.email_domain", "spam..example"),
    ("account.email_domain", "https://spam.example"),
    ("account.email_domain", "spam.example/x"),
    ("account.email_domain", "'a.example, b.example'"),
    ("account.email_domain", "'a.example;b.example'"),
    ("account.email_domain", "spam example"),
    ("account.email_domain", "'<spam.example>'"),
    ("account.email_domain", "[ok.example, '@spam.example']"),
    ("account.email_domain", "{in: ['@spam.example']}"),
    ("account.email_domain", "{equals: '@spam.example'}"),
    ("account.email_domain", "{ends_with: '@spam.example'}"),
    ("account.email_domain", "{starts_with: '@'}"),
    ("account.email_domain", "{contains: [spam, 'a b']}"),
    ("account.email_domain", "{equals: '\uff20spam.example'}"),
    ("account.email", "spam.example"),
    ("account.email", "'@spam.example'"),
    ("account.email", "ines@"),
    ("kind", "{starts_with: mett}"),
    ("id", "0"),
    ("account.id", "0"),
    ("account.id", "[5, -7]"),
    ("property.id", "{below: 1}"),
    ("account.id", "{at_most: 0}"),
    ("property.occupancy", "93"),
    ("property.occupancy", "[95, 101]"),
    ("property.occupancy", "{at_least: 101}"),
    ("property.occupancy", "{above: 100}"),
    ("property.occupancy", "{above: 150}"),
    ("property.occupancy", "{at_most: 150}"),
    ("property.occupancy", "{below: 102}"),
    ("property.occupancy", "{below: 0}"),
    ("property.occupancy", "{at_most: -1}"),
    ("property.occupancy", "{at_least: -5}"),
    ("property.occupancy", "{above: -2}"),
    ("property.year_built", "19980"),
    ("property.year_built", "-5"),
    ("property.number_of_buildings", "-1"),
    ("property.gross_floor_area", "{at_most: -0.5}"),
    ("property.gross_floor_area", "{below: 0}"),
    ("meter.unit", "kWh"),
    ("meter.unit", "{contains: kwh}"),
    ("meter.type", "{starts_with: Eletric}"),
    ("meter.type", "{ends_with: [Gas, Gass]}"),
    ("meter.type", "{contains: electric}"),
    ("access_level", "{starts_with: Full}"),
    ("property.share", "{contains: not}"),
    ("property.address.country", "{ends_with: USA}"),
    ("property.name", "n" * 81),
    ("property.name", f"{{contains: {'n' * 81}}}"),
    ("account.username", "u" * 61),
    ("sender.username", "u" * 61),
    ("meter.name", "m" * 101),
    ("account.organization", "o" * 1001),
    ("account.phone", "5" * 31),
    ("property.address.postal_code", "5" * 21),
    ("account.address.county", "c" * 41),
    ("property.name", f"{{equals: {'n' * 81}, clean: fold_case}}"),
]  # fmt: skip
"""Field, and a test that no value passes or none fails."""

MAYBE = [
    ("account.email_domain", "spam.example"),
    ("account.email_domain", "SPAM.Example"),
    ("account.email_domain", "xn--spm-0na.example"),
    ("account.email_domain", "b\u00fccher.example"),
    ("account.email_domain", "my_host.example"),
    ("account.email_domain", "localhost"),
    ("account.email_domain", "{ends_with: .spam.example}"),
    ("account.email_domain", "{starts_with: mail.}"),
    ("account.email_domain", "{contains: '-'}"),
    ("account.email", "ines@spam.example"),
    ("account.email", "{ends_with: '@spam.example'}"),
    ("account.email", "{ends_with: spam.example}"),
    ("account.email", "{equals: 'spamexample', clean: letters_digits}"),
    ("id", "1"),
    ("kind", "connection"),
    ("account.id", "{above: 0}"),
    ("account.id", "{below: 2}"),
    ("account.id", "{present: false}"),
    ("property.occupancy", "{present: true}"),
    ("sender.id", "-7"),
    ("property.occupancy", "[0, 95, 100]"),
    ("property.occupancy", "{at_least: 93}"),
    ("property.occupancy", "{above: 99}"),
    ("property.occupancy", "{below: 101}"),
    ("property.occupancy", "{above: -1}"),
    ("property.occupancy", "{at_most: 100}"),
    ("property.occupancy", "{at_least: 0}"),
    ("property.year_built", "1998"),
    ("property.number_of_buildings", "0"),
    ("property.gross_floor_area", "{above: 0}"),
    ("property.gross_floor_area", "1000000000000"),
    ("property.gross_floor_area", "1200.51"),
    ("meter.unit", "'kWh (thousand Watt-hours)'"),
    ("meter.unit", "Cubic yards"),
    ("meter.unit", "{contains: Watt}"),
    ("meter.type", "{contains: [Solar, Wind]}"),
    ("access_level", "{starts_with: Read}"),
    ("property.name", "n" * 80),
    ("account.username", "u" * 60),
    ("property.name", f"{{equals: {'n' * 81}, clean: first 80}}"),
    ("property.name", "{contains: 12, clean: [digits, zero_fill 100]}"),
    ("custom.A", "n" * 5000),
    ("custom.A", "'@spam.example'"),
]


def _on(name: str) -> str:
    return (
        "meter"
        if name.startswith(("meter.", "property.share"))
        else "property"
        if name.startswith("property.") or name == "access_level"
        else "connection"
    )


@pytest.mark.parametrize(("name", "test"), NEVER)
def test_a_literal_that_its_field_can_never_have_is_refused(name, test):
    """At its place, with what the field's values are; under `not` too, where it would always be true."""
    for when in (f"{{{name}: {test}}}", f"{{any: [{{not: {{{name}: {test}}}}}]}}"):
        told = loads(when, on=_on(name))
        assert told.startswith("p.yaml:3:"), f"{name}: {test} is taken"
        assert f"`{name}`" in told
        assert told.count("p.yaml:") == 1


@pytest.mark.parametrize(("name", "test"), MAYBE)
def test_a_literal_that_a_field_may_have_is_taken(name, test):
    """Bounds may lie just outside, parts of a text may be any part, and what is cleaned is judged as it is then."""
    assert loads(f"{{{name}: {test}}}", on=_on(name)) == ""


def test_the_message_says_what_the_values_are():
    """What is wrong, and what the field holds."""
    assert (
        "`account.email_domain` is never `@spam.example`: it is what follows the @ of an e-mail address, as example.com"
        in loads("{account.email_domain: '@spam.example'}")
    )
    assert "`150` is out of range: `property.occupancy` is a percentage from 0 to 100" in loads(
        "{property.occupancy: {at_least: 150}}"
    )
    assert "`meter.type` never starts with `Electrc` (did you mean `Electric`?)" in loads(
        "{meter.type: {starts_with: Electrc}}"
    )


DATA = "data:\n  t:\n    values: %s\n    clean: %s\n"


@pytest.mark.parametrize(
    ("field", "values", "clean", "refused"),
    [
        ("account.email_domain", "[ok.example, '@spam.example']", "fold_case", "@spam.example"),
        ("meter.type", "[Electric, Eletric]", "no_spaces", "Eletric"),
        ("property.name", f"[Tower, {'n' * 81}]", "fold_case", "n" * 81),
    ],
)
def test_a_value_of_our_own_list_that_nothing_looked_up_there_can_be_is_refused(field, values, clean, refused):
    """It would let in whom it should have stopped; its own place is named."""
    told = loads(f"{{{field}: {{in: t}}}}", data=DATA % (values, clean))
    assert f"`{refused}` can never be found: what is looked up there is `{field}`" in told
    assert told.startswith("p.yaml:4:")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("account.id", "0410221"),
        ("account.id", "410,221"),
        ("account.id", "0"),
        ("meter.first_bill_date", "1/2/2026"),
        ("meter.first_bill_date", "2026-02-30"),
        ("meter.first_bill_date", "20260131"),
        ("property.occupancy", "93"),
        ("property.year_built", "98765"),
        ("meter.unit", "kWh"),
    ],
)
def test_a_number_or_date_is_found_only_as_it_is_written(field, value):
    """Without a cleaning that takes the difference away."""
    data = f"data: {{t: {{values: ['{value}']}}}}\n"
    assert f"`{value}` can never be found" in loads(f"{{{field}: {{in: t}}}}", data=data)
    assert f"`{value}` can never be found" in loads(f"{{lookup: {{in: t, by: {{value: {field}}}}}}}", data=data)


@pytest.mark.parametrize(
    ("when", "values", "clean"),
    [
        ("{account.id: {in: t}}", "['0410221', '41-02-22']", "[digits, no_leading_zeros]"),
        ("{account.id: {in: t}}", "['41']", "[digits, zero_fill 10]"),
        (
            "{any: [{account.email_domain: {in: t}}, {account.organization: {in: t}}]}",
            "[spam.example, Spam Inc.]",
            "fold_case",
        ),
        ("{account.username: {in: t}}", "['@spam.example']", "fold_case"),
        ("{custom.A: {in: t}}", "['@spam.example']", "fold_case"),
        ("{meter.first_bill_date: {in: t}}", "['2026-01-31']", "no_spaces"),
        ("{not: {meter.type: {in: t}}}", "[Electric, Natural Gas]", "no_leading_zeros"),
    ],
)
def test_a_value_that_one_of_the_fields_may_be_is_taken(when, values, clean):
    """One list may serve several fields, and cleaning may make alike what is written otherwise."""
    assert loads(when, data=DATA % (values, clean)) == ""


def test_a_date_is_found_as_it_is_written_and_a_column_may_say_anything():
    """Nothing is refused that may be found: a date without cleaning, and what stands in a column of our own."""
    assert loads("{meter.first_bill_date: {in: t}}", data="data: {t: {values: ['2026-01-31']}}\n") == ""
    data = "data: {t: {values: ['@spam.example']}, u: {csv: u.csv, key: n, columns: {name: text}}}\n"
    assert loads("{lookup: {in: u, by: {n: account.id}, where: {name: {in: t}}}}", data=data) == ""


def test_a_read_table_with_keys_in_vain_is_warned_of():
    """How many, the first of them, and what is looked up there; a small table's are walked through."""
    text = (
        "version: 1\ndata: {t: {lines: t.txt, clean: fold_case}, u: {csv: u.csv, key: [n, m]}}\nrules:\n"
        "- {id: a, on: meter, when: {account.email_domain: {in: t}}, then: reject}\n"
        "- {id: b, on: meter, when: {lookup: {in: u, by: {n: custom.A, m: meter.type}}}, then: reject}\n"
    )
    loaded = policy.load({"p.yaml": text.encode()})
    tables = {
        "t": tabulate(loaded.sources["t"], [["ok.example"], ["@spam.example"], ["@bad.example"]]),
        "u": tabulate(loaded.sources["u"], [["1", "Electric"], ["2", "Eletric"]]),
    }
    told = [
        each.fault.message
        for each in warnings(loaded, tables=tables, now=datetime(2026, 3, 4, tzinfo=UTC))
        if each.code == "key-in-vain"
    ]
    assert [message.partition(":")[0] for message in told] == [
        "data t",
        "data u",
    ]
    assert "2 keys can never be found, as @bad.example" in told[0]
    assert "1 key can never be found, as 2 Eletric" in told[1]


def test_a_pattern_that_no_domain_fits_is_warned_of():
    """As every pattern in vain."""
    when = "{account.email_domain: {matches: '.*@spam[.]example'}}"
    text = f"version: 1\nrules: [{{id: a, on: meter, when: {when}, then: reject}}]"
    loaded = policy.load({"p.yaml": text.encode()})
    told = [each.code for each in warnings(loaded, tables={}, now=datetime(2026, 3, 4, tzinfo=UTC))]
    assert "pattern-matches-nothing" in told


def test_every_field_whose_form_is_known_has_one():
    """A number, a text of EPA's, or a choice; of dates, lengths of time and custom fields any may come."""
    without = {name for name, field in FIELDS.items() if not getattr(field, "form", None) and not field.members}
    free = {FieldType.BOOLEAN, FieldType.DATE, FieldType.MOMENT, FieldType.DURATION}
    assert {name for name in without if FIELDS[name].type not in free} == {"sender.id"}
