"""Actions of customers: connect, share, change access, unshare, withdraw, transfer (docs/protocol.md#lifecycle).

Each function changes the world and returns what changed, or raises `Refusal` and changes nothing.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from pm_autoaccept.model import CustomField, Kind, RequestKey
from pm_autoaccept.simulator.error_answers import Refusal, access_denied, still_pending
from pm_autoaccept.simulator.unconfirmed import Inferred
from pm_autoaccept.simulator.world import Access, Account, Effect, Meter, State, Tie, World

_USUAL = Inferred()


def connect(world: World, account_id: int, *, now: datetime, inferred: Inferred = _USUAL) -> tuple[Effect, ...]:
    """Request a connection (docs/protocol.md#customer-services).

    Raises:
        Refusal: they are already connected, or a request is already pending.
    """
    state = world.state(Kind.CONNECTION, account_id)
    if state is State.ACTIVE:
        raise Refusal(400, "You are already connected to this account")
    if state is State.PENDING:
        raise still_pending(Kind.CONNECTION)
    key = RequestKey(Kind.CONNECTION, account_id)
    return (_ask_connection(world, account_id, at=_created(world, key, now, inferred), cascade=False),)


def _created(world: World, key: RequestKey, now: datetime, inferred: Inferred) -> datetime:
    """The createdDate of a new or repeated request."""
    before = world.ties.get(key)
    return now if before is None or not inferred.asked_again_keeps_date else before.asked_at


def _ask_connection(world: World, account_id: int, *, at: datetime, cascade: bool) -> Effect:
    key = RequestKey(Kind.CONNECTION, account_id)
    return world.ask(Tie(key=key, state=State.PENDING, sender=account_id, asked_at=at), cascade=cascade)


def share(
    world: World, key: RequestKey, *, sender: int, access: Access, now: datetime, inferred: Inferred
) -> tuple[Effect, ...]:
    """Share a property or a meter, as its owner or by forwarding (docs/protocol.md#forwarded-shares).

    Sharing something again only changes its access level, immediately. A forwarded share of an owner who is not
    connected also creates the owner's connection request, which names only the owner.

    Raises:
        Refusal: it is already pending, the sender may not share it, or the provider does not support the meter type.
    """
    home, state = world.property_of(key), world.state(key.kind, key.id)
    if sender != home.owner and sender not in home.forwarders:
        raise access_denied()
    if key.kind is Kind.METER and world.meter_types and world.meters[key.id].type not in world.meter_types:
        raise Refusal(400, f"Meters of type {world.meters[key.id].type} are not supported by this account")
    if state is State.ACTIVE:
        return change_access(world, key, by=sender, access=access, now=now)
    if state is State.PENDING:
        raise still_pending(key.kind)
    known = world.state(Kind.CONNECTION, home.owner) in {State.ACTIVE, State.PENDING}
    if not known and sender == home.owner and inferred.own_share_needs_connection:
        raise Refusal(400, "You are not connected to this account")
    asked_at = _created(world, key, now, inferred)
    asked = (world.ask(Tie(key=key, state=State.PENDING, sender=sender, asked_at=asked_at, access=access)),)
    if known or sender == home.owner:
        return asked
    connected_at = _created(world, RequestKey(Kind.CONNECTION, home.owner), now, inferred)
    return (_ask_connection(world, home.owner, at=connected_at, cascade=True), *asked)


def change_access(world: World, key: RequestKey, *, by: int, access: Access, now: datetime) -> tuple[Effect, ...]:
    """Change the access level of a share, immediately and without a request to accept (docs/protocol.md#later-changes).

    Raises:
        Refusal: it is not shared, or they may not change it.
    """
    home = world.property_of(key)
    if world.state(key.kind, key.id) is not State.ACTIVE or by not in {home.owner, *home.forwarders}:
        raise access_denied()
    tie = world.ties[key]
    world.ties[key] = replace(tie, access=access)
    name = world.meters[key.id].name if key.kind is Kind.METER else home.name
    said = "Read Only" if access is Access.READ else "Full Access"
    text = f"{name} - Access level revised to {said} by {_full_name(world.account(by))}."
    changed = Effect(
        kind=key.kind, id=key.id, what="access_level", before=tie.access or "", after=access, cascade=False
    )
    owner = world.account(home.owner)
    return changed, world.notify("SHAREUPDATE", text, by=world.account(by), subject=owner, key=key, now=now)


def unshare(world: World, key: RequestKey, *, now: datetime) -> tuple[Effect, ...]:
    """End the share of a property with its meters, or of a meter; each is notified (docs/protocol.md#notifications).

    Raises:
        Refusal: it is not shared.
    """
    if world.state(key.kind, key.id) is not State.ACTIVE:
        raise access_denied()
    effects = _end_and_tell(world, key, now=now, cascade=False)
    if key.kind is Kind.PROPERTY:
        for tie in world.meter_shares_of(key.id, State.ACTIVE):
            effects += _end_and_tell(world, tie.key, now=now, cascade=True)
    return effects


def _end_and_tell(world: World, key: RequestKey, *, now: datetime, cascade: bool) -> tuple[Effect, ...]:
    owner = world.account(world.owner_of(key))
    name = world.meters[key.id].name if key.kind is Kind.METER else world.property_of(key).name
    text = f"{name} - Access removed by {_full_name(owner)}."
    ended = world.move(key, State.ENDED, cascade=cascade)
    return ended, world.notify("UNSHARE", text, by=owner, subject=owner, key=key, now=now)


def withdraw(world: World, key: RequestKey) -> tuple[Effect, ...]:
    """Withdraw a pending request, without a notification.

    Whether Portfolio Manager lets them is not known (docs/protocol.md#not-known).

    Raises:
        Refusal: no request is pending under this key.
    """
    if world.state(key.kind, key.id) is not State.PENDING:
        raise access_denied()
    return (world.move(key, State.ENDED),)


def disconnect(world: World, account_id: int, *, now: datetime, inferred: Inferred) -> tuple[Effect, ...]:
    """Disconnect from the customer's side; each ended share has a notification (docs/protocol.md#disconnect).

    Raises:
        Refusal: there is no connection.
    """
    if not world.connected(account_id):
        raise Refusal(400, "You are not connected to this account")
    account = world.account(account_id)
    text = f"You are disconnected from {_full_name(account)}."
    effects = [
        world.move(RequestKey(Kind.CONNECTION, account_id), State.ENDED),
        world.notify("DISCONNECT", text, by=account, subject=account, key=None, now=now),
    ]
    if not inferred.customer_disconnect_keeps_shares:
        for tie in world.shares_of_owner(account_id, State.ACTIVE):
            effects += _end_and_tell(world, tie.key, now=now, cascade=True)
        for tie in world.shares_of_owner(account_id, State.PENDING):
            effects.append(world.move(tie.key, State.ENDED, cascade=True))
    return tuple(effects)


def transfer(
    world: World, property_id: int, *, new_owner: int, keep_access: bool, now: datetime, inferred: Inferred = _USUAL
) -> tuple[Effect, ...]:
    """Transfer a property to another account, with or without the provider's access (docs/protocol.md#later-changes).

    A new owner who is not connected sends a connection request.
    """
    home = world.properties[property_id]
    old, new = world.account(home.owner), world.account(new_owner)
    key = RequestKey(Kind.PROPERTY, property_id)
    world.properties[property_id] = replace(home, owner=new_owner)
    text = f"{home.name} - Property transferred from {_full_name(old)} to {_full_name(new)}."
    effects = [
        Effect(kind=Kind.PROPERTY, id=property_id, what="owner", before=str(old.id), after=str(new.id)),
        world.notify("TRANSFERPROPERTY", text, by=old, subject=new, key=key, now=now),
    ]
    if not keep_access:
        shares = [key] if world.state(key.kind, key.id) is State.ACTIVE else []
        shares += [tie.key for tie in world.meter_shares_of(property_id, State.ACTIVE)]
        for each in shares:
            effects += _end_and_tell(world, each, now=now, cascade=True)
    elif world.state(Kind.CONNECTION, new_owner) not in {State.ACTIVE, State.PENDING}:
        asked_at = _created(world, RequestKey(Kind.CONNECTION, new_owner), now, inferred)
        effects.append(_ask_connection(world, new_owner, at=asked_at, cascade=True))
    return tuple(effects)


def add_meter(world: World, meter: Meter, *, access: Access, now: datetime, inferred: Inferred) -> tuple[Effect, ...]:
    """Add a meter to a property and share it, which creates a pending meter share (docs/protocol.md#later-changes).

    Raises:
        Refusal: like `share`.
    """
    if meter.id in world.meters:
        raise Refusal(400, f"There is already a meter {meter.id}")
    world.meters[meter.id] = meter
    key = RequestKey(Kind.METER, meter.id)
    try:
        return share(world, key, sender=world.owner_of(key), access=access, now=now, inferred=inferred)
    except Refusal:
        del world.meters[meter.id]
        raise


def give_values(world: World, key: RequestKey, values: tuple[CustomField, ...]) -> tuple[Effect, ...]:
    """Answer the provider's custom fields for a connection, a property or a meter (docs/protocol.md#customer-services).

    Raises:
        Refusal: the provider defines no such field.
    """
    defined = {definition.name for definition in world.custom_fields}
    for value in values:
        if value.name not in defined:
            raise Refusal(400, f"There is no custom field named {value.name}")
    before = world.answers.get(key, ())
    world.answers[key] = values
    return (Effect(kind=key.kind, id=key.id, what="custom_fields", before=str(len(before)), after=str(len(values))),)


def _full_name(account: Account) -> str:
    return f"{account.info.first_name} {account.info.last_name}"
