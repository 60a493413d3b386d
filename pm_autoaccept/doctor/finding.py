"""The result of one self-check: ok, warning, problem or not tried, with advice."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """The result of a check."""

    OK = "ok"
    WARNING = "warning"
    """It works, but needs attention."""
    PROBLEM = "problem"
    """It does not work."""
    NOT_TRIED = "not tried"
    """The check was skipped because something that it needs has a problem."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """The result of one check.

    Attributes:
        check: what was checked.
        found: what was found.
        advice: what to do; "" if there is nothing to do.
        account: the account that was checked; None for checks of the whole program.
    """

    check: str
    state: State
    found: str
    advice: str = ""
    account: str | None = None


def ok(check: str, found: str) -> Finding:
    """A check that passed."""
    return Finding(check=check, state=State.OK, found=found)


def warning(check: str, found: str, advice: str) -> Finding:
    """A check that passed, but needs attention."""
    return Finding(check=check, state=State.WARNING, found=found, advice=advice)


def problem(check: str, found: str, advice: str) -> Finding:
    """A check that failed."""
    return Finding(check=check, state=State.PROBLEM, found=found, advice=advice)


def not_tried(check: str, why: str) -> Finding:
    """A check that was skipped, and the reason."""
    return Finding(check=check, state=State.NOT_TRIED, found=why)
