"""Actions of the provider: accept, reject, unshare, disconnect, with every cascade (docs/protocol.md#cascades).

Each function changes the world and returns what changed, or raises `Refusal` and changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from pm_autoaccept.model import Action, Kind, RequestKey
from pm_autoaccept.simulator.error_answers import fulfilled, never_asked, not_connected, not_shared
from pm_autoaccept.simulator.unconfirmed import Inferred
from pm_autoaccept.simulator.world import Access, Effect, State, Tie, World


def answer(world: World, key: RequestKey, action: Action, *, inferred: Inferred) -> tuple[Effect, ...]:
    """Accept or reject a pending request (docs/protocol.md#answer-connection).

    Raises:
        Refusal: no request is pending under this key.
    """
    if key not in world.ties:
        raise never_asked(inferred)
    if world.ties[key].state is not State.PENDING:
        raise fulfilled()
    follow = _after_accept if action is Action.ACCEPT else _after_reject
    state = State.ACTIVE if action is Action.ACCEPT else State.REJECTED
    return (world.move(key, state), *follow(world, key, inferred))


def _after_accept(world: World, key: RequestKey, inferred: Inferred) -> Iterator[Effect]:
    if key.kind is Kind.CONNECTION:
        return  # its shares stay pending and are decided individually (docs/protocol.md#cascades)
    if key.kind is Kind.METER:
        yield from _share_property_too(world, key, inferred)
    yield from _connect_too(world, key, inferred)


def _share_property_too(world: World, key: RequestKey, inferred: Inferred) -> Iterator[Effect]:
    home = RequestKey(Kind.PROPERTY, world.property_of(key).id)
    state = world.state(home.kind, home.id)
    if state is State.PENDING:
        yield world.move(home, State.ACTIVE, cascade=True)
    elif state is not State.ACTIVE and inferred.meter_accept_shares_property:
        meter = world.ties[key]
        yield world.ask(replace(meter, key=home, state=State.ACTIVE, access=Access.READ), cascade=True)


def _connect_too(world: World, key: RequestKey, inferred: Inferred) -> Iterator[Effect]:
    owner = RequestKey(Kind.CONNECTION, world.owner_of(key))
    state = world.state(owner.kind, owner.id)
    if state is State.PENDING:
        yield world.move(owner, State.ACTIVE, cascade=True)
    elif state is not State.ACTIVE and inferred.share_accept_connects:
        asked_at = world.ties[key].asked_at
        yield world.ask(Tie(key=owner, state=State.ACTIVE, sender=owner.id, asked_at=asked_at), cascade=True)


def _after_reject(world: World, key: RequestKey, inferred: Inferred) -> Iterator[Effect]:
    falling: Iterator[Tie] = iter(())
    if key.kind is Kind.CONNECTION:
        falling = world.shares_of_owner(key.id, State.PENDING)
    elif key.kind is Kind.PROPERTY and inferred.property_reject_takes_meters:
        falling = world.meter_shares_of(key.id, State.PENDING)
    for tie in falling:
        yield world.move(tie.key, State.REJECTED, cascade=True)


def disconnect(world: World, account_id: int, *, keep_shares: bool, inferred: Inferred) -> tuple[Effect, ...]:
    """End a connection and, unless they are kept, all its shares (docs/protocol.md#disconnect).

    Raises:
        Refusal: there is no connection.
    """
    if not world.connected(account_id):
        raise not_connected(inferred)
    ended = [world.move(RequestKey(Kind.CONNECTION, account_id), State.ENDED)]
    if not keep_shares:
        states = (State.ACTIVE, State.PENDING) if inferred.disconnect_takes_pending else (State.ACTIVE,)
        ended += [world.move(tie.key, State.ENDED, cascade=True) for tie in world.shares_of_owner(account_id, *states)]
    return tuple(ended)


def unshare(world: World, key: RequestKey, *, inferred: Inferred) -> tuple[Effect, ...]:
    """End a property share with its meter shares, or a meter share (docs/protocol.md#unshare-meter).

    Raises:
        Refusal: it is not shared.
    """
    if world.state(key.kind, key.id) is not State.ACTIVE:
        raise not_shared(inferred)
    ended = [world.move(key, State.ENDED)]
    if key.kind is Kind.PROPERTY:
        ended += [world.move(tie.key, State.ENDED, cascade=True) for tie in world.meter_shares_of(key.id, State.ACTIVE)]
    return tuple(ended)
