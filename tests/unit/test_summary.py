"""What people read at the end of `once` and `demo`."""

from __future__ import annotations

from pm_autoaccept.cli.output.summary import WHY_KEPT_BACK
from pm_autoaccept.model import ReasonKind

DECIDES = {
    ReasonKind.RULE,
    ReasonKind.DEFAULT,
    ReasonKind.EXPIRED,
    ReasonKind.UNKNOWN,
    ReasonKind.NOT_UNDERSTOOD,
    ReasonKind.CONTRADICTORY,
    ReasonKind.PERSON,
}
"""Reasons of verdicts, which keep nothing back."""


def test_each_reason_for_keeping_back_has_its_sentence():
    """A summary that stumbled over a reason would tell nothing at all."""
    assert set(WHY_KEPT_BACK) == set(ReasonKind) - DECIDES
