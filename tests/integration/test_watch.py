"""The watch for the undecided and the effects of notifications, through client, simulator and ledger."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from pm_autoaccept.cycle import Cycle
from pm_autoaccept.ledger import SqlLedger
from pm_autoaccept.ledger.db.tables import inventory as inventory_table
from pm_autoaccept.ledger.db.tables import notification as notification_table
from pm_autoaccept.ledger.db.tables import removal as removal_table
from pm_autoaccept.ledger.inventory_report import list_inventory
from pm_autoaccept.model import Finding, Kind, Mode, Notification, Outcome, Removal, RequestKey
from pm_autoaccept.policy import load
from pm_autoaccept.remove import remove
from pm_autoaccept.simulator import Fault, FaultKind, Inferred, Simulator, load_world

WORLD = b"""\
customers:
  - {username: old, id: 1, connection: active, properties: [
      {name: Old, id: 10, share: active}, {name: Held, id: 11, share: pending}, {name: Next, id: 12}]}
  - {username: new, id: 2, connection: pending, properties: [
      {name: New, id: 20, share: pending, meters: [{name: Main, id: 200, type: Electric, unit: kBtu, share: pending}]}]}
"""
EVERYBODY = b"""\
version: 1
rules:
  - {id: not-eleven, on: property, when: {property.name: Held}, then: hold}
  - {id: all, on: [connection, property, meter], when: always, then: accept, i_accept_everyone: true}
"""
UNSHARED_TOO = b"""\
version: 1
rules:
  - {id: not-eleven, on: property, when: {property.name: Held}, then: hold}
  - {id: unshared, on: meter, when: {property.share: none}, then: accept}
"""


@dataclass(slots=True)
class House:
    """A simulator, a cycle over it on a clock that is turned by hand, and what the cycle told."""

    simulator: Simulator
    cycle: Cycle
    clock: list[datetime]
    told: list[Finding] = field(default_factory=list)

    async def pass_by(self, minutes: int = 5, *, answering: bool = False) -> list[str]:
        """Let time pass, run a cycle, and say what it told."""
        self.clock[0] += timedelta(minutes=minutes)
        self.told.clear()
        planned = await self.cycle.look()
        if answering:
            await self.cycle.answer(planned)
        return [f"{finding.kind} {finding.key}" for finding in self.told]

    async def ties(self) -> dict[str, str]:
        """Every tie that stands → its origin."""
        rows = await self._rows(select(inventory_table).where(inventory_table.c.ended_at.is_(None)))
        return {f"{row.kind}:{row.pm_id}": row.origin for row in rows}

    async def ended(self) -> dict[str, str]:
        """Every tie that ended → by what."""
        rows = await self._rows(select(inventory_table).where(inventory_table.c.ended_at.is_not(None)))
        return {f"{row.kind}:{row.pm_id}": row.ended_by for row in rows}

    async def effects(self) -> list[str | None]:
        """What each notification changed."""
        return [row.effect for row in await self._rows(select(notification_table).order_by(notification_table.c.id))]

    async def _rows(self, query: Any) -> Sequence[Any]:
        ledger = self.cycle.ledger
        assert isinstance(ledger, SqlLedger)
        return await ledger.database.run(lambda connection: connection.execute(query).all())


@pytest.fixture
def make_house(simulate, sign_in, until_the_end, ledger_address, now):
    """Make a house over a small world."""

    async def make(*, policy: bytes = EVERYBODY, world: bytes = WORLD, mode: Mode = Mode.ENFORCE, **more) -> House:
        clock = [now]
        simulator = await simulate(load_world(world, now=now), clock=lambda: clock[0], **more)
        pm = await sign_in(simulator, now=lambda: clock[0])
        provider = await pm.account()
        ledger = await SqlLedger.open(ledger_address)
        until_the_end.push_async_callback(ledger.close)
        await ledger.claim(service=simulator.url, provider=provider, at=now)

        def tick() -> datetime:
            clock[0] += timedelta(milliseconds=1)
            return clock[0]

        told: list[Finding] = []
        cycle = Cycle(
            pm=pm,
            provider=provider,
            ledger=ledger,
            policy=load({"policy.yaml": policy}),
            tables={},
            mode=mode,
            now=tick,
            on_finding=told.append,
        )
        return House(simulator, cycle, clock, told)

    return make


async def test_what_stood_there_was_before_us_and_what_we_accept_is_decided(make_house):
    """Nothing of it is told."""
    house = await make_house()
    assert await house.pass_by(answering=True) == []
    assert await house.ties() == {"connection:1": "before_us", "property:10": "before_us"}
    assert await house.pass_by() == []
    assert await house.ties() == {
        "connection:1": "before_us",
        "property:10": "before_us",
        "connection:2": "decided",
        "property:20": "decided",
        "meter:200": "decided",
    }


@pytest.mark.parametrize("inferred", [False, True])
async def test_since_when_it_stands_is_when_it_was_accepted_not_when_a_read_first_showed_it(make_house, inferred):
    """An auditor who compares it with `decisions` finds the same moment; what was before us has the first read's."""
    house = await make_house()
    if inferred:
        fault = Fault(kind=FaultKind.RESET, service="answer_connection", times=1, after=True)
        house.simulator.faults.add(fault)
    await house.pass_by(answering=True)
    accepted = house.clock[0]
    for _ in range(3):
        await house.pass_by(minutes=60, answering=True)
    rows = await house.cycle.ledger.database.run(lambda connection: list(list_inventory(connection)))
    since = {str(row.key): row.since for row in rows}
    assert abs(since["connection:2"] - accepted) < timedelta(minutes=1)
    assert abs(since["connection:1"] - accepted) < timedelta(minutes=1)


