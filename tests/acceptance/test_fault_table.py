"""Each row of the table in docs/architecture.md#failures, in whole cycles; one test for each, named for it.

Every world has a few pending connections, which the policy accepts; nothing else is decided.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.utils import format_datetime
from typing import Any

import aiohttp
import pytest
from aiohttp.abc import AbstractResolver
from aiohttp.resolver import ThreadedResolver

from pm_autoaccept.cycle import Cycle
from pm_autoaccept.errors import NotAuthorised
from pm_autoaccept.ledger import SqlLedger
from pm_autoaccept.model import Kind, Mode, Outcome, ReasonKind
from pm_autoaccept.policy import load
from pm_autoaccept.portfolio_manager import RateLimiter
from pm_autoaccept.record import DecisionRow
from pm_autoaccept.simulator import Fault, FaultKind, Simulator
from tests.failure_table import failure_table
from tests.faketime import FakeTime

POLICY = b"""\
version: 1
rules:
  - id: let-everybody-in
    on: connection
    when: always
    then: accept
    i_accept_everyone: true
limits: {accept: none, reject: none}
"""

ROWS = {
    '200, `status="Ok"`': "test_row_200_ok_is_done",
    'to a POST: 200, `status="Error"` with an error': "test_row_200_that_says_no_is_not_recorded_as_a_yes",
    'to a POST: 400/-200 "pending request doesn\'t exist or has been fulfilled"': "test_row_400_fulfilled_is_settled",
    "to a POST: 400/-100": "test_row_400_schema_is_our_fault_and_not_repeated",
    '400/-200 with another text, another 4xx, to a GET also 200 with `status="Error"`': (
        "test_row_other_4xx_is_refused_and_held_with_its_text"
    ),
    "401": "test_row_401_stops_the_account",
    "to a POST: 403, 404": "test_row_403_404_to_a_post_is_tried_after_1_h_doubling",
    "to a GET: 403, 404": "test_row_403_404_to_a_list_is_a_failed_list_not_an_empty_one",
    "429": "test_row_429_too_fast_honours_retry_after_in_either_form",
    "to a GET: 5xx, 202, HTML, not XML, truncated, reset, timeout": "test_row_get_transient_is_read_again",
    "before a byte was sent: DNS, connection refused, TLS": "test_row_post_before_a_byte_is_repeated",
    'to a POST: 5xx, 202, 200 without `status="Ok"`, HTML, not XML, truncated, reset, timeout': (
        "test_row_post_unknown_follows_the_rule_of_unknowns"
    ),
    "3xx": "test_row_3xx_is_never_followed",
}
"""The table of docs/architecture.md#failures: what came, and the test of its row."""

FULFILLED = "The pending request doesn't exist or has been fulfilled"
SIGN_IN_PAGE = "<html><body><form action='/login'><input name='password'></form></body></html>"


def status(code: int, body: str | None = None, **more: Any) -> Fault:
    """An answer to a POST with this status, in place of its own."""
    return Fault(kind=FaultKind.STATUS, status=code, body=body, service="POST", **more)


def error(number: int, text: str) -> str:
    """An error envelope."""
    inner = f'<error errorNumber="{number}" errorDescription="{text}"/>'
    return f'<response status="Error"><errors>{inner}</errors></response>'


class Clock:
    """A clock of days, a millisecond later each time it is looked at."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        """The time."""
        self.now += timedelta(milliseconds=1)
        return self.now


@dataclass
class Ground:
    """A simulator, and a cycle over it that is about to answer some connections."""

    simulator: Simulator
    cycle: Cycle
    clock: Clock
    waited: FakeTime
    pauses: list[float] = field(default_factory=list)

    async def once(self) -> set[Outcome | None]:
        """One cycle; what came of its answers."""
        return {receipt.outcome for receipt in await self.cycle.answer(await self.cycle.look())}

    def later(self, **time: float) -> None:
        """Let time pass."""
        self.clock.now += timedelta(**time)

    async def rows(self) -> list[DecisionRow]:
        """What the ledger says of each answer."""
        return [row for row in await self.cycle.ledger.decisions() if row.answer]

    @property
    def posts(self) -> list[Any]:
        """The POSTs that came."""
        return [call for call in self.simulator.log.calls if call.method == "POST"]

    @property
    def pending(self) -> int:
        """How many connections pend."""
        return self.simulator.world.pending()[Kind.CONNECTION]


@pytest.fixture
def ground(simulate, sign_in, now, until_the_end):
    """Make the ground; arguments are the client's."""

    async def make(**client: Any) -> Ground:
        clock, waited = Clock(now), FakeTime()
        simulator = await simulate(pending=12, clock=clock)
        ledger = await SqlLedger.open("sqlite://")
        until_the_end.push_async_callback(ledger.close)
        pauses: list[float] = []

        async def pause(seconds: float) -> None:
            pauses.append(seconds)

        rate_limiter = RateLimiter(in_flight=4, rate=None, clock=waited, sleep=waited.sleep)
        pm = await sign_in(simulator, **{"now": clock, "rate_limiter": rate_limiter, "sleep": pause} | client)
        provider = await pm.account()
        await ledger.claim(service=simulator.url, provider=provider, at=clock())
        cycle = Cycle(
            pm=pm,
            provider=provider,
            ledger=ledger,
            policy=load({"policy.yaml": POLICY}),
            tables={},
            mode=Mode.ENFORCE,
            now=clock,
        )
        made = Ground(simulator, cycle, clock, waited, pauses)
        assert 1 < made.pending < 8
        return made

    return make


