"""What is repeated and what is not, and what a refused password stops."""

from __future__ import annotations

import asyncio
import logging
import traceback
from datetime import datetime, timedelta

import aiohttp
import pytest
from aiohttp import encode_basic_auth

from pm_autoaccept.errors import (
    AlreadyFulfilled,
    AnswerUnknown,
    Invalid,
    NotAuthorised,
    NotSent,
    PortfolioManagerError,
    TooFast,
    Transient,
)
from pm_autoaccept.model import Action, Kind, NotLearnt
from pm_autoaccept.portfolio_manager import CallMade, Pace, PortfolioManager
from pm_autoaccept.simulator import Fault, FaultKind
from tests.faketime import FakeTime
from tests.unit.portfolio_manager.raw_service import OK, serving


class Pauses:
    """Stands for asyncio.sleep: keeps the seconds and waits for none."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        """One pause."""
        self.seconds.append(seconds)


def too_fast(times: int | None, retry_after: str | None = None) -> Fault:
    """A 429, so many times."""
    headers = () if retry_after is None else (("Retry-After", retry_after),)
    return Fault(kind=FaultKind.STATUS, status=429, times=times, headers=headers)


async def accept(pm: PortfolioManager, *, id_: int = 1, note: str | None = None, blocked_reason=lambda: None) -> None:
    """Accept a meter share within a turn."""
    async with pm.turn():
        await pm.answer(Kind.METER, id_, Action.ACCEPT, note, blocked_reason=blocked_reason)


async def test_retry_after_is_waited_for_and_a_little_longer(simulate, sign_in) -> None:
    """The service's own word is obeyed, in seconds or as a date; the jitter comes on top."""
    simulator, pauses = await simulate(), Pauses()
    pm = await sign_in(simulator, sleep=pauses)
    simulator.faults.add(too_fast(1, "7"))
    simulator.faults.add(too_fast(1, "Wed, 04 Mar 2026 12:00:20 GMT"))
    await pm.account()
    first, second = pauses.seconds
    assert 7 <= first <= 8
    assert 20 <= second <= 21


async def test_without_retry_after_the_pauses_double(simulate, sign_in) -> None:
    """Back-off from a second upwards, with jitter, and with an end."""
    simulator, pauses = await simulate(), Pauses()
    pm = await sign_in(simulator, sleep=pauses, attempts=8)
    simulator.faults.add(Fault(kind=FaultKind.RESET))
    with pytest.raises(Transient):
        await pm.account()
    for expected, pause in zip((1, 2, 4, 8, 16, 30, 30), pauses.seconds, strict=True):
        assert expected <= pause <= min(expected + 1, 30)


@pytest.mark.parametrize("read", [True, False], ids=["GET", "POST"])
async def test_a_longer_retry_after_than_our_patience_is_not_waited_for(simulate, sign_in, *, read: bool) -> None:
    """The error says how long, and whoever called rests."""
    simulator, pauses = await simulate(), Pauses()
    pm = await sign_in(simulator, sleep=pauses, patience=60.0)
    simulator.faults.add(too_fast(None, "61"))
    with pytest.raises(TooFast) as raised:
        await (pm.account() if read else accept(pm))
    assert raised.value.retry_after == 61
    assert pauses.seconds == []
    assert len(simulator.log.calls) == 1


async def test_a_long_retry_after_keeps_everything_here_until_it_is_over(simulate, sign_in) -> None:
    """Each further call says so unsent, and how long it is still; then they leave again."""
    simulator, time = await simulate(), FakeTime()
    pm = await sign_in(simulator, pace=Pace(rate=None, clock=time, sleep=time.sleep))
    simulator.faults.add(too_fast(1, "3600"))
    assert pm.resting is None
    with pytest.raises(TooFast):
        await pm.account()
    time.seconds += 1000
    assert pm.resting == "Portfolio Manager asks for a rest of 2600 s"
    for call in (pm.customers, lambda: accept(pm)):
        with pytest.raises(TooFast, match="not sent: Portfolio Manager asks for a rest of 2600 s") as raised:
            await call()
        assert raised.value.retry_after == 2600
    assert len(simulator.log.calls) == 1
    time.seconds += 2600
    await pm.account()
    assert len(simulator.log.calls) == 2


