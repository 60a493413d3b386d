"""The lifecycle of docs/protocol.md#lifecycle, row by row, on worlds without a socket."""

from __future__ import annotations

import pytest

from pm_autoaccept.model import Action, CustomField, Kind, RequestKey
from pm_autoaccept.simulator import Access, Effect, Inferred, Refusal, State, World, customer_actions, provider_actions
from pm_autoaccept.simulator.world import Meter
from tests.unit.simulator.small_world import NOW, put, states

USUAL = Inferred()


def answer(world: World, what: str, action: Action, inferred: Inferred = USUAL) -> list[tuple[str, bool]]:
    """Answer a request; what changed, see `seen`."""
    return seen(provider_actions.answer(world, key(what), action, inferred=inferred))


def key(what: str) -> RequestKey:
    """The key of `kind:id`."""
    kind, id_ = what.split(":")
    return RequestKey(Kind(kind), int(id_))


def seen(effects: tuple[Effect, ...]) -> list[tuple[str, bool]]:
    """What changed, as `kind:id after` and whether it cascaded."""
    return [(f"{effect.kind}:{effect.id} {effect.after}", effect.cascade) for effect in effects]


def accept(world: World, what: str, inferred: Inferred = USUAL) -> list[tuple[str, bool]]:
    """Accept, as `answer`."""
    return answer(world, what, Action.ACCEPT, inferred)


def reject(world: World, what: str, inferred: Inferred = USUAL) -> list[tuple[str, bool]]:
    """Reject, as `answer`."""
    return answer(world, what, Action.REJECT, inferred)


def types(world: World) -> list[str]:
    """The types of the notifications, in order."""
    return [each.type for each in world.notifications]


@pytest.fixture
def asking(world: World) -> World:
    """Owner 1 asks for a connection; property 10 and meters 100, 101 pend along with it."""
    put(world, "connection", 1, State.PENDING)
    put(world, "property", 10, State.PENDING)
    put(world, "meter", 100, State.PENDING)
    put(world, "meter", 101, State.PENDING)
    return world


@pytest.fixture
def sharing(world: World) -> World:
    """Owner 1 is connected and shares property 10 and meter 100; meter 101 pends."""
    put(world, "connection", 1, State.ACTIVE)
    put(world, "property", 10, State.ACTIVE)
    put(world, "meter", 100, State.ACTIVE)
    put(world, "meter", 101, State.PENDING)
    return world


def test_accepting_a_meter_accepts_its_pending_property(asking: World) -> None:
    """Accept meter: its share is active; the pending share of its property is accepted along with it."""
    asking.move(key("connection:1"), State.ACTIVE)
    assert accept(asking, "meter:100") == [("meter:100 active", False), ("property:10 active", True)]
    assert states(asking)["meter:101"] == "pending"


def test_accepting_a_meter_of_an_unshared_property_shares_it_read_only(world: World) -> None:
    """Property not shared, meter shared: the property becomes shared read-only."""
    put(world, "connection", 1, State.ACTIVE)
    put(world, "meter", 100, State.PENDING)
    assert accept(world, "meter:100") == [("meter:100 active", False), ("property:10 active", True)]
    assert world.ties[key("property:10")].access is Access.READ


def test_the_read_only_share_can_be_switched_off(world: World) -> None:
    """Property not shared, meter shared: by switch nothing happens to the property."""
    put(world, "connection", 1, State.ACTIVE)
    put(world, "meter", 100, State.PENDING)
    accept(world, "meter:100", Inferred(meter_accept_shares_property=False))
    assert "property:10" not in states(world)


def test_accepting_a_property_leaves_its_meters_pending(asking: World) -> None:
    """Accept property: its meters stay pending."""
    accept(asking, "property:10")
    assert states(asking)["meter:100"] == states(asking)["meter:101"] == "pending"


def test_rejecting_a_property_takes_its_pending_meters(asking: World) -> None:
    """Reject property: its pending meter shares are consumed, a later meter reject finds nothing."""
    assert reject(asking, "property:10") == [
        ("property:10 rejected", False),
        ("meter:100 rejected", True),
        ("meter:101 rejected", True),
    ]
    with pytest.raises(Refusal, match="doesn't exist or has been fulfilled"):
        reject(asking, "meter:100")
    assert states(asking)["connection:1"] == "pending"


