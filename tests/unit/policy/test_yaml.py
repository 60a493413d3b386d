"""YAML as the text that was written; what it would do behind the writer's back is refused."""

from __future__ import annotations

import contextlib

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from pm_autoaccept import policy
from pm_autoaccept.errors import Fault, PolicyRefused
from pm_autoaccept.policy.parser import source_text
from pm_autoaccept.policy.parser.source_text import Entries, Items, Text
from pm_autoaccept.policy.parser.yaml_faults import corrected_line, explain_yaml_error


def test_scalars_stay_what_was_written():
    """Leading zeros, NO, times and dates are texts, plain, quoted or in blocks."""
    faults: list[Fault] = []
    data = "\ufeffa: 0012345\nb: NO\nc: [1:30, 2026-01-01, '# 1']\nd: >-\n  two\n  lines # here\n# remark\n"
    root = source_text.read("p.yaml", data.encode(), faults)
    assert isinstance(root, Entries)
    values = [value.value for _, value in root.entries if isinstance(value, Text)]
    assert values == ["0012345", "NO", "two lines # here"]
    (listed,) = [value for _, value in root.entries if isinstance(value, Items)]
    assert [item.value for item in listed.items] == ["1:30", "2026-01-01", "# 1"]
    assert (listed.place.line, listed.place.column, listed.place.text) == (3, 4, "c: [1:30, 2026-01-01, '# 1']")
    assert faults == []


@pytest.mark.parametrize(
    ("text", "where", "message"),
    [
        (
            "a: see: the bill",
            (1, 7),
            "a second `: ` stands in this line; put the text in single quotes: a: 'see: the bill'",
        ),
        ("a: {kind} is fine", (1, 11), "put the text in single quotes: a: '{kind} is fine'"),
        ("a: {kind}", (1, 9), "text with braces needs single quotes"),
        ("a: {}", (1, 4), "the mapping is empty"),
        ("a: []", (1, 4), "the list is empty"),
        ("a: @b", (1, 4), "cannot begin with `@`; put the text in single quotes: a: '@b'"),
        ("a: {b: @c d, e: f}", (1, 8), "cannot begin with `@`; put the text in single quotes: a: {b: '@c d', e: f}"),
        ("a: ,b", (1, 4), "cannot begin with `,`"),
        ("a: *b", (1, 4), "write '*b'"),
        ("a: [*.example.com]", (1, 5), "cannot begin with `*`; put the text in single quotes: '*.example.com'"),
        ("a: &b c", (1, 4), "`&` begins a YAML anchor"),
        ("a: !!str c", (1, 4), "`!` begins a YAML tag"),
        ("a: ! c", (1, 4), "`!` begins a YAML tag"),
        ("a:\n\t- b", (2, 1), "a tab stands here"),
        ("a: 'b\nc: d", (1, 4), "the quotation mark is never closed"),
        ("a: [b\nc: d", (1, 4), "this bracket or brace is not closed"),
        ("a: b\n  c: d", (2, 4), "indented further than the one above"),
        ("a: b\nc\nd: e", (2, 1), "a `: ` is missing here"),
        ("a: 'don't'", (1, 9), "a ' inside single quotes is doubled: a: 'don''t'"),
        ("a: |b", (1, 5), "a text after | or > begins on the next line"),
        ("a: b\n- c", (2, 1), "YAML did not expect this here"),
        ("a: b\na: c", (2, 1), "`a` already stands in line 1"),
        ("<<: b\na: c", (1, 1), "`<<` merges mappings"),
        ("[a]: b\nc: d", (1, 1), "a key is a name"),
        ("{a: b}: c", (1, 1), "a key is a name"),
        ("a:\nb: c", (1, 3), "a value is missing here"),
        ("a: ''", (1, 4), "a value is missing here"),
        ("a: b\n---\nc: d", (2, 1), "a second document begins here"),
        ("a: the # on your bill", (1, 4), "as 'the # on your bill', or the comment on a line of its own"),
        ("a: the\n  number # on it", (1, 4), "as 'number # on it'"),
        ("[" * 22, (1, 22), "more than 20 deep"),
        ("# nothing but a remark", (0, 0), "the file is empty"),
        ("a: b\nc: \x07", (2, 4), "a control character (U+0007) stands here"),
    ],
)
def test_what_is_refused(text, where, message):
    """Each mistake is named where it stands, with what to write instead."""
    faults: list[Fault] = []
    source_text.read("p.yaml", text.encode(), faults)
    assert message in faults[0].message
    assert (faults[0].file, faults[0].line, faults[0].column) == ("p.yaml", *where)
    lines = text.splitlines()
    assert faults[0].text == (lines[where[0] - 1] if where[0] and "\x07" not in text else "")