async def test_what_people_accept_in_their_own_pages_is_told_once_with_the_command_that_removes_it(make_house):
    """It is worded as what it is: not by an answer of ours."""
    house = await make_house(mode=Mode.OBSERVE)
    await house.pass_by()
    house.simulator.act("answer_in_pages", account=2, action="Accept")
    house.simulator.act("answer_in_pages", property=11, action="Accept")
    assert await house.pass_by() == ["came_in_undecided connection:2", "came_in_undecided property:11"]
    assert [finding.command for finding in house.told] == [
        "pm-autoaccept account disconnect 2 --remove-shares",
        "pm-autoaccept account unshare property:11",
    ]
    assert all("but not by one of our answers" in finding.text for finding in house.told)
    assert await house.pass_by() == []
    assert (await house.ties())["property:11"] == "undecided"


async def test_what_a_meter_s_accept_carried_knowingly_is_decided(make_house):
    """The rule says `property.share: none` itself."""
    world = WORLD.replace(
        b"{name: Next, id: 12}",
        b"{name: Next, id: 12, meters: [{name: M, id: 120, type: Electric, unit: kBtu, share: pending}]}",
    )
    house = await make_house(policy=UNSHARED_TOO, world=world)
    await house.pass_by(answering=True)
    assert await house.pass_by() == []
    assert (await house.ties())["property:12"] == "decided"


async def test_a_tie_has_ended_after_two_reads_and_one_that_comes_again_is_a_new_one(make_house):
    """One read may lag; what an accept explained once it does not explain for ever."""
    house = await make_house()
    await house.pass_by(answering=True)
    await house.pass_by()
    house.simulator.world.move(RequestKey("connection", 2), "ended")
    assert await house.pass_by() == []
    assert await house.pass_by() == ["connection_ended connection:2"]
    house.simulator.world.move(RequestKey("connection", 2), "active")
    assert await house.pass_by() == ["came_in_undecided connection:2"]


async def test_a_tie_that_ended_and_was_accepted_again_is_decided(make_house):
    """Each time by its own accept."""
    house = await make_house()
    await house.pass_by(answering=True)
    await house.pass_by()
    house.simulator.act("disconnect", account=2)
    await house.pass_by()
    house.simulator.act("connect", account=2)
    await house.pass_by(answering=True)
    assert await house.pass_by() == []
    assert (await house.ties())["connection:2"] == "decided"
    assert "notification" in (await house.ended())["connection:2"]


@pytest.mark.parametrize("service", ["list_customers", "list_properties"])
async def test_a_list_that_failed_ends_nothing(make_house, service):
    """No access is not an empty list, and a failed read proves nothing."""
    house = await make_house()
    await house.pass_by(answering=True)
    await house.pass_by()
    before = await house.ties()
    for status in (403, 404, 500):
        house.simulator.faults.add(Fault(kind=FaultKind.STATUS, status=status, service=service))
        assert await house.pass_by() == []
        house.simulator.faults.clear()
    assert await house.ties() == before


async def test_what_a_customer_ends_is_ended_once_in_what_we_know(make_house):
    """A disconnect with its shares: each notification has its effect, said in words; the second time it has none."""
    house = await make_house()
    await house.pass_by(answering=True)
    await house.pass_by()
    house.simulator.act("disconnect", account=2)
    told = await house.pass_by()
    assert "connection_ended connection:2" in told
    told += await house.pass_by()
    assert sorted(told) == ["connection_ended connection:2", "share_ended property:20"]
    assert await house.pass_by() == []
    assert set(await house.ties()) == {"connection:1", "property:10"}
    assert None not in await house.effects()