def test_rejecting_a_property_leaves_its_meters_by_switch(asking: World) -> None:
    """Reject property: by switch its meters stay pending."""
    assert reject(asking, "property:10", Inferred(property_reject_takes_meters=False)) == [
        ("property:10 rejected", False)
    ]
    assert states(asking)["meter:100"] == "pending"


def test_accepting_a_connection_leaves_its_shares_pending(asking: World) -> None:
    """Not connected, accept connection: its shares stay pending, each to be decided."""
    assert accept(asking, "connection:1") == [("connection:1 active", False)]
    assert states(asking)["property:10"] == states(asking)["meter:100"] == "pending"


def test_rejecting_a_connection_rejects_its_shares(asking: World) -> None:
    """Not connected, reject connection: its pending shares are rejected, nobody else's."""
    put(asking, "property", 20, State.PENDING)
    assert reject(asking, "connection:1") == [
        ("connection:1 rejected", False),
        ("property:10 rejected", True),
        ("meter:100 rejected", True),
        ("meter:101 rejected", True),
    ]
    assert states(asking)["property:20"] == "pending"


@pytest.mark.parametrize("first", ["property:10", "meter:100"])
def test_accepting_a_share_accepts_the_pending_connection(asking: World, first: str) -> None:
    """Not connected, accept a share first: the connection is accepted along with it."""
    assert ("connection:1 active", True) in accept(asking, first)
    assert asking.connected(1)


def test_accepting_a_share_connects_an_owner_who_did_not_ask(world: World) -> None:
    """Not connected and no connection pending: accepting a share connects all the same, or by switch does not."""
    put(world, "property", 10, State.PENDING)
    put(world, "property", 20, State.PENDING)
    assert accept(world, "property:10") == [("property:10 active", False), ("connection:1 active", True)]
    assert accept(world, "property:20", Inferred(share_accept_connects=False)) == [("property:20 active", False)]


@pytest.mark.parametrize("share", ["meter:100", "property:10"])
def test_rejecting_a_share_leaves_the_connection_pending(asking: World, share: str) -> None:
    """Not connected, reject a share: the connection stays pending."""
    reject(asking, share)
    assert states(asking)["connection:1"] == "pending"


def test_forwarded_share_brings_the_owners_connection(world: World) -> None:
    """Share-forward: the owner's connection pends along with the share, and names nobody but the owner."""
    effects = customer_actions.share(
        world, key("property:10"), sender=9, access=Access.READ_WRITE, now=NOW, inferred=USUAL
    )
    assert seen(effects) == [("connection:1 pending", True), ("property:10 pending", False)]
    assert world.ties[key("connection:1")].sender == 1
    assert world.ties[key("property:10")].sender == 9


def test_own_share_needs_a_connection(world: World) -> None:
    """An owner who neither is connected nor asks cannot share, unless by switch; nothing has changed."""
    with pytest.raises(Refusal, match="You are not connected to this account"):
        customer_actions.share(world, key("meter:100"), sender=1, access=Access.READ, now=NOW, inferred=USUAL)
    assert states(world) == {}
    lenient = Inferred(own_share_needs_connection=False)
    customer_actions.share(world, key("meter:100"), sender=1, access=Access.READ, now=NOW, inferred=lenient)
    assert states(world) == {"meter:100": "pending"}


def test_stranger_cannot_share(world: World) -> None:
    """Whoever is neither the owner nor may forward has no access."""
    with pytest.raises(Refusal, match="Access Denied"):
        customer_actions.share(world, key("property:10"), sender=2, access=Access.READ, now=NOW, inferred=USUAL)


@pytest.mark.parametrize("by", [1, 9])
def test_access_level_changes_at_once(sharing: World, by: int) -> None:
    """Access edited by the owner or by a full-access user: immediate, SHAREUPDATE, nothing to accept."""
    customer_actions.change_access(sharing, key("meter:100"), by=by, access=Access.READ, now=NOW)
    assert sharing.ties[key("meter:100")].access is Access.READ
    assert sharing.ties[key("meter:100")].state is State.ACTIVE
    told = sharing.notifications[0]
    assert (told.type, told.meter_id, told.property_id, told.account_id) == ("SHAREUPDATE", 100, 10, 1)
    assert told.description == "Main 100 - Access level revised to Read Only by Ines Okafor."


