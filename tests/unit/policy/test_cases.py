"""The tests of a policy: what a case says, what comes of it, and how a failing one is told."""

from __future__ import annotations

import contextlib
import json
import re
import textwrap
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pm_autoaccept.errors import Fault, PolicyRefused
from pm_autoaccept.model import Facts, Kind, NotLearnt, PendingRequest, Verdict
from pm_autoaccept.policy import Case, CaseResult, load, load_checked, rules_not_decided, run_cases
from pm_autoaccept.policy.cases.case_files import CASE_KEYS, EXPECT_KEYS
from pm_autoaccept.policy.cases.requests import FACT_FIELDS, is_fact
from pm_autoaccept.policy.fields import FIELDS
from pm_autoaccept.policy.values import FieldType

POLICY = """
version: 1
data:
  billing_accounts: {csv: data/billing_accounts.csv, key: account_number, clean: [digits, zero_fill 7]}
  friends: {values: [green_consult]}
  points:
    csv: data/points.csv
    key: [account_number, meter_number]
    clean: {meter_number: no_leading_zeros}
    columns: {tenants: integer, until: date}
rules:
  - {id: blocked, on: [connection, property, meter], when: {account.username: [spam_one, spam_two]}, then: reject}
  - id: known-customer
    on: connection
    when:
      custom.Utility Customer Number: {in: billing_accounts}
      account.address.state: [IL, IN]
    then: accept
    note: Matched to the billing account ending in {custom.Utility Customer Number|last4}.
  - id: read-only
    on: [property, meter]
    when: {access_level: Read}
    then: hold
    expire: {after: 30d, then: reject, note: Please share again.}
  - {id: friend, on: property, when: {sender.username: {in: friends}}, then: accept}
  - {id: of-a-property, on: meter, when: {property.verdict: reject}, then: reject}
  - {id: late, on: property, when: {age: {above: 30d}}, then: reject}
"""
ALICE = "kind: connection, account: {id: 410221, username: riverside, address: {state: IL}}"
HOUSE = "kind: property, account: {id: 1, username: a}, access_level: Read Write"
DEFAULT = "expect: {verdict: hold, rule: default}"
XML = b"""<pendingList><account><accountId>7</accountId><username>spam_one</username></account>
<account><accountId>8</accountId><username>spam_two</username></account></pendingList>"""

Files = dict[str, bytes]


def files(case: str, rules: str = POLICY, **more: bytes) -> Files:
    """A policy, and its one test file of these cases."""
    written = textwrap.indent(textwrap.dedent(case).strip(), "  ")
    return {"policy.yaml": rules.encode(), "policy.test.yaml": f"cases:\n{written}\n".encode(), **more}


@pytest.fixture
def run() -> Callable[..., CaseResult]:
    """What comes of one case, of which `about` need not be said."""

    def _run(case: str, **more: bytes) -> CaseResult:
        (result,) = run_cases(load(files(f"- {{about: a case, {case}}}", **more)))
        return result

    return _run


@pytest.fixture
def read() -> Callable[..., Case]:
    """A case of this request, read."""

    def _read(request: str, more: str = "", **xml: bytes) -> Case:
        return load(files(f"- {{about: b, request: {{{request}}}, {more} {DEFAULT}}}", **xml)).cases[0]

    return _read


@pytest.fixture
def refused() -> Callable[..., Fault]:
    """The one fault of a test file with this case."""

    def _refused(case: str, **more: bytes) -> Fault:
        with pytest.raises(PolicyRefused) as caught:
            load(files(case, **more))
        (fault,) = caught.value.faults
        return fault

    return _refused


def test_the_cases_of_the_language_page(run):
    """A customer with dashes is let in with a note; while the table is down nobody is let in or sent away."""
    number = f"request: {{{ALICE}, custom: {{Utility Customer Number: 00-998-17}}}}"
    passed = run(
        f"{number}, data: {{billing_accounts: ['0099817']}}, now: '2026-03-04T12:00:00Z', expect: {{verdict: accept, "
        "rule: known-customer, note: Matched to the billing account ending in 17.}"
    )
    assert passed.fault is None
    assert passed.judgement.verdict is Verdict.ACCEPT
    for data in ("data: {billing_accounts: unavailable}, ", ""):
        expected = "expect: {verdict: hold, rule: known-customer, unknown: billing_accounts}"
        assert run(f"{number}, {data}{expected}").fault is None


