"""When connections were last seen, although a read of many changes only the account's row."""

from __future__ import annotations

from pm_autoaccept.ledger import SqlLedger
from pm_autoaccept.ledger.inventory_report import list_inventory
from tests.examples import NOW
from tests.unit.ledger.acting import MINUTE, read


async def watch(ledger: SqlLedger, *connected: int, minute: float, begun: float | None = None) -> dict[int, tuple]:
    """Compare a read of these connections; id → first missed, last seen, in minutes after NOW."""
    seen = read(minute=minute if begun is None else begun, connected=frozenset(connected))
    await ledger.reconcile(seen, at=NOW + minute * MINUTE)
    rows = await ledger.database.read(lambda bound: list(list_inventory(bound)))
    return {
        row.id: (row.absent_since and (row.absent_since - NOW) / MINUTE, (row.last_seen - NOW) / MINUTE) for row in rows
    }


async def test_a_connection_was_last_seen_when_a_read_last_showed_it(ledger):
    """While it is there, when it is missed, when it comes back, and when it ends."""
    assert await watch(ledger, 1, 2, minute=0) == {1: (None, 0), 2: (None, 0)}
    assert await watch(ledger, 1, 2, 3, minute=5) == {1: (None, 5), 2: (None, 5), 3: (None, 5)}
    assert await watch(ledger, 1, 3, minute=10) == {1: (None, 10), 2: (10, 5), 3: (None, 10)}
    assert await watch(ledger, 1, 2, 3, minute=15) == {1: (None, 15), 2: (None, 15), 3: (None, 15)}
    assert await watch(ledger, 1, 2, minute=20) == {1: (None, 20), 2: (None, 20), 3: (20, 15)}
    assert await watch(ledger, 1, 2, minute=25) == {1: (None, 25), 2: (None, 25)}


async def test_a_read_that_began_before_a_connection_was_last_seen_proves_nothing(ledger):
    """It is neither absent nor seen by that read; the others are seen."""
    await watch(ledger, 1, 2, minute=0)
    await watch(ledger, 1, 2, minute=5)
    assert await watch(ledger, 1, minute=6, begun=4) == {1: (None, 6), 2: (None, 5)}
    assert await watch(ledger, 1, 2, minute=10) == {1: (None, 10), 2: (None, 10)}
