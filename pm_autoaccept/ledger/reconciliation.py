"""Compares what is connected and shared with what was decided (design, promise 1), and says what is to be told.

Only reads of whole lists count: `/customer/list` for connections, an owner's `/account/{id}/property/list` for
properties. A tie counts as ended after two whole reads without it, or after one where a notification says so as well.
No list that we read shows meters: their ties begin with our accepts and end by notifications, with their property, or
by a command of ours.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, and_, func, or_, select

from pm_autoaccept.ledger.db.tables import intent as intent_table
from pm_autoaccept.ledger.db.tables import owner as owner_table
from pm_autoaccept.ledger.db.tables import provider as provider_table
from pm_autoaccept.ledger.db.tables import request as request_table
from pm_autoaccept.ledger.db.tables import tie as tie_table
from pm_autoaccept.ledger.inventory import Tie, accepts_since, begin, begin_accepted_meters, end, gone_findings, live
from pm_autoaccept.ledger.notifications import notice, owners_of_waiting
from pm_autoaccept.ledger.removals import end_shares_removed_with, settle_removals
from pm_autoaccept.ledger.request_rows import chunks, insert
from pm_autoaccept.model import Fact, Finding, Kind, NotLearnt, Origin, Snapshot, Watched

LOOKING_BACK = timedelta(hours=1)
"""How long before the last comparison an accept may have ended and still be looked at: clocks of replicas differ."""


def watched(connection: Connection, provider: int) -> Watched:
    """Say when each owner's shares were last asked for, and with whom something has happened since. Reads only."""
    standing = select(tie_table.c.owner_id).where(
        tie_table.c.provider_id == provider, tie_table.c.ended_at.is_(None), tie_table.c.kind == Kind.PROPERTY
    )
    going = connection.execute(standing.where(tie_table.c.absent_since.is_not(None))).scalars()
    new = _not_read_since_an_accept(connection, provider)
    touched = _callable([*new, *owners_of_waiting(connection, provider), *going])
    return Watched(
        tried=_tried(connection, provider, touched),
        touched=touched,
        sharing=_callable(connection.execute(standing.distinct()).scalars()),
    )


def _not_read_since_an_accept(connection: Connection, provider: int) -> Iterable[int | None]:
    """Owners of whom something was accepted since their shares were last asked for."""
    since = _looking_back(_provider(connection, provider).watched_at)
    asked = and_(owner_table.c.provider_id == provider, owner_table.c.account_id == request_table.c.account_id)
    query = (
        accepts_since(provider, since)
        .with_only_columns(request_table.c.account_id)
        .order_by(None)
        .distinct()
        .outerjoin(owner_table, asked)
        .where(or_(owner_table.c.tried_at.is_(None), owner_table.c.tried_at < intent_table.c.sent_at))
    )
    owners: Iterable[int | None] = connection.execute(query).scalars()
    return owners


def _tried(connection: Connection, provider: int, touched: Collection[int]) -> dict[int, datetime]:
    """When owners were last asked: those who have a tie, and these. All who ever had one may be very many."""
    table = owner_table.c
    standing = select(tie_table.c.owner_id).where(tie_table.c.provider_id == provider, tie_table.c.ended_at.is_(None))
    queries = [table.account_id.in_(standing), *(table.account_id.in_(some) for some in chunks(sorted(touched)))]
    found = {}
    for among in queries:
        for row in connection.execute(select(owner_table).where(table.provider_id == provider, among)):
            found[row.account_id] = row.tried_at
    return found


def watch(connection: Connection, provider: int, snapshot: Snapshot, *, at: datetime) -> tuple[Finding, ...]:
    """Take over what a snapshot shows of connections and shares, and let each notification have its effect once.

    Returns:
        What is to be told, each thing once.
    """
    ours = _provider(connection, provider)
    begin_accepted_meters(connection, provider, since=_looking_back(ours.watched_at))
    look = _Look(connection, provider, begun=min(pending.begun for pending in snapshot.lists), at=at)
    changed: dict[str, object] = {"watched_at": at}
    findings: list[Finding] = []
    if not isinstance(snapshot.connected, NotLearnt):
        findings += look.connections(snapshot.connected, first=ours.watched_since is None)
        changed["watched_since"] = ours.watched_since or at
    findings += look.properties(snapshot.shared_properties)
    findings += notice(connection, provider, snapshot, begun=look.begun, at=at)
    settle_removals(connection, provider, at=at)
    connection.execute(provider_table.update().where(provider_table.c.id == provider).values(**changed))
    return tuple(findings)