def test_a_file_of_cases_is_read_whole():
    """Cases come in the order of files and lines, each with its place; `version: 1` may stand above them."""
    one = b"version: 1\ncases:\n- {about: a, request: {kind: meter}, expect: {verdict: hold, rule: default}}\n"
    loaded = load({"p.yaml": POLICY.encode(), "b.test.yaml": one, "a.test.yaml": one.replace(b"about: a", b"about: b")})
    assert [(each.about, each.place.file, each.place.line) for each in loaded.cases] == [
        ("b", "a.test.yaml", 3),
        ("a", "b.test.yaml", 3),
    ]


@pytest.mark.parametrize(
    ("case", "where", "told"),
    [
        (
            (
                f"request: {{{ALICE}, custom: {{Utility Customer Number: 1}}}}, data: {{billing_accounts: ['2']}}, "
                "expect: {verdict: accept, rule: known-customer}"
            ),
            "verdict",
            (
                "case `a case`: expected accept by rule known-customer; came out hold by the default: No rule matched; "
                "held for review. Rule known-customer is false: custom.Utility Customer Number was to be in "
                "billing_accounts, and is 1."
            ),
        ),
        (
            f"request: {{{ALICE}}}, data: {{billing_accounts: ['2']}}, expect: {{verdict: hold, rule: known-customer}}",
            "rule",
            "Rule known-customer is false: custom.Utility Customer Number was to be in billing_accounts, and is ab",
        ),
        (
            "request: {kind: property, account.username: a}, expect: {verdict: hold, rule: default}",
            "rule",
            (
                "came out hold by rule read-only with access_level unknown: Rule read-only could not be evaluated "
                "because access_level is unknown: the document lacks it, though EPA's schema requires it. A case says "
                "all that its rules ask for: give `access_level` under `request`."
            ),
        ),
        (
            f"request: {{{HOUSE}, requested_at: '2026-01-01T00:00:00Z'}}, expect: {{verdict: reject, rule: late}}",
            "verdict",
            (
                "came out hold by rule late with age unknown: Rule late could not be evaluated because age is "
                "unknown: the case does not say it. A case says all that its rules ask for: give `requested_at`, and "
                "`now` beside the request."
            ),
        ),
        (
            f"request: {{{HOUSE}, sender.username: green_consult}}, expect: {{verdict: accept, rule: late}}",
            "rule",
            "came out accept by rule friend: Rule friend matched (accept): sender.username is in friends.",
        ),
        (
            "request: {kind: meter, account.username: spam_one}, expect: {verdict: hold, rule: friend}",
            "verdict",
            "Rule friend is on property requests only.",
        ),
        (
            f"request: {{{HOUSE}, account.username: spam_one}}, expect: {{verdict: reject, rule: read-only}}".replace(
                "account: {id: 1, username: a}", "account.id: 1"
            ).replace("Read Write", "Read"),
            "rule",
            "Rule read-only is true too, but stands below.",
        ),
        (
            (
                f"request: {{{ALICE}, custom.Utility Customer Number: '1'}}, data: {{billing_accounts: ['1']}}, "
                "expect: {verdict: accept, rule: known-customer, note: none}"
            ),
            "note",
            "case `a case`: expected no note; the customer reads the note “Matched to the billing account ending in",
        ),
        (
            f"request: {{{HOUSE}}}, expect: {{verdict: hold, rule: default, unknown: friends}}",
            "unknown",
            "expected hold by the default with friends unknown; came out hold by the default",
        ),
    ],
)
def test_a_case_that_fails(run, case, where, told):
    """Its message stands where what was expected stands, and says that, what came, why, and what the case lacks."""
    fault = run(case).fault
    assert told in fault.message
    assert fault.text[fault.column - 1 :].startswith(f"{where}:")
    assert (fault.file, fault.line) == ("policy.test.yaml", 2)


