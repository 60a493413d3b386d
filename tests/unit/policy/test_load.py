"""What the loader accepts and what it refuses: every fault at once, each with its place and what to do."""

from __future__ import annotations

import contextlib
import gc

import pytest

from pm_autoaccept import policy
from pm_autoaccept.errors import PolicyRefused
from pm_autoaccept.model import Kind, Need, Verdict
from pm_autoaccept.policy.parser import source_text

GOOD = "rules: [{id: a, on: meter, when: always, then: hold}]"
LANGUAGE = "is part of the policy language, but this version does not support it yet"


def test_all_faults_at_once(refused):
    """Faults of all files come together, in order, and a misspelt name brings the likely one."""
    faults = refused(
        """
        rules:
          - id: Known Customer
            on: conection
            when: {acount.username: x}
            then: acept
        """,
        blocked="""
        version: 1
        rules:
          - id: meters
            on: meter
            when: {meter.type: Eletric}
            then: hold
        """,
    )
    assert [(fault.file, fault.line, fault.column) for fault in faults] == [
        ("blocked.yaml", 6, 24),
        ("policy.yaml", 4, 9),
        ("policy.yaml", 5, 9),
        ("policy.yaml", 6, 12),
        ("policy.yaml", 7, 11),
    ]
    assert "did you mean `Electric`?" in faults[0].message
    assert "did you mean `connection`?" in faults[2].message
    assert "did you mean `account.username`?" in faults[3].message
    assert "did you mean `accept`?" in faults[4].message
    assert faults[4].text.strip() == "then: acept"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("data: {a: {values: [b]}}", "the policy has no rules"),
        ("rules: {id: a}", "`rules` must be a list"),
        ("rules: []", "empty list; add entries"),
        ("rules: [a]", "a rule must be a mapping"),
        ("rules: [{id: a}]", "missing `on`, `when` and `then` in the rule"),
        ("rules: [{on: meter, when: always, then: hold}]", "missing `id` in the rule"),
        ("rules: [{id: [a], on: meter, when: always, then: [hold], about: [b]}]", "`about` must be one line of text"),
        (
            "rules: [{id: a, on: [[meter]], when: always, then: hold}]",
            "invalid `on`; use connection, property or meter",
        ),
        ("rules: [{id: a, on: meter, when: [always], then: hold}]", "invalid conditions; write fields with tests"),
        ("rules: [{id: a, on: meter, when: never, then: hold}]", "invalid conditions; write fields with tests"),
        (
            "rules: [{id: a, on: meter, when: always, then: hold, not: x}]",
            "unknown key `not` in a rule (did you mean `note`?)",
        ),
        (GOOD + "\nrule: x", "unknown key `rule` in a policy (did you mean `rules`?)"),
        (GOOD + "\ndefault: hold", "the default must be a mapping"),
        (GOOD + "\ndefault: {note: x}", "missing `then` in the default"),
        (GOOD + "\ndefault: {then: accept}", "this accept does not identify who it accepts; test a custom field"),
        (GOOD + "\ndefault: {then: maybe}", "invalid `then`; use accept, reject or hold"),
        (GOOD + "\ndefault: {then: hold, tell: x}", "unknown key `tell` in the default; allowed keys: then, note"),
        (GOOD + "\ndefault: {then: hold, note: 'a {meter.name}'}", "`meter.name` can be absent"),
        (
            GOOD + "\ntime_zone: America/Chigaco",
            "unknown time zone `America/Chigaco` (did you mean `America/Chicago`?)",
        ),
        (GOOD + "\ntime_zone: EST", "unknown time zone `EST`"),
        (GOOD + "\ntime_zone: ../../etc/passwd", "unknown time zone `../../etc/passwd`"),
        (GOOD + "\ntime_zone: America/", "unknown time zone `America/`"),
        (GOOD + "\ntime_zone: [America/Chicago]", "`time_zone` must be one name"),
        (
            "rules: [{id: a, on: meter, when: always, then: hold, tell: The Boss}]",
            "invalid `tell`; use the name of one group",
        ),
        (
            "rules: [{id: a, on: meter, when: always, then: hold, tell: [a]}]",
            "invalid `tell`; use the name of one group",
        ),
        (
            "rules: [{id: a, on: meter, when: always, then: hold, answer: two}]",
            "`answer` must be a mapping; allowed keys: by and people",
        ),
        (
            "rules: [{id: a, on: meter, when: always, then: hold, answer: {by: The Boss}}]",
            "invalid `by`; use the name of one group",
        ),
        (
            "rules: [{id: a, on: meter, when: always, then: hold, answer: {people: 0}}]",
            "invalid `people`; use a number from 1 to 5",
        ),
        (
            # Python refuses to convert that many digits.
            f"rules: [{{id: a, on: meter, when: always, then: hold, answer: {{people: {'9' * 5_000}}}}}]",
            "invalid `people`; use a number from 1 to 5",
        ),
        (
            "rules: [{id: a, on: meter, when: always, then: hold, answer: {people: many}}]",
            "invalid `people`; use a number from 1 to 5",
        ),
        (
            "rules: [{id: a, on: meter, when: always, then: hold, answer: {from: x}}]",
            "unknown key `from` in `answer`",
        ),
        (
            "rules: [{id: a, on: meter, when: always, then: reject, answer: {people: 2}}]",
            "`answer` is allowed with `then: hold` only, but `then` is reject; remove it",
        ),
        (
            GOOD + "\ndefault: {then: reject, answer: {by: people}}",
            "`answer` is allowed with `then: hold` only",
        ),
        (
            "rules: [{id: a, on: meter, when: always, then: hold, enforce: no}]",
            "invalid `enforce`; use true, or false for a rule that only records what it would have decided",
        ),
        (
            "rules: [{id: a, on: meter, when: always, then: hold, until: today}]",
            "invalid `until`; use the last date on which the rule applies",
        ),
        (
            "rules: [{id: a, on: meter, when: always, then: hold, until: 2026-02-30}]",
            "invalid `until`; use the last date on which the rule applies",
        ),
        (
            "rules: [{id: a, on: meter, when: always, then: accept, enforce: false}]",
            "this accept does not identify who it accepts; test a custom field",
        ),
    ],
)
def test_faults_of_a_policy(refused, text, message):
    """What is wrong with files, rules and data is said; what this version does not support is never passed over."""
    assert any(message in fault.message for fault in refused(text))


