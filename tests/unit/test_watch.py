"""Whose shares a cycle reads."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pm_autoaccept.model import ShareReads
from pm_autoaccept.watch import MAX_OWNERS_IN_TURN_PER_CYCLE, MAX_RECENT_OWNERS_PER_CYCLE, owners_to_read

owners = st.frozensets(st.integers(1, 60))
tries = st.lists(st.integers(1, 60), unique=True).map(tuple)


@given(tries, owners, owners, owners, owners)
def test_a_cycle_reads_a_bounded_number_of_owners(tried, touched, sharing, connected, pending):
    """Whatever happens with how many of them."""
    watched = ShareReads(tried=tried, touched=touched, sharing=sharing)
    chosen = owners_to_read(watched, connected=connected, pending=pending, max_in_turn=5, max_recent=3)
    assert len(chosen) <= 8
    assert chosen <= touched | sharing | connected


@given(owners, owners, owners)
def test_each_owner_is_read_in_its_turn(touched, sharing, connected):
    """However much happens with the others, everybody is read once in as many cycles as it takes."""
    tried: tuple[int, ...] = ()
    everybody = sharing | connected
    for _ in range(-(-len(everybody) // 5)):
        watched = ShareReads(tried=tried, touched=touched, sharing=sharing)
        chosen = owners_to_read(watched, connected=connected, pending=touched, max_in_turn=5, max_recent=3)
        tried = (*(owner for owner in tried if owner not in chosen), *sorted(chosen))
    assert everybody <= set(tried)


@given(tries, owners)
def test_those_who_were_never_read_come_first_and_then_the_longest_unread(tried, connected):
    """Whatever their numbers."""
    chosen = owners_to_read(ShareReads(tried=tried), connected=connected, pending=(), max_in_turn=7, max_recent=0)
    never = sorted(connected - set(tried))
    assert chosen == set([*never, *(owner for owner in tried if owner in connected)][:7])


def test_those_with_whom_something_happened_are_read_at_once():
    """Before those who only have something pending, and beside those whose turn it is."""
    many = frozenset(range(100, 200))
    watched = ShareReads(tried=tuple(range(1, 90)), touched=frozenset({300}))
    chosen = owners_to_read(watched, connected=many, pending=many)
    assert 300 in chosen
    assert len(chosen) == MAX_OWNERS_IN_TURN_PER_CYCLE + MAX_RECENT_OWNERS_PER_CYCLE
