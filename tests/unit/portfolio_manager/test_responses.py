"""What an answer means: docs/architecture.md#failures, row by row, without a socket."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from http import HTTPStatus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pm_autoaccept.errors import (
    AlreadyFulfilled,
    AnswerUnknown,
    Invalid,
    NotAuthorised,
    NotOurs,
    PortfolioManagerError,
    Redirected,
    Refused,
    TooFast,
    Transient,
)
from pm_autoaccept.model import NotLearnt
from pm_autoaccept.parse import parse_customer_list
from pm_autoaccept.portfolio_manager.responses import (
    LONGEST_WAIT,
    Reply,
    clock_difference,
    confirm,
    data_from,
    retry_after,
)
from pm_autoaccept.portfolio_manager.services import CUSTOMERS, DISCONNECT

NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)
GET = CUSTOMERS.call()
POST = DISCONNECT.call(7, keepShares="true")
OK = b'<response status="Ok"/>'
FULFILLED = "The pending request doesn't exist or has been fulfilled"


def error(number: int | str, text: str) -> bytes:
    """An error envelope."""
    errors = f'<errors><error errorNumber="{number}" errorDescription="{text}"/></errors>'
    return f'<response status="Error">{errors}</response>'.encode()


def failure_of_get(status: int, body: bytes = b"", **headers: str) -> PortfolioManagerError:
    """What a GET answered so raises."""
    with pytest.raises(PortfolioManagerError) as raised:
        data_from(GET, Reply(status, headers, body), read=parse_customer_list, now=NOW)
    return raised.value


def failure_of_post(status: int, body: bytes = b"", **headers: str) -> PortfolioManagerError:
    """What a POST answered so raises."""
    with pytest.raises(PortfolioManagerError) as raised:
        confirm(POST, Reply(status, headers, body), now=NOW)
    return raised.value


def test_what_was_asked_for_is_read() -> None:
    """A GET answered 200 brings its data, and a POST answered Ok just returns."""
    assert data_from(GET, Reply(200, {}, OK), read=parse_customer_list, now=NOW) == frozenset()
    confirm(POST, Reply(200, {}, OK), now=NOW)


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (200, error(-200, FULFILLED), AlreadyFulfilled),
        (200, error(-100, FULFILLED), Invalid),
        (200, error(-200, "No."), Refused),
        (200, error("x", ""), Refused),
        (200, error(-200, FULFILLED).replace(b"</errors>", b"<error/></errors>"), Refused),
        (200, error(-200, FULFILLED).replace(b"Error", b"Ok"), AnswerUnknown),
        (200, error(-200, FULFILLED).replace(b"Error", b"error"), AnswerUnknown),
        (200, error(-200, FULFILLED).replace(b' status="Error"', b""), AnswerUnknown),
        (200, error(-200, FULFILLED).replace(b"status", b'xmlns:r="x" r:status'), AnswerUnknown),
        (200, error(-200, FULFILLED)[:-1], AnswerUnknown),
        (200, b'<response status="Error"/>', AnswerUnknown),
        (200, b'<response status="Error"><errors/></response>', AnswerUnknown),
        (200, b'<response status="Error"><warnings><warning/></warnings></response>', AnswerUnknown),
        (200, b"<response/>", AnswerUnknown),
        (201, error(-200, FULFILLED), AnswerUnknown),
        (202, error(-200, FULFILLED), AnswerUnknown),
        (302, error(-200, FULFILLED), Redirected),
        (401, error(-200, FULFILLED), NotAuthorised),
        (403, error(-200, FULFILLED), NotOurs),
        (429, error(-200, FULFILLED), TooFast),
        (503, error(-100, FULFILLED), AnswerUnknown),
        (200, b'<response status="OK"/>', AnswerUnknown),
        (200, b"<html>Sorry</html>", AnswerUnknown),
        (200, b'<response status="Ok"', AnswerUnknown),
        (200, b"", AnswerUnknown),
        (200, b"<pendingList/>", AnswerUnknown),
        (201, OK, AnswerUnknown),
        (202, OK, AnswerUnknown),
        (204, b"", AnswerUnknown),
        (301, b"", Redirected),
        (302, OK, Redirected),
        (400, error(-200, FULFILLED), AlreadyFulfilled),
        (400, error(-200, "the pending  request does not exist or has been FULFILLED."), AlreadyFulfilled),
        (400, error(-200, FULFILLED.replace("'", "\u2019")), AlreadyFulfilled),
        (400, error(-100, FULFILLED), Invalid),
        (400, error(-200, "Please select your property's primary function"), Refused),
        (400, error("x", FULFILLED), Refused),
        (400, b'<response status="Error"/>', Refused),
        (400, b"<html/>", Refused),
        (400, b"", Refused),
        (401, b"", NotAuthorised),
        (403, b"", NotOurs),
        (404, error(-200, FULFILLED), NotOurs),
        (405, b"", Refused),
        (415, b"<html/>", Refused),
        (429, b"", TooFast),
        (500, error(-200, FULFILLED), AnswerUnknown),
        (502, b"<html/>", AnswerUnknown),
        (599, b"", AnswerUnknown),
        (999, b"", AnswerUnknown),
    ],
)
def test_each_row_for_a_post(status: int, body: bytes, kind: type[PortfolioManagerError]) -> None:
    """Each answer to a POST is the error of its row, and no more special than that."""
    failure = failure_of_post(status, body)
    assert type(failure) is kind
    assert (failure.status, failure.call) == (status, "POST /disconnect/account/7?keepShares=true")
    assert failure.text


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (200, error(-200, "No."), Refused),
        (200, b'<response status="Error"/>', Refused),
        (200, b"<html>Sorry</html>", Transient),
        (200, OK[:-2], Transient),
        (200, b"", Transient),
        (200, b"<pendingList/>", Transient),
        (202, OK, Transient),
        (301, b"", Redirected),
        (400, error(-200, FULFILLED), Refused),
        (400, error(-100, "?"), Refused),
        (401, b"", NotAuthorised),
        (403, b"", NotOurs),
        (404, b"", NotOurs),
        (406, b"", Refused),
        (429, b"", TooFast),
        (500, b"", Transient),
        (502, b"<html/>", Transient),
        (999, b"", Transient),
    ],
)
def test_each_row_for_a_get(status: int, body: bytes, kind: type[PortfolioManagerError]) -> None:
    """Each answer to a GET is the error of its row."""
    failure = failure_of_get(status, body)
    assert type(failure) is kind
    assert failure.text


@given(
    status=st.sampled_from(["Error", "Error", "error", "Ok", "", " Error"]),
    errors=st.lists(st.tuples(st.sampled_from(["-100", "-200", "x", ""]), st.sampled_from([FULFILLED, "No.", ""]))),
)
def test_a_200_that_says_error_is_what_the_same_envelope_is_under_400(
    status: str, errors: list[tuple[str, str]]
) -> None:
    """The status of the envelope and one error are both needed; with less nobody knows what became of the answer."""
    inner = "".join(f'<error errorNumber="{number}" errorDescription="{text}"/>' for number, text in errors)
    body = f'<response status="{status}"><errors>{inner}</errors></response>'.encode()
    expected = type(failure_of_post(400, body)) if status == "Error" and errors else AnswerUnknown
    if status == "Ok" and not errors:
        confirm(POST, Reply(200, {}, body), now=NOW)
    else:
        assert type(failure_of_post(200, body)) is expected


@pytest.mark.parametrize("status", HTTPStatus)
def test_a_body_that_breaks_off_matters_only_where_it_decides(status: HTTPStatus) -> None:
    """Of a 200 and a 400 the body says what happened; any other status says it alone, as a 401 must."""
    reply = Reply(status, {}, b"", cut="the answer broke off")
    with pytest.raises(PortfolioManagerError) as raised:
        confirm(POST, reply, now=NOW)
    if status in (200, 400):
        assert type(raised.value) is AnswerUnknown
        assert raised.value.text == "the answer broke off"
        with pytest.raises(Transient):
            data_from(GET, reply, read=parse_customer_list, now=NOW)
    else:
        assert type(raised.value) is type(failure_of_post(status))


def test_the_services_own_words_are_quoted_on_one_short_line() -> None:
    """What people read is the service's text, without control characters and not endless."""
    assert failure_of_post(400, error(-200, "No&#10;way, &#x9b;31m")).text == "No way, 31m"
    assert len(failure_of_post(400, error(-200, "x" * 5000)).text) < 310
    assert str(failure_of_post(403, error(-200, "Access Denied"))).endswith(": 403: Access Denied")
    assert failure_of_post(403, b"<html/>").text == "Forbidden"


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("5", 5.0),
        (" 0 ", 0.0),
        ("9" * 5000, LONGEST_WAIT),
        ("Wed, 04 Mar 2026 12:00:30 GMT", 30.0),
        ("Wed, 04 Mar 2026 12:00:30 -0000", 30.0),
        ("Wed, 04 Mar 2026 11:00:00 GMT", 0.0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", LONGEST_WAIT),
        ("-5", None),
        ("1.5", None),
        ("\u0665", None),
        ("soon", None),
        ("Wed, 99 Mar 2026 12:00:30 GMT", None),
        ("", None),
    ],
)
def test_retry_after_is_believed_within_bounds(said: str, seconds: float | None) -> None:
    """Seconds or a date; what means nothing is None, and nobody makes us wait for ever."""
    assert retry_after({"retry-After": said}, now=NOW) == seconds
    failure = failure_of_post(429, b"", **{"Retry-After": said})
    assert isinstance(failure, TooFast)
    assert failure.retry_after == seconds


