"""What an answer means: a call and its reply (status, headers, body) in, data or a typed error out. No I/O, no clock.

The rows of docs/architecture.md#failures that have a status stand here; those without one, where no answer came, in
`connection`. A GET that failed in passing is `Transient`; a POST whose fate is not known is `AnswerUnknown`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TypeVar

from pm_autoaccept.errors import (
    AlreadyFulfilled,
    AnswerUnknown,
    DocumentRefused,
    Invalid,
    NotAuthorised,
    NotOurs,
    PortfolioManagerError,
    Redirected,
    Refused,
    TooFast,
    Transient,
)
from pm_autoaccept.model import Fact, NotLearnt
from pm_autoaccept.parse import Response, parse_response
from pm_autoaccept.portfolio_manager.services import Call

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Reply:
    """What came over the wire. `cut` says why the body is not whole, None if it is; what is not whole is left out."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    cut: str | None = None


LONGEST_WAIT = 86_400.0
"""Seconds; a Retry-After that asks for more is not believed."""
_FULFILLED = "the pending request doesnt exist or has been fulfilled"
_SCHEMA_FAULT, _APPLICATION_FAULT = -100, -200
_SHOWN = 300


def data_from(call: Call, reply: Reply, *, read: Callable[[bytes], T], now: datetime) -> T:
    """What a GET brought, as `read` understands it.

    Raises:
        PortfolioManagerError: one of its kinds, by docs/architecture.md#failures.
    """
    _demand_ok(call, reply, now=now)
    try:
        return read(reply.body)
    except DocumentRefused as error:
        envelope = _envelope(reply.body)
        # The application understood and says no, whatever status stands above it: a 4xx in all but number.
        if envelope is not None and not envelope.ok:
            raise Refused(_own_words(envelope) or "status Error", call=str(call), status=reply.status) from error
        raise Transient(f"it answered with {error}", call=str(call), status=reply.status) from error


def confirm(call: Call, reply: Reply, *, now: datetime) -> None:
    """Returns if a POST is done: 200 and status="Ok", nothing else.

    A 200 whose envelope says Error and names one is the same refusal as under 400.

    Raises:
        PortfolioManagerError: one of its kinds, by docs/architecture.md#failures.
    """
    _demand_ok(call, reply, now=now)
    try:
        response = parse_response(reply.body)
    except DocumentRefused as error:
        raise AnswerUnknown(f"it answered with {error}", call=str(call), status=reply.status) from error
    if response.says_no:
        words = _own_words(response) or 'status="Error"'
        raise _bad_request(response)(words, call=str(call), status=reply.status)
    if not response.ok:
        raise AnswerUnknown(_own_words(response) or 'no status="Ok"', call=str(call), status=reply.status)


def no_answer(
    call: Call, what: str, *, status: int | None = None, retry_after: float | None = None
) -> PortfolioManagerError:
    """The error for a call that left and brought no whole answer: reset, timeout, truncated, too large."""
    return _in_passing(call)(what, call=str(call), status=status, retry_after=retry_after)


def retry_after(headers: Mapping[str, str], *, now: datetime) -> float | None:
    """Seconds that a Retry-After asks for, in either form; None where it is absent or means nothing.

    Never below 0 and never above LONGEST_WAIT.
    """
    said = _said(headers, "Retry-After")
    if re.fullmatch(r"[0-9]+", said):
        return min(float(said), LONGEST_WAIT)
    until = _http_date(said)
    return None if until is None else min(max((until - now).total_seconds(), 0.0), LONGEST_WAIT)


def clock_difference(headers: Mapping[str, str], *, now: datetime) -> Fact[timedelta]:
    """What the service's clock says beside ours: its `Date`, in whole seconds, minus `now`, when its answer came.

    An answer that was long on its way makes it negative by as much, so that it is exact to a call's timeout.
    """
    said = _said(headers, "Date")
    date = _http_date(said)
    if date is None:
        return NotLearnt(f"its last answer had {f'a Date of {one_line(said)!r}' if said else 'no Date'}")
    return date - now


def _said(headers: Mapping[str, str], name: str) -> str:
    """What a header says, empty where there is none."""
    return next((value for each, value in headers.items() if each.casefold() == name.casefold()), "").strip()


def _http_date(said: str) -> datetime | None:
    """A date as headers have it, with its offset; None if it is none."""
    try:
        date = parsedate_to_datetime(said)
    except (ValueError, OverflowError, TypeError, IndexError):
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)


def _demand_ok(call: Call, reply: Reply, *, now: datetime) -> None:
    """Returns if the status is 200 and the body whole."""
    # A Retry-After delays further calls, whatever else the answer says; beside a success it means nothing.
    asked = None if 200 <= reply.status < 300 else retry_after(reply.headers, now=now)  # noqa: PLR2004 - a class of statuses
    # Of a 200 and a 400 the body decides what happened; every other status says it alone.
    if reply.cut is not None and reply.status in (HTTPStatus.OK, HTTPStatus.BAD_REQUEST):
        raise no_answer(call, reply.cut, status=reply.status, retry_after=asked)
    if reply.status == HTTPStatus.OK:
        return
    envelope = _envelope(reply.body)
    text = (_own_words(envelope) if envelope else "") or _phrase(reply.status)
    too_fast = reply.status == HTTPStatus.TOO_MANY_REQUESTS
    kind = TooFast if too_fast else _kind(call, reply.status, envelope)
    raise kind(text, call=str(call), status=reply.status, retry_after=asked)


def _kind(call: Call, status: int, envelope: Response | None) -> type[PortfolioManagerError]:
    """Which error a status other than 200 and 429 is."""
    match status:
        case 401:
            return NotAuthorised
        case 403 | 404:
            return NotOurs
        case 400 if call.service.method == "POST" and envelope is not None:
            return _bad_request(envelope)
        case _ if 300 <= status < 400:  # noqa: PLR2004 - a class of statuses
            return Redirected
        case _ if 400 <= status < 500:  # noqa: PLR2004 - likewise
            return Refused
        case _:
            return _in_passing(call)


def _bad_request(envelope: Response) -> type[Refused]:
    """Which refusal this envelope is to a POST, by its error numbers and texts (docs/protocol.md#errors)."""
    numbers = {error.number for error in envelope.errors}
    if _SCHEMA_FAULT in numbers:
        return Invalid
    if numbers == {_APPLICATION_FAULT} and all(_FULFILLED in _plain(error.text) for error in envelope.errors):
        return AlreadyFulfilled
    return Refused


def _in_passing(call: Call) -> type[Transient | AnswerUnknown]:
    return Transient if call.service.method == "GET" else AnswerUnknown


def _envelope(body: bytes) -> Response | None:
    """The answer as a `response`, None if it is something else."""
    try:
        return parse_response(body)
    except DocumentRefused:
        return None


def _own_words(envelope: Response) -> str:
    """The service's own error texts."""
    return one_line("; ".join(error.text for error in envelope.errors if error.text))


def one_line(text: str) -> str:
    """A text from outside, fit for a message: without control characters, and not endless."""
    line = " ".join("".join(character if character.isprintable() else " " for character in text).split())
    return line if len(line) <= _SHOWN else line[:_SHOWN] + "…"


def _plain(text: str) -> str:
    """A message for comparing: EPA warns that its texts may change, and apostrophes and case do first."""
    words = " ".join(re.sub(r"['\u2018\u2019\u02bc`\u00b4]", "", text).split()).casefold()
    return words.replace("does not", "doesnt")


def _phrase(status: int) -> str:
    """The status in words, where the answer brought none."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "a status that HTTP does not define"