async def test_an_answer_in_its_turn_waits_for_what_another_call_was_asked(simulate, sign_in) -> None:
    """While an intent is recorded a 429 may come to a read beside it."""
    simulator, time = await simulate(), FakeTime()
    pm = await sign_in(simulator, pace=Pace(rate=None, clock=time, sleep=time.sleep))
    async with pm.turn():
        pm.pace.too_fast(seen=0, retry_after=20)
        with pytest.raises(AlreadyFulfilled):
            await pm.answer(Kind.METER, 1, Action.ACCEPT, None, blocked_reason=lambda: None)
    assert time() == 20


async def test_a_429_slows_all_calls_of_the_account(simulate, sign_in) -> None:
    """Side by side they meet one limit, and slow down once."""
    simulator, time = await simulate(), FakeTime()
    pm = await sign_in(simulator, pace=Pace(in_flight=4, rate=4, clock=time, sleep=time.sleep))
    simulator.faults.add(too_fast(4))
    await asyncio.gather(*(pm.customers() for _ in range(4)))
    assert (pm.pace.rate, pm.pace.slowed) == (2, 1)


async def test_an_answer_is_repeated_only_while_it_is_still_good(simulate, sign_in) -> None:
    """Before each repetition we ask again, and a reason against it ends it with the error that there was."""
    simulator = await simulate()
    simulator.faults.add(too_fast(None))
    pm = await sign_in(simulator)
    with pytest.raises(TooFast) as raised:
        await accept(pm, blocked_reason=lambda: "paused" if len(simulator.log.calls) == 2 else None)
    assert raised.value.__notes__ == ["not repeated: paused"]
    assert len(simulator.log.calls) == 2


async def test_whoever_must_take_their_time_is_asked_before_a_repetition_only(simulate, sign_in) -> None:
    """Answering may be paused, in the ledger, while a 429 is waited out."""
    simulator = await simulate()
    simulator.faults.add(too_fast(None))
    asked: list[int] = []

    async def may_repeat() -> str | None:
        asked.append(len(simulator.log.calls))
        return "paused" if len(asked) == 2 else None

    pm = await sign_in(simulator)
    async with pm.turn():
        with pytest.raises(TooFast) as raised:
            await pm.answer(Kind.METER, 1, Action.ACCEPT, None, blocked_reason=lambda: None, may_repeat=may_repeat)
    assert raised.value.__notes__ == ["not repeated: paused"]
    assert asked == [1, 2]
    assert len(simulator.log.calls) == 2


async def test_an_answer_does_not_leave_if_it_is_no_longer_good(simulate, sign_in) -> None:
    """While a turn was waited for and the intent recorded, a lease may have ended."""
    simulator = await simulate()
    with pytest.raises(NotSent, match="not sent: the lease has ended"):
        await accept(await sign_in(simulator), blocked_reason=lambda: "the lease has ended")
    assert simulator.log.calls == []


async def test_each_attempt_is_told_once(simulate, sign_in) -> None:
    """Whoever counts hears of what came, of what went wrong, and of what was given up; of what stays here, nothing."""
    made: list[CallMade] = []
    simulator = await simulate()
    pm = await sign_in(simulator, on_call=made.append)
    simulator.faults.add(too_fast(1))
    simulator.faults.add(Fault(kind=FaultKind.RESET, times=1))
    await pm.account()
    with pytest.raises(AlreadyFulfilled):
        await accept(pm)
    with pytest.raises(NotSent):
        await accept(pm, blocked_reason=lambda: "paused")
    simulator.faults.add(Fault(kind=FaultKind.DELAY))
    given_up = asyncio.create_task(pm.customers())
    await simulator.faults.until_withheld(1)
    given_up.cancel()
    await asyncio.gather(given_up, return_exceptions=True)
    simulator.faults.clear()
    assert [(each.service, each.method, each.status, each.error) for each in made] == [
        ("account", "GET", 429, "TooFast"),
        ("account", "GET", None, "Transient"),
        ("account", "GET", 200, None),
        ("answer_meter", "POST", 400, "AlreadyFulfilled"),
        ("customers", "GET", None, "Cancelled"),
    ]
    assert all(each.seconds > 0 for each in made)


