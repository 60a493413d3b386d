"""Finds the links and citations of pages, and the anchors that they can name, as GitHub makes them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob(".github/**/*.md")])
FOLDERS = ("pm_autoaccept", "tests", "policies", "docs", ".github", ".ci")
TEXTS = {".py", ".md", ".toml", ".yaml", ".yml", ".cfg", ".sh", ""}

_CODE = re.compile(r"^```.*?^```$|^ {4}.*?$|`[^`]*`", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_CITATION = re.compile(r"(?<![\w/:.-])((?:\.\./)*[\w/-]*\w\.md)\b(#[\w-]+)?")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_ANCHOR = re.compile(r'<a id="([^"]+)"></a>')


def name(path: Path) -> str:
    """The path from the root of the project."""
    return path.relative_to(ROOT).as_posix()


def texts() -> Iterator[Path]:
    """Every file of the project that people write: code, tests, pages, policies, settings of tools."""
    inner = (path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*")))
    hidden = {ROOT / each for each in (".gitignore", ".dockerignore")}
    outer = (path for path in sorted(ROOT.iterdir()) if not path.name.startswith(".") or path in hidden)
    for path in (*inner, *outer):
        if (
            path.is_file()
            and path.suffix in TEXTS
            and "__pycache__" not in path.parts
            and "fuzz" not in path.parent.parts
        ):
            yield path


def links(page: Path) -> list[str]:
    """The targets of a page's links, as they are written."""
    return _LINK.findall(_CODE.sub("", page.read_text(encoding="utf-8")))


def citations(text: str) -> list[str]:
    """Every page that a text names, with its anchor if it names one."""
    return [path + anchor for path, anchor in _CITATION.findall(text)]


@cache
def anchors(page: Path) -> frozenset[str]:
    """What can follow the `#` of a link to this page: its headings, and the anchors that it sets itself."""
    text = page.read_text(encoding="utf-8")
    headings = (re.sub(r"[^\w -]", "", each.lower()).replace(" ", "-") for each in _HEADING.findall(text))
    return frozenset([*headings, *_ANCHOR.findall(text)])


def broken(target: str, *, page: Path, folders: tuple[Path, ...] = ()) -> str | None:
    """What is wrong with a link of this page into the project; None if it resolves.

    Args:
        target: path, anchor, or both.
        page: the file that names it.
        folders: to which the path may be relative, beside that of the page.
    """
    path, _, anchor = target.partition("#")
    found = [place for folder in (page.parent, *folders) if (place := (folder / path).resolve()).is_file()]
    found = [page] if not path else found or ([page.parent / path] if (page.parent / path).is_dir() else [])
    if not found:
        return "no such file"
    if not all(place.resolve().is_relative_to(ROOT) for place in found):
        return "leads out of the project"
    if anchor and not any(anchor in anchors(place) for place in found):
        return "no such heading or anchor"
    return None
