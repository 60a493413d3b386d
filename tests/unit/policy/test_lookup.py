"""Rows of our own tables: found by their whole key, and passed column by column."""

from __future__ import annotations

import textwrap
from dataclasses import replace

import pytest

from pm_autoaccept.model import CustomField, NotLearnt, PropertyShare, Truth, Verdict
from pm_autoaccept.policy.analysis import asks_who, fields_tested, guaranteed_fields
from pm_autoaccept.policy.data.tables import tabulate

DATA = """
data:
  points:
    csv: points.csv
    key: [account, meter]
    clean: {account: digits, meter: [digits, no_leading_zeros]}
    columns: {tenants: integer, share: number, until: date, owner: text, bill: number, open: boolean}
  known: {values: [Acme]}
"""
ROWS = (
    ("0041-001-234", "0007", "5", "0.4", "2026-03-04", "Acme", "100.25", "yes"),
    ("0041001234", "8", "3", "", "soon", "", "", ""),
    ("0041001234", "9", "5", "0.4", "2026-03-04", "Acme", "100.25", "yes"),
    ("0041001234", "9", "6", "0.4", "2026-03-04", "Acme", "100.25", "yes"),
)
BY = "by: {account: connection.custom.Utility Customer Number, meter: custom.Key}"


@pytest.fixture
def asked(rule, meter, facts):
    """How a lookup in `points` comes out for a meter with this answer, and what was not known."""

    def _asked(answer, where="", *, negated=False, tables=None, given=facts):
        when = f"{{lookup: {{in: points, {BY}{where and f', where: {where}'}}}}}"
        policy = rule(f"{{not: {when}}}" if negated else when, data=DATA)
        read = {
            "points": tabulate(policy.sources["points"], ROWS),
            "known": tabulate(policy.sources["known"], [["Acme"]]),
        }
        request = replace(meter, custom=(CustomField("Key", answer),))
        judgement = policy.judge(request, given, read if tables is None else tables)
        assert judgement.verdict is Verdict.HOLD
        return {"rule": "true", "default": "false"}.get(judgement.reason.kind, ", ".join(judgement.unknown))

    return _asked


@pytest.mark.parametrize(
    ("answer", "plain", "negated"),
    [
        ("7", "true", "false"),
        ("00-07", "true", "false"),
        ("70", "false", "true"),
        ("", "false", "false"),
        ("n/a", "false", "false"),
        ("000", "false", "false"),
        ("9", "points", "points"),
    ],
)
def test_whether_the_row_is_there(asked, answer, plain, negated):
    """A row that is missing is known to be; no answer is the customer's gap; a key with two contents is ours."""
    assert asked(answer) == plain
    assert asked(answer, negated=True) == negated


@pytest.mark.parametrize(
    ("answer", "where", "plain", "negated"),
    [
        ("7", "{tenants: {at_least: 4}}", "true", "false"),
        ("7", "{tenants: {at_least: 6}}", "false", "true"),
        ("7", "{tenants: 5, share: {at_most: 0.5}, owner: Acme, open: true}", "true", "false"),
        ("7", "{until: {at_least: today}}", "true", "false"),
        ("7", "{until: {above: today}}", "false", "true"),
        ("7", "{any: [{tenants: 4}, {not: {owner: {equals: ACME}}}]}", "true", "false"),
        ("7", "{owner: {equals: ACME, clean: fold_case}}", "true", "false"),
        ("7", "{owner: {in: known}, account: '0041001234', meter: '7'}", "true", "false"),
        ("7", "{owner: {matches: 'A.*'}}", "true", "false"),
        ("7", "{owner: {equals: '1', clean: digits}}", "points", "points"),
        ("7", "{owner: {same_as: account.organization}}", "false", "false"),
        ("7", "{owner: {same_as: account.first_name}}", "false", "true"),
        ("7", "{tenants: {same_as: property.number_of_buildings, within: 4}}", "true", "false"),
        ("7", "{meter: {same_as: custom.Key}}", "true", "false"),
        ("8", "{tenants: 3}", "true", "false"),
        ("8", "{share: {at_most: 0.5}}", "points", "points"),
        ("8", "{until: {at_least: today}}", "points", "points"),
        ("8", "{owner: Acme}", "points", "points"),
        ("8", "{owner: Acme, tenants: 4}", "false", "true"),
        ("8", "{any: [{owner: Acme}, {tenants: 3}]}", "true", "false"),
        ("70", "{owner: Acme}", "false", "true"),
        ("9", "{tenants: 5}", "points", "points"),
    ],
)
def test_whether_the_row_passes(asked, answer, where, plain, negated):
    """Columns are tested as fields are; a cell that is blank or unreadable is unknown; `not` goes on into `where`."""
    assert asked(answer, where) == plain
    assert asked(answer, where, negated=True) == negated


