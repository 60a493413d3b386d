"""Each service of the client's table, as a call of the client on a world where it can succeed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime

from pm_autoaccept.model import Action, Kind, RequestKey
from pm_autoaccept.portfolio_manager import PortfolioManager
from pm_autoaccept.simulator import State, World, world_from_seed

NOTE = "Ünterlagen <fehlen> & \u201cmore\u201d"
Go = Callable[[PortfolioManager], Awaitable[object]]


class Ground:
    """A world in which every service has something to work on, and the ids of it."""

    def __init__(self) -> None:
        self.world: World = world_from_seed(seed=7, pending=30, now=datetime(2026, 3, 4, 12, tzinfo=UTC))
        pending = {kind: [tie.key.id for tie in self.world.having(kind, State.PENDING)] for kind in Kind}
        self.pending = {kind: ids[0] for kind, ids in pending.items()}
        self.shared = {kind: pending[kind][-1] for kind in (Kind.PROPERTY, Kind.METER)}
        for kind, id_ in self.shared.items():
            self.world.move(RequestKey(kind, id_), State.ACTIVE)
        self.customer = next(tie.key.id for tie in self.world.having(Kind.CONNECTION, State.ACTIVE))
        self.field = self.world.custom_fields[0].id


def calls_on(ground: Ground) -> Mapping[str, Go]:
    """Service name in the client's table → the client's own method, called so that it uses that service."""
    return {
        "pending_connections": lambda pm: pm.pending_page(Kind.CONNECTION, 1),
        "pending_properties": lambda pm: pm.pending_page(Kind.PROPERTY, 1),
        "pending_meters": lambda pm: pm.pending_page(Kind.METER, 1),
        "answer_connection": lambda pm: answer(pm, Kind.CONNECTION, ground.pending[Kind.CONNECTION]),
        "answer_property": lambda pm: answer(pm, Kind.PROPERTY, ground.pending[Kind.PROPERTY]),
        "answer_meter": lambda pm: answer(pm, Kind.METER, ground.pending[Kind.METER]),
        "disconnect": lambda pm: pm.disconnect(ground.customer, keep_shares=False, note=NOTE),
        "unshare_meter": lambda pm: pm.unshare(Kind.METER, ground.shared[Kind.METER], NOTE),
        "unshare_property": lambda pm: pm.unshare(Kind.PROPERTY, ground.shared[Kind.PROPERTY]),
        "notifications": lambda pm: pm.notifications(clear=False),
        "account": lambda pm: pm.account(),
        "customers": lambda pm: pm.customers(),
        "customer": lambda pm: pm.customer(ground.customer),
        "shared_properties": lambda pm: pm.shared_properties(ground.customer),
        "answers_at_connection": lambda pm: pm.answers_at_connection(ground.customer),
        "custom_fields": lambda pm: pm.custom_fields(),
        "custom_field": lambda pm: pm.custom_field(ground.field),
        "property_hierarchy": lambda pm: pm.hierarchy(Kind.PROPERTY, ground.pending[Kind.PROPERTY]),
        "meter_hierarchy": lambda pm: pm.hierarchy(Kind.METER, ground.pending[Kind.METER]),
    }


async def answer(pm: PortfolioManager, kind: Kind, id_: int, note: str | None = NOTE) -> None:
    """Accept within a turn, as act does."""
    async with pm.turn():
        await pm.answer(kind, id_, Action.ACCEPT, note, blocked_reason=lambda: None)
