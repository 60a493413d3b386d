"""Numbers with a decimal part or an exponent: cleaned of its point, one would be another customer's."""

from __future__ import annotations

import re
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pm_autoaccept import policy
from pm_autoaccept.errors import PolicyRefused
from pm_autoaccept.model import Claim, CustomField, Facts, Kind, NotLearnt, PendingRequest, RequestKey
from pm_autoaccept.policy import build_table, collect_claims, number_texts

GARBLED = (
    "4.1001234E7", "4.1001234e+07", "4,1001234E7", "4.1001234E\u22127", "4.1 E 7", "4E7", "12E45", "4.1x10^7",
    "4.1\u00d710^7", "41001234.50", "41001234,50", "41001234.0", ".5", ",5", "0.5", "-41.5", "41.5-", "(41.5)",
    "$41,001,234.50", "\u20ac 41.001.234,50", "41 001 234,50", "41\u00a0001\u202f234,5", "41'001'234.5", "41_001.5",
    "USD 41.5", "41.5 cad", "CA$41.5", "12,34,567.5", "1234,567", "0,123", "41.001", "'4.1E7", '"41.5"',
    "\u201c41.5\u201d", '="41.5"', "41.5%", "\uff14\uff11\uff0e\uff15", "41\u00b75", "41\u066b5",
)  # fmt: skip
"""One number each, as spreadsheets and people write it, of which `digits` makes another."""
WHOLE = (
    "41001234", "41,001,234", "41.001.234", "41 001 234", "$41,001", "41001234.", "0041-001-234", "203-555", "12.34.56",
    "A4.5", "v1.5", "4.1E", "E7", "12x10", "1-2.5", "4.5/2", "41-00.5", "#41", "1,234",
)  # fmt: skip
"""Not one number as a whole, or one without a decimal part and without an exponent."""

RULES = """
version: 1
data:
  known: {lines: known.txt, clean: %s}
  rows: {csv: rows.csv, key: [n], clean: %s, columns: {tenants: integer}}
rules:
"""


def loads(text: str) -> str:
    """What the loader says of a policy; nothing where it loads."""
    try:
        policy.load({"p.yaml": text.encode()})
    except PolicyRefused as error:
        return str(error)
    return ""


def came(when: str, answer: str, clean: str = "digits", **facts: object) -> str:
    """How a condition on the custom field A comes out for an answer: true, false or unknown."""
    text = (RULES % (clean, clean)) + f"  - {{id: r, on: connection, then: reject, when: {when}}}\n"
    assert loads(text) == ""
    loaded = policy.load({"p.yaml": text.encode()})
    request = PendingRequest(
        kind=Kind.CONNECTION, id=1, account_id=1, username="a",
        custom=(CustomField("A", answer), CustomField("B", "417")),
    )  # fmt: skip
    claims = facts.pop("claims", ())
    asked = Facts(defined=frozenset({"A", "B"}), claims=collect_claims(loaded.taken, claims), **facts)  # type: ignore[arg-type]
    tables = {
        "known": build_table(loaded.sources["known"], [["417"], ["415"]]),
        "rows": build_table(loaded.sources["rows"], [["417", "4"], ["415", "4"]]),
    }
    return {"rule": "true", "default": "false", "unknown": "unknown"}[loaded.judge(request, asked, tables).reason.kind]


@pytest.mark.parametrize("key", GARBLED)
@pytest.mark.parametrize("clean", ["digits", "[digits, zero_fill 10]", "[no_spaces, fold_case, digits]"])
def test_a_key_that_went_through_a_number_is_not_taken_for_another(key, clean):
    """The source is unknown, whatever stands around it, and the message names the row, the key, and the way out."""
    loaded = policy.load(
        {"p.yaml": ((RULES % (clean, clean)) + "  - {id: r, on: meter, when: always, then: hold}").encode()}
    )
    table = build_table(loaded.sources["known"], [["41001234"], [key]])
    assert isinstance(table, NotLearnt), f"{key} became a key: {table}"
    assert table.why.startswith("row 2: a spreadsheet changed the key to ")
    assert "write `clean: [points, " in table.why
    assert isinstance(build_table(loaded.sources["rows"], [["1", "4"], [key, "4"]]), NotLearnt)


