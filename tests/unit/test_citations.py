"""Links between pages resolve, with their anchors."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from tests.links import PAGES, broken, links, name


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
