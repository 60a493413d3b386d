"""Signing in on both databases: a wrong password is tried rarely, whoever asks and however the last try ended."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

import pytest

from pm_autoaccept.errors import NotAuthorised
from pm_autoaccept.ledger.sign_in_attempts import SignInAttempts
from pm_autoaccept.sign_in_memory import SignInMemory
from tests.examples import NOW

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def start(database):
    """Start a process that knows a password, on the ledger of all."""

    def begin(password="wrong", **other) -> SignInAttempts:  # noqa: S107 — a simulated account's
        said = {"name": "north", "service": "https://pm.example/ws", "username": "provider", "password": password}
        return SignInAttempts(database=database, **said | other)

    return begin


async def minutes_tried(start, password, minutes) -> list[int]:
    """The minutes at which a new process may try, if each is killed before the end of its try."""
    return [minute for minute in minutes if await start(password).trying(at=NOW + minute * MINUTE) is None]


async def test_a_wrong_password_waits_a_quarter_of_an_hour_then_an_hour_doubling_to_a_day(start):
    """Over restarts: each try is another process."""
    at = NOW
    for wait in (15 * MINUTE, HOUR, 2 * HOUR, 4 * HOUR, 8 * HOUR, 16 * HOUR, DAY, DAY):
        process = start()
        assert await process.trying(at=at) is None
        assert await process.refused(at=at) == at + wait
        assert await start().trying(at=at + wait - MINUTE) == at + wait
        at += wait


def test_a_digest_is_slow_to_make(cost_of_a_digest):
    """Whoever finds a ledger cannot try millions of passwords. Tests make cheaper digests."""
    assert cost_of_a_digest >= 2**14


async def test_of_replicas_that_ask_at_once_one_may_try(start):
    """The others wait, and may as soon as it was taken."""
    replicas = [start("right") for _ in range(3)]
    answers = await asyncio.gather(*(each.trying(at=NOW) for each in replicas))
    assert sorted(answers, key=str) == [NOW + 15 * MINUTE, NOW + 15 * MINUTE, None]
    await replicas[answers.index(None)].taken(at=NOW)
    assert [await each.may_try(at=NOW) for each in replicas] == [None, None, None]


async def test_another_credential_may_be_tried_at_once_and_the_refused_one_is_not_forgotten(start):
    """A replica that still has the old password cannot try it again because another has the new one."""
    wrong, right = start("wrong"), start("right")
    await wrong.trying(at=NOW)
    until = await wrong.refused(at=NOW)
    assert await right.trying(at=NOW) is None
    await right.taken(at=NOW)
    assert await start("wrong").may_try(at=NOW) == until == NOW + 15 * MINUTE
    for other in ({"username": "other"}, {"service": "https://pm.example/wstest"}, {"name": "south"}):
        assert await start("wrong", **other).may_try(at=NOW) is None


async def test_a_try_that_was_cut_off_counts_as_refused_where_the_credential_was_never_taken(start):
    """A process that is killed and started again every minute does not lock the account."""
    assert await minutes_tried(start, "wrong", [0, 1, 2, 14, 15, 16, 60, 74, 75, 76]) == [0, 15, 75]


async def test_a_try_that_was_cut_off_is_repeated_once_where_the_credential_was_taken_before(start):
    """A power cut at the wrong moment must not keep a good account waiting; a second one in a row may."""
    good = start("right")
    await good.trying(at=NOW)
    await good.taken(at=NOW)
    assert await minutes_tried(start, "right", [1, 2, 3, 16, 17, 18]) == [1, 2, 17]
    await start("right").taken(at=NOW + HOUR)
    assert await start("right").trying(at=NOW + HOUR) is None


async def test_a_try_that_failed_in_passing_does_not_count(start):
    """Portfolio Manager was down: nobody said that the password is wrong. What was refused before stays known."""
    process = start()
    await process.trying(at=NOW)
    await process.failed(at=NOW)
    assert await process.trying(at=NOW) is None
    await process.refused(at=NOW)
    later = NOW + 15 * MINUTE
    assert await process.trying(at=later) is None
    await process.failed(at=later)
    assert await process.trying(at=later) is None
    assert await process.refused(at=later) == later + HOUR


async def test_a_credential_that_was_taken_before_and_is_refused_now_waits_like_any_other(start):
    """Somebody has changed the password in Portfolio Manager."""
    process = start("right")
    await process.trying(at=NOW)
    await process.taken(at=NOW)
    assert await process.trying(at=NOW + DAY) is None
    assert await process.refused(at=NOW + DAY) == NOW + DAY + 15 * MINUTE
    assert await start("right").may_try(at=NOW + DAY) == NOW + DAY + 15 * MINUTE


@pytest.mark.parametrize("cut_off", [True, False])
async def test_a_clock_that_is_set_back_does_not_keep_a_password_waiting_for_ever(start, cut_off):
    """It waits for a quarter of an hour from when it is asked for first."""
    process = start()
    await process.trying(at=NOW)
    if not cut_off:
        await process.refused(at=NOW)
    back = NOW - 365 * DAY
    assert await process.trying(at=back) == back + 15 * MINUTE
    assert await process.may_try(at=back + 14 * MINUTE) == back + 15 * MINUTE
    assert await process.trying(at=back + 15 * MINUTE) is None


async def test_tries_beside_the_daemon_that_are_cut_off_keep_it_from_nothing(start):
    """They wait for one another, as they must where the password was changed; a success or a refusal ends that."""
    good = start("right")
    await good.trying(at=NOW)
    await good.taken(at=NOW)
    beside = [minute for minute in range(1, 20) if await tried_beside(start, "right", minute)]
    assert beside == [1, 2, 17]
    assert await start("right").may_try(at=NOW + 17 * MINUTE) is None
    assert await start("right").trying(at=NOW + 17 * MINUTE) is None
    await start("right").taken(at=NOW + 17 * MINUTE)
    assert await tried_beside(start, "right", 18)


async def test_what_was_refused_last_is_tried_by_one_alone_whoever_it_is(start):
    """A `doctor` that is killed as soon as the wait is over has tried it for `run` too."""
    good = start("right")
    await good.trying(at=NOW)
    await good.taken(at=NOW)
    await good.trying(at=NOW)
    await good.refused(at=NOW)
    assert [minute for minute in range(1, 20) if await tried_beside(start, "right", minute)] == [15]
    assert await start("right").trying(at=NOW + 16 * MINUTE) == NOW + 30 * MINUTE


@pytest.mark.parametrize("result", ["taken", "failed", "refused", "killed"])
async def test_commands_that_start_together_try_it_one_after_another(start, result):
    """Ten at once, of a credential that was accepted before: none fails because another has no result yet."""
    good = start("right")
    await good.trying(at=NOW)
    await good.taken(at=NOW)
    clock, at_once, most, tried = Clock(waits_for_results=result != "killed"), 0, 0, 0

    async def command() -> None:
        nonlocal at_once, most, tried
        attempts = start("right", aside=True)
        await SignInMemory(attempts=attempts, now=clock, sleep=clock.sleep).trying()
        at_once, tried = at_once + 1, tried + 1
        most = max(most, at_once)
        await asyncio.sleep(0)
        at_once -= 1
        if result != "killed":
            await getattr(attempts, result)(at=clock())
            clock.has_result()

    outcomes = await asyncio.gather(*(command() for _ in range(10)), return_exceptions=True)
    assert most == 1
    expected = {"refused": 1, "killed": 2}.get(result, 10)
    assert (tried, sum(isinstance(outcome, NotAuthorised) for outcome in outcomes)) == (expected, 10 - expected)


class Clock:
    """A clock on which a sleep lasts until the next result, or as long as it was to."""

    def __init__(self, *, waits_for_results: bool) -> None:
        """It begins a minute later."""
        self.at = NOW + MINUTE
        self.waits_for_results = waits_for_results
        self.result = asyncio.Event()

    def __call__(self) -> datetime:
        """The time."""
        return self.at

    def has_result(self) -> None:
        """Wake everybody who sleeps."""
        self.result.set()
        self.result = asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        """Sleep."""
        if self.waits_for_results:
            await self.result.wait()
        else:
            self.at += timedelta(seconds=seconds)


async def tried_beside(start, password, minute) -> bool:
    """Whether a command that is killed at once tries it."""
    return await start(password, aside=True).trying(at=NOW + minute * MINUTE) is None


async def test_a_refusal_beside_the_daemon_is_one_for_all(start):
    """Whether the credential was taken before or not; and one that was given up, or failed in passing, is none."""
    for taken in (True, False):
        password = f"changed-{taken}"
        if taken:
            await start(password).trying(at=NOW)
            await start(password).taken(at=NOW)
        for ends in ("failed", "given_up"):
            beside = start(password, aside=True)
            assert await beside.trying(at=NOW) is None
            await getattr(beside, ends)(at=NOW)
            if not taken and ends == "given_up":
                continue
            assert await start(password, aside=True).may_try(at=NOW) is None
        beside = start(password, aside=True)
        later = NOW + 16 * MINUTE
        assert await beside.trying(at=later) is None
        until = await beside.refused(at=later)
        assert await start(password).trying(at=later) == until > later


async def test_what_was_taken_beside_the_daemon_is_taken_for_all(start):
    """A first `doctor` shows that the password is right, and `run` need not find out."""
    beside = start("right", aside=True)
    assert await beside.trying(at=NOW) is None
    assert not await start("right").is_good()
    assert await start("right").may_try(at=NOW) == NOW + 15 * MINUTE
    await beside.taken(at=NOW)
    assert await start("right").is_good()
    assert await start("right").may_try(at=NOW) is None


async def test_a_rest_is_the_account_s_and_outlives_its_password(start):
    """Whoever starts next rests too; the longest counts, up to a day, whatever the clock did since."""
    assert await start().resting(at=NOW) == timedelta()
    await start().rests(HOUR, at=NOW)
    await start("other").rests(10 * MINUTE, at=NOW)
    assert await start("third").resting(at=NOW + 20 * MINUTE) == 40 * MINUTE
    assert await start("third", name="south").resting(at=NOW) == timedelta()
    assert await start().resting(at=NOW + HOUR) == timedelta()
    await start().rests(7 * DAY, at=NOW)
    assert await start().resting(at=NOW) == DAY
    back = NOW - 365 * DAY
    assert await start().resting(at=back) == timedelta()
    await start().rests(HOUR, at=back)
    assert await start().resting(at=back) == HOUR


async def test_the_ledger_holds_no_password_and_the_credential_does_not_show_it(start, database):
    """Only a digest that differs from ledger to ledger and is slow to make."""
    process = start("hunter2-hunter2")
    await process.trying(at=NOW)

    def rows(bound):
        return str(bound.exec_driver_sql("SELECT * FROM sign_in").all())

    assert "hunter2" not in await database.run(rows)
    assert "hunter2" not in repr(process)
