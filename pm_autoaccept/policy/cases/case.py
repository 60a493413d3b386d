"""A case: a request, the facts and the data around it, and what must come of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from pm_autoaccept.model import Fact, Facts, PendingRequest, Verdict
from pm_autoaccept.policy.data.tables import Table
from pm_autoaccept.policy.parser.source_text import Place

NOT_STATED = "the case does not say it"


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """What must come of a case.

    Attributes:
        rule: the id of the rule that must decide, or that must stop the search; None for the default.
        unknown: the names of what must not be learnt: fields and data.
        note: what the customer must read; None for no note. Compared only where `compares_note`.
        places: where each of `verdict`, `rule`, `note`, `unknown` stands; `expect` for the whole.
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
        place: where it begins.
        about: what it shows, in one line.
        facts: what holds around the request; the names of custom fields that the policy asks for come to them.
        taken: custom field → whether another owner has said the same there.
        held_for: for how long the rule that holds it has held it; None where it is new.
        tables: each source that the policy declares.
    """

    place: Place
    about: str
    request: PendingRequest
    facts: Facts
    taken: Mapping[str, bool] = field(default_factory=dict)
    held_for: timedelta | None = None
    tables: Mapping[str, Fact[Table]]
    expect: Expectation
