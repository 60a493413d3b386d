"""CHANGELOG lists the log events and error texts that operators alert on, and these lists are the program's own.

To bring the lists up to date after an event or a text changed:

    GUIDE=write pytest tests/unit/test_changelog.py
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

from pm_autoaccept.telemetry.health import TROUBLE_MESSAGES

ROOT = Path(__file__).parents[2]
CHANGELOG = ROOT / "CHANGELOG.md"
MAX_WORDS = 1_000

_EVENT = re.compile(r"^\| `(\w+)` \| (error|warning) \|", re.MULTILINE)
_EVENTS_HEAD = "| level | log events |\n| --- | --- |\n"
_TEXTS_HEAD = "`why` on `/readyz` contains one of these texts:\n\n"


def _with_lines(text: str, head: str, lines: Iterable[str]) -> str:
    """The text with these lines below the head, instead of the table rows or list items that it has there."""
    assert text.count(head) == 1, head
    before, _, after = text.partition(head)
    return before + head + "".join(f"{line}\n" for line in lines) + re.sub(r"\A([|-].*\n)*", "", after)


def _up_to_date(changelog: str) -> str:
    """CHANGELOG with the events of the page on telemetry, which another test compares with the code, and the texts."""
    page = (ROOT / "docs" / "telemetry.md").read_text(encoding="utf-8")
    rows = []
    for level in ("error", "warning"):
        names = sorted(name for name, at in _EVENT.findall(page) if at == level)
        rows.append(f"| `{level}` | {', '.join(f'`{name}`' for name in names)} |")
    texts = [f"- {text}" for text in TROUBLE_MESSAGES.values()]
    return _with_lines(_with_lines(changelog, _EVENTS_HEAD, rows), _TEXTS_HEAD, texts)


def test_the_changelog_lists_what_operators_alert_on() -> None:
    """Every event from `warning` up, and every text by which `/readyz` says what went wrong."""
    up_to_date = _up_to_date(CHANGELOG.read_text(encoding="utf-8"))
    if os.environ.get("GUIDE") == "write":
        CHANGELOG.write_text(up_to_date, encoding="utf-8")
    assert CHANGELOG.read_text(encoding="utf-8") == up_to_date


def test_the_changelog_stays_short_enough_to_be_read() -> None:
    """It says what a version does; how that came about is in the commits."""
    assert len(CHANGELOG.read_text(encoding="utf-8").partition("\n### Log events")[0].split()) < MAX_WORDS
