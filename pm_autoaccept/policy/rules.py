"""Rules, and what stands where none of them is true."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta

from pm_autoaccept.model import Kind, Verdict
from pm_autoaccept.policy.conditions import Condition
from pm_autoaccept.policy.notes import Note
from pm_autoaccept.policy.parser.source_text import Place


@dataclass(frozen=True, slots=True)
class Expiry:
    """After how long a hold becomes a reject, and what the customer reads then."""

    after: timedelta
    note: Note | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule: what it is on, when it is true, and what it says then.

    Attributes:
        about: one line for people.
        tell: the group of people that is told when it decides.
        enforce: false: it decides nothing, and what it would have decided is recorded.
        until: the last day on which it applies, in the policy's time zone.
        place: where its id stands.
    """

    id: str
    on: frozenset[Kind]
    when: Condition
    then: Verdict
    note: Note | None = None
    expire: Expiry | None = None
    about: str | None = None
    tell: str | None = None
    enforce: bool = True
    until: date | None = None
    place: Place | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Default:
    """What is said where no rule is true."""

    then: Verdict = Verdict.HOLD
    note: Note | None = None
    expire: Expiry | None = None