@pytest.mark.parametrize("key", WHOLE)
def test_what_is_no_number_with_a_decimal_part_is_cleaned_as_before(key):
    """Grouped, dashed and dotted keys are what they were."""
    loaded = policy.load(
        {"p.yaml": ((RULES % ("digits", "digits")) + "  - {id: r, on: meter, when: always, then: hold}").encode()}
    )
    table = build_table(loaded.sources["known"], [[key], ["9"]])
    digits = "".join(each for each in key if each in "0123456789")
    assert not isinstance(table, NotLearnt), table
    assert table.has((digits,)) is True
    assert came("{custom.A: {present: true, clean: digits}}", key) == "true"


@pytest.mark.parametrize(
    ("clean", "key", "lost"),
    [
        ("letters_digits", "4.1E7", True),
        ("letters_digits", "4E7", False),
        ("last 4", "4.1001E7", True),
        ("last 9", "4.1001E7", False),
        ("first 2", "41.5", True),
        ("first 4", "41.5", False),
        ("no_spaces", "4.1 E7", False),
        ("fold_case", "4.1E7", False),
        ("[fold_case, zero_fill 10]", "4.1E7", False),
        ("[points, digits]", "41.5", False),
        ("[points, digits]", "1,234.5", False),
        ("[points, letters_digits]", "4.1E7", False),
        ("[points, digits]", "4.1E7", True),
        ("[digits, points]", "41.5", True),
        ("points", "41.5", False),
    ],
)
def test_it_is_lost_where_the_cleaning_drops_its_point_comma_or_letter(clean, key, lost):
    """What keeps them makes no other number of it; `points` says that the point may go."""
    text = (RULES % (clean, clean)) + "  - {id: r, on: meter, when: always, then: hold}"
    assert loads(text) == ""
    table = build_table(policy.load({"p.yaml": text.encode()}).sources["known"], [[key]])
    assert isinstance(table, NotLearnt) is lost
    assert (came(f"{{custom.A: {{present: true, clean: {clean}}}}}", key, clean) == "unknown") is lost


def test_a_source_whose_keys_have_points_says_so():
    """`points` takes them out, of the key and of the answer, and the trailing zeros of `12.00` are its own then."""
    text = (RULES % ("[points, digits]", "digits")) + "  - {id: r, on: meter, when: always, then: hold}"
    assert loads(text) == ""
    table = build_table(policy.load({"p.yaml": text.encode()}).sources["known"], [["41.5"], ["12.00"]])
    assert not isinstance(table, NotLearnt), table
    assert (table.has(("415",)), table.has(("1200",)), table.has(("41.5",))) == (True, True, False)
    assert came("{custom.A: {in: known}}", "41.5", "[points, digits]") == "true"


TESTS = (
    "{custom.A: {equals: '417', clean: digits}}",
    "{custom.A: {in: ['417', '3'], clean: digits}}",
    "{custom.A: {in: known}}",
    "{lookup: {in: rows, by: {n: custom.A}}}",
    "{lookup: {in: rows, by: {n: custom.A}, where: {tenants: 4}}}",
    "{custom.A: {matches: '4.*', clean: digits}}",
    "{custom.A: {starts_with: '4', clean: digits}}",
    "{custom.A: {ends_with: '7', clean: digits}}",
    "{custom.A: {contains: '1', clean: digits}}",
    "{custom.A: {same_as: custom.B, clean: digits}}",
    "{custom.B: {same_as: custom.A, clean: digits}}",
    "{custom.A: {taken: true, clean: digits}}",
    "{custom.A: {taken: false, clean: digits}}",
    "{custom.A: {present: true, clean: digits}}",
    "{custom.A: {present: false, clean: digits}}",
)


@pytest.mark.parametrize("when", TESTS)
@pytest.mark.parametrize("answer", ["4.1E7", "41.5", "4,1e+7", "$ 41.70"])
def test_an_answer_that_went_through_a_number_is_unknown_to_every_test_that_cleans_it(when, answer):
    """Plain or negated: the request is held."""
    assert came(when, answer) == "unknown"
    assert came(f"{{not: {when}}}", answer) == "unknown"