def test_a_number_the_customer_typed(rule, meter, facts):
    """A custom field is read as the column's type, and may differ by so much."""
    when = f"{{lookup: {{in: points, {BY}, where: {{bill: {{same_as: custom.Last Bill, within: 0.01}}}}}}}}"
    policy = rule(when, data=DATA)
    tables = {"points": tabulate(policy.sources["points"], ROWS)}
    given = replace(facts, defined=facts.defined | {"Last Bill"})
    for typed, truth in (("$100.26", True), ("100.27", False), ("a lot", False), ("", False)):
        request = replace(meter, custom=(CustomField("Key", "7"), CustomField("Last Bill", typed)))
        assert (policy.judge(request, given, tables).rule is not None) is truth


def test_what_is_missing_of_ours(asked, facts):
    """A table that could not be read makes the lookup unknown, but not where the customer left the key out."""
    for negated in (False, True):
        assert asked("7", tables={}, negated=negated) == "points"
        assert asked("7", tables={"points": NotLearnt("gone")}, negated=negated) == "points"
        assert asked("n/a", tables={}, negated=negated) == "false"
        blind = replace(facts, connection_custom=NotLearnt("500"))
        assert asked("7", given=blind, negated=negated) == "connection.custom.Utility Customer Number"
        assert asked("n/a", given=blind, negated=negated) == "false"


def test_why_it_is_not_known(rule, meter, facts):
    """The reason says what is in the way: the table, the key, the cell, or a field of the key."""
    policy = rule(f"{{lookup: {{in: points, {BY}, where: {{owner: Acme, until: {{at_least: today}}}}}}}}", data=DATA)
    table = tabulate(policy.sources["points"], ROWS)
    for answer, tables, why in (
        ("7", {}, "because points is unknown: it was not read."),
        ("7", {"points": NotLearnt("gone")}, "because points is unknown: gone."),
        ("9", {"points": table}, "because points is unknown: the key appears in several rows"),
        ("8", {"points": table}, "because points is unknown: the cell in column owner of our table is blank."),
    ):
        judgement = policy.judge(replace(meter, custom=(CustomField("Key", answer),)), facts, tables)
        assert why in judgement.reason.text
    blind = replace(facts, connection_custom=NotLearnt("500"))
    judgement = policy.judge(replace(meter, custom=(CustomField("Key", "7"),)), blind, {"points": table})
    assert "because connection.custom.Utility Customer Number is unknown: 500." in judgement.reason.text


def test_days_in_where_are_days_of_the_policy_s_time_zone(load, meter, facts):
    """Twelve in the night in UTC is still yesterday evening in Chicago."""
    rules = f"""
    rules:
    - {{id: a, on: meter, when: {{lookup: {{in: points, {BY}, where: {{until: {{below: today}}}}}}}}, then: hold}}
    """
    given = replace(facts, now=facts.now.replace(day=5, hour=0))
    request = replace(meter, custom=(CustomField("Key", "7"),))
    for zone, rule_of_it in (("UTC", "a"), ("America/Chicago", None)):
        policy = load(f"time_zone: {zone}\n{DATA}{textwrap.dedent(rules)}")
        tables = {"points": tabulate(policy.sources["points"], ROWS)}
        assert policy.judge(request, given, tables).rule == rule_of_it


def test_a_lookup_that_holds_is_told(rule, meter, facts):
    """The reason of a rule names the fields and the columns that it looked at."""
    policy = rule(f"{{lookup: {{in: points, {BY}, where: {{tenants: 5}}}}}}", data=DATA)
    request = replace(meter, custom=(CustomField("Key", "7"),))
    judgement = policy.judge(request, facts, {"points": tabulate(policy.sources["points"], ROWS)})
    assert judgement.reason.text == (
        "Rule asked matched (hold): connection.custom.Utility Customer Number is in points as account "
        "and custom.Key is in points as meter and tenants in points is 5."
    )


