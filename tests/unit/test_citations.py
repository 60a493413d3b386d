"""Links between pages resolve, with their anchors, and so does every page that code, tests or pages name."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from tests.links import PAGES, ROOT, broken, citations, links, name, texts

TEXTS = list(texts())


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_each_relative_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    """Whoever follows a link within the project arrives."""
    relative = [each for each in links(page) if not re.match(r"[a-z]+:", each)]

    assert {each: why for each in relative if (why := broken(each, page=page))} == {}


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_no_anchor_is_set_twice(page: Path) -> None:
    """A link names one place."""
    counts = Counter(re.findall(r'<a id="([^"]+)"></a>', page.read_text(encoding="utf-8")))

    assert [anchor for anchor, times in counts.items() if times > 1] == []


def test_each_page_that_is_cited_exists_with_its_section() -> None:
    """Also in code and tests: nothing names a page that is not part of the project."""
    wrong = {
        f"{name(path)}: {cited}": why
        for path in TEXTS
        for cited in citations(path.read_text(encoding="utf-8"))
        if (why := broken(cited, page=path, folders=(ROOT, ROOT / "docs")))
    }

    assert wrong == {}


def test_code_cites_sections_by_anchor() -> None:
    """A section sign with a number would name a place that no test can follow."""
    assert [name(path) for path in TEXTS if "\N{SECTION SIGN}" in path.read_text(encoding="utf-8")] == []


def test_citations_are_found() -> None:
    """The tests above look at what they are meant to look at."""
    cited = Counter(
        cited.partition("#")[0]
        for path in TEXTS
        if path.suffix == ".py"
        for cited in citations(path.read_text(encoding="utf-8"))
    )

    assert cited["docs/protocol.md"] > 60
    assert cited["docs/architecture.md"] > 15
    assert broken("docs/protocol.md#" + "nowhere", page=ROOT / "README.md") == "no such heading or anchor"
    assert broken("docs/nothing" + ".md", page=ROOT / "README.md") == "no such file"
    assert broken("../elsewhere" + ".md", page=ROOT / "README.md") == "no such file"
