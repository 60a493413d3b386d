"""What else an answer does: the requests, connections and shares that Portfolio Manager carries along. Pure.

Accepting a share connects its owner, accepting a meter shares its property, and a reject rejects the pending requests
below it (docs/protocol.md#cascades). A reviewer sees these consequences before answering. The ledger computes them from
its rows, and `plan` from what was just read, so that an answer never does more than the reviewer was shown.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from pm_autoaccept.model import Action, Fact, Kind, NotLearnt, RequestKey


class PendingTie(NamedTuple):
    """A pending request by what ties it to others: its owner, and a meter's property.

    Attributes:
        digest: the digest of its content; a request with the same id and another digest is another request.
    """

    key: RequestKey
    digest: str
    owner: int | None
    property_id: int | None

    @property
    def parents(self) -> tuple[RequestKey, ...]:
        """The connection and the property above it."""
        return parents(self.key.kind, self.owner, self.property_id)


@dataclass(frozen=True, slots=True, order=True)
class Consequence:
    """One thing that an answer also does.

    Attributes:
        key: the request, connection or share.
        digest: the digest of the pending request that is answered along; empty if none is pending.
    """

    key: RequestKey
    digest: str = ""

    def __str__(self) -> str:
        """The form in which it is recorded."""
        return f"{self.key} {self.digest}" if self.digest else str(self.key)


def parents(kind: Kind, owner: int | None, property_id: int | None) -> tuple[RequestKey, ...]:
    """The connection and the property that an accept of such a request also accepts, if they are not there yet."""
    found = []
    if kind is not Kind.CONNECTION and owner is not None:
        found.append(RequestKey(Kind.CONNECTION, owner))
    if kind is Kind.METER and property_id is not None:
        found.append(RequestKey(Kind.PROPERTY, property_id))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class PendingTree:
    """All pending requests of an account: a connection, below it its property shares, below them their meters.

    Attributes:
        by_key: the pending requests of each key; more than one if a read showed different content under one id.
        below: the pending requests below each key.
    """

    by_key: Mapping[RequestKey, Sequence[PendingTie]]
    below: Mapping[RequestKey, Sequence[PendingTie]]

    @classmethod
    def of(cls, pending: Iterable[PendingTie]) -> PendingTree:
        """Build the tree."""
        by_key: dict[RequestKey, list[PendingTie]] = defaultdict(list)
        below: dict[RequestKey, list[PendingTie]] = defaultdict(list)
        for tie in pending:
            by_key[tie.key].append(tie)
            for key in tie.parents:
                below[key].append(tie)
        return cls(by_key, below)

    def consequences(
        self, tie: PendingTie, action: Action, *, there: Mapping[RequestKey, Fact[bool]]
    ) -> tuple[Consequence, ...]:
        """What this answer to a request also does, in order.

        Args:
            tie: the request.
            action: the answer.
            there: whether each connection and property above it is there already. What is not learnt counts as not
                there, so that a reviewer is rather shown too much.
        """
        if action is Action.REJECT:
            return tuple(Consequence(each.key, each.digest) for each in sorted(self.below.get(tie.key, ()), key=_place))
        found: list[Consequence] = []
        for key in tie.parents:
            known = there.get(key, False)
            if pending := self.by_key.get(key):
                found += [Consequence(key, each.digest) for each in pending]
            elif isinstance(known, NotLearnt) or not known:
                found.append(Consequence(key))
        return tuple(found)


def _place(tie: PendingTie) -> tuple[RequestKey, str]:
    return tie.key, tie.digest