async def test_a_repeated_answer_takes_its_place_in_the_rate(simulate, sign_in) -> None:
    """What is sent again counts as another call."""
    simulator, paused = await simulate(), asyncio.Event()

    async def pause(_seconds: float) -> None:
        paused.set()

    simulator.faults.add(too_fast(1))
    pm = await sign_in(simulator, pace=Pace(in_flight=1, rate=1, period=3600.0), sleep=pause)
    sending = asyncio.create_task(accept(pm))
    await paused.wait()
    for _ in range(100):
        await asyncio.sleep(0)
    assert len(simulator.log.calls) == 1
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)


async def test_what_cannot_be_sent_is_our_fault_and_stays_here(simulate, sign_in) -> None:
    """A note or an id that breaks EPA's schema is Invalid before anything leaves."""
    simulator = await simulate()
    pm = await sign_in(simulator)
    for arguments in ({"note": ""}, {"note": "x" * 1001}, {"note": "\x00"}, {"id_": 0}):
        with pytest.raises(Invalid, match="not sent"):
            await accept(pm, **arguments)
    assert simulator.log.calls == []


async def test_after_a_401_nothing_more_leaves(simulate, sign_in) -> None:
    """A wrong password is tried once: what waits for its turn, and what comes later, is refused unsent."""
    simulator = await simulate()
    pm = await sign_in(simulator, password="wrong", pace=Pace(in_flight=1, rate=None))
    calls = (pm.account(), pm.customers(), accept(pm), pm.pending_page(Kind.METER, 1))
    failures = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(failure) for failure in failures] == [NotAuthorised] * 4
    assert [failure.status for failure in failures] == [401, None, None, None]
    assert [call.status for call in simulator.log.calls] == [401]
    again = await sign_in(simulator)
    await again.account()


async def test_of_calls_side_by_side_at_most_those_in_flight_meet_a_401(simulate, sign_in) -> None:
    """Ten polls with a wrong password are at most as many tries as are in flight at once."""
    simulator = await simulate()
    pm = await sign_in(simulator, password="wrong", pace=Pace(in_flight=3, rate=None))
    failures = await asyncio.gather(*(pm.customers() for _ in range(10)), return_exceptions=True)
    assert {type(failure) for failure in failures} == {NotAuthorised}
    assert len(simulator.log.calls) <= 3


def refusing(times: int | None = None) -> Fault:
    """Each call is answered 401, as when the password was changed."""
    return Fault(kind=FaultKind.STATUS, status=401, times=times)


@pytest.mark.parametrize(
    "before",
    [
        None,
        Fault(kind=FaultKind.RESET, times=2),
        Fault(kind=FaultKind.STATUS, status=503, times=2),
        Fault(kind=FaultKind.STATUS, status=403, times=2),
        too_fast(2),
        too_fast(1, "7"),
    ],
    ids=["at once", "reset", "503", "403", "429", "429 with Retry-After"],
)
async def test_between_cycles_a_password_that_was_changed_is_tried_once(simulate, sign_in, before) -> None:
    """The first page of the first list goes alone; what says nothing of the password lets only one more go."""
    simulator, time = await simulate(), FakeTime()
    pm = await sign_in(simulator, pace=Pace(in_flight=32, rate=None, clock=time, sleep=time.sleep))
    await pm.account()
    time.seconds += 1.5
    if before is not None:
        simulator.faults.add(before)
    simulator.faults.add(refusing())
    pages = (pm.pending_page(kind, page) for page in range(1, 5) for kind in Kind)
    failures = await asyncio.gather(*pages, pm.customers(), return_exceptions=True)
    assert NotAuthorised in {type(failure) for failure in failures}
    assert [call.status for call in simulator.log.calls].count(401) == 1
    assert simulator.log.calls[1].path == "/wstest/connect/account/pending/list?page=1"


