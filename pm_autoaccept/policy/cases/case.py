"""A test case as data: a request with its facts and tables, and the expected verdict."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from pm_autoaccept.model import Fact, Facts, PendingRequest, Verdict
from pm_autoaccept.policy.data.tables import Table
from pm_autoaccept.policy.parser.source_text import Place

NOT_STATED = "the test case does not state it"


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """What a case expects.

    Attributes:
        rule: the id of the rule that must decide, or that must hold because it is unknown; None for the default.
        unknown: the fields and data that must be unknown.
        note: the expected note; None for no note. Compared only if `compares_note`.
        places: the positions of `verdict`, `rule`, `note` and `unknown`, and of `expect` as a whole.
    """

    verdict: Verdict
    rule: str | None
    unknown: tuple[str, ...] = ()
    note: str | None = None
    compares_note: bool = False
    places: Mapping[str, Place] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One test of a policy.

    Attributes:
        place: the position at which it begins.
        about: a one-line description.
        facts: the facts about the request; the names of custom fields that the policy uses are added.
        taken: custom field → whether another owner has the same value there.
        held_for: how long the current rule has held the request; None for a new request.
        tables: the table of each source that the policy declares.
    """

    place: Place
    about: str
    request: PendingRequest
    facts: Facts
    taken: Mapping[str, bool] = field(default_factory=dict)
    held_for: timedelta | None = None
    tables: Mapping[str, Fact[Table]]
    expect: Expectation
