"""Structured logging to stderr: colored text on a terminal, otherwise one JSON object per line.

Event names are snake case: `request_accepted`, `cycle_finished`, `policy_refused`. Libraries that use the standard
`logging` module are logged in the same format, from `warning` up. Below that, their messages may contain private data,
for example every parameter of a database statement.
"""

from __future__ import annotations

import logging
import os
import secrets
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from typing import TypeAlias

import structlog
from structlog.typing import EventDict, Processor

from pm_autoaccept.telemetry.terminal import printable

log = structlog.get_logger()

Renderer: TypeAlias = structlog.dev.ConsoleRenderer | structlog.processors.JSONRenderer


class LogLevel(StrEnum):
    """The lowest level of our own events that is logged."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class LogFormat(StrEnum):
    """`text` is for people, `json` for machines. `auto` is text on a terminal and JSON otherwise."""

    AUTO = "auto"
    JSON = "json"
    TEXT = "text"


def configure_logs(level: LogLevel = LogLevel.INFO, form: LogFormat = LogFormat.AUTO) -> None:
    """Send structlog's events and the libraries' warnings to stderr, in the given format."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    # A traceback is formatted before it is escaped. It never contains the values of variables.
    last: list[Processor] = [structlog.processors.format_exc_info, _escape_event, _renderer(form)]
    structlog.configure(
        processors=[*shared, *last],
        wrapper_class=structlog.make_filtering_bound_logger(level.value),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [each for each in root.handlers if not isinstance(each.formatter, type(handler.formatter))]
    root.addHandler(handler)
    # The handler too, because a logger can have its own level. SQLAlchemy's does.
    for each in (root, handler):
        each.setLevel(logging.ERROR if level is LogLevel.ERROR else logging.WARNING)


def log_lost_lines(total: int) -> None:
    """Log how many log lines could not be written since the program started."""
    log.warning("log_lines_lost", total=total)


@contextmanager
def cycle_context() -> Iterator[None]:
    """Bind a new `cycle` id to every log line within, so that the lines of one cycle can be found."""
    with structlog.contextvars.bound_contextvars(cycle=secrets.token_hex(4)):
        yield


@contextmanager
def account_context(name: str) -> Iterator[None]:
    """Bind the account's name to every log line within, also from tasks that are started within."""
    with structlog.contextvars.bound_contextvars(account=name):
        yield


def _renderer(form: LogFormat) -> Renderer:
    if form is LogFormat.JSON or (form is LogFormat.AUTO and not sys.stderr.isatty()):
        return structlog.processors.JSONRenderer()
    colors = "NO_COLOR" not in os.environ and sys.stderr.isatty()
    return structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=structlog.dev.plain_traceback)


def _escape_event(_logger: object, _method: str, event: EventDict) -> EventDict:
    """Escape customers' text for a terminal. Line breaks stay, since tracebacks and lists of faults need them."""
    return {name: _escaped(value) for name, value in event.items()}


def _escaped(value: object) -> object:
    """The value with every text in it escaped. A value of another type is converted to text."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, Mapping):
        return {_escaped(name): _escaped(each) for name, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_escaped(each) for each in value]
    return printable(value, keep="\n")
