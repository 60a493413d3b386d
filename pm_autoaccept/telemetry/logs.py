"""Logs on stderr: coloured lines on a terminal, one JSON object a line elsewhere.

Event names are past-tense snake case: `request_accepted`, `cycle_finished`, `policy_refused`.
"""

from __future__ import annotations

import os
import sys

import structlog
from structlog.typing import EventDict

from pm_autoaccept.telemetry.printable import printable


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
    """Make customers' texts harmless for a terminal; a line break of a traceback or a list of faults stays one."""
    for name, value in event.items():
        if isinstance(value, str):
            event[name] = printable(value, keep="\n")
    return event
