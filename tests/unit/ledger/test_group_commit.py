"""Group commit on both databases: one transaction for what waits, a result for each, and no harm by neighbours."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from dataclasses import replace

import pytest
from sqlalchemy import event, func, select

from pm_autoaccept.errors import AlreadyAnswered, LedgerUnavailable
from pm_autoaccept.ledger import Database
from pm_autoaccept.ledger.db import group_commit
from pm_autoaccept.ledger.db.tables import notification, provider
from pm_autoaccept.ledger.intents import PlannedAnswer
from pm_autoaccept.model import Action, Outcome, Receipt, Step
from tests.examples import NOW, connection, decided
from tests.unit.ledger.acting import ACCEPT, SERVICE, outcomes, see


@pytest.fixture
async def database(ledger_address):
    """A database with the ledger's tables."""
    made = await Database.open(ledger_address)
    yield made
    await made.close()


def add(number: int, username: str = "someone"):
    """Work that writes one row, and says its number."""
    row = {"id": number, "name": f"n{number}", "service": SERVICE, "account_id": number, "claimed_at": NOW}

    def work(bound):
        bound.execute(provider.insert().values(**row, username=username))
        return number

    return work


def fail(_bound) -> None:
    """Work that fails by itself."""
    raise AlreadyAnswered("this one was")


async def numbers(database: Database) -> set[int]:
    """The numbers of the rows that are there."""
    return await database.read(lambda bound: set(bound.execute(select(provider.c.id)).scalars()))


class Held:
    """Holds the writing thread until it is let go, so that work must wait, and counts commits meanwhile."""

    def __init__(self, database: Database) -> None:
        self._go = threading.Event()
        self._database = database
        self.commits = 0
        event.listen(database._engine, "commit", self._count)

    def _count(self, _bound) -> None:
        self.commits += 1

    async def during(self, *works) -> list:
        """Hand in works while the thread is busy, let it go, and say what came of each."""
        first = asyncio.ensure_future(self._database.run(lambda _bound: self._go.wait(60)))
        waiting = [asyncio.ensure_future(work) for work in works]
        await asyncio.sleep(0)
        self._go.set()
        results = await asyncio.gather(*waiting, return_exceptions=True)
        await first
        return results


async def test_works_that_wait_are_committed_together_in_their_order(database):
    """One flush of the disk for all that waited while the last one was going on."""
    held = Held(database)
    results = await held.during(*(database.run(add(number)) for number in range(1, 21)))
    assert results == list(range(1, 21))
    assert held.commits == 2
    assert await numbers(database) == set(range(1, 21))


async def test_a_work_that_fails_does_no_harm_to_its_neighbours(database):
    """They are done again without it, each in a transaction of its own; its own error travels to its caller."""
    bad = "\ud800" if database._engine.dialect.name == "sqlite" else "\0"
    works = [add(1), fail, add(2), add(3, username=bad), add(2), add(4)]
    results = await Held(database).during(*(database.run(work) for work in works))
    assert [result for result in results if isinstance(result, int)] == [1, 2, 4]
    assert isinstance(results[1], AlreadyAnswered)
    assert [type(results[index]) for index in (3, 4)] == [LedgerUnavailable, LedgerUnavailable]
    assert await numbers(database) == {1, 2, 4}


