"""Chooses the owners whose shares one cycle reads, so that undecided shares are found within a bounded time. Pure.

One call reads one owner's shares, and a provider may have a thousand owners. A cycle therefore reads two groups:

- up to `MAX_OWNERS_IN_TURN_PER_CYCLE` owners in turn, starting with the one that was not read for the longest time;
- up to `MAX_RECENT_OWNERS_PER_CYCLE` more owners with whom something has just happened.

With N owners, each is read at least once in N / `MAX_OWNERS_IN_TURN_PER_CYCLE` cycles, rounded up.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from itertools import chain, islice

from pm_autoaccept.model import ShareReads

MAX_OWNERS_IN_TURN_PER_CYCLE = 20
MAX_RECENT_OWNERS_PER_CYCLE = 20


def owners_to_read(
    reads: ShareReads,
    *,
    connected: Collection[int],
    pending: Collection[int],
    max_in_turn: int = MAX_OWNERS_IN_TURN_PER_CYCLE,
    max_recent: int = MAX_RECENT_OWNERS_PER_CYCLE,
) -> frozenset[int]:
    """Choose the owners whose shares this cycle reads.

    Args:
        reads: whose shares were read longest ago, by the ledger.
        connected: the owners who are connected now.
        pending: the owners who have a pending share; those who are connected are read soon.
        max_in_turn: how many of all owners, starting with the one not read for the longest time.
        max_recent: how many more of those with whom something has just happened.
    """
    everybody = reads.sharing.union(connected)
    turn = list(islice(_longest_unread_first(reads, everybody), max_in_turn))
    touched = list(islice(_longest_unread_first(reads, reads.touched.difference(turn)), max_recent))
    waiting = _longest_unread_first(reads, everybody.intersection(pending).difference(turn, touched))
    return frozenset([*turn, *islice(chain(touched, waiting), max_recent)])


def _longest_unread_first(reads: ShareReads, owners: frozenset[int]) -> Iterator[int]:
    """These owners, first those whose shares were never asked for. A provider may have a hundred thousand."""
    yield from sorted(owners.difference(reads.tried))
    yield from (owner for owner in reads.tried if owner in owners)
