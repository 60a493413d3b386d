"""What a ledger remembers of requests, so that another policy can be asked about them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from pm_autoaccept.model.decisions import Held, ReasonKind, Verdict
from pm_autoaccept.model.requests import PendingRequest, RequestKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Recalled:
    """One request, and what was decided of it.

    Attributes:
        account: the settings' name of the provider account that was asked.
        username: the owner's.
        request: as its document said it; None where that was masked.
        hidden: names of its custom fields of which the ledger has only a digest.
        first_seen, last_seen: when it pended, as far as anybody looked.
        decided_at: when it was decided: the decision behind its answer, or else the last one.
        held: who held it then, since when; None where nobody did.
    """

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

    def pended_at(self, moment: datetime) -> bool:
        """Whether it pended then, as far as anybody looked."""
        return self.first_seen <= moment <= max(self.last_seen, self.decided_at)


@dataclass(frozen=True, slots=True)
class Memory:
    """All that a ledger remembers for this.

    Attributes:
        requests: the oldest decision first.
        ties: account and key → from when to when the connection or share stood; None: it stands.
    """

    requests: tuple[Recalled, ...] = ()
    ties: Mapping[tuple[str, RequestKey], tuple[tuple[datetime, datetime | None], ...]] = field(default_factory=dict)

    def stood(self, account: str, key: RequestKey, moment: datetime) -> bool:
        """Whether the connection or share stood then, as far as anybody looked."""
        spans = self.ties.get((account, key), ())
        return any(begin <= moment and (end is None or moment < end) for begin, end in spans)