def test_a_folder_whose_tests_fail_is_refused():
    """Every failing case is told at once, and nothing else; a folder that passes is loaded."""
    wrong = f"- {{about: wrong, request: {{{HOUSE}}}, expect: {{verdict: accept, rule: friend}}}}"
    right = f"- {{about: right, request: {{{HOUSE}}}, {DEFAULT}}}"
    with pytest.raises(PolicyRefused) as caught:
        load_checked(files(f"{wrong}\n{right}\n{wrong}"))
    assert [(fault.file, fault.line) for fault in caught.value.faults] == [
        ("policy.test.yaml", line) for line in (2, 4)
    ]
    assert len(load_checked(files(right)).cases) == 1


def test_rules_that_no_case_decides():
    """A rule is covered by a case that it decides, not by one that it stops; a hold that expires counts."""
    cases = f"""
        - {{about: a, request: {{{HOUSE}, sender.username: green_consult}}, expect: {{verdict: accept, rule: friend}}}}
        - about: b
          request: {{kind: meter, account.username: a, access_level: Read}}
          facts: {{held_for: 30d}}
          now: 2026-03-04T12:00:00Z
          expect: {{verdict: reject, rule: read-only}}
        - about: c
          request: {{{ALICE}, custom.Utility Customer Number: '7'}}
          expect: {{verdict: hold, rule: known-customer, unknown: billing_accounts}}
    """
    loaded = load_checked(files(cases))
    assert rules_not_decided(loaded, run_cases(loaded)) == ("blocked", "known-customer", "of-a-property", "late")


@pytest.mark.parametrize(("held", "verdict"), [("29d", "hold"), ("30d", "reject"), ("31d", "reject")])
def test_a_hold_that_expires(run, held, verdict):
    """`held_for` counts for the rule that holds the request, whichever it is."""
    result = run(
        f"request: {{{HOUSE}}}, facts: {{held_for: {held}}}, now: '2026-03-04T12:00:00Z', "
        f"expect: {{verdict: {verdict}, rule: read-only}}".replace("Read Write", "Read")
    )
    assert result.fault is None
    assert result.case.held_for == timedelta(days=int(held[:2]))


def test_a_rule_that_is_not_enforced_is_covered_by_what_it_would_have_decided():
    """A case covers it where it would have decided, and not where it would have stopped the search."""
    rules = POLICY + "  - {id: tried, on: property, when: {age: {above: 30d}}, then: reject, enforce: false}\n"
    for now, idle in (("now: 2026-03-04T12:00:00Z", False), ("facts: {account.connected: true}", True)):
        case = f"""
            - about: a
              request: {{{HOUSE}, requested_at: 2026-01-01T00:00:00Z}}
              {now}
              expect: {{verdict: hold, rule: default}}
        """
        loaded = load(files(case, rules.replace("id: late, on: property", "id: late, on: meter")))
        assert ("tried" in rules_not_decided(loaded, run_cases(loaded))) is idle


EXAMPLES = {
    FieldType.TEXT: ("Riverside", "Riverside"),
    FieldType.INTEGER: ("12", 12),
    FieldType.NUMBER: ("'1,200.5'", Decimal("1200.5")),
    FieldType.BOOLEAN: ("true", True),
    FieldType.DATE: ("2026-01-31", date(2026, 1, 31)),
}
DERIVED = {
    "kind": "kind",
    "account.email_domain": "account.email",
    "forwarded": "sender.id",
    "age": "requested_at",
    "requested_at": "requested_at",
}


@pytest.mark.parametrize("name", sorted(set(FIELDS) - set(DERIVED) - {"held_for", "property.verdict"}))
def test_each_field_can_be_said(read, name):
    """What a case says of a field is what its rules find there, on each kind of request that has it."""
    field = FIELDS[name]
    written, value = (field.members[0], field.members[0]) if field.members else EXAMPLES[field.type]
    for kind in field.kinds:
        said = f"{name}: {written}" + (", account.id: 1" if name == "sender.id" else "")
        case = read(f"kind: {kind}", f"facts: {{{said}}},") if is_fact(name, kind) else read(f"kind: {kind}, {said}")
        assert field.value(case.request, case.facts) == value