async def test_what_follows_a_success_within_a_second_leaves_side_by_side(simulate, sign_in) -> None:
    """Signing in has just shown that the password is taken; and after the one that went alone, the others follow."""
    simulator, time = await simulate(), FakeTime()
    pm = await sign_in(simulator, pace=Pace(in_flight=32, rate=None, clock=time, sleep=time.sleep))
    await pm.account()
    for pause, first in ((0.9, 4), (1.5, 1)):
        time.seconds += pause
        simulator.faults.add(Fault(kind=FaultKind.DELAY))
        reads = asyncio.gather(*(pm.pending_page(kind, 1) for kind in Kind), pm.customers())
        seen = len(simulator.log.calls)
        await simulator.faults.until_withheld(first)
        for _ in range(100):
            await asyncio.sleep(0)
        assert len(simulator.log.calls) - seen == first
        simulator.faults.release()
        for _ in range(1000):
            await asyncio.sleep(0)
        assert len(simulator.log.calls) - seen == 4
        simulator.faults.clear()
        await reads


async def test_an_answer_that_waits_for_its_connection_does_not_leave_after_a_401(
    simulate, sign_in, monkeypatch
) -> None:
    """Finding an address, connecting and TLS may take seconds, in which the password turns out to be changed."""
    simulator, connected = await simulate(), asyncio.Event()
    connect = aiohttp.TCPConnector.connect

    async def slowly(self, request, traces, timeout):  # noqa: ASYNC109 - aiohttp's own signature
        made = await connect(self, request, traces, timeout)
        if request.method == "POST":
            await connected.wait()
        return made

    monkeypatch.setattr(aiohttp.TCPConnector, "connect", slowly)
    pm = await sign_in(simulator)
    await pm.account()
    answering = asyncio.create_task(accept(pm))
    for _ in range(100):
        await asyncio.sleep(0)
    simulator.faults.add(refusing(1))
    with pytest.raises(NotAuthorised):
        await pm.customers()
    connected.set()
    (failure,) = await asyncio.gather(answering, return_exceptions=True)
    assert [call.method for call in simulator.log.calls] == ["GET", "GET"]
    assert isinstance(failure, NotAuthorised)


async def test_a_401_counts_from_its_first_line(simulate, sign_in) -> None:
    """Its page for people may be long on its way: until it has come, nothing else leaves."""
    simulator = await simulate()
    pm = await sign_in(simulator, password="wrong")
    simulator.faults.add(Fault(kind=FaultKind.TRICKLE, times=1))
    first = asyncio.create_task(pm.customers())
    await simulator.faults.until_withheld(1)
    for _ in range(100):
        await asyncio.sleep(0)
    with pytest.raises(NotAuthorised):
        await asyncio.wait_for(pm.customers(), 30)
    assert [call.status for call in simulator.log.calls] == [401]
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)


@pytest.mark.parametrize("status", [301, 400, 401, 403, 404, 408, 500, 502, 503, 504])
async def test_a_retry_after_counts_whatever_the_status(simulate, sign_in, status) -> None:
    """Nothing leaves until it is over, and it is over after a day at most."""
    simulator, time = await simulate(), FakeTime()
    pm = await sign_in(simulator, pace=Pace(rate=None, clock=time, sleep=time.sleep), sleep=time.sleep)
    asked = (("Retry-After", "3600"),)
    simulator.faults.add(Fault(kind=FaultKind.STATUS, status=status, times=1, headers=asked))
    failures = [await _failure(pm.customers()), *[await _failure(pm.pending_page(kind, 1)) for kind in Kind]]
    assert len(simulator.log.calls) == 1
    assert [failure.status for failure in failures] == [status, None, None, None]
    assert pm.pace.held == 3600
    simulator.faults.add(Fault(kind=FaultKind.STATUS, status=status, headers=(("Retry-After", "9" * 400),)))
    time.seconds += 3600
    await _failure(pm.customers())
    assert pm.pace.held in ({86_400.0} if status != 401 else {0.0})