def test_the_services_clock_is_put_beside_ours() -> None:
    """Its Date, in whatever spelling, minus the time when it came."""
    for said, ahead in (
        ("Wed, 04 Mar 2026 12:00:30 GMT", 30),
        ("Wed, 04 Mar 2026 11:59:00 -0000", -60),
        ("Wednesday, 04-Mar-26 13:00:00 GMT", 3600),
        ("Wed Mar  4 12:00:00 2026", 0),
    ):
        assert clock_difference({"date": said}, now=NOW) == timedelta(seconds=ahead)


@pytest.mark.parametrize(
    "said", ["", "now", "\x00", "Wed, 99 Mar 2026 12:00:30 GMT", "Wed, 04 Mar 2026 12:00:30 +9999", "1" * 500, "Wed,"]
)
def test_a_date_that_means_nothing_is_no_clock(said: str) -> None:
    """What the service's clock says is then not learnt, and why is said in one harmless line."""
    fact = clock_difference({"Date": said}, now=NOW)
    assert isinstance(fact, NotLearnt)
    assert fact.why.isprintable()
    assert ("no Date" in fact.why) == (not said)
    assert isinstance(clock_difference({}, now=NOW), NotLearnt)


def test_without_retry_after_nothing_is_asked() -> None:
    """A 429 need not say how long."""
    assert retry_after({}, now=NOW) is None


@given(
    status=st.integers(100, 999),
    body=st.binary(max_size=50) | st.sampled_from([OK, error(-200, FULFILLED)]),
    said=st.text(max_size=40),
)
def test_any_reply_is_done_or_an_error_of_ours(status: int, body: bytes, said: str) -> None:
    """Whatever comes, a POST is done only by 200 and Ok, and else one of our errors says what it was."""
    try:
        confirm(POST, Reply(status, {"Retry-After": said}, body), now=NOW)
    except PortfolioManagerError:
        return
    assert (status, body) == (200, OK)
