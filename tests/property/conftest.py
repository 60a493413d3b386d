"""One event loop for all stories of a module, and a way to say in every run's output what they met."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.property.story import Stories
from tests.summary import LINE


@pytest.fixture(scope="module")
def happen() -> Iterator[Stories]:
    """Runs stories."""
    stories = Stories()
    yield stories
    stories.close()


@pytest.fixture
def tell(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """Adds a line to the summary at the end of the run."""
    return lambda text: record_property(LINE, text)
