"""Parses and formats moments: one syntax for every option that takes a time, and one format that names its zone.

A moment without an offset is UTC, in every command.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Any

import click

from pm_autoaccept.clock import utc_now

SYNTAX = "a date, a date and time, a time of day or a duration; UTC unless it has an offset"
"""For the help text of options."""

_TIME_OF_DAY = re.compile(r"([0-9]{1,2}):([0-9]{2})(Z|[+-][0-9]{2}:[0-9]{2})?")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_UTC_NAMED = re.compile(r" *UTC$")
"""The zone as our own lists write it, so that a moment can be copied from one."""


class MomentType(click.ParamType[datetime]):
    """A click option type for moments.

    Args:
        whole_day: a date includes its whole day, so it stands for the day's end; otherwise for its beginning.
        future: a duration counts from now on and a time of day is the next one; otherwise both look back.
        clock: the current time.
    """

    name = "time"

    def __init__(
        self,
        *,
        whole_day: bool = False,
        future: bool = False,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._whole_day, self._future, self._clock = whole_day, future, clock

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:  # noqa: ANN401 — click's signature
        """Parse an option's value."""
        now = self._clock()
        try:
            moment = parse_moment(value, now=now, whole_day=self._whole_day, future=self._future)
        except ValueError as error:
            self.fail(str(error), param, ctx)
        if self._future and moment <= now:
            self.fail(f"{format_moment(moment, UTC)} is in the past; use a later time", param, ctx)
        return moment


def parse_moment(text: str, *, now: datetime, whole_day: bool = False, future: bool = False) -> datetime:
    """The moment that a text stands for, in UTC.

    Args:
        text: `2026-03-31`, `2026-03-31T14:30`, `2026-03-31T14:30-05:00`, `14:30` or `7d`; UTC unless it has an offset.
        now: the current time.
        whole_day: as in `MomentType`.
        future: as in `MomentType`.

    Raises:
        ValueError: the text is not a moment.
    """
    from pm_autoaccept.policy.durations import read_duration

    written = text.strip()
    try:
        if (duration := read_duration(written)) is not None:
            return now + duration if future else now - duration
        if of_day := _TIME_OF_DAY.fullmatch(written):
            return _of_day(time.fromisoformat(f"{of_day[1]:0>2}:{of_day[2]}{of_day[3] or 'Z'}"), now, future=future)
        if _DATE.fullmatch(written):
            day = date.fromisoformat(written) + timedelta(days=int(whole_day))
            return datetime(day.year, day.month, day.day, tzinfo=UTC)
        moment = datetime.fromisoformat(_UTC_NAMED.sub("+00:00", written))
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(
            f"invalid time {text!r}; use {SYNTAX}, for example 2026-03-31, 2026-03-31T14:30-05:00, 14:30 or 7d"
        ) from None


def _of_day(at: time, now: datetime, *, future: bool) -> datetime:
    """The next such time of day, or the last one."""
    moment = datetime.combine(now.astimezone(at.tzinfo).date(), at)
    if future and moment <= now:
        moment += timedelta(days=1)
    elif not future and moment > now:
        moment -= timedelta(days=1)
    return moment.astimezone(UTC)


def format_moment(at: datetime, zone: tzinfo) -> str:
    """A moment for people, with its zone: `2026-03-04 18:00:00 UTC`."""
    return f"{at.astimezone(zone):%Y-%m-%d %H:%M:%S %Z}"