def test_sharing_what_is_shared_updates_it(sharing: World) -> None:
    """An invite for an existing share updates its access level."""
    customer_actions.share(sharing, key("property:10"), sender=1, access=Access.READ, now=NOW, inferred=USUAL)
    assert sharing.ties[key("property:10")].access is Access.READ
    assert types(sharing) == ["SHAREUPDATE"]


@pytest.mark.parametrize("what", ["property:10", "meter:100"])
def test_no_second_request_while_one_pends(asking: World, what: str) -> None:
    """While a request pends no further one can be sent."""
    with pytest.raises(Refusal, match="already pending"):
        customer_actions.share(asking, key(what), sender=1, access=Access.READ, now=NOW, inferred=USUAL)
    with pytest.raises(Refusal, match="already pending"):
        customer_actions.connect(asking, 1, now=NOW)


def test_new_meter_on_a_shared_property_only_pends_itself(sharing: World) -> None:
    """New meter added to a shared property: only a new pending meter share."""
    meter = Meter(id=102, property_id=10, name="New", type="Electric", unit="kWh (thousand Watt-hours)")
    effects = customer_actions.add_meter(sharing, meter, access=Access.READ_WRITE, now=NOW, inferred=USUAL)
    assert seen(effects) == [("meter:102 pending", False)]


def test_new_owner_who_keeps_access_asks_for_a_connection(sharing: World) -> None:
    """Ownership transfer, access kept: TRANSFERPROPERTY names the new owner, who asks to connect."""
    effects = customer_actions.transfer(sharing, 10, new_owner=2, keep_access=True, now=NOW)
    assert ("connection:2 pending", True) in seen(effects)
    assert states(sharing)["property:10"] == "active"
    assert sharing.properties[10].owner == 2
    assert [(each.type, each.account_id, each.username) for each in sharing.notifications] == [
        ("TRANSFERPROPERTY", 2, "lakeview")
    ]


def test_new_owner_who_removes_access_ends_the_shares(sharing: World) -> None:
    """Ownership transfer, access removed: TRANSFERPROPERTY and an UNSHARE for each share."""
    customer_actions.transfer(sharing, 10, new_owner=2, keep_access=False, now=NOW)
    assert types(sharing) == ["TRANSFERPROPERTY", "UNSHARE", "UNSHARE"]
    assert states(sharing)["property:10"] == states(sharing)["meter:100"] == "ended"


def test_unsharing_a_property_ends_its_meters(sharing: World) -> None:
    """Unshare property: the property and its meter shares are removed, without a notification to ourselves."""
    effects = provider_actions.unshare(sharing, key("property:10"), inferred=USUAL)
    assert seen(effects) == [("property:10 ended", False), ("meter:100 ended", True)]
    assert types(sharing) == []


def test_unsharing_a_meter_ends_it_alone(sharing: World) -> None:
    """Unshare meter: its property stays shared."""
    assert seen(provider_actions.unshare(sharing, key("meter:100"), inferred=USUAL)) == [("meter:100 ended", False)]


def test_customer_unshares(sharing: World) -> None:
    """A customer takes back a property: it and its meters end, each with its own UNSHARE."""
    customer_actions.unshare(sharing, key("property:10"), now=NOW)
    assert [(each.type, each.property_id, each.meter_id) for each in sharing.notifications] == [
        ("UNSHARE", 10, None),
        ("UNSHARE", 10, 100),
    ]


@pytest.mark.parametrize(("keep", "after"), [(False, "ended"), (True, "active")])
def test_disconnect(sharing: World, keep: bool, after: str) -> None:  # noqa: FBT001 - a case of the test
    """Disconnect: the connection ends; keepShares=false removes all shares, true keeps them."""
    provider_actions.disconnect(sharing, 1, keep_shares=keep, inferred=USUAL)
    assert states(sharing)["connection:1"] == "ended"
    assert states(sharing)["property:10"] == states(sharing)["meter:100"] == after


