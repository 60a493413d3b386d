"""Elapsed time that survives clock changes: compares our clock, the service's clock and a monotonic clock.

Wall clocks can be set. So the time of an answer is stored by our clock and by the service's, and within one process a
monotonic clock is used too. The shortest elapsed time of these counts. Without the others, our clock alone decides.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Row

from pm_autoaccept.ledger.db.ledger_identity import monotonic_seconds
from pm_autoaccept.ledger.request_rows import MAX_RETRY_WAIT
from pm_autoaccept.model import Fact, NotLearnt

_MIN_JUMP = timedelta(seconds=1)
"""How far our clock must deviate from the monotonic one to count as set."""

_MAX_JUMPS = 1_000
"""Only the newest are kept: a clock that is set every minute must not fill the memory."""


class PastMoment(NamedTuple):
    """A moment in the past by our clock and by the service's; None if the service's is unknown."""

    ours: datetime
    theirs: datetime | None

    def reached(self, ours: datetime, theirs: datetime | None) -> bool:
        """Whether these times, by both clocks, are at or before this moment."""
        if theirs is not None and self.theirs is not None and theirs > self.theirs:
            return False
        return ours <= self.ours


@dataclass(frozen=True, slots=True)
class Moment:
    """The current time by every clock.

    Attributes:
        at: by our clock.
        apart: the service's clock minus ours; None if unknown.
        ticks: by the monotonic clock, in seconds.
        met: when our clock was set, by the monotonic clock, and to what; oldest first. Empty without a monotonic clock.
    """

    at: datetime
    apart: timedelta | None = None
    ticks: float = 0.0
    met: tuple[tuple[float, datetime], ...] = ()

    def ago(self, length: timedelta) -> PastMoment:
        """The moment that lies this far back by every clock."""
        ours, since = self.at - length, self.ticks - length.total_seconds()
        if self.met:
            # A record made after our clock was set has no earlier time than the one to which it was set.
            set_since = (at - timedelta.resolution for ticks, at in self.met if ticks > since)
            ours = min(ours, self._ours_at(since), *set_since)
        return PastMoment(ours, None if self.apart is None else self.at + self.apart - length)

    @property
    def latest(self) -> datetime:
        """The latest of the current times by all clocks."""
        shown = [at + timedelta(seconds=self.ticks - ticks) for ticks, at in self.met]
        return max(self.at, self.at + (self.apart or timedelta()), *shown)

    def _ours_at(self, ticks: float) -> datetime:
        """What our clock showed then. Changes before its first reading are unknown."""
        begun, at = next((met for met in reversed(self.met) if met[0] <= ticks), self.met[0])
        return at + timedelta(seconds=ticks - begun)


class Clocks:
    """Detects, within one process, when our clock was set.

    Args:
        ticks: a monotonic clock in seconds that keeps running while the machine sleeps; None if there is none, for
            example in tests with simulated time.
    """

    def __init__(self, ticks: Callable[[], float] | None = None) -> None:
        self._ticks = ticks
        self._met: tuple[tuple[float, datetime], ...] = ()

    def moment(self, at: datetime, apart: Fact[timedelta] | None = None) -> Moment:
        """The current time by every clock; by ours it is `at`."""
        known = None if isinstance(apart, NotLearnt) else apart
        if self._ticks is None:
            return Moment(at, known)
        ticks = self._ticks()
        if not self._met or abs(self._expected(ticks) - at) > _MIN_JUMP:
            self._met = (*self._met[-_MAX_JUMPS:], (ticks, at))
        return Moment(at, known, ticks, self._met)

    def _expected(self, ticks: float) -> datetime:
        begun, at = self._met[-1]
        return at + timedelta(seconds=ticks - begun)


PROCESS_CLOCKS = Clocks(monotonic_seconds)
"""For everything that uses this machine's time."""


@dataclass(frozen=True, slots=True)
class UnknownWait:
    """How long to wait before reads may settle an answer of unknown outcome, or before it may be sent again.

    Attributes:
        wait: the time to wait; None while no wait is long enough yet.
    """

    wait: timedelta | None
    now: Moment

    def over(self, sent: Row[Any], *, read: datetime) -> bool:
        """Whether a read that began at this time may settle the answer."""
        return self.wait is not None and self._reached(sent, self.wait, read)

    def over_for_another(self, sent: Row[Any], *, read: datetime) -> bool:
        """Whether a read that began at this time allows another attempt. Each attempt doubles the wait, up to a day."""
        if self.wait is None:
            return False
        doubled = min(self.wait * int(2 ** min(sent.attempts - 1, 10)), MAX_RETRY_WAIT)
        return self._reached(sent, max(self.wait, doubled), read)

    def _reached(self, sent: Row[Any], wait: timedelta, read: datetime) -> bool:
        since_the_read = max(self.now.at - read, timedelta())
        return self.now.ago(wait + since_the_read).reached(sent.sent_at, sent.service_sent_at)


def is_due(answer: Row[Any], retry_not_before: datetime, now: Moment) -> bool:
    """Whether the time at which a refused answer may be retried has come, by every clock."""
    wait = retry_not_before - answer.outcome_at
    theirs = answer.service_sent_at and answer.outcome_at + (answer.service_sent_at - answer.sent_at)
    return now.ago(wait).reached(answer.outcome_at, theirs)