async def test_a_fault_of_the_program_travels_as_it_is(database):
    """Nobody takes a bug for a full disk."""
    results = await Held(database).during(database.run(lambda _bound: 1 // 0), database.run(add(1)))
    assert isinstance(results[0], ZeroDivisionError)
    assert await numbers(database) == {1}


async def test_a_caller_that_is_cancelled_does_no_harm(database):
    """Its work is done all the same: what came of an answer is recorded although nobody waits for it any more."""
    held = Held(database)
    leaving = asyncio.ensure_future(database.run(add(1)))

    async def leave() -> None:
        leaving.cancel()

    results = await held.during(leave(), database.run(add(2)))
    assert results == [None, 2]
    assert leaving.cancelled()
    assert await numbers(database) == {1, 2}


async def test_what_waits_is_finished_before_the_database_is_closed(ledger_address):
    """Closing is no way to lose an outcome."""
    database = await Database.open(ledger_address)
    waiting = [asyncio.ensure_future(database.run(add(number))) for number in range(1, 400)]
    await asyncio.sleep(0)
    await database.close()
    assert await asyncio.gather(*waiting) == list(range(1, 400))
    again = await Database.open(ledger_address)
    assert await numbers(again) == set(range(1, 400))
    await again.close()


async def test_a_long_read_does_not_keep_an_intent_waiting(database):
    """An auditor's query and an answer at the same time."""
    reading, written = threading.Event(), threading.Event()

    def read(bound) -> int:
        count = bound.execute(select(func.count()).select_from(notification)).scalar_one()
        reading.set()
        assert written.wait(60)
        return count

    slow = asyncio.ensure_future(database.read(read))
    await asyncio.to_thread(reading.wait, 60)
    await database.run(add(1))
    written.set()
    assert await slow == 0


async def test_intents_that_wait_are_recorded_together_each_with_its_own_number(ledger):
    """And the outcomes after them."""
    requests = [connection(number) for number in range(1, 31)]
    await see(ledger, *requests, minute=0)
    steps = [Step(decision=decided(request, ACCEPT), action=Action.ACCEPT) for request in requests]
    held = Held(ledger.database)
    intents = await held.during(*(ledger.record_intent(step, at=NOW) for step in steps))
    assert held.commits == 2
    ends = [Outcome.DONE, Outcome.REFUSED, Outcome.OPEN]
    receipts = [Receipt(step=step, outcome=ends[number % 3]) for number, step in enumerate(steps)]
    await asyncio.gather(
        *(ledger.record_outcome(intent, receipt, at=NOW) for intent, receipt in zip(intents, receipts, strict=True))
    )
    assert await outcomes(ledger) == {f"connection:{number}/1": ends[(number - 1) % 3] for number in range(1, 31)}


async def test_of_two_intents_for_one_request_that_wait_together_one_is_recorded(ledger):
    """Neither the others nor the first are harmed by the second."""
    first, other = connection(1), connection(2)
    await see(ledger, first, other, minute=0)
    steps = [Step(decision=decided(request, ACCEPT), action=Action.ACCEPT) for request in (first, first, other)]
    results = await Held(ledger.database).during(*(ledger.record_intent(step, at=NOW) for step in steps))
    assert [type(result) for result in results] == [int, AlreadyAnswered, int]


@pytest.mark.parametrize("ledger_address", ["postgresql"], indirect=True)
async def test_of_two_replicas_without_a_lease_one_records_the_intent(ledger, ledger_address):
    """PostgreSQL has many writers: the second waits for the first one's row, and then sees its answer."""
    request = connection(1)
    await see(ledger, request, minute=0)
    step = Step(decision=decided(request, ACCEPT), action=Action.ACCEPT)
    other = await Database.open(ledger_address)
    theirs = type(ledger)(other)
    theirs._provider = ledger._provider
    in_hand, looked = threading.Event(), threading.Event()

    def slowly(bound):
        try:
            (intent,) = ledger._intend(bound, [PlannedAnswer(step, ledger._current_wait(NOW, None))])
        finally:
            in_hand.set()
        looked.wait(60)
        return intent.number

    mine = asyncio.ensure_future(ledger.database.run(slowly))
    await asyncio.to_thread(in_hand.wait, 60)
    second = asyncio.ensure_future(theirs.record_intent(step, at=NOW))
    await _until_somebody_waits_for_a_lock(ledger, unless=mine)
    looked.set()
    assert isinstance(await mine, int)
    with pytest.raises(AlreadyAnswered):
        await second
    await other.close()


async def _until_somebody_waits_for_a_lock(ledger, *, unless) -> None:
    waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
    while not unless.done() and not await ledger.database.read(lambda bound: bound.exec_driver_sql(waiting).scalar()):
        pass


async def test_a_text_that_no_database_can_hold_is_refused_for_that_work_only(ledger):
    """A surrogate that stands alone; the others that waited are recorded."""
    good, bad = connection(1), replace(connection(2), username="\ud800")
    results = await Held(ledger.database).during(see(ledger, good, minute=0), see(ledger, bad, minute=0))
    assert isinstance(results[1], LedgerUnavailable)
    assert good.key in results[0].answer_states


@pytest.mark.parametrize("ledger_address", ["postgresql"], indirect=True)
async def test_a_server_that_is_frozen_does_not_keep_the_ledger_waiting_for_ever(database):
    """It keeps none of its own timeouts then: we hang up, say so, and connect anew."""
    pid = await database.run(lambda bound: bound.exec_driver_sql("SELECT pg_backend_pid()").scalar())
    database._writer.transaction_timeout_s = 0.3
    os.kill(pid, signal.SIGSTOP)
    try:
        assert await database.run(add(1)) == 1
    finally:
        os.kill(pid, signal.SIGCONT)
    assert await numbers(database) == {1}


@pytest.mark.parametrize("ledger_address", ["postgresql"], indirect=True)
@pytest.mark.usefixtures("database")
async def test_a_command_that_only_reads_is_not_cut_off(ledger_address, monkeypatch):
    """An export of a large ledger takes minutes, or its reader pages through it; nobody waits for the connection."""
    monkeypatch.setattr("pm_autoaccept.ledger.db.database.TRANSACTION_TIMEOUT_S", 0.05)
    reading = await Database.open(ledger_address, read_only=True)
    slow = "SELECT count(*) FROM pg_sleep(0.5)"
    assert await reading.read(lambda bound: bound.exec_driver_sql(slow).scalar()) == 1
    await reading.close()


async def test_what_is_done_together_waits_a_moment_for_more(database):
    """Two that come one after the other share a commit; what cannot be shared does not wait, and takes them along."""
    held = Held(database)
    for late in (database.run_grouped(_each_number, 2), database.run(add(4))):
        number = 3 if held.commits else 1
        first = asyncio.ensure_future(database.run_grouped(_each_number, number))
        await asyncio.sleep(0)
        assert await asyncio.gather(first, late) == [number, number + 1]
    assert held.commits == 2


async def test_gathering_ends_when_as_many_wait_as_were_gathered_before(database, monkeypatch):
    """Nothing waits for the rest of the moment then; where more came before, one that comes alone does wait."""
    monkeypatch.setattr(group_commit, "GATHER_S", 0)
    both = [asyncio.ensure_future(database.run_grouped(_each_number, number)) for number in (1, 2)]
    assert await asyncio.gather(*both) == [1, 2]
    monkeypatch.setattr(group_commit, "GATHER_S", 3600)
    again = [asyncio.ensure_future(database.run_grouped(_each_number, number)) for number in (3, 4)]
    assert await asyncio.wait_for(asyncio.gather(*again), 60) == [3, 4]
    alone = asyncio.ensure_future(database.run_grouped(_each_number, 5))
    await asyncio.sleep(0)
    assert not database._writer._running
    await database.run(add(6))
    assert await alone == 5


def _each_number(bound, handed):
    return [add(number)(bound) for number in handed]


async def test_closing_finishes_what_waits_for_more(ledger_address):
    """Its caller gets its result, and it is durable."""
    closing = await Database.open(ledger_address)
    last = asyncio.ensure_future(closing.run_grouped(lambda bound, _items: [add(1)(bound)], None))
    await asyncio.sleep(0)
    await closing.close()
    assert await asyncio.wait_for(last, 30) == 1
    again = await Database.open(ledger_address)
    assert await numbers(again) == {1}
    await again.close()
