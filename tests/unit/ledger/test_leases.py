"""Leases on both databases: one holder each, handed over when it is freed or has run out, and a fence for the late."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from pm_autoaccept.errors import LeaseLost
from pm_autoaccept.ledger import Database, SqlLedger
from pm_autoaccept.ledger.leases import Leases
from pm_autoaccept.model import Action, Mode, Outcome, ProviderAccount, Receipt, Step, Verdict
from tests.examples import NOW, connection, decided, snapshot

MINUTE = timedelta(minutes=1)


class Machine:
    """A machine's two clocks, and a way to let time pass on either database."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.wall, self.steady = datetime.now(UTC), 1000.0

    def pass_by(self, time: timedelta) -> None:
        """Let time pass: SQLite goes by the machine's clock; in PostgreSQL what is written grows older instead."""
        self.steady += time.total_seconds()
        if self.address.startswith("sqlite"):
            self.wall += time
            return
        with psycopg.connect(self.address, autocommit=True) as connection:
            connection.execute("UPDATE lease SET until = until - %s", [time])
            connection.execute("UPDATE replica SET until = until - %s", [time])


@pytest.fixture
def machine(ledger_address):
    """The clocks."""
    return Machine(ledger_address)


@pytest.fixture
def replica(database, machine):
    """Make one replica's leases, of a minute unless said otherwise."""

    def make(name: str, *, ttl: timedelta = MINUTE) -> Leases:
        return Leases(database, holder=name, ttl=ttl, now=lambda: machine.wall, monotonic=lambda: machine.steady)

    return make


async def test_one_replica_holds_an_account_until_it_frees_it(replica):
    """Another gets it at once then, and need not wait for answers on the way."""
    one, two = replica("one"), replica("two")
    held_lease = await one.take("north")
    assert (held_lease.name, held_lease.epoch, held_lease.settle_from) == ("north", 1, None)
    assert await two.take("north") is None
    assert (await two.take("south")).epoch == 1
    assert {name: holding.holder for name, holding in (await two.holders()).items()} == {
        "north": one.holder,
        "south": two.holder,
    }
    await one.release(held_lease)
    assert set(await two.holders()) == {"south"}
    taken = await two.take("north")
    assert (taken.epoch, taken.settle_from) == (2, None)
    assert await one.take("north") is None


async def test_a_holder_that_is_not_heard_of_is_followed_by_another_when_its_time_has_run_out(replica, machine):
    """The next holder learns until when the one before could have been sending, and hands that on."""
    one, two, three = replica("one"), replica("two"), replica("three")
    await one.take("north")
    until = (await one.holders())["north"].until
    machine.pass_by(MINUTE * 0.9)
    assert await two.take("north") is None
    machine.pass_by(MINUTE * 0.2)
    assert await one.holders() == {}
    taken = await two.take("north")
    expected = until if machine.address.startswith("sqlite") else until - MINUTE * 1.1
    assert taken.settle_from == expected
    await two.release(taken)
    assert (await three.take("north")).settle_from == expected


async def test_a_lease_that_is_renewed_lasts(replica, machine):
    """Its deadline is the holder's own clock, read before the database was asked; its epoch stays."""
    one, two = replica("one"), replica("two")
    held_lease = await one.take("north")
    assert held_lease.deadline == 1060
    for _ in range(3):
        machine.pass_by(MINUTE * 0.9)
        held_lease = await one.renew(held_lease)
        assert (held_lease.epoch, held_lease.deadline) == (1, machine.steady + 60)
        assert await two.take("north") is None


async def test_a_lease_that_another_took_cannot_be_renewed_nor_freed(replica, machine):
    """A replica that was frozen learns that it lost the account, and does not take it from its new holder."""
    one, two = replica("one"), replica("two")
    late = await one.take("north")
    machine.pass_by(MINUTE * 2)
    await two.take("north")
    with pytest.raises(LeaseLost, match="another replica has taken over account `north`"):
        await one.renew(late)
    await one.release(late)
    assert (await one.holders())["north"].holder == two.holder


async def test_a_lease_that_has_run_out_is_renewed_if_nobody_took_it(replica, machine):
    """Nobody else can have answered meanwhile."""
    one = replica("one")
    held_lease = await one.take("north")
    machine.pass_by(MINUTE * 2)
    assert (await one.renew(held_lease)).epoch == held_lease.epoch


