"""Logs on stderr: coloured lines on a terminal, one JSON object a line elsewhere.

Event names are past-tense snake case: `request_accepted`, `cycle_finished`, `policy_refused`.
"""

from __future__ import annotations

import os
import sys
import unicodedata

import structlog
from structlog.typing import EventDict


def configure_logs() -> None:
    """Send structlog's events to stderr, in the form that suits who reads it."""
    person = sys.stderr.isatty()
    renderer = (
        structlog.dev.ConsoleRenderer(colors="NO_COLOR" not in os.environ)
        if person
        else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _harmless,
            renderer,
        ],
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=False,
    )


def _harmless(_logger: object, _method: str, event: EventDict) -> EventDict:
    """Make customers' texts harmless for a terminal: control and direction characters become visible marks."""
    for name, value in event.items():
        if isinstance(value, str):
            event[name] = "".join(char if char == "\n" or _shows(char) else "�" for char in value)
    return event


def _shows(char: str) -> bool:
    return unicodedata.category(char) not in {"Cc", "Cf", "Cs"}
