"""How long ago something was, by every clock: whichever makes it the shortest counts."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pm_autoaccept.ledger.elapsed_time import Clocks, Moment
from pm_autoaccept.model import AnswerState, NotLearnt, Outcome
from tests.examples import NOW, connection
from tests.unit.ledger.acting import ACCEPT, MINUTE, answer, see

HOUR = timedelta(hours=1)
spans = st.integers(0, 7_200).map(lambda seconds: timedelta(seconds=seconds))
jumps = st.sampled_from((0, 0, 0, 360, -360, 7_200, -7_200)).map(lambda seconds: timedelta(seconds=seconds))


class Machine:
    """A machine whose clock somebody sets, and another that nobody does."""

    def __init__(self) -> None:
        self.up = 0.0
        self.set_by = timedelta()

    def ticks(self) -> float:
        """The one that nobody sets."""
        return self.up

    @property
    def now(self):
        """The other."""
        return NOW + timedelta(seconds=self.up) + self.set_by


@example(
    turns=[(timedelta(), timedelta()), (timedelta(), timedelta(minutes=-6)), (timedelta(), timedelta(minutes=6))],
    length=timedelta(seconds=2),
    dated=False,
)
@given(
    st.lists(st.tuples(spans, jumps), min_size=1, max_size=6),
    spans,
    st.booleans(),
)
def test_nothing_is_older_than_it_truly_is(turns, length, dated):
    """However our clock is set while the program runs, with the service's clock or without it."""
    machine, sent = Machine(), []
    clocks = Clocks(machine.ticks)
    for passes, set_by in turns:
        machine.up += passes.total_seconds()
        machine.set_by += set_by
        apart = -machine.set_by if dated else NotLearnt("no Date")
        now = clocks.moment(machine.now, apart)
        then = now.ago(length)
        for up, ours, theirs in sent:
            if then.reached(ours, theirs):
                assert machine.up - up >= length.total_seconds() - 1
        assert now.latest >= machine.now
        sent.append((machine.up, machine.now, machine.now - machine.set_by if dated else None))


@given(st.lists(spans, min_size=1, max_size=6), spans)
def test_where_no_clock_is_set_all_agree(passing, length):
    """What is as old as that is as old as that."""
    machine = Machine()
    clocks = Clocks(machine.ticks)
    clocks.moment(machine.now, timedelta())
    for passes in passing:
        machine.up += passes.total_seconds()
    now = clocks.moment(machine.now, timedelta())
    assert now.ago(length) == Moment(machine.now, timedelta()).ago(length)


@pytest.mark.parametrize("set_by", [6 * MINUTE, 2 * HOUR])
async def test_within_a_process_a_clock_that_nobody_sets_is_asked_where_the_service_says_no_time(ledger, set_by):
    """Our clock was set forward: an answer of unknown fate is not sent again, and is settled by nothing yet."""
    machine, request = Machine(), connection()
    ledger.clocks = Clocks(machine.ticks)
    no_date = {"clock": NotLearnt("no Date")}
    await see(ledger, request, minute=0, **no_date)
    await answer(ledger, request, ACCEPT, minute=0, outcome=Outcome.OPEN)
    standing = []
    for seconds, shown in ((6, True), (12, True), (400, True), (800, True)):
        machine.up = seconds
        minute = (timedelta(seconds=seconds) + set_by) / MINUTE
        seen = await see(ledger, *([request] if shown else []), minute=minute, **no_date)
        standing.append(seen.answer_states[request.key])
    doubt = AnswerState.IN_DOUBT
    assert standing == [doubt, doubt, AnswerState.REPEATABLE, AnswerState.REPEATABLE]
