"""How many calls at once, and how fast."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pm_autoaccept.errors import ConfigurationError
from pm_autoaccept.portfolio_manager import RateLimiter
from pm_autoaccept.portfolio_manager.rate_limit import MIN_CALLS_PER_S, QUIET_S
from tests.faketime import FakeTime

HOUR = 3600.0


class Paced(RateLimiter):
    """A pace on a clock of its own; `left` is when each call left."""

    def __init__(self, **said: float | None) -> None:
        self.time = FakeTime()
        super().__init__(**said, clock=self.time, sleep=self.time.sleep)

    async def leave(self, calls: int) -> list[float]:
        """When so many calls leave, which all want to leave now."""
        left = []

        async def call() -> None:
            async with self.turn():
                left.append(self.time())

        await asyncio.gather(*(call() for _ in range(calls)))
        return left

    def refused(self, retry_after: float | None = None) -> None:
        """A call that left just now is answered 429."""
        self.slow_down(seen=self.slow_downs, retry_after=retry_after)


async def entered(rate_limiter: RateLimiter, wanted: int) -> int:
    """How many of so many turns are entered before anything has to be waited for."""
    async with AsyncExitStack() as stack:
        tasks = [asyncio.create_task(stack.enter_async_context(rate_limiter.turn())) for _ in range(wanted)]
        for _ in range(10 * wanted):
            await asyncio.sleep(0)
        count = sum(task.done() for task in tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return count


async def test_no_more_are_in_flight_than_said() -> None:
    """The fourth waits until one of the three is over, and then there is room again."""
    rate_limiter = RateLimiter(in_flight=3, rate=None)
    assert await entered(rate_limiter, 5) == 3
    assert await entered(rate_limiter, 5) == 3


@pytest.mark.parametrize(("rate", "leave"), [(1.0, 1), (4.0, 4), (0.25, 1), (None, 9)])
async def test_no_more_leave_in_a_period_than_said(rate: float | None, leave: int) -> None:
    """What exceeds the rate waits for the next period; a rate below one still lets one leave."""
    assert await entered(RateLimiter(in_flight=9, rate=rate, period=HOUR), 9) == leave


async def test_a_repetition_counts_as_another_call() -> None:
    """A call that is sent again within its turn takes another place in the rate, none in flight."""
    rate_limiter = RateLimiter(in_flight=1, rate=2, period=HOUR)
    async with rate_limiter.turn():
        await rate_limiter.wait_for_rate()
    assert await entered(rate_limiter, 1) == 0
    unlimited = RateLimiter(in_flight=1, rate=None)
    async with unlimited.turn():
        await unlimited.wait_for_rate()


@given(rate=st.floats(0.1, 20), period=st.floats(0.5, 100), gaps=st.lists(st.floats(0, 30), min_size=1, max_size=40))
@example(rate=1.9999999999999964, period=1.0, gaps=[0.0])
def test_whatever_comes_when_no_period_sees_more_than_its_rate(rate: float, period: float, gaps: list[float]) -> None:
    """Over every stretch of a period, not only from the first call on."""

    async def run() -> list[float]:
        rate_limiter, left = Paced(in_flight=4, rate=rate, period=period), []
        for gap in gaps:
            rate_limiter.time.seconds += gap
            left += await rate_limiter.leave(3)
        return left

    left = asyncio.run(run())
    for number, begun in enumerate(left):
        within = [each for each in left[number:] if each < begun + period - 1e-6]
        assert len(within) <= max(1, rate)


async def test_a_429_halves_the_rate_of_all_calls() -> None:
    """Four a second become two a second."""
    rate_limiter = Paced(in_flight=9, rate=4)
    assert await rate_limiter.leave(8) == pytest.approx([0, 0, 0, 0, 1, 1, 1, 1])
    rate_limiter.refused()
    assert rate_limiter.rate == 2
    assert await rate_limiter.leave(4) == pytest.approx([2, 2, 3, 3])


async def test_calls_that_left_side_by_side_slow_it_once() -> None:
    """Eight in flight that all meet the same 429 are one sign, not eight."""
    rate_limiter = Paced(in_flight=8, rate=4)
    seen = rate_limiter.slow_downs
    for _ in range(8):
        rate_limiter.slow_down(seen=seen, retry_after=None)
    assert (rate_limiter.rate, rate_limiter.slow_downs) == (2, 1)
    rate_limiter.refused()
    assert (rate_limiter.rate, rate_limiter.slow_downs) == (1, 2)


async def test_everything_waits_for_retry_after() -> None:
    """Also what waits already, at whatever rate or none; a shorter one does not shorten a longer one."""
    for rate in (4, None):
        rate_limiter = Paced(in_flight=9, rate=rate)
        rate_limiter.time.seconds = 5.0
        waiting = asyncio.create_task(rate_limiter.leave(6))
        rate_limiter.refused(retry_after=30)
        rate_limiter.refused(retry_after=1)
        rate_limiter.refused()
        assert rate_limiter.seconds_held == 30
        assert min(await waiting) == pytest.approx(35)
        assert rate_limiter.seconds_held == 0
        assert (rate_limiter.rate is None) == (rate is None)


async def test_quiet_time_raises_the_rate_by_quarters_to_what_was_set() -> None:
    """Each minute without a 429; a pause that was asked for is not quiet time."""
    rate_limiter = Paced(in_flight=1, rate=4)
    rate_limiter.refused(retry_after=100)
    rate_limiter.time.seconds = 100 + QUIET_S - 1
    assert rate_limiter.rate == 2
    rates = []
    for _ in range(5):
        rate_limiter.time.seconds += QUIET_S
        rates.append(rate_limiter.rate)
    assert rates == [2.5, 3.125, 3.90625, 4, 4]
    rate_limiter.time.seconds += 1e9
    assert rate_limiter.rate == 4
    rate_limiter.refused()
    assert rate_limiter.rate == 2
    rate_limiter.time.seconds += QUIET_S / 2
    rate_limiter.refused()
    rate_limiter.time.seconds += QUIET_S / 2
    assert rate_limiter.rate == 1


async def test_it_is_never_slower_than_one_call_in_half_a_minute() -> None:
    """However often it is refused; and a rate that was set slower stays as it was set."""
    rate_limiter, slow = Paced(in_flight=1, rate=4), Paced(in_flight=1, rate=1, period=HOUR)
    for _ in range(20):
        rate_limiter.refused()
        slow.refused()
    assert rate_limiter.rate == MIN_CALLS_PER_S
    assert slow.rate == pytest.approx(1 / HOUR)
    first, second = await rate_limiter.leave(2)
    assert second - first == pytest.approx(30)
    rate_limiter.time.seconds += 22 * QUIET_S
    assert rate_limiter.rate == 4


async def test_a_rate_rises_while_calls_wait() -> None:
    """What waits at the slowest pace is not late because of a rate that has risen since."""
    rate_limiter = Paced(in_flight=1, rate=4)
    for _ in range(20):
        rate_limiter.refused()
    left = await rate_limiter.leave(200)
    assert left[-1] < 22 * QUIET_S


async def test_a_turn_that_fails_while_it_waits_for_the_rate_frees_its_place() -> None:
    """Whether it is cancelled or its check fails, the next call finds the place free."""
    rate_limiter = Paced(in_flight=1, rate=1.0)

    def fails() -> bool:
        raise RuntimeError("the check failed")

    with pytest.raises(RuntimeError):
        await rate_limiter.turn(unless=fails).__aenter__()
    assert await rate_limiter.leave(1) == [0.0]


async def test_what_is_no_longer_wanted_does_not_wait_to_its_end() -> None:
    """A stop is noticed within a second, also in the middle of a day that was asked for."""
    rate_limiter = Paced(in_flight=2, rate=4)
    rate_limiter.refused(retry_after=24 * HOUR)
    async with rate_limiter.turn(unless=lambda: rate_limiter.time() >= 10) as free:
        assert not free
    assert rate_limiter.time() == pytest.approx(10)
    async with rate_limiter.turn(unless=lambda: True) as free:
        assert not free
    assert rate_limiter.seconds_held > 0


async def test_one_who_waits_or_gives_up_does_not_keep_the_others() -> None:
    """A read that waits for hours keeps no answer that is dropped; one that is cancelled takes no place with it."""
    rate_limiter = Paced(in_flight=4, rate=1, period=HOUR)
    await rate_limiter.leave(1)
    rate_limiter.time.sleep = asyncio.Event().wait  # it is always still the same second
    waiting = asyncio.create_task(rate_limiter.leave(1))
    await asyncio.sleep(0)
    assert not await asyncio.wait_for(rate_limiter.wait_for_rate(unless=lambda: True), 60)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    rate_limiter.time.seconds += HOUR
    assert await rate_limiter.wait_for_rate()


@pytest.mark.parametrize("wrong", [{"in_flight": 0}, {"rate": 0}, {"rate": -1}, {"period": 0}])
def test_a_pace_at_which_nothing_leaves_is_refused(wrong: dict[str, float]) -> None:
    """A pace of nothing would wait for ever."""
    with pytest.raises(ConfigurationError, match="above 0"):
        RateLimiter(**{"in_flight": 4, "rate": 4.0} | wrong)


@pytest.mark.parametrize(
    ("in_flight", "rate", "period", "ahead"),
    [(16, None, 1, 16), (4, 4, 1, 1), (4, 1, 60, 1), (16, 40, 1, 10), (4, 40, 1, 4), (8, 600, 60, 2)],
)
def test_as_many_answers_are_made_ready_as_leave_in_a_quarter_of_a_second(in_flight, rate, period, ahead):
    """One at least, and never more than may be in flight: what is made ready and not sent must be taken back."""
    assert RateLimiter(in_flight, rate=rate, period=period).prepare_ahead == ahead
