"""Follows README.md from top to bottom and compares each output it shows, line by line, with what the program prints.

README shortens long output and marks where: `… (12 more lines)` stands for that many lines, and a line that is too wide
ends in `…`. To bring README up to date after the program's texts changed:

    GUIDE=write pytest tests/acceptance/test_readme.py
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.guide import Reader, timeless

README = Path(__file__).parents[2] / "README.md"
POLICY = "my-policy/policy.yaml"
MAX_COLUMNS = 120

_CONSOLE = re.compile(r"^```console[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_MORE_LINES = re.compile(r"… \((\d+) more lines?\)")


def shortened(printed: list[str], shown: list[str]) -> Iterator[str]:
    """Yield the printed lines, leaving out as many as the page leaves out at each mark and cutting the wide ones.

    A mark at the end stands for all the rest, so its number follows the program.
    """
    at = 0
    for number, line in enumerate(shown, 1):
        if mark := _MORE_LINES.fullmatch(line):
            left_out = len(printed) - at if number == len(shown) else int(mark[1])
            at += left_out
            yield f"… ({left_out} more line{'' if left_out == 1 else 's'})"
        elif at < len(printed):
            yield printed[at] if len(printed[at]) <= MAX_COLUMNS else f"{printed[at][: MAX_COLUMNS - 1].rstrip()}…"
            at += 1
    yield from printed[at:]


def brought_up_to_date(page: str, followed: str) -> str:
    """The page with each console block as the program printed it, shortened where the page shortens it."""
    printed = iter(_CONSOLE.findall(followed))

    def block(found: re.Match[str]) -> str:
        lines = shortened(next(printed).rstrip().splitlines(), found[1].splitlines())
        return found[0].replace(found[1], "".join(f"{line}\n" for line in lines))

    return _CONSOLE.sub(block, page)


@pytest.fixture(scope="module")
def up_to_date(tmp_path_factory: pytest.TempPathFactory) -> str:
    """README with today's output, from a reader who ran its commands in an empty folder."""
    page = README.read_text(encoding="utf-8")
    with ExitStack() as stack:
        reader = Reader(tmp_path_factory.mktemp("readme"), stack)
        followed = reader.follow(page.replace("```yaml\n", f"```yaml {POLICY}\n"))
    return brought_up_to_date(page, followed)


def test_readme_shows_what_the_program_prints(up_to_date: str) -> None:
    """Line by line, except for times and digests."""
    if os.environ.get("GUIDE") == "write":
        README.write_text(up_to_date, encoding="utf-8")
    assert timeless(README.read_text(encoding="utf-8")).splitlines() == timeless(up_to_date).splitlines()


def test_readme_shows_the_demo_and_the_explanation_of_a_held_request(up_to_date: str) -> None:
    """Both outputs are there, so the comparison above has something to compare."""
    demo, explanation = _CONSOLE.findall(up_to_date)
    assert demo.startswith("$ pm-autoaccept demo\n")
    assert explanation.startswith("$ pm-autoaccept explain ")
    assert "\nverdict  hold " in explanation


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (["a", "b", "c", "d"], ["a", "b", "c", "d"]),
        (["a", "… (2 more lines)", "d"], ["a", "… (2 more lines)", "d"]),
        (["a", "… (1 more line)", "old"], ["a", "… (1 more line)", "c", "d"]),
        (["… (9 more lines)"], ["… (4 more lines)"]),
        (["a"], ["a", "b", "c", "d"]),
        (["a", "b", "c", "d", "gone"], ["a", "b", "c", "d"]),
    ],
)
def test_only_marked_lines_are_left_out(shown: list[str], expected: list[str]) -> None:
    """A line that the page neither shows nor marks makes the comparison fail."""
    assert list(shortened(["a", "b", "c", "d"], shown)) == expected


def test_wide_lines_are_cut_and_marked() -> None:
    """So that the page needs no scrolling."""
    (line,) = shortened(["x" * (MAX_COLUMNS + 1)], ["x"])
    assert (len(line), line[-1]) == (MAX_COLUMNS, "…")
