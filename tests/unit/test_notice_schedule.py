"""When notices are sent: attempts after failures, and one digest for each local day, whatever the clocks do."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from pm_autoaccept.notice_schedule import MAX_ATTEMPTS, last_digest, next_attempt, requested_wait

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
CHICAGO = ZoneInfo("America/Chicago")


def test_ten_attempts_take_75_hours_35_minutes() -> None:
    """The table of Standard Webhooks; then the notice is dead."""
    at, attempts = NOW, 1
    while (again := next_attempt(attempts, at=at)) is not None:
        at, attempts = again, attempts + 1
    assert attempts == MAX_ATTEMPTS == 10
    assert at - NOW == timedelta(hours=75, minutes=35, seconds=5)


@pytest.mark.parametrize(
    ("after", "waits"),
    [
        (None, timedelta(minutes=5)),
        (timedelta(seconds=1), timedelta(minutes=5)),
        (timedelta(minutes=7), timedelta(minutes=7)),
        (timedelta(minutes=-7), timedelta(minutes=5)),
        (timedelta(days=400), timedelta(days=1)),
    ],
)
def test_a_retry_after_is_followed_within_reason(after: timedelta | None, waits: timedelta) -> None:
    """Never sooner than the table says, and at most a day later."""
    assert next_attempt(2, at=NOW, after=after) == NOW + waits
    assert timedelta() <= requested_wait(after) <= timedelta(days=1)


def test_an_attempt_that_was_not_counted_is_the_first() -> None:
    """A released claim may have taken its attempt back."""
    assert next_attempt(0, at=NOW) == NOW + timedelta(seconds=5)


def local(text: str, *, fold: int = 0) -> datetime:
    """A time in Chicago, as UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=CHICAGO, fold=fold).astimezone(UTC)


@pytest.mark.parametrize(
    ("at", "hour", "day"),
    [
        ("2026-03-04T06:59", 7, date(2026, 3, 3)),
        ("2026-03-04T07:00", 7, date(2026, 3, 4)),
        ("2026-03-04T23:59", 7, date(2026, 3, 4)),
        ("2026-03-04T00:00", 0, date(2026, 3, 4)),
    ],
)
def test_a_digest_belongs_to_the_local_day_of_its_hour(at: str, hour: int, day: date) -> None:
    """Before its hour, the last one is yesterday's."""
    found, due = last_digest(local(at), hour=hour, time_zone=CHICAGO)
    assert (found, due) == (day, local(f"{day}T{hour:02}:00"))


@pytest.mark.parametrize("night", ["2026-03-08", "2026-11-01"])
@pytest.mark.parametrize("hour", [0, 1, 2, 3, 23])
def test_each_local_day_has_one_digest_also_when_clocks_change(night: str, hour: int) -> None:
    """Minute by minute over three days: the days follow each other, and each becomes due once."""
    start = local(f"{night}T12:00") - timedelta(days=2)
    seen = [
        last_digest(start + timedelta(minutes=minute), hour=hour, time_zone=CHICAGO) for minute in range(4 * 24 * 60)
    ]
    days = [day for day, _ in seen]
    assert days == sorted(days)
    assert len(dict.fromkeys(seen)) == len(set(days)) == 5
    assert all(due <= start + timedelta(minutes=minute) for minute, (_, due) in enumerate(seen))


def test_a_clock_that_was_set_back_finds_the_same_day() -> None:
    """The date identifies the digest, so it is not sent again."""
    first, _ = last_digest(local("2026-03-04T07:10"), hour=7, time_zone=CHICAGO)
    again, _ = last_digest(local("2026-03-04T07:05"), hour=7, time_zone=CHICAGO)
    earlier, _ = last_digest(local("2026-03-04T06:30"), hour=7, time_zone=CHICAGO)
    assert first == again
    assert earlier == first - timedelta(days=1)