def test_a_cell_of_which_nothing_is_left_as_a_key(load, meter, facts):
    """It is our gap too, where it is looked up in other data."""
    text = f"""
    rules: [{{id: a, on: meter, when: {{lookup: {{in: points, {BY}, where: {{owner: {{in: known}}}}}}}}, then: hold}}]
    """
    policy = load(
        DATA.replace("known: {values: [Acme]}", "known: {values: ['7'], clean: digits}") + textwrap.dedent(text)
    )
    tables = {"points": tabulate(policy.sources["points"], ROWS), "known": tabulate(policy.sources["known"], [["7"]])}
    judgement = policy.judge(replace(meter, custom=(CustomField("Key", "7"),)), facts, tables)
    assert judgement.unknown == ("points",)
    assert "the cell in column owner of our table is empty after cleaning" in judgement.reason.text


def test_lookups_of_one_policy_do_not_mix_up(load, meter, facts):
    """One table by two fields, and two tables by one field."""
    policy = load(
        """
        data:
          one: {csv: 1.csv, key: id, columns: {says: text}}
          two: {csv: 2.csv, key: id, columns: {says: text}}
        rules:
        - {id: a, on: meter, when: {lookup: {in: one, by: {id: custom.Key}, where: {says: x}}}, then: hold}
        - {id: b, on: meter, when: {lookup: {in: one, by: {id: custom.Parcel}, where: {says: x}}}, then: hold}
        - {id: c, on: meter, when: {lookup: {in: two, by: {id: custom.Key}, where: {says: x}}}, then: hold}
        """
    )
    tables = {
        "one": tabulate(policy.sources["one"], [["1", "x"], ["2", "y"]]),
        "two": tabulate(policy.sources["two"], [["1", "y"], ["2", "x"]]),
    }
    for key, parcel, decides in (("1", "2", "a"), ("2", "1", "b"), ("2", "2", "c"), ("3", "3", None)):
        request = replace(meter, custom=(CustomField("Key", key), CustomField("Parcel", parcel)))
        assert policy.judge(request, facts, tables).rule == decides


def test_the_evidence(rule, meter, facts):
    """The fields of the key are shown with the column they were looked for in, then each column with its cell."""
    where = "{tenants: {at_least: 6}, owner: {same_as: account.first_name}}"
    policy = rule(f"{{lookup: {{in: points, {BY}, where: {where}}}}}", data=DATA)
    request = replace(meter, custom=(CustomField("Key", "7"),))
    outcome = policy.judge(request, facts, {"points": tabulate(policy.sources["points"], ROWS)})
    assert outcome.evidence == ()  # the default decided
    policy = rule(f"{{not: {{lookup: {{in: points, {BY}, where: {where}}}}}}}", data=DATA)
    outcome = policy.judge(request, facts, {"points": tabulate(policy.sources["points"], ROWS)})
    assert [(each.field, each.expected, each.found, each.truth) for each in outcome.evidence] == [
        ("connection.custom.Utility Customer Number", "not in points as account", "0041-001-234", Truth.FALSE),
        ("custom.Key", "not in points as meter", "7", Truth.FALSE),
        ("tenants in points", "not at least 6", "5", Truth.TRUE),
        ("owner in points", "not the same as account.first_name", "Acme", Truth.TRUE),
        ("account.first_name", "not the same as owner in points", "Ines", Truth.TRUE),
    ]


def test_what_follows_from_it(load):
    """A lookup says who is let in; its fields, and those that columns are the same as, have a value."""
    text = "{data}\nrules: [{{id: a, on: meter, when: {{lookup: {{in: points, {by}, where: {where}}}}}, then: accept}}]"
    policy = load(text.format(data=DATA, by=BY, where="{owner: {same_as: property.name}, tenants: 1}"))
    condition = policy.rules[0].when
    assert asks_who(condition)
    keys = {"connection.custom.Utility Customer Number", "custom.Key"}
    assert guaranteed_fields(condition) == keys | {"property.name"}
    assert guaranteed_fields(condition, negated=True) == keys
    assert {field.name for field in fields_tested(condition)} == keys | {"property.name"}


