"""How many calls at once, and how fast."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest

from pm_autoaccept.errors import ConfigurationError
from pm_autoaccept.portfolio_manager import Pace

HOUR = 3600.0


async def entered(pace: Pace, wanted: int) -> int:
    """How many of so many turns are entered before anything has to be waited for."""
    async with AsyncExitStack() as stack:
        tasks = [asyncio.create_task(stack.enter_async_context(pace.turn())) for _ in range(wanted)]
        for _ in range(10 * wanted):
            await asyncio.sleep(0)
        count = sum(task.done() for task in tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return count


async def test_no_more_are_in_flight_than_said() -> None:
    """The fourth waits until one of the three is over, and then there is room again."""
    pace = Pace(in_flight=3, rate=None)
    assert await entered(pace, 5) == 3
    assert await entered(pace, 5) == 3


@pytest.mark.parametrize(("rate", "leave"), [(1.0, 1), (4.0, 4), (0.25, 1), (None, 9)])
async def test_no_more_leave_in_a_period_than_said(rate: float | None, leave: int) -> None:
    """What exceeds the rate waits for the next period; a rate below one still lets one leave."""
    assert await entered(Pace(in_flight=9, rate=rate, period=HOUR), 9) == leave


async def test_a_repetition_counts_as_another_call() -> None:
    """A call that is sent again within its turn takes another place in the rate, none in flight."""
    pace = Pace(in_flight=1, rate=2, period=HOUR)
    async with pace.turn():
        await pace.again()
    assert await entered(pace, 1) == 0
    unlimited = Pace(in_flight=1, rate=None)
    async with unlimited.turn():
        await unlimited.again()


@pytest.mark.parametrize("wrong", [{"in_flight": 0}, {"rate": 0}, {"rate": -1}, {"period": 0}])
def test_a_pace_at_which_nothing_leaves_is_refused(wrong: dict[str, float]) -> None:
    """A pace of nothing would wait for ever."""
    with pytest.raises(ConfigurationError, match="above 0"):
        Pace(**{"in_flight": 4, "rate": 4.0} | wrong)
