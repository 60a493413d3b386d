"""Reconciliation: compares connections and shares with our decisions, and finds undecided or ended ones (promise 1).

Only whole reads count: `/customer/list` for connections, an owner's `/account/{id}/property/list` for properties. An
item ends after two whole reads without it, or after one if a notification says so too. No list that we read shows
meters: their items begin with our accepts, and end by a notification, with their property, or by one of our commands.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, TextClause, and_, bindparam, func, or_, select

from pm_autoaccept.ledger.claims import prune_changes
from pm_autoaccept.ledger.db.id_lists import id_list, is_none_of, is_one_of
from pm_autoaccept.ledger.db.queries import insert
from pm_autoaccept.ledger.db.tables import ABSENT_ITEM, CURRENT_ITEM, UNDECIDED_ITEM
from pm_autoaccept.ledger.db.tables import intent as intent_table
from pm_autoaccept.ledger.db.tables import inventory as inventory_table
from pm_autoaccept.ledger.db.tables import owner as owner_table
from pm_autoaccept.ledger.db.tables import provider as provider_table
from pm_autoaccept.ledger.db.tables import request as request_table
from pm_autoaccept.ledger.inventory import (
    InventoryItem,
    accepts_since,
    begin_accepted_meter_shares,
    begin_items,
    current_ids,
    current_items,
    current_properties_of,
    end_items,
    ended_findings,
    last_seen,
)
from pm_autoaccept.ledger.notifications import apply_notifications, owners_of_unapplied
from pm_autoaccept.ledger.removals import end_shares_removed_with, settle_removals
from pm_autoaccept.model import Fact, Finding, Kind, NotLearnt, Origin, ShareReads, Snapshot

LOOK_BACK = timedelta(hours=1)
"""How far before the last comparison accepts are examined, because the clocks of replicas differ."""


def share_reads(connection: Connection, provider: int) -> ShareReads:
    """Whose shares were read longest ago, and whose may have changed since they were read. Reads only."""
    ours = {"provider": provider}
    going = connection.execute(_OWNERS_OF_ABSENT, ours).scalars()
    new = _not_read_since_an_accept(connection, provider)
    touched = _readable_owners([*new, *owners_of_unapplied(connection, provider), *going])
    sharing = connection.execute(_SHARING_OWNERS, ours).scalars()
    tried = connection.execute(_TRIED_OWNERS, ours | {"touched": touched}).scalars()
    return ShareReads(tried=tuple(tried), touched=touched, sharing=_readable_owners(sharing))


# The queries of each cycle are built once: SQLAlchemy takes longer to build one than a database to run it.
_OURS = inventory_table.c.provider_id == bindparam("provider")
_CURRENT_OWNERS = select(inventory_table.c.owner_id).where(_OURS, CURRENT_ITEM)
_SHARING_OWNERS = _CURRENT_OWNERS.where(inventory_table.c.kind == Kind.PROPERTY).distinct()
_OWNERS_OF_ABSENT = select(inventory_table.c.owner_id).where(
    _OURS, ABSENT_ITEM, inventory_table.c.kind == Kind.PROPERTY
)
_TRIED_OWNERS = (
    select(owner_table.c.account_id)
    .where(
        owner_table.c.provider_id == bindparam("provider"),
        or_(owner_table.c.account_id.in_(_CURRENT_OWNERS), is_one_of(owner_table.c.account_id, id_list("touched"))),
    )
    .order_by(owner_table.c.tried_at, owner_table.c.account_id)
)


def _not_read_since_an_accept(connection: Connection, provider: int) -> Iterable[int | None]:
    """The owners with an accept since their shares were last read."""
    since = _look_back_from(_provider(connection, provider).watched_at)
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


def reconcile(connection: Connection, provider: int, snapshot: Snapshot, *, at: datetime) -> tuple[Finding, ...]:
    """Update the inventory from a snapshot, and apply each notification once.

    Returns:
        The findings to report, each once.
    """
    ours = _provider(connection, provider)
    begin_accepted_meter_shares(connection, provider, since=_look_back_from(ours.watched_at))
    begun, seen_at = min(pending.begun for pending in snapshot.lists), ours.connections_seen_at
    look = _Comparison(connection, provider, begun=begun, at=at, connections_seen_at=seen_at)
    changed: dict[str, object] = {"watched_at": at}
    findings: list[Finding] = []
    if not isinstance(snapshot.connected, NotLearnt):
        findings += look.connections(snapshot.connected, first=ours.watched_since is None)
        changed["watched_since"] = ours.watched_since or at
    findings += look.properties(snapshot.shared_properties)
    findings += apply_notifications(connection, provider, snapshot, begun=look.begun, at=at)
    settle_removals(connection, provider, at=at)
    prune_changes(connection)
    connection.execute(provider_table.update().where(provider_table.c.id == provider).values(**changed))
    return tuple(findings)


def count_undecided(connection: Connection, provider: int) -> int:
    """Count the current items that we did not decide and nobody acknowledged. Reads only."""
    table = inventory_table.c
    standing = select(func.count()).select_from(inventory_table).where(table.provider_id == provider)
    return int(connection.execute(standing.where(UNDECIDED_ITEM)).scalar_one())


@dataclass(frozen=True, slots=True)
class _Comparison:
    """One comparison: its provider account, when the reads began, the current time, and the account's last record.

    Attributes:
        connections_seen_at: see the table `provider`, as it was before this comparison.
    """

    connection: Connection
    provider: int
    begun: datetime
    at: datetime
    connections_seen_at: datetime | None

    def connections(self, shown: frozenset[int], *, first: bool) -> list[Finding]:
        """Compare who is connected. Connections in the first read existed before us."""
        known = current_ids(self.connection, self.provider, Kind.CONNECTION)
        missing = current_items(self.connection, self.provider, Kind.CONNECTION, known - shown)
        gone = self._missed(missing.values())
        self._still_connected(missing)
        for item in gone:
            end_shares_removed_with(self.connection, item, at=self.at)
        return [*ended_findings(gone), *self._begin(Kind.CONNECTION, shown - known, owner=None, baseline=first)]

    def properties(self, shared: Mapping[int, Fact[frozenset[int]]]) -> list[Finding]:
        """Compare what owners share. For an owner connected before us, shares in the first read existed before us."""
        read = {owner: fact for owner, fact in shared.items() if not isinstance(fact, NotLearnt)}
        shown = frozenset().union(*read.values())
        known = current_items(self.connection, self.provider, Kind.PROPERTY, shown)
        if known:
            self._still(is_one_of(inventory_table.c.id, [item.id for item in known.values()]))
        owned = current_properties_of(self.connection, self.provider, read)
        gone = self._missed(item for item in owned if item.pm_id not in shown)
        findings = ended_findings(gone)
        met = set(known)
        first_time = self._never_read(list(read))
        for owner, properties in sorted(read.items()):
            new = properties - met
            met |= new
            findings += self._begin(Kind.PROPERTY, new, owner=owner, baseline=owner in first_time)
        self._note_reads(shared)
        return findings

    def _begin(self, kind: Kind, ids: Collection[int], *, owner: int | None, baseline: bool) -> list[Finding]:
        return begin_items(
            self.connection, self.provider, kind, ids, owner=owner, baseline=baseline, begun=self.begun, at=self.at
        )

    def _still_connected(self, missing: Mapping[int, InventoryItem]) -> None:
        """Note when all connections but these were seen: in the account's row, because there may be very many."""
        table = inventory_table.c
        ours = table.provider_id == self.provider, table.kind == Kind.CONNECTION
        others = [is_none_of(table.pm_id, missing)] if missing else []
        if any(item.absent_since is None and self._last_seen(item) >= self.begun for item in missing.values()):
            # One of them is neither seen nor absent, which the account's row cannot say.
            self._still(*ours, CURRENT_ITEM, *others)
            return
        self._still(*ours, ABSENT_ITEM, *others)
        seen = provider_table.update().where(provider_table.c.id == self.provider)
        self.connection.execute(seen.values(connections_seen_at=self.at))

    def _last_seen(self, item: InventoryItem) -> datetime:
        return last_seen(item, self.connections_seen_at)

    def _still(self, *which: ColumnElement[bool] | TextClause) -> None:
        seen = inventory_table.update().where(*which)
        self.connection.execute(seen.values(last_seen=self.at, absent_since=None))

    def _missed(self, items: Iterable[InventoryItem]) -> list[InventoryItem]:
        """Note the items that this read misses; end and return those that the previous read missed too."""
        over = []
        for item in items:
            if self._last_seen(item) >= self.begun:
                continue  # this read began before the item was last seen, so it proves nothing
            if item.absent_since is None:
                missed = inventory_table.update().where(inventory_table.c.id == item.id)
                self.connection.execute(missed.values(absent_since=self.begun, last_seen=self._last_seen(item)))
            elif item.absent_since < self.begun:
                over.append(item)
        end_items(self.connection, over, at=self.at, by="two reads that did not show it")
        return over

    def _never_read(self, owners: list[int]) -> frozenset[int]:
        """Owners whose shares were never read, and who were connected before us or are not known to be connected."""
        if not owners:
            return frozenset()
        table, item = owner_table.c, inventory_table.c
        read = select(table.account_id).where(
            table.provider_id == self.provider, is_one_of(table.account_id, owners), table.read_at.is_not(None)
        )
        connected = select(item.pm_id).where(
            item.provider_id == self.provider,
            item.kind == Kind.CONNECTION,
            is_one_of(item.pm_id, owners),
            item.origin != Origin.BEFORE_US,
        )
        since_us = [*self.connection.execute(read).scalars(), *self.connection.execute(connected).scalars()]
        return frozenset(owners).difference(since_us)

    def _note_reads(self, shared: Mapping[int, Fact[frozenset[int]]]) -> None:
        for owner, fact in shared.items():
            when = {"tried_at": self.at} if isinstance(fact, NotLearnt) else {"tried_at": self.at, "read_at": self.at}
            values = {"provider_id": self.provider, "account_id": owner, **when}
            statement = insert(self.connection, owner_table).values(**values)
            statement = statement.on_conflict_do_update(index_elements=["provider_id", "account_id"], set_=when)
            self.connection.execute(statement)


def _provider(connection: Connection, provider: int) -> Row[Any]:
    return connection.execute(select(provider_table).where(provider_table.c.id == provider)).one()


def _look_back_from(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment - LOOK_BACK


def _readable_owners(owners: Iterable[int | None]) -> frozenset[int]:
    """The valid owner ids: a document may name no owner or an invalid id."""
    return frozenset(owner for owner in owners if owner is not None and owner > 0)