def test_not_utf_8():
    """Another encoding is named with its place."""
    faults: list[Fault] = []
    assert source_text.read("p.yaml", b"a: b\nc: Z\xfcrich\n", faults) is None
    assert faults == [Fault("p.yaml", 2, 5, "the file is not UTF-8 here; save it as UTF-8")]


def test_a_file_that_is_too_large():
    """Long lists belong into data, not into rules."""
    faults: list[Fault] = []
    assert source_text.read("p.yaml", b"#" * 250_001, faults) is None
    assert "larger than 250,000 bytes; keep long lists in a csv file" in faults[0].message


def test_an_error_without_a_place():
    """Should YAML not say where, the file is named all the same."""
    fault = explain_yaml_error(yaml.MarkedYAMLError(problem="it broke"), file="p.yaml", lines=())
    assert (fault.line, fault.column) == (1, 1)
    assert "it broke" in fault.message


@pytest.mark.parametrize(
    ("line", "right"),
    [
        ("  note: it's: so", "note: 'it''s: so'"),
        ("  - - a: b: c", "- - a: 'b: c'"),
        ("- [a", "- '[a'"),
        ("'a' b", "'''a'' b'"),
    ],
)
def test_a_line_put_right(line, right):
    """What is proposed is itself good YAML."""
    assert corrected_line(line) == right
    assert yaml.safe_load(right)


@given(st.binary(max_size=60) | st.text(alphabet="ab:-[]{}'\"#&*!|>%@` \n\t,?~0", max_size=60).map(str.encode))
def test_whatever_is_written_is_read_or_refused(data):
    """No file, however broken, brings anything but a policy or its faults."""
    with contextlib.suppress(PolicyRefused):
        policy.load({"p.yaml": data})


def _read(text: str, *, quickly: bool, blanks: bool) -> tuple[object, list[Fault]]:
    faults: list[Fault] = []
    with pytest.MonkeyPatch.context() as patch:
        if not quickly:
            patch.setattr(source_text, "_FAST", None)
        return source_text.read("p.yaml", text.encode(), faults, blanks=blanks), faults


_PIECES = (
    *(
        "a",
        "b",
        "a: b",
        "- ",
        ": ",
        ":",
        "? ",
        "?",
        "{",
        "}",
        "[",
        "]",
        ", ",
        "'",
        '"',
        "|",
        ">",
        "|-",
        "&c ",
        "*c",
        "!t ",
    ),
    *(
        "%",
        "@",
        "`",
        "#",
        " #",
        "\n",
        "\n  ",
        "\t",
        " ",
        "---",
        "\n...\n",
        "<<: ",
        "\ufeff",
        "\u2028",
        "\xa0",
        "\r",
        "\\",
    ),
    *(
        "'a\n\n b'",
        '"a\\\n b"',
        "\\x41",
        "a:b",
        "{a: b}",
        "[a, b]",
        "\n- a\n- b: c\n  d: |\n    e\n",
        "é",
        "\U0001f600",
    ),
)


@given(text=st.lists(st.sampled_from(_PIECES), min_size=1, max_size=9).map("".join), blanks=st.booleans())
@example(text="a: {b?: c}", blanks=False)
@example(text="a: {b: c}\t", blanks=False)
@example(text="a: |#\n  b", blanks=False)
@example(text="a: >2-#\n  b", blanks=False)
@example(text="\n\ufeffa: b", blanks=False)
@example(text="a: b\ufeff # c", blanks=False)
def test_libyaml_reads_nothing_otherwise(text, blanks):
    """What is read quickly is what PyYAML itself reads, with the same places; where either complains, it explains."""
    assert _read(text, quickly=True, blanks=blanks) == _read(text, quickly=False, blanks=blanks)


def test_what_has_no_fault_is_read_quickly(monkeypatch):
    """PyYAML itself, which takes ten times as long, reads only what must be explained."""
    monkeypatch.setattr(yaml, "BaseLoader", None)
    assert _read("version: 1\na: {b: [c, 'd']}  # e\n", quickly=True, blanks=False)[1] == []
