"""Says how long ago something was: as long as every clock says that can be asked.

Wall clocks are set. So an answer has its time by our clock and by the service's, and within a process a clock that
nobody sets is asked too: whichever makes it the shortest counts. Without the others our clock alone decides.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Row

from pm_autoaccept.ledger.db.ledger_identity import steady
from pm_autoaccept.ledger.request_rows import LONGEST_WAIT
from pm_autoaccept.model import Fact, NotLearnt

_JUMP = timedelta(seconds=1)
"""By how much our clock must differ from one that nobody sets before it counts as set."""

_MOST_JUMPS = 1_000
"""The newest are remembered: a clock that is set every minute must not fill the memory."""


class Then(NamedTuple):
    """A moment in the past as our clock and the service's had it; None where the service's is not known."""

    ours: datetime
    theirs: datetime | None

    def reached(self, ours: datetime, theirs: datetime | None) -> bool:
        """Whether what was at this time, by either clock, was then or before."""
        if theirs is not None and self.theirs is not None and theirs > self.theirs:
            return False
        return ours <= self.ours


@dataclass(frozen=True, slots=True)
class Moment:
    """What every clock says now.

    Attributes:
        at: ours.
        apart: what the service's says beside ours; None where that is not known.
        ticks: the one that nobody sets, in seconds.
        met: when ours was set, and to what, by that one; the oldest first. Empty where that one cannot be asked.
    """

    at: datetime
    apart: timedelta | None = None
    ticks: float = 0.0
    met: tuple[tuple[float, datetime], ...] = ()

    def ago(self, length: timedelta) -> Then:
        """The moment that is so long ago by every clock."""
        ours, since = self.at - length, self.ticks - length.total_seconds()
        if self.met:
            # What was recorded after our clock was set since then has no earlier time than it was set to.
            set_since = (at - timedelta.resolution for ticks, at in self.met if ticks > since)
            ours = min(ours, self._ours_at(since), *set_since)
        return Then(ours, None if self.apart is None else self.at + self.apart - length)

    @property
    def latest(self) -> datetime:
        """The latest time that any clock says it is."""
        shown = [at + timedelta(seconds=self.ticks - ticks) for ticks, at in self.met]
        return max(self.at, self.at + (self.apart or timedelta()), *shown)

    def _ours_at(self, ticks: float) -> datetime:
        """What our clock showed then. It was not set before it was first looked at, as far as anybody knows."""
        begun, at = next((met for met in reversed(self.met) if met[0] <= ticks), self.met[0])
        return at + timedelta(seconds=ticks - begun)


class Clocks:
    """Remembers, within a process, when our clock was set.

    Args:
        ticks: a clock in seconds that nobody sets, and that goes on while the machine sleeps; None where there is
            none beside ours, as for a time that tests make up.
    """

    def __init__(self, ticks: Callable[[], float] | None = None) -> None:
        self._ticks = ticks
        self._met: tuple[tuple[float, datetime], ...] = ()

    def moment(self, at: datetime, apart: Fact[timedelta] | None = None) -> Moment:
        """What every clock says now, of which ours says `at`."""
        known = None if isinstance(apart, NotLearnt) else apart
        if self._ticks is None:
            return Moment(at, known)
        ticks = self._ticks()
        if not self._met or abs(self._expected(ticks) - at) > _JUMP:
            self._met = (*self._met[-_MOST_JUMPS:], (ticks, at))
        return Moment(at, known, ticks, self._met)

    def _expected(self, ticks: float) -> datetime:
        begun, at = self._met[-1]
        return at + timedelta(seconds=ticks - begun)


OF_THIS_PROCESS = Clocks(steady)
"""For all that goes by this machine's time."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long an answer of unknown fate is given before reads may settle it, or the same may be sent again.

    Attributes:
        wait: so long; None while no wait is long enough yet.
    """

    wait: timedelta | None
    now: Moment

    def over(self, sent: Row[Any], *, read: datetime) -> bool:
        """Whether a read that began then may settle what was sent."""
        return self.wait is not None and self._reached(sent, self.wait, read)

    def over_for_another(self, sent: Row[Any], *, read: datetime) -> bool:
        """Whether, by such a read, it may be sent again: each attempt doubles the wait, to a day."""
        if self.wait is None:
            return False
        doubled = min(self.wait * int(2 ** min(sent.attempts - 1, 10)), LONGEST_WAIT)
        return self._reached(sent, max(self.wait, doubled), read)

    def _reached(self, sent: Row[Any], wait: timedelta, read: datetime) -> bool:
        since_the_read = max(self.now.at - read, timedelta())
        return self.now.ago(wait + since_the_read).reached(sent.sent_at, sent.service_sent_at)


def due(answer: Row[Any], again_after: datetime, now: Moment) -> bool:
    """Whether the time has come that a refusal named, by every clock."""
    wait = again_after - answer.outcome_at
    theirs = answer.service_sent_at and answer.outcome_at + (answer.service_sent_at - answer.sent_at)
    return now.ago(wait).reached(answer.outcome_at, theirs)