def test_a_test_that_does_not_clean_asks_as_before():
    """A number is a number: only what takes its point away makes another one of it."""
    assert came("{custom.A: '4.1E7'}", "4.1E7") == "true"
    assert came("{custom.A: {at_least: 41}}", "41.5") == "true"
    assert came("{custom.A: {present: true}}", "41.5") == "true"


def test_what_others_typed_may_be_the_same():
    """Another owner's number that went through a number may be this one: `taken` is not known."""
    claim = Claim(key=RequestKey(Kind.CONNECTION, 7), owner=2, username="b", custom=(CustomField("A", "4.17E1"),))
    ask = "{custom.A: {taken: true, clean: digits}}"
    assert came(ask, "4171", claims=(claim,)) == "unknown"
    assert came(ask, "9", claims=(claim,)) == "unknown"
    assert came(ask, "4171", claims=(replace(claim, owner=1),)) == "false"


@pytest.mark.parametrize(
    "operator", ["equals: '4.1E7'", "in: ['3', '4.1E7']", "starts_with: '4.1E7'", "contains: '41.5'"]
)
def test_a_literal_that_cleaning_would_make_another_number_of_is_refused(operator):
    """The policy's author learns it at once, with the way out."""
    text = (
        RULES % ("digits", "digits")
    ) + f"  - {{id: r, on: meter, then: hold, when: {{custom.A: {{{operator}, clean: digits}}}}}}"
    assert "`clean` would remove the decimal part or exponent of" in loads(text)
    assert "clean: [points, digits]" in loads(text)


def test_a_private_answer_is_not_repeated():
    """The reason says what is wrong with it, not what it was."""
    text = (RULES % ("digits", "digits")).replace("data:", "private: [custom.A]\ndata:")
    text += "  - {id: r, on: connection, then: reject, when: {custom.A: {in: known}}}"
    loaded = policy.load({"p.yaml": text.encode()})
    request = PendingRequest(
        kind=Kind.CONNECTION, id=1, account_id=1, username="a", custom=(CustomField("A", "4.1E7"),)
    )
    judged = loaded.judge(
        request, Facts(defined=frozenset({"A"})), {"known": build_table(loaded.sources["known"], [["417"]])}
    )
    assert judged.unknown == ("custom.A",)
    assert "4.1E7" not in repr(judged)


def _written(number: int, digits: int) -> list[str]:
    """A whole number as programs write it that take it for one with a fraction."""
    value = Decimal(number)
    return [
        f"{value:.{digits}E}", f"{value:.{digits}e}".replace(".", ","), f"{value:,.{digits}f}", f"${value:,.{digits}f}",
        f"{value:.{digits}f}".replace(".", ","), f"{value:,.{digits}f}".replace(",", " "), f"{float(number)!r}",
        f"{float(number):G}", f"({value:.{digits}f})", f"{value:.{digits}f} CAD",
    ]  # fmt: skip


@given(st.integers(0, 10**14), st.sampled_from((1, 2, 4, 5, 6, 7, 8, 9)), st.sampled_from(range(10)))
def test_no_key_becomes_another_by_way_of_a_number(number, digits, way):
    """However a program writes a key that it takes for a number: it stays that key, or the source is unknown.

    `1,000` is a thousand here, as everywhere in the language: three decimals after a comma cannot be told from it.
    """
    loaded = policy.load(
        {"p.yaml": ((RULES % ("digits", "digits")) + "  - {id: r, on: meter, when: always, then: hold}").encode()}
    )
    written = _written(number, digits)[way]
    table = build_table(loaded.sources["known"], [[written]])
    assert isinstance(table, NotLearnt) or table.has((str(number),)) is True, f"{number} as {written} is another key"


@given(text=st.text("0123456789.,eExX*^+-%$ \u00b7\u00d7\u066b\u066c\u2396USDCAD", max_size=14))
@example(text="\u00d710^1")
def test_the_quick_look_at_a_text_overlooks_no_number(text: str) -> None:
    """Without a point or an exponent somewhere in it, no text is such a number."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(number_texts, "_ANY_POINT_OR_EXPONENT", re.compile(""))
        looked_at_in_full = number_texts.is_fraction_or_power(text)
    assert number_texts.is_fraction_or_power(text) is looked_at_in_full
