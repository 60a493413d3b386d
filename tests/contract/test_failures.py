"""Each service, with each failure of docs/architecture.md#failures that can befall it: real client, real simulator."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from pm_autoaccept.errors import (
    AlreadyFulfilled,
    AnswerUnknown,
    Invalid,
    NotAuthorised,
    NotOurs,
    NotSent,
    PortfolioManagerError,
    Redirected,
    Refused,
    TooFast,
    Transient,
)
from pm_autoaccept.portfolio_manager.services import SERVICES, Service
from pm_autoaccept.simulator import Fault, FaultKind
from tests.contract.calls import Ground, calls_on
from tests.epa import faults_by_epa, needs_epa
from tests.failure_table import failure_table

ATTEMPTS = 3
FULFILLED = "The pending request doesn't exist or has been fulfilled"


@dataclass(frozen=True)
class Row:
    """What goes wrong, and what that is to a GET and to a POST. `repeated`: to which of them it is sent again."""

    name: str
    fault: Fault
    get: type[PortfolioManagerError]
    post: type[PortfolioManagerError]
    repeated: tuple[str, ...] = ()


def error(number: int, text: str) -> str:
    """An error envelope."""
    inner = f'<error errorNumber="{number}" errorDescription="{text}"/>'
    return f'<response status="Error"><errors>{inner}</errors></response>'


def status(code: int, body: str | None = None, **headers: str) -> Fault:
    """An answer with this status; the body is the simulator's own error envelope where none is given."""
    return Fault(kind=FaultKind.STATUS, status=code, body=body, headers=tuple(headers.items()))


def broken(name: str, fault: Fault) -> Row:
    """A row where the fate of the call is not known."""
    return Row(name, fault, Transient, AnswerUnknown, repeated=("GET",))


ROWS = (
    Row("400/-100", status(400, error(-100, "cvc-complex-type")), Refused, Invalid),
    Row("400/-200 fulfilled", status(400, error(-200, FULFILLED)), Refused, AlreadyFulfilled),
    Row("400/-200 other", status(400, error(-200, "You are not connected to this account")), Refused, Refused),
    Row("401", status(401), NotAuthorised, NotAuthorised),
    Row("403", status(403), NotOurs, NotOurs),
    Row("404", status(404), NotOurs, NotOurs),
    Row("405", status(405), Refused, Refused),
    Row("415", status(415, "<html>no</html>"), Refused, Refused),
    Row("429", status(429), TooFast, TooFast, repeated=("GET", "POST")),
    Row("301", status(301, "", Location="/wstest/account"), Redirected, Redirected),
    Row("307", status(307, "", Location="https://elsewhere.invalid/"), Redirected, Redirected),
    Row("200 status Error", status(200, error(-200, FULFILLED)), Refused, AlreadyFulfilled),
    Row("200 status Error, schema", status(200, error(-100, "cvc-complex-type")), Refused, Invalid),
    Row("200 status Error, other", status(200, error(-200, "No.")), Refused, Refused),
    Row("200 status Error, no error", status(200, '<response status="Error"/>'), Refused, AnswerUnknown),
    broken("202", status(202, '<response status="Ok"/>')),
    broken("500", status(500)),
    broken("502 HTML", Fault(kind=FaultKind.HTML, status=502)),
    broken("200 HTML", Fault(kind=FaultKind.HTML, status=200)),
    broken("200 empty", status(200, "")),
    broken("200 not XML", status(200, '{"status": "Ok"}')),
    broken("200 other root", status(200, "<report/>")),
    broken("200 DOCTYPE", status(200, '<!DOCTYPE response><response status="Ok"/>')),
    broken("truncated", Fault(kind=FaultKind.TRUNCATED)),
    broken("reset before", Fault(kind=FaultKind.RESET)),
    broken("reset after", Fault(kind=FaultKind.RESET, after=True)),
)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)
async def test_each_failure_is_the_error_of_its_row(service: Service, row: Row, simulate, sign_in) -> None:
    """The error is that of the row, and only what surely was not processed, or only reads, was sent again."""
    ground = Ground()
    simulator = await simulate(ground.world)
    pm = await sign_in(simulator, attempts=ATTEMPTS)
    simulator.faults.add(row.fault)
    with pytest.raises(PortfolioManagerError) as raised:
        await calls_on(ground)[service.name](pm)
    assert type(raised.value) is (row.get if service.method == "GET" else row.post)
    assert raised.value.call.startswith(f"{service.method} {service.path.partition('{')[0]}")
    assert raised.value.text
    assert len(simulator.log.calls) == (ATTEMPTS if service.method in row.repeated else 1)
    assert simulator.password not in str(raised.value)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)
async def test_a_withheld_answer_is_a_timeout(service: Service, simulate, sign_in, *, after: bool) -> None:
    """A service that does not answer in time leaves a GET to be repeated and a POST unknown."""
    ground = Ground()
    simulator = await simulate(ground.world)
    pm = await sign_in(simulator, attempts=1, timeout=0.2)
    await pm.account()  # the connection stands before the answer is withheld
    simulator.faults.add(Fault(kind=FaultKind.DELAY, after=after))
    with pytest.raises(Transient if service.method == "GET" else AnswerUnknown, match="timeout"):
        await calls_on(ground)[service.name](pm)
    assert len(simulator.log.calls) == 2
    simulator.faults.clear()


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)
async def test_without_a_connection_nothing_was_sent(service: Service, simulate, sign_in) -> None:
    """Where nobody listens, not one byte leaves, which is safe to repeat also for a POST."""
    ground = Ground()
    simulator = await simulate(ground.world)
    pauses = []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)

    pm = await sign_in(simulator, attempts=ATTEMPTS, sleep=pause)
    await simulator.stop()
    with pytest.raises(NotSent):
        await calls_on(ground)[service.name](pm)
    assert len(pauses) == ATTEMPTS - 1


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)
async def test_each_service_succeeds_in_passing_trouble(service: Service, simulate, sign_in) -> None:
    """One 429, and the call goes through the second time, once."""
    ground = Ground()
    simulator = await simulate(ground.world)
    pm = await sign_in(simulator)
    simulator.faults.add(Fault(kind=FaultKind.STATUS, status=429, times=1))
    await calls_on(ground)[service.name](pm)
    assert [call.status for call in simulator.log.calls] == [429, 200]
    assert bool(simulator.log.calls[1].effects) == (service.method == "POST")


@needs_epa
@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)
async def test_what_is_sent_fits_epas_schema(service: Service, simulate, sign_in) -> None:
    """The client sends a body exactly where the table says so, and EPA's schema finds nothing wrong with it."""
    ground = Ground()
    simulator = await simulate(ground.world)
    await calls_on(ground)[service.name](await sign_in(simulator))
    (call,) = simulator.log.calls
    assert bool(call.body) == (service.sends is not None)
    if call.body:
        assert f"<{service.sends}".encode() in call.body
        assert faults_by_epa(call.body) == []


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_these_are_the_errors_of_the_page(method: str) -> None:
    """Each error of the table that people read befalls a call here, and no other does."""
    other = "POST" if method == "GET" else "GET"
    said = {error for row in failure_table() if not row.what_came.startswith(f"to a {other}") for error in row.errors}

    assert said == {NotSent.__name__, *((row.get if method == "GET" else row.post).__name__ for row in ROWS)}