def test_no_column_says_that_a_property_is_not_shared(load, meter, facts):
    """A column `share` of data `property` is not the field `property.share`."""
    text = """
    data: {property: {csv: x.csv, key: id, columns: {share: text}}}
    rules:
    - {id: a, on: meter, when: {lookup: {in: property, by: {id: property.id}, where: {share: none}}}, then: accept}
    """
    policy = load(text)
    tables = {"property": tabulate(policy.sources["property"], [[str(meter.property_id), "none"]])}
    judgement = policy.judge(meter, replace(facts, property_share=PropertyShare.NONE), tables)
    assert judgement.verdict is Verdict.ACCEPT
    assert not judgement.accepts_unshared_property


@pytest.mark.parametrize(
    ("lookup", "message"),
    [
        ("points", "write it as lookup: {in: TABLE"),
        (f"{{in: points, {BY}, were: {{tenants: 1}}}}", "a lookup has no `were` (did you mean `where`?)"),
        ("{in: points}", "the lookup lacks `by`"),
        (f"{{{BY}}}", "the lookup lacks `in`"),
        (f"{{in: pionts, {BY}}}", "no data is called `pionts` (did you mean `points`?)"),
        (f"{{in: [points], {BY}}}", "`in` is the name of data"),
        ("{in: points, by: custom.Key}", "`by` is a mapping"),
        ("{in: points, by: {account: custom.Key}}", "`by` lacks the key column `meter` of `points`"),
        ("{in: points, by: {account: custom.A, meter: custom.B, tenants: custom.C}}", "`tenants` is no key column"),
        ("{in: points, by: {account: custom.A, meter: [custom.B]}}", "the name of one field stands here"),
        ("{in: points, by: {account: custom.A, meter: Meter}}", "there is no field `Meter`"),
        ("{in: points, by: {account: custom.A, meter: property.custom.B}}", "a connection request never has"),
        (f"{{in: points, {BY}, where: always}}", "`where` holds columns and their tests"),
        (f"{{in: points, {BY}, where: {{tenant: 1}}}}", "`points` has no column `tenant` (did you mean `tenants`?)"),
        (f"{{in: points, {BY}, where: {{tenants: many}}}}", "`tenants in points`: `many` stands where a whole number"),
        (f"{{in: points, {BY}, where: {{owner: {{at_least: 1}}}}}}", "columns: {owner: number}"),
        (f"{{in: points, {BY}, where: {{owner: {{same_as: custom.A, within: 1}}}}}}", "columns: {owner: number}"),
        (f"{{in: points, {BY}, where: {{tenants: {{equals: 1, as: number}}}}}}", "`as` is for custom fields"),
        (f"{{in: points, {BY}, where: {{owner: {{present: true}}}}}}", "`present` is for fields of the request"),
        (f"{{in: points, {BY}, where: {{owner: {{same_as: tenants}}}}}}", "there is no field `tenants`"),
        (f"{{in: points, {BY}, where: {{until: {{same_as: property.name}}}}}}", "the two can never be the same"),
        (f"{{in: points, {BY}, where: {{lookup: {{in: points, {BY}}}}}}}", "does not stand inside another"),
    ],
)
def test_faults(refused, lookup, message):
    """Tables, key columns, columns and their types are checked when the policy is read."""
    on = "[connection, meter]" if "connection request" in message else "meter"
    text = f"{DATA}\nrules: [{{id: a, on: {on}, when: {{lookup: {lookup}}}, then: hold}}]"
    assert any(message in fault.message for fault in refused(text)), [fault.message for fault in refused(text)]


def test_data_with_faults_makes_no_others(refused):
    """A lookup in data whose declaration is refused says nothing more."""
    data = "data: {points: {csv: x.csv, key: [a, b], colums: {x: number}}}"
    text = (
        f"{data}\nrules: [{{id: a, on: meter, when: {{lookup: {{in: points, {BY}, where: {{x: 1}}}}}}, then: accept}}]"
    )
    assert len(refused(text)) == 1