async def test_shares_stay_known_where_a_disconnect_leaves_them(make_house):
    """The sources disagree about it (docs/protocol.md#disconnect), so reads and notifications decide."""
    house = await make_house(inferred=Inferred(customer_disconnect_keeps_shares=True))
    await house.pass_by(answering=True)
    await house.pass_by()
    house.simulator.act("disconnect", account=2)
    assert await house.pass_by() == ["connection_ended connection:2"]
    await house.pass_by()
    await house.pass_by()
    assert set(await house.ties()) == {"connection:1", "property:10", "property:20", "meter:200"}


async def test_access_lowered_later_is_told_to_people_and_nothing_is_sent(make_house):
    """Scenario 19, once; raised again is only noted."""
    house = await make_house()
    await house.pass_by(answering=True)
    await house.pass_by()
    sent = sum(call.method == "POST" for call in house.simulator.log.calls)
    house.simulator.act("change_access", property=20, access="Read")
    assert await house.pass_by(answering=True) == ["access_lowered property:20"]
    assert await house.effects() == ["access to property 20 is now Read (it was Read Write)"]
    assert await house.pass_by(answering=True) == []
    house.simulator.act("change_access", property=20, access="Read Write")
    assert await house.pass_by() == ["access_changed property:20"]
    assert sum(call.method == "POST" for call in house.simulator.log.calls) == sent


async def test_a_transfer_changes_the_owner_and_ends_nothing(make_house):
    """The property stands in the new owner's list from then on."""
    house = await make_house()
    await house.pass_by(answering=True)
    await house.pass_by()
    house.simulator.act("transfer", property=20, new_owner=1)
    assert await house.pass_by() == ["owner_changed property:20"]
    for _ in range(3):
        assert await house.pass_by() == []
    assert (await house.ties())["property:20"] == "decided"


def said(house: House, number: int, kind: str, **about: Any) -> None:
    """A notification of this id, from now unless said otherwise."""
    about = {"description": "", "created_at": house.clock[0], **about}
    house.simulator.world.notifications.append(Notification(id=number, type=kind, **about))


async def test_an_old_notification_never_undoes_a_newer_connection(make_house, now):
    """Whatever it says, and whenever it comes."""
    house = await make_house()
    await house.pass_by(answering=True)
    await house.pass_by()
    before = await house.ties()
    old = now - timedelta(days=1)
    said(house, 1, "DISCONNECT", account_id=2, created_at=old)
    said(house, 2, "UNSHARE", property_id=20, created_at=old)
    said(house, 3, "UNSHARE", property_id=20, meter_id=200, created_at=old)
    said(house, 4, "TRANSFERPROPERTY", property_id=20, account_id=1, created_at=old)
    said(
        house,
        5,
        "SHAREUPDATE",
        property_id=20,
        description="x - Access level revised to Read Only by y.",
        created_at=old,
    )
    for _ in range(15):
        assert await house.pass_by() == []
    assert await house.ties() == before
    assert None not in await house.effects()


async def test_a_notification_that_lists_contradict_waits_an_hour_and_is_told(make_house):
    """Lists lag; reads are the truth."""
    house = await make_house()
    await house.pass_by(answering=True)
    await house.pass_by()
    house.clock[0] += timedelta(minutes=1)
    said(house, 1, "DISCONNECT", account_id=2)
    assert await house.pass_by(minutes=30) == []
    assert await house.effects() == [None]
    assert await house.pass_by(minutes=59) == []
    assert await house.pass_by(minutes=2) == ["notification_noted connection:2"]
    assert await house.pass_by() == []
    assert (await house.ties())["connection:2"] == "decided"


async def test_notifications_nobody_can_make_sense_of_change_nothing(make_house):
    """Unknown types, no dates, no names, contradictory words, things that we never knew: each is noted once."""
    house = await make_house()
    await house.pass_by(answering=True)
    await house.pass_by()
    before = await house.ties()
    said(house, 1, "SOMETHINGNEW", account_id=2)
    said(house, 2, "", description="\N{SNOWMAN}")
    said(house, 3, "DISCONNECT")
    said(house, 4, "UNSHARE", account_id=2)
    said(house, 5, "UNSHARE", meter_id=200, created_at=None)
    said(house, 6, "SHAREUPDATE", property_id=20, description="Access level revised to Sideways by z.")
    both = "Access level revised to Read Only by me. - Access level revised to Exchange Data by z."
    said(house, 7, "SHAREUPDATE", property_id=20, description=both)
    said(house, 8, "TRANSFERPROPERTY", property_id=20, created_at=None)
    said(house, 9, "DISCONNECT", account_id=999)
    said(house, 10, "UNSHARE", property_id=999)
    said(house, -11, "SHAREUPDATE", property_id=-20, meter_id=-1)
    told = await house.pass_by()
    assert {each.partition(" ")[0] for each in told} == {"notification_noted"}
    assert await house.pass_by() == []
    assert await house.ties() == before
    assert None not in await house.effects()


