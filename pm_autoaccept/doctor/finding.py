"""What one check found, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """How a check came out."""

    OK = "ok"
    WARNING = "warning"
    """It works, and somebody should know of something."""
    PROBLEM = "problem"
    """It does not work."""
    NOT_TRIED = "not tried"
    """Something that it needs has a problem itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One check: what was looked at, how it came out, what was found.

    Attributes:
        advice: what to do, empty where nothing is to be done.
        account: the account that it is about, None where it is about the whole program.
    """

    check: str
    state: State
    found: str
    advice: str = ""
    account: str | None = None


def ok(check: str, found: str) -> Finding:
    """It works."""
    return Finding(check=check, state=State.OK, found=found)


def warning(check: str, found: str, advice: str) -> Finding:
    """It works, and somebody should know of something."""
    return Finding(check=check, state=State.WARNING, found=found, advice=advice)


def problem(check: str, found: str, advice: str) -> Finding:
    """It does not work."""
    return Finding(check=check, state=State.PROBLEM, found=found, advice=advice)


def not_tried(check: str, why: str) -> Finding:
    """It could not be tried."""
    return Finding(check=check, state=State.NOT_TRIED, found=why)