async def test_what_a_replica_holds_and_takes_again_begins_anew(replica):
    """An answer of its earlier held_lease may be on the way still, and what that held_lease writes is refused."""
    one = replica("one")
    first = await one.take("north")
    second = await one.take("north")
    assert (second.epoch, second.settle_from is None) == (2, False)
    with pytest.raises(LeaseLost):
        await one.renew(first)


async def test_replicas_of_one_name_are_not_the_same(replica):
    """Two containers may be called alike."""
    one, two = replica("alike"), replica("alike")
    await one.take("north")
    assert await two.take("north") is None


async def test_the_replicas_that_live_are_counted(replica, machine):
    """One that is silent for longer than its time is not, nor one that has left."""
    one, two, three = replica("one"), replica("two"), replica("three")
    assert [await each.send_heartbeat() for each in (one, two, three)] == [1, 2, 3]
    await three.remove_heartbeat()
    assert await one.send_heartbeat() == 2
    machine.pass_by(MINUTE * 0.9)
    assert await one.send_heartbeat() == 2
    machine.pass_by(MINUTE * 0.2)
    assert await one.send_heartbeat() == 1


async def test_nothing_is_seen_decided_or_intended_under_a_lost_lease_and_outcomes_are_recorded(database, replica):
    """The fence stands in the same transaction; what came of an answer is true whoever holds the account now."""
    one, two = replica("one"), replica("two")
    ledger = SqlLedger(database, name="north")
    await ledger.claim(service="https://pm.example/ws", provider=ProviderAccount(1, "provider"), at=NOW)
    first, second = connection(7), connection(8)
    ledger.held_lease = await one.take("north")
    await ledger.record_snapshot(snapshot(first, second), at=NOW)
    step = Step(decision=decided(first, Verdict.ACCEPT), action=Action.ACCEPT)
    intent = await ledger.record_intent(step, at=NOW)
    await one.release(ledger.held_lease)
    await two.take("north")
    with pytest.raises(LeaseLost):
        await ledger.record_snapshot(snapshot(first, second), at=NOW)
    with pytest.raises(LeaseLost):
        await ledger.record_decisions([decided(second, Verdict.HOLD)], [], mode=Mode.ENFORCE, at=NOW)
    with pytest.raises(LeaseLost):
        await ledger.record_intent(Step(decision=decided(second, Verdict.ACCEPT), action=Action.ACCEPT), at=NOW)
    await ledger.record_outcome(intent, Receipt(step=step, outcome=Outcome.DONE), at=NOW)
    assert [(row.id, row.outcome) for row in await ledger.decisions(every=True)] == [(7, Outcome.DONE)]


@pytest.mark.parametrize("ledger_address", ["sqlite"], indirect=True)
async def test_a_wall_clock_set_forward_makes_an_account_change_hands_early_and_no_more(database, replica, machine):
    """Its holder still believes in it, by its own clock, and cannot record an intent: nothing is sent without one."""
    one, two = replica("one"), replica("two")
    ledger = SqlLedger(database, name="north")
    await ledger.claim(service="https://pm.example/ws", provider=ProviderAccount(1, "provider"), at=NOW)
    await ledger.record_snapshot(snapshot(connection(7)), at=NOW)
    ledger.held_lease = await one.take("north")
    machine.wall += timedelta(hours=1)
    assert (await two.take("north")).epoch == 2
    assert ledger.held_lease.deadline > machine.steady
    with pytest.raises(LeaseLost):
        await ledger.record_intent(Step(decision=decided(connection(7), Verdict.ACCEPT), action=Action.ACCEPT), at=NOW)


@pytest.mark.parametrize("ledger_address", ["sqlite"], indirect=True)
async def test_a_wall_clock_set_back_does_not_keep_an_account_from_changing_hands(replica, machine):
    """A lease that then seems to last for a day lasts for its usual time; a replica that seems to live does not."""
    one, two = replica("one"), replica("two")
    await one.take("north")
    await one.send_heartbeat()
    machine.wall -= timedelta(days=1)
    assert await two.take("north") is None
    machine.pass_by(MINUTE * 1.1)
    assert (await two.take("north")).epoch == 2
    assert await two.send_heartbeat() == 1


async def test_two_replicas_that_ask_at_the_same_time_do_not_both_get_it(ledger_address, replica):
    """Each through a database connection of its own."""
    other = await Database.open(ledger_address)
    try:
        one, two = replica("one"), Leases(other, holder="two", ttl=MINUTE)
        for name in ("a", "b", "c", "d"):
            taken = await asyncio.gather(one.take(name), two.take(name))
            assert [held_lease is None for held_lease in taken].count(False) == 1
    finally:
        await other.close()