@pytest.mark.parametrize("name", sorted(set(FIELDS) - {"kind", "account.connected", "held_for"}))
def test_what_a_case_does_not_say(read, name):
    """What each request has, and each fact, is unknown in a case that does not say it; what may be left out is not."""
    field = FIELDS[name]
    for kind in field.kinds:
        case = read(f"kind: {kind}")
        value = field.value(case.request, case.facts)
        assert isinstance(value, NotLearnt) or (value is None and not field.required)
        if field.required:
            assert isinstance(value, NotLearnt)


def test_what_follows_from_what_a_case_says(read):
    """Domain, sender, age and a meter's category follow from other fields, and a property's id is the share's."""
    at = "now: '2026-03-04T12:00:00Z',"
    case = read(f"{ALICE}, account.email: a@B.example, sender.id: 5, requested_at: '2026-03-01T12:00:00Z'", at)

    def value(name: str, of: Case = case) -> object:
        return FIELDS[name].value(of.request, of.facts)

    assert (value("account.email_domain"), value("forwarded"), value("age")) == ("b.example", True, timedelta(days=3))
    assert (value("id"), value("account.id"), value("account.organization")) == (410221, 410221, None)
    house = read("kind: property, property.id: 7")
    assert (house.request.id, value("id", house), value("property.id", house)) == (7, 7, 7)
    for meter, category in (("Electric", "energy"), ("Disposed - Trash", "waste")):
        assert value("meter.category", read(f"kind: meter, meter.type: {meter}")) == category


def test_facts(read):
    """A verdict or a custom field of the property means that its share pends; no share means no verdict."""

    def facts(said: str) -> Facts:
        return read("kind: meter", f"facts: {{{said}}},").facts

    assert (facts("property.verdict: accept").property_share, facts("property.custom.A: b").property_share) == (
        "pending",
        "pending",
    )
    assert [facts(f"property.share: {share}").property_verdict for share in ("none", "shared")] == [None, None]
    assert isinstance(facts("property.share: pending").property_verdict, NotLearnt)
    assert facts("connection.custom: none").connection_custom == ()
    assert isinstance(facts("account.connected: true").connection_custom, NotLearnt)
    assert facts("account: {email: a@b.example}").account.email == "a@b.example"
    assert [each.value for each in facts("connection.custom: {A: [b, c]}").connection_custom] == ["b", "c"]


def test_a_document_of_portfolio_managers(read):
    """A case may name a pending list, and of several requests the one that it means."""
    request = read("xml: requests/two.xml, id: 8", **{"requests/two.xml": XML}).request
    assert (request.kind, request.id, request.username) == (Kind.CONNECTION, 8, "spam_two")


def test_a_real_table_is_never_read(read):
    """A source that the case does not give cannot be read; the policy's own values are as they stand."""
    tables = read(HOUSE).tables
    assert tables["billing_accounts"] == NotLearnt("the case does not give it")
    assert not isinstance(tables["friends"], NotLearnt)


def test_rows_of_a_table(read):
    """A row names its key columns and what it says; a column that it leaves out is blank, which is our gap."""
    row = "{account_number: a, meter_number: '007', until: 2026-01-31}"
    table = read(HOUSE, f"data: {{points: [{row}]}},").tables["points"]
    found = table.row(("a", "7"))
    assert (found["meter_number"], found["until"]) == ("7", date(2026, 1, 31))
    assert found["tenants"] == NotLearnt("the cell in column tenants of our table is blank")
    assert table.row(("a", "8")) is None


