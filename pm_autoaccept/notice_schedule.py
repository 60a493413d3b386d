"""When notices are sent: attempts after failures, gathering for people, daily digests and reminders. Pure."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta, tzinfo

RETRY_WAITS = (
    *(timedelta(seconds=5), timedelta(minutes=5), timedelta(minutes=30), timedelta(hours=2), timedelta(hours=5)),
    *(timedelta(hours=10), timedelta(hours=14), timedelta(hours=20), timedelta(hours=24)),
)
"""The wait after each failed attempt, as Standard Webhooks recommends: ten attempts within 75 hours 35 minutes."""

EVERY_ATTEMPT = sum(RETRY_WAITS, timedelta())
"""How long all attempts take."""

MAX_ATTEMPTS = len(RETRY_WAITS) + 1
"""How often a notice is tried before it is dead."""

MAX_REQUESTED_WAIT = timedelta(hours=24)
"""The longest `Retry-After` of a target that is followed."""

GATHER_FOR = timedelta(seconds=30)
"""How long events for people are gathered into one message."""


def next_attempt(attempts: int, *, at: datetime, after: timedelta | None = None) -> datetime | None:
    """When to try a notice again after a failed attempt; None if it is dead.

    Args:
        attempts: how often it was tried so far.
        at: when the last attempt failed.
        after: how long the target asked us to wait, if it did.
    """
    if attempts >= MAX_ATTEMPTS:
        return None
    return at + max(RETRY_WAITS[max(attempts, 1) - 1], requested_wait(after))


def requested_wait(after: timedelta | None) -> timedelta:
    """How long to wait because a target asked for it: not less than nothing, and a day at most."""
    return min(max(after or timedelta(), timedelta()), MAX_REQUESTED_WAIT)


def last_digest(at: datetime, *, hour: int, time_zone: tzinfo) -> tuple[date, datetime]:
    """The local date of the last digest that was due by this time, and when it was due.

    The date identifies the digest. So it is sent once, also in a night in which the clocks change, and when a clock was
    set back. An hour that does not exist on that day is moved to the next one; of an hour that exists twice, the first
    one counts.
    """
    today = at.astimezone(time_zone).date()
    due = digest_time(today, hour=hour, time_zone=time_zone)
    if due > at:
        today -= timedelta(days=1)
        due = digest_time(today, hour=hour, time_zone=time_zone)
    return today, due


def digest_time(day: date, *, hour: int, time_zone: tzinfo) -> datetime:
    """When the digest of a local date is due, in UTC."""
    return datetime.combine(day, time(hour), tzinfo=time_zone).astimezone(UTC)
