"""Tables for people: on a terminal of any width no name or number is broken in two, and nothing is left out."""

from __future__ import annotations

from io import StringIO

import pytest
from rich.console import Console

from pm_autoaccept.cli.output.tables import print_table

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
