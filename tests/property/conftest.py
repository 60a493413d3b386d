"""One event loop for all stories of a module, and a summary of what they met, in every run's output."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.property.story import Stories

SUMMARY = pytest.StashKey[list[str]]()


@pytest.fixture(scope="module")
def happen() -> Iterator[Stories]:
    """Runs stories."""
    stories = Stories()
    yield stories
    stories.close()


@pytest.fixture(scope="module")
def tell(pytestconfig: pytest.Config) -> Callable[[str], None]:
    """Adds a line to the summary at the end of the run."""
    return pytestconfig.stash.setdefault(SUMMARY, []).append


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print what the stories met."""
    lines = config.stash.get(SUMMARY, [])
    if lines:
        terminalreporter.section("property tests")
    for line in lines:
        terminalreporter.write_line(line)
