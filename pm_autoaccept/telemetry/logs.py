"""Logs on stderr: coloured lines on a terminal, one JSON object a line elsewhere.

Event names are past-tense snake case: `request_accepted`, `cycle_finished`, `policy_refused`. What the libraries log
through the standard library goes the same way, from warnings on: below that, theirs may hold what is nobody's business,
such as every parameter of a database statement.
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
    """From which level on the program's own events are logged."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class LogFormat(StrEnum):
    """`text` is for people, `json` for machines; `auto` is text on a terminal and else JSON."""

    AUTO = "auto"
    JSON = "json"
    TEXT = "text"


def configure_logs(level: LogLevel = LogLevel.INFO, form: LogFormat = LogFormat.AUTO) -> None:
    """Send structlog's events, and the libraries' warnings, to stderr in the form that suits who reads it."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    # A traceback is text before it is made harmless; the values of variables never stand in it.
    last: list[Processor] = [structlog.processors.format_exc_info, _harmless, _renderer(form)]
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
    # The handler too, since a logger may have a level of its own, as SQLAlchemy's has.
    for each in (root, handler):
        each.setLevel(logging.ERROR if level is LogLevel.ERROR else logging.WARNING)


def log_lost_lines(total: int) -> None:
    """Say how many lines of the log could not be written, since the program began."""
    log.warning("log_lines_lost", total=total)


@contextmanager
def one_cycle() -> Iterator[None]:
    """Give everything that is logged within the same new `cycle`, by which one cycle's lines are found."""
    with structlog.contextvars.bound_contextvars(cycle=secrets.token_hex(4)):
        yield


@contextmanager
def one_account(name: str) -> Iterator[None]:
    """Give everything that is logged within, and by the tasks begun within, the account's name from the settings."""
    with structlog.contextvars.bound_contextvars(account=name):
        yield


def _renderer(form: LogFormat) -> Renderer:
    if form is LogFormat.JSON or (form is LogFormat.AUTO and not sys.stderr.isatty()):
        return structlog.processors.JSONRenderer()
    colors = "NO_COLOR" not in os.environ and sys.stderr.isatty()
    return structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=structlog.dev.plain_traceback)


def _harmless(_logger: object, _method: str, event: EventDict) -> EventDict:
    """Make customers' texts harmless for a terminal; a line break of a traceback or a list of faults stays one."""
    return {name: _shown(value) for name, value in event.items()}


def _shown(value: object) -> object:
    """The value with every text in it made harmless; what is neither text nor number is shown as text."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, Mapping):
        return {_shown(name): _shown(each) for name, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_shown(each) for each in value]
    return printable(value, keep="\n")