@pytest.mark.parametrize(
    ("when", "message"),
    [
        (
            "{age: {above: 30}}",
            "`age`: invalid value `30`; expected a duration: a number and s, m, h or d, for example 30d",
        ),
        ("{held_for: {above: [30d]}}", "invalid value of `above`; expected one value"),
        ("{requested_at: {above: today}}", "invalid value `today`; expected a date and time with time zone"),
        ("{requested_at: {above: 2026-01-31}}", "invalid value `2026-01-31`; expected a date and time with time zone"),
        ("{requested_at: {above: '2026-02-30T00:00:00Z'}}", "`requested_at`: invalid date-time `2026-02-30T00:00:00Z`"),
        ("{meter.first_bill_date: {above: now}}", "expected a date, for example 2026-01-31 or today - 30d"),
        ("{meter.first_bill_date: {above: today - 12h}}", "invalid value `today - 12h`; expected a date"),
        ("{all: {kind: meter}}", "`all` must be a list of conditions"),
        ("{any: [always]}", "invalid conditions; write fields with tests"),
        ("{equals: x}", "expected a field, but `equals` is an operator; write a field before it"),
        ("{custom.: x}", "unknown field `custom.`"),
        ("{meter.kind: x}", "unknown field `meter.kind`"),
        ("{meter.type: {equal: x}}", "unknown operator `equal` (did you mean `equals`?)"),
        (
            "{meter.type: {equals: [Electric]}}",
            "invalid value of `equals`; expected one value; for several values use `in: [a, b]`",
        ),
        ("{meter.type: {in: {a: b}}}", "invalid value of `in`; expected a list of values"),
        ("{meter.type: [[Electric]]}", "expected one value"),
        ("{meter.type: {matches: [a]}}", "invalid value of `matches`; expected an RE2 pattern"),
        ("{meter.name: {matches: '(a'}}", "invalid RE2 pattern: missing )"),
        ("{meter.name: {matches: '(?=a)'}}", "invalid RE2 pattern: invalid perl operator"),
        ("{meter.name: {matches: 'a–b'}}", "with hyphens for all dashes; write a-b"),  # noqa: RUF001 - an en dash
        ("{meter.in_use: {matches: a}}", "`matches` is for choice or text, but `meter.in_use` is a boolean"),
        ("{meter.name: {at_least: a}}", "`at_least` is for date, date-time, duration, integer or number"),
        ("{meter.in_use: yes}", "`meter.in_use`: invalid value `yes`; expected true or false"),
        ("{meter.name: {present: maybe}}", "`meter.name`: invalid value `maybe`; expected true or false"),
        ("{property.year_built: MCM}", "a whole number"),
        ("{property.year_built: 1998.5}", "a whole number"),
        ("{property.gross_floor_area: {above: 1e6}}", "expected a number, for example 50000 or 0.5"),
        ("{property.gross_floor_area: {above: '10,00'}}", "a number"),
        ("{meter.inactive_date: 3/4/2026}", "for example 2026-01-31 or today - 30d"),
        ("{meter.inactive_date: 2026-02-30}", "`meter.inactive_date`: invalid date `2026-02-30`"),
        ("{access_level: Read write}", "did you mean `Read Write`?"),
        ("{property.construction_status: Existant}", "did you mean `Existing`?"),
        ("{property.share: sharde}", "did you mean `shared`?"),
        ("{property.verdict: accepted}", "did you mean `accept`?"),
        ("{meter.category: Energy}", "did you mean `energy`?"),
        ("{kind: metre}", "did you mean `meter`?"),
        (
            "{property.address.state: Oregano}",
            "unknown value `Oregano`; allowed values: AK, AL, AR, AS, AZ … and 70 more",
        ),
        ("{property.address.state: Illinois}", "did you mean `IL`?); allowed values: AK, AL, AR, AS, AZ … and 70 more"),
        ("{property.address.state: [IL, new york]}", "(did you mean `NY`?); allowed values: "),
        ("{property.address.state: Georgia}", "(did you mean `GA`?); allowed values: "),
        ("{property.address.state: Québec}", "(did you mean `QC`?); allowed values: "),
        ("{property.address.state: {in: [Massachusets]}}", "(did you mean `MA`?); allowed values: "),
        ("{property.address.country: USA}", "did you mean `US`?); allowed values: US"),
        ("{property.address.country: United States of America}", "did you mean `US`?); allowed values: US"),
        ("{property.gross_floor_area: {at_least: 100,000}}", "YAML splits `100,000` at the comma; write 100000"),
        ("{property.gross_floor_area: {above: 1,000,000, below: 2,500,000}}", "YAML splits `2,500,000` at the comma"),
        ("{property.gross_floor_area: 100,000}", "YAML splits `100,000` at the comma; write 100000"),
        ("{property.gross_floor_area: [250,000, 9]}", "YAML splits `250,000` at the comma; write 250000"),
        ("{property.primary_function: Offices}", "did you mean `Office`?"),
        ("{meter.type: {equals: electric, clean: fold_case}}", "`clean` is for text"),
        ("{custom.A: {clean: digits}}", "`clean` needs an operator next to it"),
        ("{custom.A: {equals: none, clean: digits}}", "`none` is blank after cleaning"),
        ("{custom.A: {in: known, clean: digits}}", "`clean` is not allowed with a data name"),
        ("{custom.A: {in: knwon}}", "unknown data name `knwon` (did you mean `known`?)"),
    ],
)
def test_faults_of_conditions(refused, when, message):
    """Names, types, literals and patterns are checked when the policy is read."""
    text = f"data: {{known: {{values: ['1']}}}}\nrules: [{{id: a, on: meter, when: {when}, then: hold}}]"
    assert any(message in fault.message for fault in refused(text))