@pytest.mark.parametrize(
    ("case", "message"),
    [
        *(
            (f"- {{about: b, request: {{kind: meter}}, data: {{points: [{row}]}}, {DEFAULT}}}", message)
            for row, message in (
                ("a", "a row of `points` is a mapping of account_number, meter_number, tenants or until"),
                ("{account_number: a, meter_number: b, tenant: 1}", "no column `tenant` (did you mean `tenants`?)"),
                ("{account_number: a}", "the row lacks meter_number, which is its key"),
                ("{account_number: a, meter_number: [b]}", "one cell stands here"),
            )
        ),
        ("- a", "a case is a mapping of about, request, facts, data, now or expect"),
        ("- {about: b}", "the case lacks `request` or `expect`"),
        (
            f"- {{about: b, request: {{kind: meter}}, expct: a, {DEFAULT}}}",
            "a case has no `expct` (did you mean `expect`?)",
        ),
        (f"- {{about: [b], request: {{kind: meter}}, {DEFAULT}}}", "`about` says in one line what the case shows"),
        (f"- {{about: b, request: meter, {DEFAULT}}}", "`request` is a mapping of fields, as {kind: connection"),
        (
            f"- {{about: b, request: {{id: 1}}, {DEFAULT}}}",
            "say of which `kind` the request is: connection, property or",
        ),
        (f"- {{about: b, request: {{kind: metre}}, {DEFAULT}}}", "property or meter (did you mean `meter`?)"),
        (
            f"- {{about: b, request: {{kind: meter, metre.type: x}}, {DEFAULT}}}",
            "no field `metre.type` (did you mean `me",
        ),
        (f"- {{about: b, request: {{kind: meter, meter: {{type: Eletric}}}}, {DEFAULT}}}", "did you mean `Electric`?"),
        (
            f"- {{about: b, request: {{kind: property, meter.type: Electric}}, {DEFAULT}}}",
            "a property request never has",
        ),
        (
            f"- {{about: b, request: {{kind: meter, age: 3d}}, {DEFAULT}}}",
            "`age` follows from `requested_at`, and `now`",
        ),
        (f"- {{about: b, request: {{kind: meter, id: [1]}}, {DEFAULT}}}", "one value of `id` stands here"),
        (f"- {{about: b, request: {{kind: meter, id: 1x}}, {DEFAULT}}}", "`id`: `1x` stands where a whole number"),
        (f"- {{about: b, request: {{kind: meter, sender.id: 1}}, {DEFAULT}}}", "say `account.id` too"),
        (f"- {{about: b, request: {{kind: meter, id: 1, 'id': 2}}, {DEFAULT}}}", "`id` already stands in line 2"),
        (f"- {{about: b, request: {{{ALICE}, account.id: 7}}, {DEFAULT}}}", "`account.id` is said twice"),
        (
            f"- {{about: b, request: {{{ALICE}, id: 7}}, {DEFAULT}}}",
            "the `id` of a connection request is its `account.id`",
        ),
        (f"- {{about: b, request: {{kind: meter, meter.first_bill_date: today}}, {DEFAULT}}}", "write the date out"),
        (
            f"- {{about: b, request: {{kind: meter, account.email: a}}, {DEFAULT}}}",
            "does not carry `account.email`; state",
        ),
        (
            f"- {{about: b, request: {{kind: meter, custom: some}}, {DEFAULT}}}",
            "`custom` is followed by names and what",
        ),
        (f"- {{about: b, request: {{kind: meter}}, facts: x, {DEFAULT}}}", "`facts` is a mapping of fields"),
        (
            f"- {{about: b, request: {{kind: meter}}, facts: {{meter.name: x}}, {DEFAULT}}}",
            "stands under `request:`; fact",
        ),
        (
            f"- {{about: b, request: {{kind: meter}}, facts: {{held_for: 3d}}, {DEFAULT}}}",
            "say `now` too, as `now: 2026-",
        ),
        (
            f"- {{about: b, request: {{kind: meter}}, facts: {{property: {{share: none, verdict: hold}}}}, {DEFAULT}}}",
            "the property is none, so no share of it is pending",
        ),
        (f"- {{about: b, request: {{kind: meter}}, now: today, {DEFAULT}}}", "`now` is a date and time with its zone"),
        (f"- {{about: b, request: {{kind: meter}}, now: '0001-01-01T00:00:00+14:00', {DEFAULT}}}", "`now` is a date"),
        (f"- {{about: b, request: {{kind: meter}}, now: now, {DEFAULT}}}", "`now` is a date and time with its zone"),
        (
            f"- {{about: b, request: {{kind: meter}}, data: x, {DEFAULT}}}",
            "`data` is a mapping: a name, and a list of keys",
        ),
        (
            f"- {{about: b, request: {{kind: meter}}, data: {{freinds: [a]}}, {DEFAULT}}}",
            "declares no data `freinds` (did y",
        ),
        (f"- {{about: b, request: {{kind: meter}}, data: {{friends: gone}}, {DEFAULT}}}", "or `unavailable`"),
        ("- {about: b, request: {kind: meter}, expect: hold}", "`expect` says what must come of it, as {verdict"),
        (
            "- {about: b, request: {kind: meter}, expect: {verdict: hold}}",
            "where no rule decides, write `rule: default`",
        ),
        (
            "- {about: b, request: {kind: meter}, expect: {verdict: acept, rule: default}}",
            "hold (did you mean `accept`?)",
        ),
        ("- {about: b, request: {kind: meter}, expect: {verdict: hold, rule: frend}}", "no rule `frend` (did you mean"),
        ("- {about: b, request: {kind: meter}, expect: {verdict: hold, rule: [a]}}", "`rule` is one text"),
        (f"- {{about: b, request: {{xml: a.xml, kind: meter}}, {DEFAULT}}}", "the file says it all; take `kind` out"),
        (f"- {{about: b, request: {{xml: [a]}}, {DEFAULT}}}", "one file stands here, as requests/x.xml"),
        (
            f"- {{about: b, request: {{xml: to.xml}}, {DEFAULT}}}",
            "no file `to.xml` in the policy's folder (did you mean",
        ),
        (
            f"- {{about: b, request: {{xml: two.xml}}, {DEFAULT}}}",
            "two.xml holds 2 such requests (ids: 7, 8); say which",
        ),
        (
            f"- {{about: b, request: {{xml: two.xml, id: 9}}, {DEFAULT}}}",
            "holds 0 such requests (ids: 7, 8); write an id",
        ),
        (f"- {{about: b, request: {{xml: bad.xml}}, {DEFAULT}}}", "bad.xml is no pending list: "),
        (f"- {{about: b, request: {{xml: empty.xml}}, {DEFAULT}}}", "empty.xml holds none"),
        (
            f"- {{about: b, request: {{xml: spoilt.xml}}, {DEFAULT}}}",
            "no policy is asked of it: XML forbids a character in its account/email",
        ),
        (
            f"- {{about: b, request: {{xml: anonymous.xml}}, {DEFAULT}}}",
            "its account.id is not known (the document lacks",
        ),
    ],
)
def test_what_is_refused(refused, case, message):
    """Each mistake in a case is named where it stands, with the likely name, and no case that has one is tried."""
    documents = {
        "two.xml": XML,
        "bad.xml": b"<!DOCTYPE x><x/>",
        "empty.xml": b"<pendingList/>",
        "spoilt.xml": b"<pendingList><account><accountId>7</accountId><email>\x0b</email></account></pendingList>",
        "anonymous.xml": b"<pendingList><property><propertyId>7</propertyId></property></pendingList>",
    }
    fault = refused(case, **documents)
    assert message in fault.message
    assert (fault.file, fault.line) == ("policy.test.yaml", 2)
    assert fault.column
    assert fault.text.startswith("  - ")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "the file has no case; write `cases:` and the first one, or delete the file"),
        (b"version: 1", "write `cases:` and below it a list"),
        (b"cases: []", "the list is empty"),
        (b"cases: none", "begin each case with a dash"),
        (b"- about: b", "a test file is a mapping of version or cases"),
        (
            b"version: 2\ncases: [{about: b, request: {kind: meter}, expect: {verdict: hold, rule: default}}]",
            "`version: 1`",
        ),
        (b"rules: [a]", "a test file has no `rules`"),
        (b"cases:\n\t- a", "a tab stands here; indent with spaces"),
    ],
)
def test_a_test_file_without_a_case_is_refused(text, message):
    """A file that looks like a test and tests nothing is a fault of the policy."""
    with pytest.raises(PolicyRefused) as caught:
        load({"policy.yaml": POLICY.encode(), "a.test.yaml": text})
    assert message in str(caught.value)
    assert {fault.file for fault in caught.value.faults} == {"a.test.yaml"}


