"""Finds the links of a page and the anchors that a link can name, as GitHub makes them."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob(".github/**/*.md")])

_CODE = re.compile(r"^```.*?^```$|^ {4}.*?$|`[^`]*`", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_ANCHOR = re.compile(r'<a id="([^"]+)"></a>')


def name(path: Path) -> str:
    """The path from the root of the project."""
    return path.relative_to(ROOT).as_posix()


def links(page: Path) -> list[str]:
    """The targets of a page's links, as they are written."""
    return _LINK.findall(_CODE.sub("", page.read_text(encoding="utf-8")))


@cache
def anchors(page: Path) -> frozenset[str]:
    """What can follow the `#` of a link to this page: its headings, and the anchors that it sets itself."""
    text = page.read_text(encoding="utf-8")
    headings = (re.sub(r"[^\w -]", "", each.lower()).replace(" ", "-") for each in _HEADING.findall(text))
    return frozenset([*headings, *_ANCHOR.findall(text)])


def broken(target: str, *, page: Path) -> str | None:
    """What is wrong with a link of this page into the project; None if it resolves."""
    path, _, anchor = target.partition("#")
    found = (page.parent / path).resolve() if path else page
    if not found.is_relative_to(ROOT):
        return "leads out of the project"
    if not found.exists():
        return "no such file"
    if anchor and anchor not in anchors(found):
        return "no such heading or anchor"
    return None
