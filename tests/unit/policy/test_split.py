"""Several values in one answer: `split`, with `every` and `some`."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from pm_autoaccept import data_sources, policy
from pm_autoaccept.errors import PolicyRefused
from pm_autoaccept.model import (
    Claim,
    CustomField,
    CustomFieldDefinition,
    Facts,
    Kind,
    NotLearnt,
    PendingRequest,
    PropertyInfo,
    RequestKey,
)
from pm_autoaccept.policy import tabulate
from pm_autoaccept.policy.analysis import guaranteed_fields
from pm_autoaccept.policy.cleaning import Cleaning
from pm_autoaccept.policy.custom_fields.compare import compare
from pm_autoaccept.policy.data.sources import Form, Source
from pm_autoaccept.policy.evaluation.compiler import Preparation
from pm_autoaccept.policy.evaluation.request_view import View
from pm_autoaccept.policy.evaluation.taken import collect
from pm_autoaccept.policy.lint.implication import follows, never_true
from pm_autoaccept.policy.lint.normal_form import cases_of, normal
from pm_autoaccept.policy.lint.warnings import warnings

NUMBER = "Utility Customer Number"
SEPARATORS = "split: [';', ',', '/', newline]"
DATA = "data: {listed: {lines: l.txt, clean: digits}}"
LISTED = tabulate(
    Source(name="listed", form=Form.LINES, key=("value",), clean={"value": (Cleaning("digits"),)}), [["1"], ["2"]]
)


def split(test: str, word: str = "every", separators: str = SEPARATORS) -> str:
    """A condition on the parts of the customer number."""
    return f"{{custom.{NUMBER}: {{{separators}, {word}: {test}}}}}"


@pytest.fixture
def answered(ask, connection):
    """How a condition comes out for a connection whose number was typed so; None for an answer that was left out."""

    def _answered(when: str, value: str | None, table: object = LISTED, **more: object) -> str:
        custom = () if value is None else (CustomField(NUMBER, value),)
        return ask(when, replace(connection, custom=custom), data=DATA, tables={"listed": table}, **more)

    return _answered


@pytest.mark.parametrize(
    ("value", "every", "some", "not_every", "not_some"),
    [
        ("1; 2", "true", "true", "false", "false"),
        ("1; 3", "false", "true", "true", "false"),
        ("3; 4", "false", "false", "true", "true"),
        ("1", "true", "true", "false", "false"),
        ("1\n2", "true", "true", "false", "false"),
        ("1\r\n\r\n2", "true", "true", "false", "false"),
        ("1\u20282", "true", "true", "false", "false"),
        ("1\uff1b2\uff0f 1", "true", "true", "false", "false"),
        # Blank as typed, also to the eye, is dropped; blank only after cleaning matches nothing, plain or negated.
        (";1;; \u200b;2;", "true", "true", "false", "false"),
        ("1; n/", "false", "true", "false", "false"),
        ("3; n", "false", "false", "true", "false"),
        # No part at all is absent.
        (" ; / \n", "false", "false", "false", "false"),
        ("", "false", "false", "false", "false"),
        (None, "false", "false", "false", "false"),
        # A part is a whole answer for what cleaning may not do.
        ("1; 1.2E3", "unknown", "true", "unknown", "false"),
        ("3; 1.2E3", "false", "unknown", "true", "unknown"),
        (";".join("1" * 20), "true", "true", "false", "false"),
        (";" + ";;".join("1" * 20) + ";", "true", "true", "false", "false"),
        (";".join("1" * 21), *["unknown"] * 4),
        (";".join("3" * 21), *["unknown"] * 4),
    ],
)
def test_every_and_some(answered, value, every, some, not_every, not_some):  # noqa: PLR0917 - the columns of the table
    """All and any over the parts; `not` turns one into the other and goes inward, where a test needs a value."""
    for word, plain, negated in (("every", every, not_every), ("some", some, not_some)):
        when = split("{in: listed}", word)
        assert answered(when, value) == plain
        assert answered(f"{{not: {when}}}", value) == negated
        assert answered(f"{{not: {{not: {when}}}}}", value) == plain


def test_data_that_is_gone_makes_each_part_unknown(answered):
    """But an answer without a part is false before anything is looked up."""
    for word in ("every", "some"):
        assert answered(split("{in: listed}", word), "1; 2", NotLearnt("gone")) == "unknown"
        assert answered(split("{in: listed}", word), ";", NotLearnt("gone")) == "false"


@pytest.mark.parametrize(
    ("test", "value", "expected"),
    [
        ("'4'", "4; 4", "true"),
        ("[4, '5']", "4/5", "true"),
        ("[4, '5']", "4/6", "false"),
        ("{clean: [digits, last 1], equals: '94'}", "14/a24", "true"),
        ("{matches: '[0-9]+'}", "12;3", "true"),
        ("{matches: '[0-9]+', starts_with: ['1']}", "12;3", "false"),
        ("{at_least: 3, at_most: 5}", "3; 5.0", "true"),
        ("{at_least: 3, at_most: 5}", "3; 6", "false"),
        ("{at_least: 3}", "3; many", "false"),
        ("{as: date, at_most: today}", "2026-03-04; 2020-01-01", "true"),
        ("{same_as: account.job_title}", "Engineer", "true"),
        ("{same_as: account.job_title}", "Engineer; Owner", "false"),
        ("{present: true}", ";4;", "true"),
        ("{present: false}", ";", "false"),
        ("{clean: digits, present: false}", "n; a", "true"),
        ("{clean: digits, present: true}", "n; 1", "false"),
    ],
)
def test_a_part_is_tested_as_a_whole_answer(answered, test, value, expected):
    """Every operator, with what may stand beside it."""
    assert answered(split(test), value) == expected


def test_of_several_operators_all_must_hold_of_one_and_the_same_part(answered):
    """`some` is not true where one part passes one operator and another the other; both words may stand together."""
    both = "{starts_with: '1', ends_with: '9'}"
    assert answered(split(both, "some"), "13; 29") == "false"
    assert answered(split(both, "some"), "13; 19") == "true"
    assert answered(f"{{not: {split(both)}}}", "19; 13") == "true"
    when = f"{{custom.{NUMBER}: {{split: ';', every: {{matches: '[0-9]+'}}, some: '4'}}}}"
    assert [answered(when, value) for value in ("1;4", "1;2", "a;4")] == ["true", "false", "false"]


@pytest.mark.parametrize("separator", ["'|'", "'; '", "'+'", "'^'", "']'", "'-'", "'\\'", "'\uff1b'", "'\u2013'"])
def test_a_separator_is_any_sign(answered, separator):
    """Also one that means something in a pattern; a full-width one, and each kind of dash, is the usual one."""
    typed = {"'\uff1b'": ";", "'\u2013'": "-"}.get(separator, separator[1])
    assert answered(split("[a, b]", separators=f"split: {separator}"), f"a{typed}b") == "true"


@pytest.mark.parametrize("separator", ["a", "'1'", "and", "[';', newlines]", "{a: b}", "[[';']]"])
def test_what_is_no_separator_is_refused(rule, separator):
    """A letter or a digit would cut a value in two, and a word might stand within one."""
    with pytest.raises(PolicyRefused, match="is one sign that is no letter or digit"):
        rule(split("{in: [a]}", separators=f"split: {separator}"), on="connection", then="reject")


@pytest.mark.parametrize(
    ("when", "why"),
    [
        (f"{{custom.A: {{{SEPARATORS}}}}}", "say every: TEST"),
        ("{custom.A: {every: {in: [a]}}}", "say where it is split"),
        ("{custom.A: {some: a}}", "say where it is split"),
        (f"{{custom.A: {{{SEPARATORS}, in: [a]}}}}", "write every: {in: …}"),
        (f"{{custom.A: {{{SEPARATORS}, clean: digits, every: '1'}}}}", "write every: {clean: …}"),
        (f"{{custom.A: {{{SEPARATORS}, each: '1'}}}}", "did you mean `every`"),
        (f"{{custom.A: {{{SEPARATORS}, every: {{clean: digits}}}}}}", "stands beside a test"),
        (f"{{custom.A: {{{SEPARATORS}, every: {{split: '+', some: a}}}}}}", "not split again"),
        (f"{{custom.A: {{{SEPARATORS}, every: {{taken: true}}}}}}", "under `some`, not under `every`"),
        (f"{{custom.A: {{{SEPARATORS}, every: {{taken: false}}}}}}", "under `some`, not under `every`"),
        (f"{{account.id: {{{SEPARATORS}, every: 4}}}}", "`split` is for text"),
        (f"{{lookup: {{in: listed, by: {{value: {{custom.A: {{{SEPARATORS}}}}}}}}}}}", "the name of one field"),
        (f"{{lookup: {{in: listed, by: {{value: {{{SEPARATORS}}}}}}}}}", "`split` does not stand in `by`"),
        (
            f"{{lookup: {{in: listed, by: {{value: custom.A}}, where: {{value: {{{SEPARATORS}, some: a}}}}}}}}",
            "is for what customers type",
        ),
        # What a part can never be tests nothing, and a blocklist entry that never matches lets everybody on it in.
        (f"{{custom.A: {{{SEPARATORS}, some: [b, a;b]}}}}", "is never `a;b`: it is one part of what is split at ';'"),
        (f"{{custom.A: {{{SEPARATORS}, some: {{contains: a/b}}}}}}", "never contains `a/b`"),
    ],
)
def test_what_cannot_stand_there_is_refused(rule, when, why):
    """Each with what to write instead."""
    with pytest.raises(PolicyRefused) as refused:
        rule(when, on="connection", then="reject", data=DATA)
    assert why in "\n".join(fault.message for fault in refused.value.faults)


def test_a_value_of_our_list_that_no_part_can_be_is_refused(rule):
    """It would never be found."""
    data = "data: {blocked: {values: [a, b;c]}}"
    with pytest.raises(PolicyRefused, match="`b;c` can never be found"):
        rule("{custom.A: {split: ';', some: {in: blocked}}}", on="connection", then="reject", data=data)
    assert rule("{custom.A: {split: '/', some: {in: blocked}}}", on="connection", then="reject", data=data)


@pytest.mark.parametrize(
    "when",
    [
        split("{in: listed}", "some"),
        f"{{not: {split('{in: listed}')}}}",
        f"{{any: [{split('{in: listed}')}, {split('{in: listed}', 'some')}]}}",
        f"{{all: [{split('{in: listed}', 'some')}, {split('{present: true}')}]}}",
        "{custom.A: {split: ';', some: {in: listed}, every: {present: true}}}",
        split("{same_as: account.job_title}"),
        split("{taken: true}", "some"),
    ],
)
def test_some_lets_nobody_in(rule, when):
    """A stranger would type a thousand numbers; `every` asks who it is, where the test does."""
    with pytest.raises(PolicyRefused, match="without asking who it lets in"):
        rule(when, on="connection", then="accept", data=DATA)


def test_every_lets_in_and_so_does_some_beside_another_test(rule):
    """As any test on a field that says who."""
    some = "custom.A: {split: ';', some: {in: listed}}"
    assert rule(split("{in: listed}"), on="connection", then="accept", data=DATA)
    assert rule(f"{{{some}, account.username: [a]}}", on="connection", then="accept", data=DATA)


NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)
OTHER = RequestKey(Kind.METER, 7)


@pytest.mark.parametrize(
    ("theirs", "taken", "free"),
    [
        ("2; 3", "true", "false"),
        ("3 / 2", "true", "false"),
        ("12", "false", "true"),
        ("nr. 2; nr. 3", "true", "false"),
        ("n; m", "false", "true"),
        ("3; 4", "false", "true"),
        ("3; 1.2E3", "unknown", "unknown"),
        ("2; 1.2E3", "true", "false"),
        (";".join("2" * 21), "unknown", "unknown"),
        (";".join("3" * 21), "unknown", "unknown"),
    ],
)
def test_taken_asks_whether_another_owner_has_one_of_the_parts(rule, connection, facts, theirs, taken, free):  # noqa: PLR0917 - fixtures, and the columns of the table
    """Their values are split the same way; what cannot be read of them is unknown, unless it is found in any case."""
    request = replace(connection, custom=(CustomField(NUMBER, "1; 2"),))
    when = split("{taken: true, clean: digits}", "some")
    for asked, expected in ((when, taken), (f"{{not: {when}}}", free)):
        made = rule(asked, on="connection", then="reject")
        claims = collect(made.taken, [Claim(key=OTHER, owner=2, custom=(CustomField(NUMBER, theirs),))])
        judgement = made.judge(request, replace(facts, claims=claims), {})
        assert {"rule": "true", "default": "false"}.get(judgement.reason.kind, "unknown") == expected
        if (asked, expected) == (when, "true"):
            assert judgement.reason.other == OTHER
            assert [each.found for each in judgement.evidence] == ["1", f"2, also in {OTHER} of 2"]


def test_the_same_field_is_taken_as_a_whole_and_by_its_parts(rule, connection, facts):
    """Each test asks for itself."""
    whole, parts = f"{{custom.{NUMBER}: {{taken: true}}}}", split("{taken: true}", "some")
    made = rule(f"{{any: [{whole}, {parts}]}}", on="connection", then="reject")
    claims = collect(made.taken, [Claim(key=OTHER, owner=2, custom=(CustomField(NUMBER, "9;2"),))])
    for value, expected in (("9;2", "rule"), ("2", "rule"), ("8;2", "rule"), ("8;3", "default")):
        request = replace(connection, custom=(CustomField(NUMBER, value),))
        assert made.judge(request, replace(facts, claims=claims), {}).reason.kind == expected


def test_explain_says_which_part_failed(rule, connection, facts):
    """Each part is a line of its own, with what was expected of every part, or of some."""
    request = replace(connection, custom=(CustomField(NUMBER, "1; 3"),))
    for word, then, group in (("every", "false", None), ("some", "true", "one of")):
        made = rule(split("{in: listed}", word), on="connection", then="reject", data=DATA)
        (looked, *_) = made.explain(request, facts, {"listed": LISTED})
        clauses = looked.clauses if group is None else looked.clauses[0].parts
        assert [(test.found, str(test.truth)) for each in clauses for test in each.tests] == [
            ("1", "true"),
            ("3", "false"),
        ]
        assert {test.expected for each in clauses for test in each.tests} == {f"in listed ({word} part)"}
        assert (str(looked.came), looked.missing, looked.clauses[0].group) == (then, int(then == "false"), group)


def test_an_answer_without_a_part_is_one_line(rule, connection, facts):
    """It says what was expected; so does one with too many parts, with why."""
    made = rule(f"{{not: {split('[4, 5]')}}}", on="connection", then="reject")
    for value, found, gaps in ((";", ";", []), (";".join("1" * 21), ";".join("1" * 21), ["it has more than 20 parts"])):
        request = replace(connection, custom=(CustomField(NUMBER, value),))
        (clause,) = made.explain(request, facts, {})[0].clauses
        (test,) = clause.tests
        assert (test.expected, test.found) == ("not one of 4, 5 (some part)", found)
        assert [gap.why for gap in clause.gaps] == gaps


def test_of_several_operators_an_answer_without_a_part_shows_all(rule, connection, facts):
    """As they are asked: all of them, or under `not` one."""
    request = replace(connection, custom=(CustomField(NUMBER, ";"),))
    when = split("{starts_with: '4', ends_with: '5'}", "some")
    for asked, expected in (
        (when, "starting with 4 (some part) and ending with 5 (some part)"),
        (f"{{not: {when}}}", "not starting with 4 (every part) or not ending with 5 (every part)"),
    ):
        (evidence,) = rule(asked, on="connection", then="reject").explain(request, facts, {})[0].clauses[0].tests
        assert (evidence.field, evidence.expected, str(evidence.truth)) == (f"custom.{NUMBER}", expected, "false")


def test_what_is_unknown_of_a_part_names_the_field(rule, connection, facts):
    """Whether of one part, or since there are too many; what decides says the same as what is shown."""
    for value, why in ((";".join("1" * 21), "more than 20 parts"), ("1; 1.2E3", "turn it into a different number")):
        request = replace(connection, custom=(CustomField(NUMBER, value),))
        made = rule(split("{in: listed}"), on="connection", then="reject", data=DATA)
        judgement = made.judge(request, facts, {"listed": LISTED})
        assert (judgement.rule, judgement.unknown) == ("asked", (f"custom.{NUMBER}",))
        assert (judgement.evidence[-1].field, str(judgement.evidence[-1].truth)) == (f"custom.{NUMBER}", "unknown")
        asked = Preparation().of(made.rules[0].when)
        ((name, gap),) = [(each.name, each.why) for each in asked.came(View(request, facts, {"listed": LISTED}))]
        assert name == f"custom.{NUMBER}"
        assert why in gap


def test_a_part_is_compared_with_the_day_where_we_are(rule, connection, facts):
    """The policy's time zone holds for parts too: at noon in UTC it is tomorrow in Auckland."""
    request = replace(connection, custom=(CustomField(NUMBER, "2026-03-05; 2026-03-05"),))
    for zone, expected in (("Pacific/Auckland", "rule"), ("UTC", "default")):
        when = split("{as: date, equals: 2026-03-05, at_most: today}")
        made = rule(when, on="connection", then="reject", data=f"time_zone: {zone}")
        assert made.judge(request, facts, {}).reason.kind == expected


