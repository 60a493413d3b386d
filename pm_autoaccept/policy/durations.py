"""Durations as policies write them: parse and format `30d`, `12h`, `15m`, `90s`."""

from __future__ import annotations

import re
from datetime import timedelta

_DURATION = re.compile(r"([0-9]{1,5})([smhd])")
_UNITS = {"d": timedelta(days=1), "h": timedelta(hours=1), "m": timedelta(minutes=1), "s": timedelta(seconds=1)}

AS_WRITTEN = "a number and s, m, h or d, for example 30d"


def read_duration(text: str) -> timedelta | None:
    """The duration that a text states; None if the text is not a duration."""
    written = _DURATION.fullmatch(text.strip())
    return int(written[1]) * _UNITS[written[2]] if written else None


def written_duration(length: timedelta) -> str:
    """A duration in its one or two largest units: `30d`, `2d 4h`, and `1m 30s` for 90 seconds."""
    if length < timedelta():
        return f"-{written_duration(-length)}"
    parts: list[str] = []
    for name, unit in _UNITS.items():
        count, length = divmod(length, unit)
        if count or parts:
            parts.append(f"{count}{name}")
    return " ".join(part for part in parts[:2] if part[0] != "0") or "0s"
