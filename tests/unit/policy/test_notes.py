"""Notes: the customer's own values in fixed text, never longer than EPA allows."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pm_autoaccept.model import CustomField, Facts, Kind, PendingRequest, PropertyInfo
from pm_autoaccept.policy.notes import Note, Placeholder, last4, mask, read_note, title
from pm_autoaccept.policy.parser.source_text import Place, Text


def note(text: str, *, kinds: frozenset[Kind] = frozenset({Kind.METER}), ensured: frozenset[str] | None = None):
    """The note that this text makes, and what is wrong with it."""
    faults: list[object] = []
    made = read_note(Text(Place("p.yaml", 1, 1, text), text), kinds=kinds, ensured=ensured, faults=faults)
    return made, [fault.message for fault in faults]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Thanks for {meter.name}.", "Thanks for Main electric."),
        ("{property.name|or your property}", "Dockside Tower"),
        ("{property.address.county|or your county}", "your county"),
        (
            "Since {meter.first_bill_date}, {property.gross_floor_area} sq ft, {meter.in_use}",
            "Since 2015-01-01, 120500 sq ft, true",
        ),
        ("{custom.Utility Customer Number|last4}", "9817"),
        ("{custom.Utility Customer Number|mask}", "**-**98-17"),
        ("{custom.Utility Customer Number|last4|mask}", "**17"),
        ("{meter.name|upper}", "MAIN ELECTRIC"),
        ("{meter.name|upper|title}", "Main Electric"),
        ("{custom.Key|last4|or your key}", "your key"),
        ("{custom.Key|or your key|upper}", "your key"),
        ("{ custom.Key | or your key }", "your key"),
        ("{custom.Undefined|or nothing}", "nothing"),
        ("{{ and }}", "{ and }"),
        ("  blanks around \n", "blanks around"),
        ("{custom.Key}", None),
        ("two\nlines", "two\nlines"),
    ],
)
def test_rendering(meter, facts, text, expected):
    """Values are put in as text; what is absent or unknown gives way to what `or` says."""
    made, faults = note(text)
    assert faults == []
    request = replace(meter, custom=(CustomField("utility customer number", "00-0998–17"),))  # noqa: RUF001 - a dash
    assert made.render(request, facts) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{meter.nam}", "there is no such field (did you mean `meter.name`?)"),
        ("{age}", "`age` may be absent; say what stands there then"),
        ("{access_level|lower}", "there is no filter `lower`; there are last4, mask, upper, title or or TEXT"),
        ("{access_level|last5}", "there is no filter `last5` (did you mean `last4`?)"),
        ("{access_level|or }", "there is no filter `or`"),
        ("{custom.A}", "`custom.A` may be absent"),
        ("{meter.inactive_date}", "`meter.inactive_date` may be absent"),
        ("a { b", "a `{` stands alone in the note"),
        ("a } b", "a `}` stands alone in the note"),
        ("{}", "there is no such field"),
        ("x" * 1001, "has 1,001 characters; at most 1,000 fit"),
    ],
)
def test_faults(text, message):
    """What a note cannot show is said when the policy is read."""
    _, faults = note(text, ensured=frozenset())
    assert any(message in fault for fault in faults)


def test_kinds():
    """A field that no kind of the rule has is refused, and one that some lack needs `or`."""
    assert "which a connection request never has" in note("{meter.name}", kinds=frozenset({Kind.CONNECTION}))[1][0]
    both = frozenset({Kind.METER, Kind.PROPERTY})
    assert "may be absent" in note("{meter.name}", kinds=both, ensured=frozenset())[1][0]
    assert note("{access_level}", kinds=both, ensured=frozenset())[1] == []


@pytest.mark.parametrize(
    ("when", "ensured"),
    [
        ("{custom.A: x}", True),
        ("{custom.A: {present: true}}", True),
        ("{custom.A: {present: false}}", False),
        ("{not: {custom.A: x}}", True),
        ("{not: {custom.A: {present: true}}}", False),
        ("{not: {custom.A: {present: false}}}", True),
        ("{any: [{custom.A: x}, {custom.A: y, id: 1}]}", True),
        ("{any: [{custom.A: x}, {id: 1}]}", False),
        ("{not: {any: [{custom.A: x}, {id: 1}]}}", True),
        ("{not: {all: [{custom.A: x}, {id: 1}]}}", False),
        ("always", False),
    ],
)
def test_a_tested_field_needs_no_or(load, refused, when, ensured):
    """Where the rule's conditions make sure of a value, the note may show it without `or`."""
    text = f"rules: [{{id: a, on: meter, when: {when}, then: hold, note: 'It is {{custom.A}}.'}}]"
    if ensured:
        assert load(text).rules[0].note is not None
    else:
        assert "may be absent" in refused(text)[0].message


def test_a_note_that_is_no_text(refused):
    """A note that begins with a brace must stand in quotes."""
    (fault,) = refused("rules: [{id: a, on: meter, when: always, then: hold, note: [a]}]")
    assert "a note is one text" in fault.message


@pytest.mark.parametrize(("text", "end"), [("0041-001-234", "1234"), ("0099817", "17"), ("7", "7"), ("--", "")])
def test_last4(text, end):
    """Four letters or digits of eight or more, two of fewer."""
    assert last4(text) == end


@pytest.mark.parametrize(("text", "shown"), [("0041-001-234", "****-**1-234"), ("0099817", "*****17"), ("7", "7")])
def test_mask(text, shown):
    """Stars for all that last4 hides; what is neither letter nor digit stays."""
    assert mask(text) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [("ST. MARY'S o'neil-smith", "St. Mary's O'Neil-Smith"), ("2ND FLOOR", "2nd Floor"), ("école", "École")],
)
def test_title(text, shown):
    """Each word has one capital, also after a dash, and not in `'s`."""
    assert title(text) == shown


values = st.text(st.characters(exclude_categories=()), max_size=1500)


@given(values, values, st.text(st.characters(codec="utf-8", exclude_characters="{}"), min_size=1, max_size=1000))
def test_every_note_fits(facts_of_nothing, first, second, fixed):
    """However long the values, the note has 1 to 1,000 characters that XML can carry, its fixed text whole."""
    made, faults = note(fixed + "{property.name|upper|or a}|{custom.A|mask|title|or b}")
    if faults:
        return
    request = PendingRequest(
        kind=Kind.METER,
        id=1,
        property_info=PropertyInfo(name=first),
        custom=(CustomField("A", second),),
    )
    text = made.render(request, facts_of_nothing)
    assert text is not None
    assert len(text) <= 1000
    text.encode("utf-8")
    assert all(character in "\t\n" or character >= " " for character in text)
    beginning = made.parts[0].strip() if isinstance(made.parts[0], str) else ""
    assert text.startswith(beginning)


@pytest.fixture(scope="module")
def facts_of_nothing() -> Facts:
    """Nothing was learnt."""
    from datetime import UTC, datetime  # noqa: PLC0415 - used here alone

    return Facts(now=datetime(2026, 1, 1, tzinfo=UTC))


def test_the_longest_value_is_cut_first(meter, facts):
    """A short value stays whole while a long one is cut."""
    made, _ = note("x" * 980 + "{meter.name} {property.name|or a}")
    request = replace(meter, property_info=PropertyInfo(name="long " * 100))
    assert made.render(request, facts) == "x" * 980 + "Main elec long long"
    assert isinstance(made, Note)
    assert isinstance(made.parts[1], Placeholder)
