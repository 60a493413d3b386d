"""Tables for people: on a terminal of any width no name or number is broken in two, and nothing is left out."""

from __future__ import annotations

import json
from io import StringIO

import pytest
from rich.console import Console

from pm_autoaccept.cli.output.json_rows import print_json_rows, print_json_with_rows
from pm_autoaccept.cli.output.tables import ROWS_PER_HEADING, print_table

COLUMNS = ("request", "owner", "rule", "why")
ROWS = [
    (
        "connection:410225",
        "northgate_001",
        "known-customer",
        "Rule known-customer matched (accept): it is one of ours.",
    ),
    ("property:8120056", "summit_003", "", "No rule matched; held for review."),
]


@pytest.fixture
def printed():
    """What is printed on a terminal of so many columns, line by line; None: in a pipe."""

    def _printed(width: int | None, columns=COLUMNS, rows=ROWS) -> list[str]:
        out = StringIO()
        to = Console(file=out, width=width or 1_000, force_terminal=width is not None, color_system=None)
        print_table(to, columns, rows)
        return [line.rstrip() for line in out.getvalue().splitlines()]

    return _printed


def test_all_stands_in_one_line_where_there_is_room(printed):
    """As in a pipe, however long a line is there."""
    for width in (140, None):
        lines = printed(width)
        assert any(all(word in line for word in ROWS[0]) for line in lines)
        assert not any("why: " in line for line in lines)


def test_a_long_last_column_goes_on_below_itself(printed):
    """It is cut between words only, and what stands before it is whole."""
    lines = printed(90)
    assert any(all(word in line for word in (*ROWS[0][:3], "Rule known-customer matched")) for line in lines)
    assert not any("why: " in line for line in lines)
    assert "of ours." in " ".join(lines)


@pytest.mark.parametrize(("width", "beside"), [(64, 3), (40, 2), (20, 1)])
def test_columns_that_have_no_room_stand_below_by_name(printed, width, beside):
    """Of a narrow terminal no line is longer than it is, and no column that stands there is folded."""
    lines = printed(width)
    assert max(map(len, lines)) <= width
    row = next(at for at, line in enumerate(lines) if line.startswith("connection:410225"))
    assert [word in lines[row] for word in ROWS[0][:3]] == [at < beside for at in range(3)]
    below = " ".join(line.strip() for line in lines[row + 1 :])
    for name, cell in zip(COLUMNS[beside:], ROWS[0][beside:], strict=True):
        assert f"{name}: {cell}" in below
    assert "rule: why" not in below
    assert below.count("rule: ") == (beside < 3)


def test_a_single_very_long_cell_is_folded_and_not_cut(printed):
    """A name of two hundred characters is read to its end; numbers stand right."""
    lines = printed(50, ("owner", "rows", "why"), [("x" * 199 + "y", 5, "because"), ("z", 1_000, "")])
    assert "".join(lines).count("x") == 199
    assert "y" in "".join(lines)
    assert any(line.endswith("    5") for line in lines)


def test_a_long_name_stays_whole_beside_a_sentence_that_goes_on_below(printed):
    """It is the sentence that gives way, though the name is the longer one of the two by then."""
    name = "n" * 38
    lines = printed(18 + 38 + 32 + 2 * 3 + 2, ("request", "rule", "why"), [("connection:410225", name, "word " * 30)])
    assert sum(name in line for line in lines) == 1
    assert not any("why: " in line for line in lines)


def test_a_pipe_gets_one_heading_and_one_line_for_each_row(printed):
    """Columns are aligned, numbers on the right, and nothing follows the last cell of a line."""
    count = 2 * ROWS_PER_HEADING + 5
    lines = printed(None, ("request", "rows", "why"), [(f"meter:{at}", at, "x") for at in range(count)])
    assert len(lines) == count + 1
    assert lines[:3] == ["request    rows  why", "meter:0       0  x", "meter:1       1  x"]
    assert sum("request" in line for line in lines) == 1
    assert lines[-1] == f"meter:{count - 1}  {count - 1}  x"


def test_a_very_wide_cell_in_a_pipe_moves_only_its_own_line(printed):
    """It is printed in full. A line break in it does not begin another line."""
    lines = printed(None, ("owner", "why"), [("a", "because"), ("y" * 199 + "\n", "because"), ("客户", "because")])
    assert lines[1].startswith("a  ")
    assert len(lines[1]) == len("a" + "because") + 81
    assert lines[2].startswith("y" * 199)
    assert lines[2].endswith("  because")
    assert lines[3] == "客户" + " " * (80 - 4) + "  because"
    assert len(lines) == 4


@pytest.mark.parametrize("width", [None, 140, 40])
def test_a_long_table_is_printed_as_its_rows_come(width):
    """At most the rows below one heading are in memory."""
    drawn, most = 0, 0

    class Out(StringIO):
        def write(self, text):
            nonlocal most
            most = max(most, drawn - text.count("a-row") - self.getvalue().count("a-row"))
            return super().write(text)

    def rows():
        nonlocal drawn
        for at in range(3 * ROWS_PER_HEADING):
            drawn += 1
            yield f"meter:{at}", "a-row"

    out = Out()
    to = Console(file=out, width=width or 1_000, force_terminal=width is not None, color_system=None)
    assert print_table(to, ("request", "why"), rows()) == 3 * ROWS_PER_HEADING
    assert out.getvalue().count("a-row") == 3 * ROWS_PER_HEADING
    assert most <= ROWS_PER_HEADING
    assert out.getvalue().count("request") == (1 if width is None else 3)


def test_json_has_one_line_for_each_row(capsys):
    """A program reads it as a whole, and a person with `grep`."""
    print_json_rows([{"a": 1}, {"a": 2}])
    assert capsys.readouterr().out == '[\n{"a": 1},\n{"a": 2}\n]\n'
    counted = []
    rows = (counted.append(at) or at for at in range(3))
    print_json_with_rows({"before": [1]}, "rows", rows, lambda: {"count": len(counted)})
    said = capsys.readouterr().out
    assert json.loads(said) == {"before": [1], "rows": [0, 1, 2], "count": 3}