async def test_row_200_ok_is_done(ground) -> None:
    """One POST each, recorded as done, and the world agrees."""
    made = await ground()
    wanted = made.pending
    assert await made.once() == {Outcome.DONE}
    assert (made.pending, len(made.posts)) == (0, wanted)
    assert [row.outcome for row in await made.rows()] == [Outcome.DONE] * wanted
    made.later(minutes=1)
    assert await made.once() == set()
    assert len(made.posts) == wanted


async def test_row_400_fulfilled_is_settled(ground) -> None:
    """Somebody was quicker: settled elsewhere, which claims nothing, and nothing more is sent."""
    made = await ground()
    wanted = made.pending
    planned = await made.cycle.look()
    for step in planned.steps:
        made.simulator.act("withdraw", account=step.key.id)
    assert {receipt.outcome for receipt in await made.cycle.answer(planned)} == {Outcome.SETTLED_ELSEWHERE}
    made.later(minutes=1)
    assert await made.once() == set()
    assert len(made.posts) == wanted


async def test_row_200_that_says_no_is_not_recorded_as_a_yes(ground) -> None:
    """Another let the customers in, and our POST was told so under 200: settled elsewhere, however it looks later."""
    made = await ground()
    wanted = made.pending
    made.simulator.faults.add(status(200, error(-200, FULFILLED), after=True))
    assert await made.once() == {Outcome.SETTLED_ELSEWHERE}
    made.simulator.faults.clear()
    for _ in range(3):
        made.later(minutes=6)
        assert await made.once() == set()
    assert [row.outcome for row in await made.rows()] == [Outcome.SETTLED_ELSEWHERE] * wanted
    assert (made.pending, len(made.posts)) == (0, wanted)


async def test_row_400_schema_is_our_fault_and_not_repeated(ground) -> None:
    """What EPA's schema refused today it refuses tomorrow: it is held until the note or the program changes."""
    made = await ground()
    made.simulator.faults.add(status(400, error(-100, "cvc-complex-type.2.4.a")))
    assert await made.once() == {Outcome.REFUSED}
    made.simulator.faults.clear()
    sent = len(made.posts)
    for _ in range(3):
        made.later(days=1)
        assert await made.once() == set()
    assert (len(made.posts), made.pending) == (sent, sent)
    assert all("cvc-complex-type" in row.outcome_text for row in await made.rows())


@pytest.mark.parametrize(
    ("code", "body"),
    [(400, error(-200, "You have no access")), (405, None), (409, "<html/>"), (415, ""), (418, "{}")],
)
async def test_row_other_4xx_is_refused_and_held_with_its_text(ground, code: int, body: str | None) -> None:
    """It understood, and says no: held with what it said, and not asked again."""
    made = await ground()
    made.simulator.faults.add(status(code, body))
    assert await made.once() == {Outcome.REFUSED}
    made.simulator.faults.clear()
    sent = len(made.posts)
    made.later(days=2)
    again = await made.cycle.look()
    assert again.steps == ()
    assert {each.reason.kind for each in again.kept_back} == {ReasonKind.REFUSED}
    assert all(str(code) in row.outcome_text for row in await made.rows())
    if code == 400:
        assert all("You have no access" in row.outcome_text for row in await made.rows())
    assert len(made.posts) == sent