def test_a_number_that_yaml_cuts_is_one_fault(refused):
    """Not one for the group that became a key, and one for the value that it lacks, and one for its repetition."""
    when = "{property.gross_floor_area: {above: 1,000,000}, property.year_built: {at_least: 2,000}}"
    faults = refused(f"rules: [{{id: a, on: property, when: {when}, then: hold}}]")
    assert [fault.message.partition(";")[0] for fault in faults] == [
        "YAML splits `1,000,000` at the comma",
        "YAML splits `2,000` at the comma",
    ]


@pytest.mark.parametrize("numbers", ["[100, 200]", "[100,200]", "['100,000']", "[1, 000]"])
def test_numbers_in_a_list_stay_numbers(load, numbers):
    """A comma that is meant is none that cuts."""
    load(f"rules: [{{id: a, on: property, when: {{property.gross_floor_area: {numbers}}}, then: hold}}]")


@pytest.mark.parametrize(
    ("on", "when", "message"),
    [
        ("[property, meter]", "{meter.type: Electric}", "a property request never has `meter.type`"),
        ("connection", "{access_level: Read}", "a connection request never has `access_level`"),
        ("connection", "{connection.custom.A: x}", "only meter and property requests have it"),
        ("property", "{property.custom.A: x}", "a property request never has `property.custom.A`"),
    ],
)
def test_fields_that_a_kind_never_has(refused, on, when, message):
    """A field that one of the rule's kinds never has is a mistake in the rule."""
    (fault,) = refused(f"rules: [{{id: a, on: {on}, when: {when}, then: hold}}]")
    assert message in fault.message


