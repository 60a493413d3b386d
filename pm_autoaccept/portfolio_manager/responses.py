"""Interprets replies: status, headers and body in; data or a typed error (refused, transient, unknown) out. No I/O.

The rows of docs/architecture.md#failures with a status are implemented here, those without a reply in `transport`. A
temporary failure of a GET is `Transient`. A POST with an unknown outcome is `AnswerUnknown`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import lru_cache
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
    """One HTTP reply. `cut` says why the body is incomplete; an incomplete body is left out. None if it is complete."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    cut: str | None = None


MAX_RETRY_AFTER_S = 86_400.0
"""The longest Retry-After that is obeyed, in seconds."""
_FULFILLED = "the pending request doesnt exist or has been fulfilled"
_SCHEMA_FAULT, _APPLICATION_FAULT = -100, -200
_MAX_SHOWN_CHARACTERS = 300


def parse_get_reply(call: Call, reply: Reply, *, read: Callable[[bytes], T], now: datetime) -> T:
    """Parse the reply to a GET with `read`, or raise the error that it means.

    Raises:
        PortfolioManagerError: one of its kinds, by docs/architecture.md#failures.
    """
    _require_ok(call, reply, now=now)
    try:
        return read(reply.body)
    except DocumentRefused as error:
        envelope = _envelope(reply.body)
        # The application understood the call and refused it, whatever the HTTP status is. Treat it like a 4xx.
        if envelope is not None and not envelope.ok:
            raise Refused(_error_texts(envelope) or "status Error", call=str(call), status=reply.status) from error
        raise Transient(f"it answered with {error}", call=str(call), status=reply.status) from error


def check_post_reply(call: Call, reply: Reply, *, now: datetime) -> None:
    """Return if the reply to a POST confirms it: 200 and status="Ok", nothing else. Otherwise raise what it means.

    A 200 whose envelope contains an error is the same refusal as with status 400.

    Raises:
        PortfolioManagerError: one of its kinds, by docs/architecture.md#failures.
    """
    _require_ok(call, reply, now=now)
    try:
        response = parse_response(reply.body)
    except DocumentRefused as error:
        raise AnswerUnknown(f"it answered with {error}", call=str(call), status=reply.status) from error
    if response.is_error:
        words = _error_texts(response) or 'status="Error"'
        raise _bad_request(response)(words, call=str(call), status=reply.status)
    if not response.ok:
        raise AnswerUnknown(_error_texts(response) or 'no status="Ok"', call=str(call), status=reply.status)


def no_answer(
    call: Call, what: str, *, status: int | None = None, retry_after: float | None = None
) -> PortfolioManagerError:
    """The error for a call that was sent but got no complete reply: reset, timeout, truncated, too large."""
    return _transient_or_unknown(call)(what, call=str(call), status=status, retry_after=retry_after)


def retry_after(headers: Mapping[str, str], *, now: datetime) -> float | None:
    """The Retry-After header in seconds, given as a number or a date; None if it is absent or invalid.

    Never below 0 and never above MAX_RETRY_AFTER_S.
    """
    said = _header(headers, "Retry-After")
    if re.fullmatch(r"[0-9]+", said):
        return min(float(said), MAX_RETRY_AFTER_S)
    until = _http_date(said)
    return None if until is None else min(max((until - now).total_seconds(), 0.0), MAX_RETRY_AFTER_S)


def clock_difference(headers: Mapping[str, str], *, now: datetime) -> Fact[timedelta]:
    """The difference between the service's clock and ours: its `Date` header, in whole seconds, minus `now`.

    A slow reply makes the difference too small by as much, so it is only as exact as a call's timeout.
    """
    said = _header(headers, "Date")
    date = _http_date(said)
    if date is None:
        return NotLearnt(
            f"its last reply had {f'an invalid Date header: {one_line(said)!r}' if said else 'no Date header'}"
        )
    return date - now


def _header(headers: Mapping[str, str], name: str) -> str:
    """The value of a header; empty if there is none."""
    wanted = name.casefold()
    return next((value for each, value in headers.items() if each.casefold() == wanted), "").strip()


# Every reply has a Date, and all replies of one second have the same.
@lru_cache(maxsize=16)
def _http_date(said: str) -> datetime | None:
    """An HTTP date with its offset; None if it is invalid."""
    try:
        date = parsedate_to_datetime(said)
    except (ValueError, OverflowError, TypeError, IndexError):
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)


def _require_ok(call: Call, reply: Reply, *, now: datetime) -> None:
    """Return if the status is 200 and the body is complete; otherwise raise the error that the status means."""
    # A Retry-After delays further calls whatever the status is, except on success, where it has no meaning.
    asked = None if 200 <= reply.status < 300 else retry_after(reply.headers, now=now)  # noqa: PLR2004 - a class of statuses
    # For 200 and 400 the body decides what happened. Every other status is enough.
    if reply.cut is not None and reply.status in (HTTPStatus.OK, HTTPStatus.BAD_REQUEST):
        raise no_answer(call, reply.cut, status=reply.status, retry_after=asked)
    if reply.status == HTTPStatus.OK:
        return
    envelope = _envelope(reply.body)
    text = (_error_texts(envelope) if envelope else "") or _phrase(reply.status)
    too_fast = reply.status == HTTPStatus.TOO_MANY_REQUESTS
    kind = TooFast if too_fast else _error_kind(call, reply.status, envelope)
    raise kind(text, call=str(call), status=reply.status, retry_after=asked)


def _error_kind(call: Call, status: int, envelope: Response | None) -> type[PortfolioManagerError]:
    """The error class for a status other than 200 and 429."""
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
            return _transient_or_unknown(call)


def _bad_request(envelope: Response) -> type[Refused]:
    """The kind of refusal of a POST, by error numbers and texts (docs/protocol.md#errors)."""
    numbers = {error.number for error in envelope.errors}
    if _SCHEMA_FAULT in numbers:
        return Invalid
    if numbers == {_APPLICATION_FAULT} and all(_FULFILLED in _normalized(error.text) for error in envelope.errors):
        return AlreadyFulfilled
    return Refused


def _transient_or_unknown(call: Call) -> type[Transient | AnswerUnknown]:
    return Transient if call.service.method == "GET" else AnswerUnknown


def _envelope(body: bytes) -> Response | None:
    """The body as a `response` document; None if it is something else."""
    try:
        return parse_response(body)
    except DocumentRefused:
        return None


def _error_texts(envelope: Response) -> str:
    """The service's error texts, as one line."""
    return one_line("; ".join(error.text for error in envelope.errors if error.text))


def one_line(text: str) -> str:
    """Text from outside, prepared for a message: one line, no control characters, shortened."""
    line = " ".join("".join(character if character.isprintable() else " " for character in text).split())
    return line if len(line) <= _MAX_SHOWN_CHARACTERS else line[:_MAX_SHOWN_CHARACTERS] + "…"


def _normalized(text: str) -> str:
    """Error text for comparison, without apostrophes, case and extra spaces. EPA warns that its texts may change."""
    words = " ".join(re.sub(r"['\u2018\u2019\u02bc`\u00b4]", "", text).split()).casefold()
    return words.replace("does not", "doesnt")


def _phrase(status: int) -> str:
    """The standard phrase of a status, for a reply without an error text."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "a status that HTTP does not define"