async def test_row_401_stops_the_account(ground) -> None:
    """No more leave than were in flight, and then nothing at all in this session."""
    made = await ground(rate_limiter=RateLimiter(in_flight=1, rate=None))
    made.simulator.faults.add(status(401))
    with pytest.raises(NotAuthorised):
        await made.once()
    assert len(made.posts) == 1
    made.simulator.faults.clear()
    calls = len(made.simulator.log.calls)
    for _ in range(3):
        made.later(hours=1)
        with pytest.raises(NotAuthorised):
            await made.once()
    assert len(made.simulator.log.calls) == calls
    assert [row.outcome for row in await made.rows() if "401" in (row.outcome_text or "")] == [Outcome.REFUSED]


@pytest.mark.parametrize("code", [403, 404])
async def test_row_403_404_to_a_post_is_tried_after_1_h_doubling(ground, code: int) -> None:
    """Not ours now may be ours later: after one hour, two, four, and at most a day."""
    made = await ground()
    made.simulator.faults.add(status(code))
    wanted = made.pending
    assert await made.once() == {Outcome.REFUSED}
    for number, hours in enumerate((1, 2, 4, 8, 16, 24, 24), start=1):
        made.later(hours=hours, minutes=-1)
        assert await made.once() == set()
        made.later(minutes=2)
        assert await made.once() == {Outcome.REFUSED}
        assert len(made.posts) == (number + 1) * wanted
    made.simulator.faults.clear()
    made.later(hours=25)
    assert await made.once() == {Outcome.DONE}


@pytest.mark.parametrize("code", [403, 404])
async def test_row_403_404_to_a_list_is_a_failed_list_not_an_empty_one(ground, code: int) -> None:
    """Nothing is answered from it, and nothing that stood in it is taken for gone."""
    made = await ground()
    await made.cycle.look()
    made.simulator.faults.add(Fault(kind=FaultKind.STATUS, status=code, service="list_pending_connections"))
    for _ in range(3):
        made.later(minutes=10)
        planned = await made.cycle.look()
        assert [each.kind for each in planned.not_whole] == [Kind.CONNECTION]
        assert await made.cycle.answer(planned) == ()
    assert made.posts == []
    made.simulator.faults.clear()
    made.later(minutes=10)
    assert await made.once() == {Outcome.DONE}


@pytest.mark.parametrize("form", ["seconds", "date"])
async def test_row_429_too_fast_honours_retry_after_in_either_form(ground, form: str) -> None:
    """It was not processed: the same answer again, after what was asked, and by then every call has waited as long."""
    made = await ground()
    wanted = made.pending
    said = "20" if form == "seconds" else format_datetime(made.clock.now + timedelta(seconds=20), usegmt=True)
    made.simulator.faults.add(status(429, times=1, headers=(("Retry-After", said),)))
    assert await made.once() == {Outcome.DONE}
    assert made.pauses == [pytest.approx(20, abs=2)]
    assert made.waited() == pytest.approx(20, abs=2)
    assert (len(made.posts), made.pending) == (wanted + 1, 0)
    assert [row.outcome for row in await made.rows()] == [Outcome.DONE] * wanted


async def test_row_429_that_stays_is_refused_and_tried_in_a_later_cycle(ground) -> None:
    """Without Retry-After the pauses double; in the end the cycle goes on, and another one tries again."""
    made = await ground()
    made.simulator.faults.add(status(429))
    assert await made.once() == {Outcome.REFUSED}
    assert min(made.pauses) >= 1
    made.simulator.faults.clear()
    assert await made.once() == set()
    made.later(minutes=2)
    assert await made.once() == {Outcome.DONE}


PASSING = {
    "500": Fault(kind=FaultKind.STATUS, status=500),
    "503": Fault(kind=FaultKind.HTML, status=503),
    "200 HTML": Fault(kind=FaultKind.HTML, status=200, body=SIGN_IN_PAGE),
    "202": Fault(kind=FaultKind.STATUS, status=202, body='<response status="Ok"/>'),
    "200 empty": Fault(kind=FaultKind.STATUS, status=200, body=""),
    "200 not XML": Fault(kind=FaultKind.STATUS, status=200, body='{"status": "Ok"}'),
    "200 other XML": Fault(kind=FaultKind.STATUS, status=200, body="<report><status>Ok</status></report>"),
    "truncated": Fault(kind=FaultKind.TRUNCATED),
    "overlong": Fault(kind=FaultKind.OVERLONG),
    "reset": Fault(kind=FaultKind.RESET),
    "reset after": Fault(kind=FaultKind.RESET, after=True),
    "timeout": Fault(kind=FaultKind.DELAY),
    "timeout after": Fault(kind=FaultKind.DELAY, after=True),
    "slow-loris": Fault(kind=FaultKind.TRICKLE),
    "too large": Fault(kind=FaultKind.TOO_LARGE),
    "broken gzip": Fault(kind=FaultKind.BROKEN_GZIP),
    "gzip bomb": Fault(kind=FaultKind.GZIP_BOMB),
}
"""What may come instead of an answer, or spoil it."""