async def _failure(call) -> PortfolioManagerError:
    with pytest.raises(PortfolioManagerError) as raised:
        await call
    return raised.value


async def test_a_short_retry_after_of_a_failed_read_is_waited_for(simulate, sign_in) -> None:
    """As that of a 429: all calls wait, and the rate stays as it is."""
    simulator, time, pauses = await simulate(), FakeTime(), Pauses()
    pm = await sign_in(simulator, pace=Pace(rate=4, clock=time, sleep=time.sleep), sleep=pauses)
    headers = (("Retry-After", "7"),)
    simulator.faults.add(Fault(kind=FaultKind.STATUS, status=503, times=1, headers=headers))
    await pm.customers()
    (pause,) = pauses.seconds
    assert 7 <= pause <= 8
    assert (time(), pm.pace.rate) == (7, 4)


async def test_a_retry_after_beside_a_success_means_nothing(simulate, sign_in) -> None:
    """Nor beside a 202, which says nothing of what became of an answer."""
    simulator = await simulate()
    pm = await sign_in(simulator)
    headers = (("Retry-After", "3600"),)
    simulator.faults.add(Fault(kind=FaultKind.STATUS, status=202, times=1, headers=headers))
    with pytest.raises(AnswerUnknown):
        await accept(pm)
    assert pm.pace.held == 0


@pytest.mark.parametrize("status", [500, 502, 503, 504])
async def test_a_retry_after_does_not_make_an_answer_safe_to_send_again(simulate, sign_in, status) -> None:
    """It may have been processed: it delays other calls, and that is all."""
    simulator, pauses = await simulate(), Pauses()
    pm = await sign_in(simulator, sleep=pauses)
    headers = (("Retry-After", "5"),)
    simulator.faults.add(Fault(kind=FaultKind.STATUS, status=status, times=1, headers=headers))
    with pytest.raises(AnswerUnknown):
        await accept(pm)
    assert (len(simulator.log.calls), pauses.seconds) == (1, [])
    assert pm.pace.held == 5


async def test_notifications_that_are_cleared_are_not_asked_for_twice(simulate, sign_in) -> None:
    """An answer that got lost took with it what it cleared: that must be known, not covered by an emptier one."""
    simulator = await simulate()
    pm = await sign_in(simulator)
    simulator.faults.add(Fault(kind=FaultKind.RESET, after=True, times=1))
    with pytest.raises(Transient):
        await pm.notifications(clear=True)
    simulator.faults.add(too_fast(1))
    await pm.notifications(clear=True)
    simulator.faults.add(Fault(kind=FaultKind.RESET, after=True, times=1))
    await pm.notifications(clear=False)
    assert [call.path.partition("?")[2] for call in simulator.log.calls] == ["clear=true"] * 3 + ["clear=false"] * 2


async def test_keeping_the_shares_is_always_said(simulate, sign_in) -> None:
    """Left out, keepShares would mean what EPA's guide says it does not."""
    simulator = await simulate()
    pm = await sign_in(simulator)
    for keep in (True, False):
        with pytest.raises(PortfolioManagerError):
            await pm.disconnect(1, keep_shares=keep)
    assert [call.path.partition("?")[2] for call in simulator.log.calls] == ["keepShares=true", "keepShares=false"]


