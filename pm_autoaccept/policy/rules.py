"""Rules of a policy as data: Rule, Expiry, and the Default that applies if no rule matches."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta

from pm_autoaccept.model import ANYBODY, AnswerRule, Kind, Verdict
from pm_autoaccept.policy.conditions import Condition
from pm_autoaccept.policy.notes import Note
from pm_autoaccept.policy.parser.source_text import Place


@dataclass(frozen=True, slots=True)
class Expiry:
    """`expire`: after how long a hold becomes a reject, and the note that the customer then receives."""

    after: timedelta
    note: Note | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule: the kinds of request it applies to, its condition, and its verdict.

    Attributes:
        about: a one-line description.
        tell: the group to notify when the rule decides.
        answer: who must answer what the rule holds.
        enforce: if false, the rule does not decide; what it would have decided is recorded.
        until: the last day on which the rule applies, in the policy's time zone.
        place: the position of its id in the file.
    """

    id: str
    on: frozenset[Kind]
    when: Condition
    then: Verdict
    note: Note | None = None
    expire: Expiry | None = None
    about: str | None = None
    tell: str | None = None
    answer: AnswerRule = ANYBODY
    enforce: bool = True
    until: date | None = None
    place: Place | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Default:
    """The verdict if no rule matches."""

    then: Verdict = Verdict.HOLD
    note: Note | None = None
    expire: Expiry | None = None
    answer: AnswerRule = ANYBODY