def patience(name: str) -> dict[str, float]:
    """Little time where it is to run out; else time enough for a busy machine."""
    return {"timeout": 2.0} if PASSING[name].kind in (FaultKind.DELAY, FaultKind.TRICKLE) else {}


def befalling(name: str, **more: Any) -> Fault:
    """One of PASSING, of these calls, so often."""
    fault = PASSING[name]
    known = {each: getattr(fault, each) for each in fault.__slots__}
    return Fault(**known | more)


@pytest.mark.parametrize("name", PASSING)
async def test_row_get_transient_is_read_again(ground, name: str) -> None:
    """That page again, after a pause; then the list is whole and everything is answered."""
    made = await ground(**patience(name))
    made.simulator.faults.add(befalling(name, service="list_pending_connections", times=1))
    assert await made.once() == {Outcome.DONE}
    assert made.pauses == [pytest.approx(1.5, abs=0.5)]
    read = [call for call in made.simulator.log.calls if call.service == "list_pending_connections"]
    assert [bool(call.fault) for call in read][:2] == [True, False]
    assert made.pending == 0


@pytest.mark.parametrize("name", PASSING)
async def test_row_post_unknown_follows_the_rule_of_unknowns(ground, name: str) -> None:
    """Open; sent again only when two whole reads, the second after 5 minutes, show it pending still; else inferred."""
    made = await ground(**patience(name))
    wanted = made.pending
    made.simulator.faults.add(befalling(name, service="POST", times=1))
    assert await made.once() == {Outcome.DONE, Outcome.OPEN}
    assert (len(made.posts), made.pauses) == (wanted, [])
    still = made.pending
    assert still in (0, 1)
    for minutes in (1, 3):
        made.later(minutes=minutes)
        assert await made.once() == set()
    assert [row.outcome for row in await made.rows()].count(Outcome.OPEN) == 1
    made.later(minutes=2)
    assert await made.once() == ({Outcome.DONE} if still else set())
    assert (len(made.posts), made.pending) == (wanted + still, 0)
    outcomes = sorted(str(row.outcome) for row in await made.rows())
    assert outcomes == sorted([Outcome.DONE] * (wanted - 1) + [Outcome.DONE if still else Outcome.DONE_INFERRED])


class Addresses(AbstractResolver):
    """A name server that is gone for so many questions."""

    def __init__(self, *, gone: int = 0) -> None:
        self.gone, self._real = gone, ThreadedResolver()

    async def resolve(self, *asked: Any, **more: Any) -> Any:
        """Answer, once it is back."""
        if self.gone:
            self.gone -= 1
            raise OSError(None, "Name or service not known")
        return await self._real.resolve(*asked, **more)

    async def close(self) -> None:
        """Nothing is open."""


async def test_row_post_before_a_byte_is_repeated_dns(ground, sign_in) -> None:
    """Without an address nothing left: the same answer goes out once there is one, and once only."""
    made = await ground()
    wanted = made.pending
    planned = await made.cycle.look()
    resolver = Addresses()
    named = made.simulator.url.replace("127.0.0.1", "localhost")
    connector = aiohttp.TCPConnector(resolver=resolver, force_close=True, use_dns_cache=False, family=2)
    made.cycle.pm = await sign_in(
        made.simulator, base_url=named, connector=connector, rate_limiter=RateLimiter(1, rate=None)
    )
    resolver.gone = 2
    assert {receipt.outcome for receipt in await made.cycle.answer(planned)} == {Outcome.DONE}
    assert (len(made.posts), made.pending, resolver.gone) == (wanted, 0, 0)


