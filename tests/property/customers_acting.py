"""Those who act at the worst moment, drawn: customers, the provider's own people, and lists that show it oddly.

They act between two cycles, while we read, between two pages of one list, or right before an answer of ours.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from enum import StrEnum

from hypothesis import strategies as st

from pm_autoaccept.model import Kind, RequestKey
from pm_autoaccept.simulator import Access, Simulator, State, World
from tests.property.small_worlds import BETWEEN_CYCLES, FORWARDER, Said, access_levels, said, values

CYCLES = 3
"""In how many cycles somebody acts or something fails; the world is quiet after them."""


class Moment(StrEnum):
    """When somebody acts."""

    BETWEEN = "between two cycles"
    READING = "while we read"
    PAGES = "between two pages of a list"
    ANSWERING = "right before an answer of ours is processed"


class What(StrEnum):
    """What somebody does."""

    WITHDRAW = "withdraw"
    ASK_AGAIN = "withdraw it and ask again, otherwise"
    ASK = "ask"
    UNSHARE = "unshare"
    DISCONNECT = "disconnect"
    CHANGE_ACCESS = "change access"
    SHARE_AGAIN = "unshare, or disconnect, and ask again, also for what ended with it"
    STAFF_ACCEPT = "accept in the pages of Portfolio Manager"
    STAFF_REJECT = "reject in the pages of Portfolio Manager"
    HIDE = "stand in no list"
    REPEAT = "stand in its list twice"


STAFF = (What.STAFF_ACCEPT, What.STAFF_REJECT)
"""What the provider's own people do."""
ODD = (What.HIDE, What.REPEAT)
"""What nobody does: so a list shows it."""
CUSTOMERS = tuple(what for what in What if what not in (*STAFF, *ODD))


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """One act: in which cycle and when, after how many calls of that moment, what, and on which possible key.

    Attributes:
        after: how many calls of that moment come before it; between pages, how many later pages of any list.
        near: on what the answer is about, or its family; between pages, on what stood on an earlier one.
        reads: in how many cycles a list shows it so.
    """

    cycle: int
    moment: Moment
    what: What
    after: int = 0
    which: int = 0
    near: bool = False
    forwarded: bool = False
    access: Access = Access.READ_WRITE
    said: Said = Said.GOOD
    reads: int = 1


def _acts(
    moments: Collection[Moment],
    cycles: Collection[int],
    what: Collection[What],
    *,
    after: int = 0,
    near: Collection[bool] = (False,),
) -> st.SearchStrategy[Act]:
    return st.builds(
        Act,
        cycle=st.sampled_from(cycles),
        moment=st.sampled_from(moments),
        what=st.sampled_from(what),
        after=st.integers(0, after),
        which=st.integers(0, 7),
        near=st.sampled_from(near),
        forwarded=st.booleans(),
        access=access_levels,
        said=said,
        reads=st.sampled_from((1, 1, 2)),
    )


interruptions = _acts(
    (Moment.READING, Moment.ANSWERING, Moment.ANSWERING, Moment.ANSWERING),
    (0, 0, 0, 1, 2),
    (What.ASK, What.ASK_AGAIN, *CUSTOMERS, *STAFF),
    after=2,
    near=(True, True, False),
)
comebacks = _acts(
    (Moment.BETWEEN,),
    (1, 1, 2),
    (*[What.ASK] * 3, *[What.SHARE_AGAIN] * 3, *CUSTOMERS, *STAFF),
)
shifts = _acts(
    (Moment.PAGES,),
    (0, 1, 1, 1, 2),
    (What.WITHDRAW, What.WITHDRAW, *STAFF, *STAFF, *STAFF, What.ASK, What.ASK_AGAIN, What.SHARE_AGAIN, What.DISCONNECT),
    after=1,
    near=(True, True, True, False),
)
flaps = _acts((Moment.BETWEEN,), (1,), (What.HIDE,))
repeats = _acts((Moment.BETWEEN,), (0, 1), (What.REPEAT,))


def together(**least: int) -> st.SearchStrategy[tuple[Act, ...]]:
    """At most one of each sort of act, at least so many of those that are named, and of them at most two."""
    sorts = {
        "interruptions": interruptions,
        "comebacks": comebacks,
        "shifts": shifts,
        "flaps": flaps,
        "repeats": repeats,
    }
    drawn = (st.lists(sort, min_size=least.get(name, 0), max_size=1 + (name in least)) for name, sort in sorts.items())
    return st.tuples(*drawn).map(lambda some: tuple(act for each in some for act in each))


acts = together()