def undecided(connection: Connection, provider: int) -> int:
    """Count what stands, came in by no answer of ours, and was acknowledged by nobody. Reads only."""
    table = tie_table.c
    standing = select(func.count()).select_from(tie_table).where(table.provider_id == provider)
    query = standing.where(table.origin == Origin.UNDECIDED, table.ended_at.is_(None), table.acknowledged_at.is_(None))
    return int(connection.execute(query).scalar_one())


@dataclass(frozen=True, slots=True)
class _Look:
    """One comparison: whose, when the reads began, and when it is made."""

    connection: Connection
    provider: int
    begun: datetime
    at: datetime

    def connections(self, shown: frozenset[int], *, first: bool) -> list[Finding]:
        """Compare who is connected; what stands there at the first look was there before us."""
        known = live(self.connection, self.provider, Kind.CONNECTION)
        self._still(known[number] for number in shown & known.keys())
        gone = self._missed(tie for number, tie in known.items() if number not in shown)
        for tie in gone:
            end_shares_removed_with(self.connection, tie, at=self.at)
        return [*gone_findings(gone), *self._begin(Kind.CONNECTION, shown - known.keys(), owner=None, baseline=first)]

    def properties(self, shared: Mapping[int, Fact[frozenset[int]]]) -> list[Finding]:
        """Compare what owners share; of an owner who was connected before us, the first read shows what was there."""
        known = live(self.connection, self.provider, Kind.PROPERTY)
        read = {owner: fact for owner, fact in shared.items() if not isinstance(fact, NotLearnt)}
        shown = frozenset().union(*read.values())
        self._still(known[number] for number in shown & known.keys())
        gone = self._missed(tie for number, tie in known.items() if tie.owner_id in read and number not in shown)
        findings = gone_findings(gone)
        met = set(known)
        first_time = self._never_read(list(read))
        for owner, properties in sorted(read.items()):
            new = properties - met
            met |= new
            findings += self._begin(Kind.PROPERTY, new, owner=owner, baseline=owner in first_time)
        self._note_reads(shared)
        return findings

    def _begin(self, kind: Kind, ids: Collection[int], *, owner: int | None, baseline: bool) -> list[Finding]:
        return begin(
            self.connection, self.provider, kind, ids, owner=owner, baseline=baseline, begun=self.begun, at=self.at
        )

    def _still(self, ties: Iterable[Tie]) -> None:
        for some in chunks([tie.id for tie in ties]):
            seen = tie_table.update().where(tie_table.c.id.in_(some))
            self.connection.execute(seen.values(last_seen=self.at, absent_since=None))

    def _missed(self, ties: Iterable[Tie]) -> list[Tie]:
        """Note ties that this read does not show; end and return those that the read before it did not show either."""
        over = []
        for tie in ties:
            if tie.last_seen >= self.begun:
                continue  # this read had begun before the tie was seen: it proves nothing
            if tie.absent_since is None:
                missed = tie_table.update().where(tie_table.c.id == tie.id)
                self.connection.execute(missed.values(absent_since=self.begun))
            elif tie.absent_since < self.begun:
                over.append(tie)
        end(self.connection, over, at=self.at, by="two reads that did not show it")
        return over

    def _never_read(self, owners: list[int]) -> frozenset[int]:
        """Owners whose shares were never read, and who were connected before us, or never as far as we know."""
        table = owner_table.c
        since_us: set[int] = set()
        for some in chunks(owners):
            read = select(table.account_id).where(
                table.provider_id == self.provider, table.account_id.in_(some), table.read_at.is_not(None)
            )
            connected = select(tie_table.c.pm_id).where(
                tie_table.c.provider_id == self.provider,
                tie_table.c.kind == Kind.CONNECTION,
                tie_table.c.pm_id.in_(some),
                tie_table.c.origin != Origin.BEFORE_US,
            )
            since_us.update(self.connection.execute(read).scalars(), self.connection.execute(connected).scalars())
        return frozenset(owners) - since_us

    def _note_reads(self, shared: Mapping[int, Fact[frozenset[int]]]) -> None:
        for owner, fact in shared.items():
            when = {"tried_at": self.at} if isinstance(fact, NotLearnt) else {"tried_at": self.at, "read_at": self.at}
            values = {"provider_id": self.provider, "account_id": owner, **when}
            statement = insert(self.connection, owner_table).values(**values)
            statement = statement.on_conflict_do_update(index_elements=["provider_id", "account_id"], set_=when)
            self.connection.execute(statement)


def _provider(connection: Connection, provider: int) -> Row[Any]:
    return connection.execute(select(provider_table).where(provider_table.c.id == provider)).one()


def _looking_back(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment - LOOKING_BACK


def _callable(owners: Iterable[int | None]) -> frozenset[int]:
    """Owners of whom something can be asked: a document may name none, or an id that is none."""
    return frozenset(owner for owner in owners if owner is not None and owner > 0)