ASKED = [
    ("{custom.A: x}", True),
    ("{custom.A: {in: known}}", True),
    ("{account.address.state: IL}", True),
    ("{account.connected: true}", True),
    ("{sender.username: x}", True),
    ("{property.share: shared}", True),
    ("{property.verdict: accept}", True),
    ("{connection.custom.A: {matches: '[0-9]+'}}", True),
    ("{any: [{custom.A: x}, {account.id: 5}]}", True),
    ("{all: [{meter.type: Electric}, {account.id: 5}]}", True),
    ("always", False),
    ("{meter.type: Electric}", False),
    ("{forwarded: false}", False),
    ("{access_level: Read Write}", False),
    ("{custom.A: {present: true}}", False),
    ("{account.username: {present: true}}", False),
    ("{any: [{custom.A: x}, {meter.type: Electric}]}", False),
    ("{any: [{custom.A: x}, {custom.B: {present: true}}]}", False),
    ("{not: {account.username: spam_one}}", False),
    ("{not: {not: {account.username: x}}}", False),
]


@pytest.mark.parametrize(("when", "asks"), ASKED)
def test_an_accept_asks_who_it_lets_in(load, when, asks):
    """In each branch of an `any` at least one test says who is let in, or the rule says that it accepts everyone."""
    text = "data: {{known: {{values: ['1']}}}}\nrules: [{{id: a, on: meter, when: {}, then: accept{}}}]"
    if asks:
        assert load(text.format(when, "")).rules[0].then is Verdict.ACCEPT
    else:
        with pytest.raises(PolicyRefused, match="this accept does not identify who it accepts"):
            load(text.format(when, ""))
    assert load(text.format(when, ", i_accept_everyone: true")).rules[0].then is Verdict.ACCEPT
    with pytest.raises(PolicyRefused, match="invalid `i_accept_everyone`; use true, or remove it"):
        load(text.format(when, ", i_accept_everyone: yes"))


def test_nothing_follows_from_what_could_not_be_read(refused):
    """Conditions, data and files with faults bring no further complaints about what may hang on them."""
    (fault,) = refused("rules: [{id: a, on: meter, when: {custom.A: {equal: x}}, then: accept, note: '{custom.A}'}]")
    assert "`equal`" in fault.message
    (fault,) = refused("rules: [{id: a, on: meter, when: {custom.A: *x}, then: accept, note: '{custom.A}'}]")
    assert "alias" in fault.message
    (fault,) = refused(
        "data: {known: {values: [x], clean: digits}}\n"
        "rules: [{id: a, on: meter, when: {any: [{custom.A: {in: known}}]}, then: accept}]"
    )
    assert "blank after cleaning" in fault.message
    (fault,) = refused("rules: [{id: a, on: meter, when: {custom.A: {in: known}}, then: hold}]", data="a: 'b")
    assert fault.file == "data.yaml"
    (fault,) = refused("rules: *x")
    assert "alias" in fault.message
    for part in ("data: *x", "data: {a: *x}", "data: {a: {csv: *x, key: k}}", "data: {a: {csv: x, key: *x}}",
                 "data: {a: {values: *x}}", "data: {a: {values: [*x]}}", "data: {a: {values: [x], clean: *x}}",
                 "default: *x", "default: {then: *x}", "default: {then: hold, note: *x}"):  # fmt: skip
        (fault,) = refused(f"{GOOD}\n{part}")
        assert "alias" in fault.message
    for part in ("id: *x, on: meter, when: always, then: hold", "id: a, on: *x, when: always, then: hold",
                 "id: a, on: meter, when: *x, then: hold", "id: a, on: meter, when: always, then: *x",
                 "id: a, on: meter, when: {any: *x}, then: hold", "id: a, on: meter, when: {kind: [*x]}, then: hold",
                 "id: a, on: meter, when: {custom.A: {equals: *x}}, then: hold", "*x : b"):  # fmt: skip
        faults = refused(f"rules: [{{{part}}}]")
        assert "alias" in faults[-1].message
        assert len(faults) == 1