def perform(
    simulator: Simulator, act: Act, *, in_hand: RequestKey | None = None, passed: Collection[RequestKey] = ()
) -> Iterator[str]:
    """Let it happen, as far as there is anything to do it with; yields after each act of the simulator.

    Args:
        simulator: where.
        act: what.
        in_hand: what the answer names that is about to be processed.
        passed: what stood on the earlier pages of the list that is being read.
    """
    world = simulator.world
    possible = list(_possible(simulator, act.what))
    if act.near and in_hand is not None:
        family = {in_hand, *above(world, in_hand)}
        possible = [key for key in possible if key in family or family & set(above(world, key))] or possible
    if act.near and act.moment is Moment.PAGES:
        possible = [key for key in possible if key in passed] or possible
    if not possible:
        return
    key = possible[act.which % len(possible)]
    ends = [tie.key for tie in world.ties.values() if key in above(world, tie.key) and tie.state is State.ACTIVE]
    for name, said_too in _steps(world, act, key):
        simulator.act(name, **_named(key), **said_too)
        yield name
    for below in ends if act.what is What.SHARE_AGAIN else ():
        if world.ties[below].state is State.ENDED:
            simulator.act("share", **_named(below), sender=FORWARDER if act.forwarded else world.owner_of(below))
            yield "share"


def _steps(world: World, act: Act, key: RequestKey) -> Iterator[tuple[str, dict[str, object]]]:
    """The simulator's acts, one after the other."""
    if act.what in {What.WITHDRAW, What.ASK_AGAIN}:
        yield "withdraw", {}
    if act.what is What.SHARE_AGAIN:
        yield ("disconnect" if key.kind is Kind.CONNECTION else "unshare"), {}
    if act.what in {What.ASK, What.ASK_AGAIN, What.SHARE_AGAIN}:
        yield "answer_custom_fields", {"values": {each.name: each.value for each in values(key.kind, act.said)}}
        if key.kind is Kind.CONNECTION:
            yield "connect", {}
        else:
            known = world.state(Kind.CONNECTION, world.owner_of(key)) in {State.ACTIVE, State.PENDING}
            sender = world.owner_of(key) if known and not act.forwarded else FORWARDER
            yield "share", {"sender": sender, "access": act.access}
    elif act.what is What.CHANGE_ACCESS:
        yield "change_access", {"access": act.access}
    elif act.what in STAFF:
        yield "answer_in_pages", {"action": "Accept" if act.what is What.STAFF_ACCEPT else "Reject"}
    elif act.what in ODD:
        yield act.what.name.lower(), {"seconds": int(BETWEEN_CYCLES.total_seconds() * (act.reads - 0.5))}
    elif act.what in {What.UNSHARE, What.DISCONNECT}:
        yield act.what.value, {}


def _named(key: RequestKey) -> dict[str, int]:
    names = {Kind.CONNECTION: "account", Kind.PROPERTY: "property", Kind.METER: "meter"}
    return {names[key.kind]: key.id}


def above(world: World, key: RequestKey) -> tuple[RequestKey, ...]:
    """What a request hangs on: a meter on its property, every share on its owner's connection."""
    if key.kind is Kind.CONNECTION:
        return ()
    home = world.property_of(key)
    connection = RequestKey(Kind.CONNECTION, home.owner)
    return (RequestKey(Kind.PROPERTY, home.id), connection) if key.kind is Kind.METER else (connection,)


def listed(simulator: Simulator) -> Iterator[RequestKey]:
    """What the lists show now, that first which does not pend any more."""
    world, keys = simulator.world, []
    for kind in Kind:
        number, more = 1, True
        while more:
            page = simulator.page(kind, number)
            keys += [each.tie.key for each in page.listed]
            number, more = number + 1, page.more
    yield from sorted(dict.fromkeys(keys), key=lambda key: world.state(key.kind, key.id) is State.PENDING)


def _possible(simulator: Simulator, what: What) -> Iterator[RequestKey]:
    """The keys that this can be done with now; what we rejected first, so that it often comes back."""
    world = simulator.world
    if what in ODD:
        yield from listed(simulator)
        return
    connections = [RequestKey(Kind.CONNECTION, id_) for id_ in world.accounts if id_ != FORWARDER]
    shares = [RequestKey(Kind.PROPERTY, id_) for id_ in world.properties]
    shares += [RequestKey(Kind.METER, id_) for id_ in world.meters]
    keys = {What.DISCONNECT: connections, What.UNSHARE: shares, What.CHANGE_ACCESS: shares}.get(
        what, connections + shares
    )
    pending, ended = {State.PENDING}, {State.REJECTED, State.NONE, State.ENDED}
    states = {
        What.WITHDRAW: pending,
        What.ASK_AGAIN: pending,
        What.STAFF_ACCEPT: pending,
        What.STAFF_REJECT: pending,
        What.ASK: ended,
    }.get(what, {State.ACTIVE})
    there = [key for key in keys if world.state(key.kind, key.id) in states]
    yield from sorted(there, key=lambda key: world.state(key.kind, key.id) is not State.REJECTED)