def test_customer_disconnects(sharing: World) -> None:
    """A customer disconnects: DISCONNECT with the account alone, and an UNSHARE for each share; pending ones go."""
    customer_actions.disconnect(sharing, 1, now=NOW, inferred=USUAL)
    assert types(sharing) == ["DISCONNECT", "UNSHARE", "UNSHARE"]
    assert (sharing.notifications[0].property_id, sharing.notifications[0].meter_id) == (None, None)
    assert set(states(sharing).values()) == {"ended"}


def test_customer_disconnects_and_shares_stay_by_switch(sharing: World) -> None:
    """A customer disconnects: by switch the shares stay."""
    customer_actions.disconnect(sharing, 1, now=NOW, inferred=Inferred(customer_disconnect_keeps_shares=True))
    assert types(sharing) == ["DISCONNECT"]
    assert states(sharing)["meter:100"] == "active"


@pytest.mark.parametrize("before", [State.ENDED, State.REJECTED])
def test_same_id_comes_back(world: World, before: State) -> None:
    """Re-share after unshare or reject: a new pending item with the same id and a new date."""
    put(world, "connection", 1, State.ACTIVE)
    put(world, "property", 10, before)
    later = NOW.replace(hour=13)
    customer_actions.share(world, key("property:10"), sender=1, access=Access.READ, now=later, inferred=USUAL)
    assert world.ties[key("property:10")].state is State.PENDING
    assert world.ties[key("property:10")].asked_at == later


def test_custom_fields_must_be_defined(world: World) -> None:
    """Custom fields: values go with what they belong to; a field that nobody defined is refused."""
    customer_actions.give_values(world, key("property:10"), (CustomField("Parcel", "R-1"),))
    assert world.answers[key("property:10")] == (CustomField("Parcel", "R-1"),)
    with pytest.raises(Refusal, match="no custom field named Parsel"):
        customer_actions.give_values(world, key("property:10"), (CustomField("Parsel", "R-1"),))


def test_unsupported_meter_type_cannot_be_shared(world: World) -> None:
    """Meter types: a type that the provider does not support cannot be shared."""
    put(world, "connection", 1, State.ACTIVE)
    world.meter_types = ("Natural Gas",)
    with pytest.raises(Refusal, match="not supported"):
        customer_actions.share(world, key("meter:100"), sender=1, access=Access.READ, now=NOW, inferred=USUAL)


def test_withdrawn_request_is_gone(asking: World) -> None:
    """A customer who takes back a request leaves nothing to answer."""
    customer_actions.withdraw(asking, key("meter:100"))
    with pytest.raises(Refusal, match="fulfilled"):
        accept(asking, "meter:100")


@pytest.mark.parametrize(("switch", "status"), [("fulfilled", 400), ("not_found", 404), ("forbidden", 403)])
def test_unknown_id_is_refused_as_switched(world: World, switch: str, status: int) -> None:
    """An answer to an id that nobody asked about is refused by the pending text, a 404 or a 403."""
    with pytest.raises(Refusal) as refusal:
        accept(world, "meter:999", Inferred(unknown_pending_id=switch))
    assert refusal.value.status == status


@pytest.mark.parametrize(("switch", "status"), [("refused", 400), ("forbidden", 403), ("not_found", 404)])
def test_disconnect_without_connection_is_refused_as_switched(world: World, switch: str, status: int) -> None:
    """A disconnect of an account that is not connected is refused by its own text, a 403 or a 404."""
    with pytest.raises(Refusal) as refusal:
        provider_actions.disconnect(world, 1, keep_shares=False, inferred=Inferred(not_connected=switch))
    assert refusal.value.status == status


def test_nothing_is_answered_twice(asking: World) -> None:
    """Whatever was answered is refused the second time, and stays what it was."""
    for what in ("meter:100", "property:10", "connection:1"):
        if states(asking)[what] == "pending":
            accept(asking, what)
        with pytest.raises(Refusal, match="fulfilled"):
            reject(asking, what)
    assert set(states(asking).values()) == {"active", "pending"}