def test_one_field_is_split_in_two_ways(answered):
    """Each test by itself."""
    one, other = (split("'4'", separators=f"split: '{each}'") for each in (";", "/"))
    for value, expected in (("4;4", "true"), ("4/4", "true"), ("4+4", "false")):
        assert answered(f"{{any: [{one}, {other}]}}", value) == expected


def test_the_reason_says_each_thing_once(rule, connection, facts):
    """Not once for each part."""
    request = replace(connection, custom=(CustomField(NUMBER, "1; 2; 1"),))
    made = rule(split("{in: listed}"), on="connection", then="reject", data=DATA)
    text = made.judge(request, facts, {"listed": LISTED}).reason.text
    assert text == f"Rule asked matched (reject): custom.{NUMBER} is in listed (every part)."


def test_no_part_of_a_private_answer_is_shown(rule, connection, facts):
    """Evidence says matched or not; too many parts say nothing either."""
    private = f"private: [custom.{NUMBER}]\n{DATA}"
    made = rule(split("{in: listed, ends_with: '7'}", "some"), on="connection", then="reject", data=private)
    for value in ("1; 77", ";".join(["77"] * 21)):
        request = replace(connection, custom=(CustomField(NUMBER, value),))
        judgement = made.judge(request, facts, {"listed": LISTED})
        looked = made.explain(request, facts, {"listed": LISTED})
        assert "7" not in str([each.found or "" for each in judgement.evidence]) + str(looked[0].clauses[0].tests)


