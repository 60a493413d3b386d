"""Requests, snapshots and decisions for tests, each as short as the test that reads it wants it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from pm_autoaccept.account import ActivePolicy, build_cycle
from pm_autoaccept.config import Settings
from pm_autoaccept.cycle import Cycle
from pm_autoaccept.ledger import SqlLedger
from pm_autoaccept.ledger.proxy_passwords import proxy_guard_in_ledger
from pm_autoaccept.model import (
    Action,
    Decision,
    HumanAnswer,
    Kind,
    PendingList,
    PendingRequest,
    ProviderAccount,
    Reason,
    ReasonKind,
    RequestKey,
    Snapshot,
    Unreadable,
    Verdict,
)
from pm_autoaccept.sign_in import sign_in

NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)
ALICE, BOB = 410221, 410222


def connection(owner: int = ALICE, **said: Any) -> PendingRequest:
    """A pending connection request."""
    return PendingRequest(**({"kind": Kind.CONNECTION, "id": owner, "account_id": owner} | said))


def property_share(number: int, owner: int = ALICE, **said: Any) -> PendingRequest:
    """A pending property share."""
    whose = {"kind": Kind.PROPERTY, "id": number, "account_id": owner, "property_id": number}
    return PendingRequest(**(whose | said))


def meter_share(number: int, of: int, owner: int = ALICE, **said: Any) -> PendingRequest:
    """A pending meter share of property `of`."""
    return PendingRequest(**({"kind": Kind.METER, "id": number, "account_id": owner, "property_id": of} | said))


def pending_list(kind: Kind, requests: Iterable[PendingRequest] = (), **said: Any) -> PendingList:
    """A pending list, read whole within a second unless said otherwise."""
    times = {"begun": NOW, "ended": NOW + timedelta(seconds=1)}
    return PendingList(kind=kind, requests=tuple(requests), **times | said)


def snapshot(
    *requests: PendingRequest, failed: Kind | None = None, strange: Kind | None = None, **facts: Any
) -> Snapshot:
    """A snapshot in which these requests pend; the list `failed` is not whole, `strange` has an unreadable element.

    `facts` may also bring whole lists: `connections`, `properties`, `meters`.
    """
    lists = {
        name: pending_list(
            kind,
            (request for request in requests if request.kind is kind),
            failed="GET: 500" if kind is failed else None,
            unreadable=(Unreadable(kind, "no id", b"<x/>"),) if kind is strange else (),
        )
        for name, kind in zip(("connections", "properties", "meters"), Kind, strict=True)
    }
    learnt = {"connected": frozenset(), "ended": NOW + timedelta(seconds=1)}
    return Snapshot(provider=ProviderAccount(1, "provider"), **(lists | learnt | facts))


def decided(request: PendingRequest, verdict: Verdict, **said: Any) -> Decision:
    """A decision of a request, by the rule `a-rule`."""
    return Decision(request=request, verdict=verdict, rule="a-rule", reason=Reason(ReasonKind.RULE, "because"), **said)


def by_people(action: Action, *goes_along: object, note: str | None = None, number: int = 1) -> HumanAnswer:
    """An answer by Ana, who was shown that this goes along."""
    shown = frozenset(map(str, goes_along))
    return HumanAnswer(number=number, action=action, note=note, people=("ana",), goes_along=shown)


def key(kind: str, number: int) -> RequestKey:
    """A request's key."""
    return RequestKey(Kind(kind), number)


@asynccontextmanager
async def at_work(settings: Settings, **more: Any) -> AsyncIterator[Cycle]:
    """An account signed in, with the ledger that its settings name."""
    ledger = await SqlLedger.open(settings.ledger, name=settings.name)
    try:
        proxy_guard = proxy_guard_in_ledger(ledger.database)
        in_force = await ActivePolicy.load(settings, proxy_guard)
        async with sign_in(settings, ledger, proxy_guard=proxy_guard, **more) as session:
            yield build_cycle(session, settings, in_force)
    finally:
        await ledger.close()
