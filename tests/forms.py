"""The short form of a test, for every run, and its long form, for `.ci/run`."""

from __future__ import annotations

import pytest


def short_and_long(short: int, long: int) -> pytest.MarkDecorator:
    """Give a test its `tries`: few in the short form, many in the long form."""
    forms = [pytest.param(short, id="short"), pytest.param(long, id="long", marks=pytest.mark.long)]
    return pytest.mark.parametrize("tries", forms)