def conditions(load, *whens: str):
    """Conditions as the lint sees them."""
    rules = "\n".join(f"  - {{id: r{n}, on: connection, when: {when}, then: reject}}" for n, when in enumerate(whens))
    return [rule.when for rule in load(f"{DATA}\nrules:\n{rules}\n").rules]


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (split("'4'"), split("'4'"), True),
        (split("'4'"), split("'4'", "some"), True),
        (split("'4'", "some"), split("'4'"), False),
        (f"{{not: {split(chr(39) + '4' + chr(39), 'some')}}}", f"{{not: {split(chr(39) + '4' + chr(39))}}}", True),
        (f"{{not: {split(chr(39) + '4' + chr(39))}}}", f"{{not: {split(chr(39) + '4' + chr(39), 'some')}}}", False),
        (split("'4'"), f"{{not: {split(chr(39) + '4' + chr(39))}}}", False),
        (split("'4'"), split("'4'", separators="split: ';'"), False),
        (split("'4'"), split("['4', '5']"), False),
        (split("'4'"), f"{{custom.{NUMBER}: '4'}}", False),
        (f"{{custom.{NUMBER}: '4'}}", split("'4'"), False),
        (split("'4'", "some"), f"{{custom.{NUMBER}: {{present: true}}}}", True),
        (f"{{not: {split(chr(39) + '4' + chr(39))}}}", f"{{custom.{NUMBER}: {{present: true}}}}", True),
        (split("'4'"), f"{{custom.{NUMBER}: {{present: true, clean: digits}}}}", False),
        (split("'4'"), "{custom.Parcel: {present: true}}", False),
        (split("'4'"), f"{{custom.{NUMBER}: {{present: false}}}}", False),
    ],
)
def test_what_follows_from_parts(load, one, other, expected):
    """The lint says that a rule is never reached only where that is sure."""
    first, second = (normal(each) for each in conditions(load, one, other))
    assert all(follows(case, second) for case in cases_of(first)) is expected


