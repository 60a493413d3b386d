"""Chooses whose shares a cycle reads, so that what came in undecided is noticed in a bounded time. Pure.

One call reads one owner's shares, and a provider may have a thousand owners. So a cycle reads at most `IN_TURN` owners
in turn, the one longest not read first, and beside them at most `AT_ONCE` of those with whom something has just
happened. With N owners each is read at least once in N / `IN_TURN` cycles, rounded up.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime

from pm_autoaccept.model import Watched

IN_TURN = 20
AT_ONCE = 20

_NEVER = datetime.min.replace(tzinfo=UTC)


def owners_to_read(
    watched: Watched,
    *,
    connected: Collection[int],
    pending: Collection[int],
    in_turn: int = IN_TURN,
    at_once: int = AT_ONCE,
) -> frozenset[int]:
    """The owners whose shares are to be read in this cycle.

    Args:
        watched: what the ledger knows of when they were read.
        connected: who is connected now.
        pending: who has a share that pends; of them the connected ones are read soon.
        in_turn: how many of all owners, the one longest not read first.
        at_once: how many more of those with whom something has just happened.
    """
    everybody = watched.sharing.union(connected)
    turn = _longest_not_read(watched, everybody)[:in_turn]
    touched = _longest_not_read(watched, watched.touched.difference(turn))
    waiting = _longest_not_read(watched, everybody.intersection(pending).difference(turn, touched))
    return frozenset([*turn, *[*touched, *waiting][:at_once]])


def _longest_not_read(watched: Watched, owners: Collection[int]) -> list[int]:
    return sorted(owners, key=lambda owner: (watched.tried.get(owner, _NEVER), owner))