async def test_row_post_before_a_byte_is_repeated(ground, sign_in) -> None:
    """Where nobody listens nothing left: the same answer goes out as soon as somebody does, and once only."""
    made = await ground()
    wanted = made.pending
    planned = await made.cycle.look()

    async def back(_seconds: float) -> None:
        await made.simulator.start()

    made.cycle.pm = await sign_in(made.simulator, sleep=back, rate_limiter=RateLimiter(1, rate=None))
    await made.simulator.stop()
    assert {receipt.outcome for receipt in await made.cycle.answer(planned)} == {Outcome.DONE}
    assert (len(made.posts), made.pending) == (wanted, 0)
    assert [row.outcome for row in await made.rows()] == [Outcome.DONE] * wanted


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
async def test_row_3xx_is_never_followed(ground, code: int) -> None:
    """Neither read nor told elsewhere: where it points nobody ever calls, and no credentials go there."""
    called: list[bytes] = []

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        called.append(await reader.read(1))
        writer.close()

    async with await asyncio.start_server(listen, "127.0.0.1", 0) as elsewhere:
        made = await ground()
        port = elsewhere.sockets[0].getsockname()[1]
        to = (("Location", f"http://localhost:{port}/wstest/account"),)
        made.simulator.faults.add(status(code, "", headers=to))
        assert await made.once() == {Outcome.REFUSED}
        assert made.pending == len(made.posts)
        made.simulator.faults.add(Fault(kind=FaultKind.STATUS, status=code, body="", headers=to))
        made.later(days=1)
        planned = await made.cycle.look()
        assert len(planned.not_whole) == 3
        assert all(str(code) in (each.failed or "") for each in planned.not_whole)
    assert called == []


@pytest.mark.parametrize("kind", [FaultKind.MISLABELLED, FaultKind.GZIP])
async def test_beyond_the_table_the_right_document_in_another_form_is_read(ground, kind: FaultKind) -> None:
    """What says it is HTML but is the right XML, and what is packed, are what they are."""
    made = await ground()
    made.simulator.faults.add(Fault(kind=kind, content_type="text/html"))
    assert await made.once() == {Outcome.DONE}
    assert (made.pending, made.pauses) == (0, [])


@pytest.mark.parametrize(
    "headers",
    [
        (("Retry-After", "5"), ("Retry-After", "9999999999")),
        (("Retry-After", "NaN"),),
        (("Retry-After", "-1"),),
        (("Retry-After", "Thu, 01 Jan 1970 00:00:00 GMT"),),
        (("Date", "\N{LATIN SMALL LETTER E WITH ACUTE} when?"), ("Date", "Thu, 01 Jan 1970 00:00:00 GMT")),
        (("Content-Type", "application/xml"), ("Content-Type", "text/html"), ("X", "y" * 7000)),
    ],
    ids=["two", "NaN", "negative", "past", "two dates", "two types"],
)
async def test_beyond_the_table_odd_headers_do_no_harm(ground, headers: tuple[tuple[str, str], ...]) -> None:
    """What they say is believed within bounds or not at all, and the call is repeated as it is otherwise."""
    made = await ground()
    made.simulator.faults.add(status(429, times=1, headers=headers))
    assert await made.once() == {Outcome.DONE}
    assert 0 <= sum(made.pauses) < 7
    assert made.pending == 0


async def test_beyond_the_table_a_day_of_rest_that_is_asked_for_is_kept(ground) -> None:
    """A huge Retry-After stops all calls for a day at most; the answer that met it is tried after it."""
    made = await ground()
    wanted = made.pending
    made.simulator.faults.add(status(429, times=1, headers=(("Retry-After", "9" * 30),)))
    await made.once()
    calls = len(made.simulator.log.calls)
    planned = await made.cycle.look()
    assert len(planned.not_whole) == 3
    assert all("wait 86400 s" in (each.failed or "") for each in planned.not_whole)
    assert len(made.simulator.log.calls) == calls
    made.later(days=1, minutes=1)
    made.waited.seconds += 86_460
    assert await made.once() == {Outcome.DONE}
    assert (made.pending, wanted) == (0, len([call for call in made.posts if call.status == 200]))


def test_each_row_has_its_test() -> None:
    """The table of rows and the tests are the same set."""
    tests = {name for name in globals() if name.startswith("test_row_")}
    assert set(ROWS.values()) <= tests
    assert all(any(test.startswith(row) for row in ROWS.values()) or "429" in test for test in tests)


def test_each_row_of_the_page_stands_here() -> None:
    """The table that people read, row by row."""
    assert [row.what_came for row in failure_table()] == list(ROWS)