def test_cases_have_files_of_their_own():
    """Cases among the rules are refused, and no rule is called `default`, which in cases stands for none."""
    rules = b"version: 1\ncases: [a]\nrules: [{id: default, on: meter, when: always, then: hold}]"
    with pytest.raises(PolicyRefused) as caught:
        load({"p.yaml": rules})
    cases, rule = caught.value.faults
    assert "whose name ends in .test.yaml" in cases.message
    assert "choose another id" in rule.message


def test_rules_that_have_faults_are_told_with_those_of_cases():
    """All faults are told at once; a rule that could not be read is not said to be missing."""
    with pytest.raises(PolicyRefused) as caught:
        load(
            files(
                "- {about: b, request: {kind: meter, x: y}, expect: {verdict: hold, rule: new}}",
                POLICY + "  - {id: new, on: meter, when: {meter.tipe: Electric}, then: hold}\n",
            )
        )
    assert [fault.message.partition(";")[0].partition(" (")[0] for fault in caught.value.faults] == [
        "there is no field `x`",
        "there is no field `meter.tipe`",
    ]


def test_a_request_that_is_not_understood_is_not_a_case(read):
    """A property share of nobody knows never gets as far as a rule; an id may be left out of a written case."""
    case = read("kind: meter")
    assert isinstance(case.request, PendingRequest)
    assert isinstance(FIELDS["id"].value(case.request, case.facts), NotLearnt)


