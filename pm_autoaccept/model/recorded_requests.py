"""Recorded requests and their decisions, replayed from the ledger to try another policy (what-if)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from pm_autoaccept.model.decisions import Held, ReasonKind, Verdict
from pm_autoaccept.model.requests import PendingRequest, RequestKey


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedRequest:
    """One recorded request and its decision.

    Attributes:
        number: its number in the ledger, which tells the occurrences of a key apart.
        account: the provider account's name in the settings.
        username: the owner's.
        request: as its document described it; None if that was masked.
        hidden: names of its custom fields for which the ledger has only a digest.
        first_seen, last_seen: when it was seen pending.
        decided_at: the time of the decision behind its answer, or of its last decision.
        held: the rule that held it then, and since when; None if it was not held.
    """

    number: int
    account: str
    key: RequestKey
    username: str | None = None
    request: PendingRequest | None
    hidden: frozenset[str] = frozenset()
    first_seen: datetime
    last_seen: datetime
    decided_at: datetime
    verdict: Verdict
    rule: str | None
    reason: ReasonKind
    held: Held | None = None

    def was_pending_at(self, moment: datetime) -> bool:
        """Whether it was pending then, according to the reads."""
        return self.first_seen <= moment <= max(self.last_seen, self.decided_at)


@dataclass(frozen=True, slots=True)
class RecordedBatch:
    """Some recorded requests, with what the ledger has about their owners and properties.

    A ledger has more requests than fit in memory, so they are judged in batches.

    Attributes:
        requests: all of one kind, oldest decision first.
        related: account and key → the connection requests of the owners, and the property requests of the meters;
            oldest decision first.
        inventory: account and key → the periods in which the connection or share existed; an end of None means now.
    """

    requests: Sequence[RecordedRequest] = ()
    related: Mapping[tuple[str, RequestKey], Sequence[RecordedRequest]] = field(default_factory=dict)
    inventory: Mapping[tuple[str, RequestKey], Sequence[tuple[datetime, datetime | None]]] = field(default_factory=dict)

    def existed_at(self, account: str, key: RequestKey, moment: datetime) -> bool:
        """Whether the connection or share existed then, according to the reads."""
        spans = self.inventory.get((account, key), ())
        return any(begin <= moment and (end is None or moment < end) for begin, end in spans)