async def test_changes_that_come_out_of_order_end_with_the_latest(make_house):
    """The earlier one comes later, and is overtaken."""
    house = await make_house()
    await house.pass_by(answering=True)
    await house.pass_by()
    words = "p - Access level revised to {} by z."
    house.clock[0] += timedelta(minutes=10)
    late, early = house.clock[0], house.clock[0] - timedelta(minutes=1)
    said(house, 2, "SHAREUPDATE", property_id=20, description=words.format("Exchange Data"), created_at=late)
    said(house, 3, "TRANSFERPROPERTY", property_id=20, account_id=1, created_at=late)
    house.simulator.world.properties[20] = replace(house.simulator.world.properties[20], owner=1)
    assert await house.pass_by() == ["owner_changed property:20"]
    said(house, 4, "SHAREUPDATE", property_id=20, description=words.format("Read Only"), created_at=early)
    said(house, 5, "TRANSFERPROPERTY", property_id=20, account_id=3, created_at=early)
    assert await house.pass_by() == []
    assert [effect for effect in await house.effects() if effect and "newer" in effect]


async def test_each_owner_is_read_in_a_bounded_number_of_cycles(make_house):
    """45 connected owners, 20 in turn: three cycles at most, and never more than 40 reads in one."""
    customers = "".join(f"  - {{username: u{number}, id: {number}, connection: active}}\n" for number in range(1, 46))
    house = await make_house(world=f"customers:\n{customers}".encode())
    read: list[set[str]] = []
    for _ in range(9):
        before = len(house.simulator.log.calls)
        await house.pass_by()
        asked = [call.path for call in house.simulator.log.calls[before:] if call.service == "list_properties"]
        assert len(asked) == len(set(asked)) <= 40
        read.append(set(asked))
    assert all(len(read[at] | read[at + 1] | read[at + 2]) == 45 for at in range(7))


async def test_owners_who_are_gone_are_not_carried_along(make_house):
    """Only owners with something that stands, or with whom something happened since, are read from the ledger."""
    house = await make_house()
    await house.pass_by(answering=True)
    assert (await house.cycle.ledger.share_reads()).touched == {2}
    await house.pass_by()
    watched = await house.cycle.ledger.share_reads()
    assert watched.touched == set()
    assert set(watched.tried) == {1, 2}
    house.simulator.act("disconnect", account=1)
    for _ in range(3):
        await house.pass_by()
    assert (await house.cycle.ledger.share_reads()).tried == (2,)


async def test_looking_without_recording_reads_nobody_s_shares_for_the_watch(make_house):
    """`pending` and `explain` cost no more than they must."""
    house = await make_house()
    await house.cycle.look(record=False)
    assert "list_properties" not in {call.service for call in house.simulator.log.calls}


async def test_what_became_of_a_removal_of_unknown_fate_is_settled_by_reads(make_house):
    """Its shares end with the connection, which nobody can read any more."""
    house = await make_house()
    await house.pass_by(answering=True)
    await house.pass_by()
    house.simulator.faults.add(Fault(kind=FaultKind.RESET, after=True, service="disconnect"))
    removal = Removal(RequestKey(Kind.CONNECTION, 2), keep_shares=False)
    ledger = house.cycle.ledger
    assert isinstance(ledger, SqlLedger)
    outcome, _ = await remove(removal, pm=house.cycle.pm, ledger=ledger, by="operator", now=house.cycle.now)
    assert outcome is Outcome.OPEN
    assert await house.pass_by() == []
    assert await house.pass_by() == ["connection_ended connection:2"]
    assert set(await house.ties()) == {"connection:1", "property:10"}
    (row,) = await house._rows(select(removal_table))
    assert (row.outcome, row.keep_shares, row.removed_by) == (Outcome.DONE_INFERRED, False, "operator")


async def test_a_meter_s_share_that_we_end_is_ended_at_once(make_house):
    """No list shows meters, and nothing else would end it."""
    house = await make_house()
    await house.pass_by(answering=True)
    await house.pass_by()
    ledger = house.cycle.ledger
    assert isinstance(ledger, SqlLedger)
    removal = Removal(RequestKey(Kind.METER, 200), note="By mistake?")
    done = await remove(removal, pm=house.cycle.pm, ledger=ledger, by="operator", now=house.cycle.now)
    assert done == (Outcome.DONE, "")
    assert (await house.ended())["meter:200"] == "our unshare"
    again = await remove(removal, pm=house.cycle.pm, ledger=ledger, by="operator", now=house.cycle.now)
    assert again[0] is Outcome.REFUSED
    assert "403" in again[1]