def test_the_page_on_tests():
    """The cases that the documents show pass, and their tables name each key that there is."""
    page = (Path(__file__).parents[3] / "docs" / "policy-tests.md").read_text()
    (shown,) = re.findall(r"^```yaml\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    assert len(load_checked({"policy.yaml": POLICY.encode(), "a.test.yaml": shown.encode()}).cases) == 2
    table = re.findall(r"^\| `(\w+)` \|", page.partition("## Default values in a case")[0], re.MULTILINE)
    assert tuple(table) == (*CASE_KEYS, *EXPECT_KEYS)
    assert {name.removesuffix(".") for name in FACT_FIELDS} <= set(re.findall(r"`([a-z_.]+?)(?:\.NAME)?`", page))


def test_what_a_customer_left_blank_is_written_as_two_quotes(run):
    """A blank answer finds no blank key of a table, and no test is true of it, plain or negated."""
    number = "custom.Utility Customer Number: ''"
    case = f"request: {{{ALICE}, {number}}}, data: {{billing_accounts: ['', '0099817']}}, {DEFAULT}"
    assert run(case).fault is None
    negated = (
        POLICY + "  - {id: other, on: connection, when: {not: {custom.Utility Customer Number: '1'}}, then: reject}\n"
    )
    (result,) = run_cases(load(files(f"- {{about: a, {case}}}", negated)))
    assert result.fault is None


def test_what_is_not_a_text_of_a_customer_may_not_be_blank(refused):
    """A case says what it shows, and a missing value is a value missing."""
    assert "says in one line" in refused(f"- {{about: '', request: {{{HOUSE}}}, {DEFAULT}}}").message
    assert (
        "a value is missing here"
        in refused(f"- {{about: a, request: {{{HOUSE}, property.name: }}, {DEFAULT}}}").message
    )


WRITTEN = st.recursive(
    st.sampled_from(["meter", "hold", "default", "none", "unavailable", "1", "2026-03-04T12:00:00Z", "99999d", ""]),
    lambda inner: st.one_of(
        st.lists(inner, max_size=2),
        st.dictionaries(
            st.sampled_from(["account", "custom", "taken", "property", "share", "id", "friends", *FIELDS]),
            inner,
            max_size=3,
        ),
    ),
    max_leaves=6,
)


@given(
    st.fixed_dictionaries(
        {"about": st.just("a"), "request": st.fixed_dictionaries({"kind": st.sampled_from(Kind), "custom": WRITTEN})},
        optional={"facts": WRITTEN, "data": WRITTEN, "now": WRITTEN},
    ),
    st.fixed_dictionaries({"verdict": WRITTEN, "rule": WRITTEN}) | st.just({"verdict": "hold", "rule": "default"}),
)
def test_whatever_a_case_says_it_is_tried_or_refused(case, expect):
    """No case, however strange, brings anything but its result or its faults."""
    text = json.dumps({"cases": [case | {"expect": expect}]}).encode()
    with contextlib.suppress(PolicyRefused):
        run_cases(load({"policy.yaml": POLICY.encode(), "a.test.yaml": text}))