async def test_the_service_clock_is_known_by_its_last_answer(simulate, sign_in, now: datetime) -> None:
    """A clock that drifts shows with the next answer; an answer without a readable Date leaves it unknown."""
    clock = now + timedelta(seconds=90)
    simulator = await simulate(clock=lambda: clock)
    pm = await sign_in(simulator)
    assert isinstance(pm.clock, NotLearnt)
    await pm.account()
    assert pm.clock == timedelta(seconds=90)
    clock = now - timedelta(hours=1)
    with pytest.raises(AlreadyFulfilled):
        await accept(pm)
    assert pm.clock == timedelta(hours=-1)
    simulator.faults.add(Fault(kind=FaultKind.HTML, status=502, times=1, headers=(("Date", "yesterday"),)))
    with pytest.raises(AnswerUnknown):
        await accept(pm)
    assert isinstance(pm.clock, NotLearnt)
    await pm.account()
    assert pm.clock == timedelta(hours=-1)


async def test_no_secret_is_told(simulate, sign_in, caplog: pytest.LogCaptureFixture) -> None:
    """Neither repr nor error nor traceback nor log shows the password, in the clear or in Base64."""
    caplog.set_level(logging.DEBUG)
    simulator = await simulate()
    secrets = (simulator.password, encode_basic_auth(simulator.username, simulator.password).removeprefix("Basic "))
    pm = await sign_in(simulator, attempts=2)
    told = [repr(pm), str(pm)]
    faults = [
        Fault(kind=FaultKind.RESET),
        Fault(kind=FaultKind.TRUNCATED),
        Fault(kind=FaultKind.HTML, status=200),
        too_fast(None),
        Fault(kind=FaultKind.STATUS, status=401),
    ]
    for fault in faults:
        number = simulator.faults.add(fault)
        for call in (pm.account, lambda: accept(pm)):
            with pytest.raises(PortfolioManagerError) as raised:
                await call()
            told += [repr(raised.value), "".join(traceback.format_exception(raised.value))]
        simulator.faults.remove(number)
    assert not [text for text in (*told, caplog.text) for secret in secrets if secret in text]


async def test_a_refused_connection_is_tried_again_for_a_post() -> None:
    """What has not left may leave later, and is tried as often as we may."""
    pauses = 0
    async with serving(OK) as service:
        url = service.url

    async def pause(_seconds: float) -> None:
        nonlocal pauses
        pauses += 1

    async with PortfolioManager(
        base_url=url, username="u", password="p", pace=Pace(rate=None), attempts=3, sleep=pause
    ) as pm:
        with pytest.raises(NotSent):
            await accept(pm)
    assert pauses == 2
    assert service.requests == []


async def test_an_unknown_answer_is_never_sent_again(simulate, sign_in) -> None:
    """A POST that was processed while its answer got lost took effect once."""
    simulator = await simulate()
    id_ = next(tie.key.id for tie in simulator.world.having(Kind.METER, "pending"))
    simulator.faults.add(Fault(kind=FaultKind.RESET, after=True))
    with pytest.raises(AnswerUnknown):
        await accept(await sign_in(simulator), id_=id_)
    (call,) = simulator.log.calls
    assert call.effects


class Ebbing(Pace):
    """A rest that is a little longer than our patience, and after some looks at it is not."""

    looks = 0

    @property
    def held(self) -> float:
        """What is left of it."""
        self.looks -= 1
        return 60.001 if self.looks > 0 else 60.0


@pytest.mark.parametrize("looks", range(4, 8))
async def test_what_was_kept_back_by_a_rest_is_not_sent_while_somebody_has_paused(simulate, sign_in, looks) -> None:
    """Though nothing of it had left, it is sent later than it was to be."""
    simulator, pace = await simulate(), Ebbing(rate=None)
    pm = await sign_in(simulator, pace=pace, patience=60.0)
    pace.looks = looks

    async def paused() -> str:
        return "ada has paused answering"

    with pytest.raises(TooFast, match="not sent"):
        await pm.answer(Kind.METER, 1, Action.ACCEPT, None, blocked_reason=lambda: None, may_repeat=paused)
    assert simulator.log.calls == []