def test_what_is_split_and_absent_is_never_so(load):
    """Nor is what every part and not every part is; two different things may be so of two parts."""
    absent = f"{{custom.{NUMBER}: {{split: ';', some: '4'}}, any: [{{custom.{NUMBER}: {{present: false}}}}]}}"
    both = f"{{all: [{split(chr(39) + '4' + chr(39))}, {{not: {split(chr(39) + '4' + chr(39))}}}]}}"
    two = f"{{all: [{split(chr(39) + '4' + chr(39), 'some')}, {split(chr(39) + '5' + chr(39), 'some')}]}}"
    assert [never_true(normal(each)) for each in conditions(load, absent, both, two)] == [True, True, False]


def test_a_tested_part_says_that_the_answer_is_there(load):
    """So a note may name it without a stand-in, also under `not`; and what it is compared with."""
    nothing_left = split("{clean: digits, present: false}")
    for when in (split("'4'"), f"{{not: {split('[4, 5]', 'some')}}}", nothing_left):
        (condition,) = conditions(load, when)
        assert guaranteed_fields(condition) == {f"custom.{NUMBER}"}
    (condition,) = conditions(load, f"{{not: {split('{same_as: account.job_title, ends_with: [a]}')}}}")
    assert guaranteed_fields(condition) == {f"custom.{NUMBER}"}
    (condition,) = conditions(load, split("{same_as: account.job_title}"))
    assert guaranteed_fields(condition) == {f"custom.{NUMBER}", "account.job_title"}


