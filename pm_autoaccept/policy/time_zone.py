"""The policy's time zone: parse `time_zone`, and find the end of a day."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta, tzinfo
from zoneinfo import ZoneInfo, available_timezones

from pm_autoaccept.errors import Fault
from pm_autoaccept.policy.messages import perhaps
from pm_autoaccept.policy.parser.source_text import Broken, Node, Text


def end_of_day(moment: datetime, zone: tzinfo) -> datetime:
    """The last instant, in UTC, of the day on which the moment falls in that time zone."""
    next_day = datetime.combine(moment.astimezone(zone).date() + timedelta(days=1), time(), zone)
    return next_day.astimezone(UTC) - timedelta(microseconds=1)


def read_time_zone(node: Node, faults: list[Fault]) -> tzinfo:
    """Parse `time_zone`, an IANA name; UTC if it has a fault.

    A name without a slash is refused: `EST`, for example, has no daylight saving time.
    """
    if isinstance(node, Text):
        if node.value == "UTC":
            return UTC
        try:
            if "/" in node.value:
                return ZoneInfo(node.value)
        except (ValueError, OSError, KeyError):
            pass  # unknown name; which error zoneinfo raises depends on the name
        known = sorted(name for name in available_timezones() if "/" in name)
        meant = perhaps(node.value, known)
        message = f"unknown time zone `{node.value}`{meant}; use an IANA name, for example America/Chicago, or UTC"
        faults.append(node.place.fault(message))
    elif not isinstance(node, Broken):
        faults.append(node.place.fault("`time_zone` must be one name, for example America/Chicago, or UTC"))
    return UTC
