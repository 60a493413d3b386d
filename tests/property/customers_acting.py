"""Customers who act at the worst moment, drawn: between two looks, while we read, or right before an answer of ours."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from hypothesis import strategies as st

from pm_autoaccept.model import Kind, RequestKey
from pm_autoaccept.simulator import Access, Simulator, State, World
from tests.property.small_worlds import FORWARDER, Said, access_levels, said, values

CYCLES = 3
"""How often each story looks and answers."""


class Moment(StrEnum):
    """When a customer acts."""

    BETWEEN = "between two cycles"
    READING = "while we read"
    ANSWERING = "right before an answer of ours is processed"


class What(StrEnum):
    """What a customer does."""

    WITHDRAW = "withdraw"
    ASK_AGAIN = "withdraw it and ask again, otherwise"
    ASK = "ask"
    UNSHARE = "unshare"
    DISCONNECT = "disconnect"
    CHANGE_ACCESS = "change access"


@dataclass(frozen=True, slots=True)
class Act:
    """One act: in which cycle and when, after how many calls of that moment, what, and on which possible key."""

    cycle: int
    moment: Moment
    after: int
    what: What
    which: int
    near: bool
    forwarded: bool
    access: Access
    said: Said


interruptions = st.builds(
    Act,
    st.sampled_from((0, 0, 0, 1, 2)),
    st.sampled_from((Moment.READING, Moment.ANSWERING, Moment.ANSWERING, Moment.ANSWERING)),
    st.integers(0, 2),
    st.sampled_from((What.ASK, What.ASK_AGAIN, *What)),
    st.integers(0, 7),
    st.sampled_from((True, True, False)),
    st.booleans(),
    access_levels,
    said,
)
comebacks = st.builds(
    Act,
    st.integers(1, CYCLES - 1),
    st.just(Moment.BETWEEN),
    st.just(0),
    st.sampled_from((What.ASK, What.ASK, What.ASK, *What)),
    st.integers(0, 7),
    st.just(False),  # noqa: FBT003 — the fields in their order
    st.booleans(),
    access_levels,
    said,
)
acts = st.lists(interruptions, max_size=1) | st.tuples(interruptions, comebacks).map(list)


def perform(simulator: Simulator, act: Act, *, in_hand: RequestKey | None) -> Iterator[str]:
    """Let it happen, as far as there is anything to do it with; yields after each act of the simulator.

    `in_hand` is what the answer names that is about to be processed: an act that is `near` is about that or its family.
    """
    world = simulator.world
    possible = list(_possible(world, act.what))
    if act.near and in_hand is not None:
        family = {in_hand, *above(world, in_hand)}
        possible = [key for key in possible if key in family or family & set(above(world, key))] or possible
    if not possible:
        return
    key = possible[act.which % len(possible)]
    names = {Kind.CONNECTION: "account", Kind.PROPERTY: "property", Kind.METER: "meter"}
    it = {names[key.kind]: key.id}
    if act.what in {What.WITHDRAW, What.ASK_AGAIN}:
        simulator.act("withdraw", **it)
        yield "withdraw"
    if act.what in {What.ASK, What.ASK_AGAIN}:
        given = {field.name: field.value for field in values(key.kind, act.said)}
        simulator.act("answer_custom_fields", **it, values=given)
        yield "answer_custom_fields"
        if key.kind is Kind.CONNECTION:
            simulator.act("connect", **it)
        else:
            known = world.state(Kind.CONNECTION, world.owner_of(key)) in {State.ACTIVE, State.PENDING}
            sender = world.owner_of(key) if known and not act.forwarded else FORWARDER
            simulator.act("share", **it, sender=sender, access=act.access)
        yield "ask"
    simple = {What.UNSHARE: "unshare", What.DISCONNECT: "disconnect", What.CHANGE_ACCESS: "change_access"}
    if act.what in simple:
        simulator.act(simple[act.what], **it, **{"access": act.access} if act.what is What.CHANGE_ACCESS else {})
        yield simple[act.what]


def above(world: World, key: RequestKey) -> tuple[RequestKey, ...]:
    """What a request hangs on: a meter on its property, every share on its owner's connection."""
    if key.kind is Kind.CONNECTION:
        return ()
    home = world.property_of(key)
    connection = RequestKey(Kind.CONNECTION, home.owner)
    return (RequestKey(Kind.PROPERTY, home.id), connection) if key.kind is Kind.METER else (connection,)


def _possible(world: World, what: What) -> Iterator[RequestKey]:
    """The keys that this can be done with now; what we rejected first, so that it often comes back."""
    connections = [RequestKey(Kind.CONNECTION, id_) for id_ in world.accounts if id_ != FORWARDER]
    shares = [RequestKey(Kind.PROPERTY, id_) for id_ in world.properties]
    shares += [RequestKey(Kind.METER, id_) for id_ in world.meters]
    keys = {What.DISCONNECT: connections, What.UNSHARE: shares, What.CHANGE_ACCESS: shares}.get(
        what, connections + shares
    )
    states = {
        What.WITHDRAW: {State.PENDING},
        What.ASK_AGAIN: {State.PENDING},
        What.ASK: {State.REJECTED, State.NONE, State.ENDED},
    }.get(what, {State.ACTIVE})
    there = [key for key in keys if world.state(key.kind, key.id) in states]
    yield from sorted(there, key=lambda key: world.state(key.kind, key.id) is not State.REJECTED)