def test_a_pattern_that_no_part_fits_is_warned_of(load):
    """A part has no separator in it."""
    made = load(
        "rules: [{id: a, on: connection, when: {custom.A: {split: ';', some: {matches: 'a;.*'}}}, then: reject}]"
    )
    assert [each.code for each in warnings(made, tables={}, now=NOW)] == ["pattern-matches-nothing"]


def test_a_part_may_be_shorter_than_the_account_lets_answers_be():
    """But not longer, and of the same characters."""
    number = CustomFieldDefinition(id=1, name="N", required=False, valid_characters="Any", min_chars=8, max_chars=10)
    text = "version: 1\nrules:\n  - {id: a, on: connection, then: hold, when: {custom.N: {split: ';', every: %s}}}\n"
    said = [
        [fault.message.partition(":")[0] for fault in compare({"p.yaml": (text % test).encode()}, (number,)).faults]
        for test in ("['1234', '12345678901']", "{starts_with: '123', same_as: custom.M}")
    ]
    assert said[0] == ["no answer can be `12345678901`"]
    assert [each.partition(";")[0] for each in said[1]] == ["our account defines no custom field `M`"]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("1-00123-0456; 2-00045-0012", ("accept", "listed-lot")),
        ("1-00123-0456\n2-00045-0012", ("accept", "listed-lot")),
        ("1-00123-0456", ("accept", "listed-lot")),
        ("1-00123-0456; 2-00045-0013", ("hold", "several-lots")),
        ("1-00123-0456 and 2-00045-0012", ("hold", "several-lots")),
        ("2-00045-0013", ("reject", "unlisted-lot")),
        ("Block 123 Lot 456", ("reject", "unlisted-lot")),
        ("123; 456", ("reject", "unlisted-lot")),
    ],
)
def test_the_city_takes_several_lots(answer, expected):
    """All on its list are accepted; what has more digits than one lot waits for people; other forms as before."""
    folder = data_sources.example_policy("city")
    city = policy.load(data_sources.read_folder(folder))
    lots = tabulate(city.sources["lots"], [["1001230456"], ["2000450012"]])
    request = PendingRequest(
        kind=Kind.PROPERTY,
        id=7,
        account_id=1,
        custom=(CustomField("Lot Number", answer),),
        property_info=PropertyInfo(is_federal=False),
    )
    known = Facts(defined=frozenset({"Lot Number", "Covered Building Number", "Building ID", "Manager ID"}))
    tables = {name: NotLearnt("not asked") for name in city.sources} | {"lots": lots}
    judged = city.judge(request, known, tables)
    assert (str(judged.verdict), judged.rule) == expected