def test_files_of_a_folder():
    """Rules come in the order of file names; ids, data and the default stand once; each file says its version."""
    one = b"version: 1\ndata: {a: {values: [b]}}\ndefault: {then: reject}\n" + GOOD.encode()
    two = one.replace(b"id: a", b"id: b").replace(b"data: {a", b"data: {b").replace(b"default: {then: reject}\n", b"")
    loaded = policy.load({"2.yaml": one, "1.yaml": two})
    assert [rule.id for rule in loaded.rules] == ["b", "a"]
    assert sorted(loaded.sources) == ["a", "b"]
    with pytest.raises(PolicyRefused) as caught:
        policy.load(
            {
                "1.yaml": one,
                "2.yaml": one,
                "3.yaml": GOOD.encode(),
                "4.yml": one,
                "5.yaml": b"- a",
                "6.yaml": b"version: 2",
            }
        )
    messages = "\n".join(map(str, caught.value.faults))
    for part in (
        "2.yaml:2:8: duplicate data name `a`",
        "2.yaml:3:1: `default` is also set in 1.yaml",
        "2.yaml:4:14: duplicate rule id `a`, first used in 1.yaml, line 4",
        "3.yaml:1:1: missing `version: 1` in this file",
        "4.yml:1:1: policy files must end in .yaml",
        "5.yaml:1:1: a policy file must be a mapping",
        "6.yaml:1:10: unknown version; this program supports `version: 1`",
    ):
        assert part in messages
    with pytest.raises(PolicyRefused, match="the policy folder: the policy has no rules"):
        policy.load({})


def test_the_digest_is_of_what_decides():
    """Names and contents make the digest, tests do not; no two folders share one by moving a byte across a border."""
    text = b"version: 1\n" + GOOD.encode()
    digest = policy.load({"a.yaml": text}).digest
    case = b"cases: [{about: b, request: {kind: meter}, expect: {verdict: hold, rule: default}}]"
    assert policy.load({"a.yaml": text, "a.test.yaml": case, "x.xml": b"<x/>"}).digest == digest
    assert policy.load({"b.yaml": text}).digest != digest
    assert policy.load({"a.yaml": text + b"\n"}).digest != digest


@pytest.mark.parametrize(
    ("on", "when", "needs"),
    [
        ("meter", "{meter.type: Electric, account.username: x, account.connected: true}", set()),
        ("connection", "{account.email: x@example.com}", set()),
        ("[connection, property]", "{account.email: x@example.com}", {Need.ACCOUNTS}),
        ("meter", "{not: {any: [{custom.A: x}]}}", {Need.CUSTOM_FIELDS}),
        ("meter", "{property.custom.A: x}", {Need.CUSTOM_FIELDS}),
        ("property", "{connection.custom.A: x}", {Need.CUSTOM_FIELDS, Need.ANSWERS_AT_CONNECTION}),
    ],
)
def test_needs(rule, on, when, needs):
    """A policy asks only for the facts that its rules test."""
    assert rule(when, on=on).needs == needs


def test_notes_have_needs_too(rule, load):
    """What a note shows must be learnt as well."""
    assert rule("always", more=", note: '{account.email|or you}'").needs == {Need.ACCOUNTS}
    assert load(f"{GOOD}\ndefault: {{then: hold, note: '{{custom.A|or nothing}}'}}").needs == {Need.CUSTOM_FIELDS}


def test_a_rule_is_on_what_it_says(rule):
    """`on` is one kind or a list of them."""
    assert rule("always", on="[connection, meter]").rules[0].on == {Kind.CONNECTION, Kind.METER}


def test_very_many_faults_stay_readable(refused):
    """Of thousands of faults the first 200 are told, and a line that no screen holds is not shown with each of them."""
    faults = refused(f"rules: [{'*a,' * 5_000}]")
    assert len(faults) == 201
    assert faults[-1].message == "4,800 more errors are not shown; fix these first"
    assert len("\n".join(map(str, faults))) < 50_000


@pytest.mark.parametrize("collects", [True, False])
@pytest.mark.parametrize("text", [f"version: 1\n{GOOD}", "rules: []"])
def test_garbage_is_collected_after_loading_as_before(monkeypatch, collects, text):
    """It waits while a policy is read, and goes on if it went on before, whatever came of the policy."""
    meanwhile = []
    read = source_text.read
    monkeypatch.setattr(source_text, "read", lambda *given: meanwhile.append(gc.isenabled()) or read(*given))
    went_on = gc.isenabled()
    (gc.enable if collects else gc.disable)()
    try:
        with contextlib.suppress(PolicyRefused):
            policy.load({"p.yaml": text.encode()})
        after = gc.isenabled()
    finally:
        (gc.enable if went_on else gc.disable)()
    assert (meanwhile, after) == ([False], collects)
