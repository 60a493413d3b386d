"""The time zone in which a policy's days begin and end."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta, tzinfo
from zoneinfo import ZoneInfo, available_timezones

from pm_autoaccept.errors import Fault
from pm_autoaccept.policy.messages import perhaps
from pm_autoaccept.policy.parser.source_text import Broken, Node, Text


def end_of_day(moment: datetime, zone: tzinfo) -> datetime:
    """The last instant of the day that the moment falls on in that time zone, in UTC."""
    next_day = datetime.combine(moment.astimezone(zone).date() + timedelta(days=1), time(), zone)
    return next_day.astimezone(UTC) - timedelta(microseconds=1)


def read_time_zone(node: Node, faults: list[Fault]) -> tzinfo:
    """What stands after `time_zone:`, an IANA name; UTC where that has a fault.

    A name without a slash is refused, since `EST` is no Eastern Time: it knows no summer.
    """
    if isinstance(node, Text):
        if node.value == "UTC":
            return UTC
        try:
            if "/" in node.value:
                return ZoneInfo(node.value)
        except (ValueError, OSError, KeyError):
            pass  # no such name; what zoneinfo raises depends on what else is wrong with it
        known = sorted(name for name in available_timezones() if "/" in name)
        message = f"`{node.value}` is no time zone{perhaps(node.value, known)}; write it as America/Chicago, or UTC"
        faults.append(node.place.fault(message))
    elif not isinstance(node, Broken):
        faults.append(node.place.fault("`time_zone` is one name, as America/Chicago, or UTC"))
    return UTC
