"""Where the program is killed: at the boundaries of its steps, by itself as it passes one; the product has no hooks."""

from __future__ import annotations

import functools
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import Engine, event

from pm_autoaccept.ledger import SqlLedger, decisions, intents, outcomes, requests
from pm_autoaccept.ledger.db.database import Database
from pm_autoaccept.portfolio_manager import services
from pm_autoaccept.portfolio_manager.transport import Connection


class Step(StrEnum):
    """What the program is doing."""

    START = "start"
    READ = "read"
    ANSWER = "answer"
    IDLE = "idle"


@dataclass(frozen=True, slots=True)
class Boundary:
    """A place that the program passes; it is killed at one of the first `most` times."""

    name: str
    step: Step
    most: int = 1


MAKING = Boundary("its tables are made and not committed", Step.START)
"""Passed by the first life of a ledger alone."""

INSIDE = (
    MAKING,
    Boundary("it has begun", Step.START),
    Boundary("the ledger is open", Step.START),
    Boundary("before it signs in", Step.START),
    Boundary("it has signed in", Step.START),
    Boundary("the ledger is claimed", Step.START),
    Boundary("a list is asked for", Step.READ, most=4),
    Boundary("a page of a list has come", Step.READ, most=6),
    Boundary("a fact is asked for", Step.READ, most=3),
    Boundary("a fact has come", Step.READ, most=3),
    Boundary("what was seen is not committed", Step.READ, most=2),
    Boundary("what was seen is committed", Step.READ, most=2),
    Boundary("history is read", Step.READ, most=2),
    Boundary("decisions are not committed", Step.READ, most=2),
    Boundary("decisions are committed", Step.READ, most=2),
    Boundary("the intent is not committed", Step.ANSWER, most=3),
    Boundary("the intent is committed", Step.ANSWER, most=3),
    Boundary("before the POST leaves", Step.ANSWER, most=3),
    Boundary("the answer has come", Step.ANSWER, most=3),
    Boundary("the outcome is not committed", Step.ANSWER, most=3),
    Boundary("the outcome is committed", Step.ANSWER, most=3),
)
"""The process kills itself here."""

RECEIVED = Boundary("the POST is received and not processed", Step.ANSWER)
PROCESSED = Boundary("the POST is processed and not answered", Step.ANSWER)
IDLE = Boundary("a cycle is finished", Step.IDLE)
OUTSIDE = (RECEIVED, PROCESSED, IDLE)
"""The harness kills it here, by what the simulator's log or the program's own says."""

BOUNDARIES = (*INSIDE, *OUTSIDE)


def die_at(name: str, nth: int) -> None:
    """From now on this process kills itself as it passes a boundary for the nth time."""
    left = nth

    def passes(point: str) -> None:
        nonlocal left
        left -= point == name
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    passes("it has begun")
    _around(Database, "open", passes, after="the ledger is open")
    _around(SqlLedger, "claim", passes, after="the ledger is claimed")
    _around(SqlLedger, "record_snapshot", passes, after="what was seen is committed")
    _around(SqlLedger, "history", passes, after="history is read")
    _around(SqlLedger, "record_decisions", passes, after="decisions are committed")
    _around(SqlLedger, "record_intent", passes, after="the intent is committed")
    _around(SqlLedger, "record_outcome", passes, after="the outcome is committed")
    _calls(passes)
    _commits(passes)


def _around(owner: Any, name: str, passes: Callable[[str], None], *, after: str) -> None:
    """A coroutine method says that it is done."""
    whole = owner.__dict__[name]
    method = whole.__func__ if isinstance(whole, classmethod) else whole

    @functools.wraps(method)
    async def told(*arguments: Any, **named: Any) -> Any:
        result = await method(*arguments, **named)
        passes(after)
        return result

    setattr(owner, name, classmethod(told) if isinstance(whole, classmethod) else told)


def _calls(passes: Callable[[str], None]) -> None:
    """Each call that leaves, and each whose answer has come."""
    exchange = Connection.exchange
    lists = {service.name for service in services.PENDING.values()}
    answers = {service.name for service in services.ANSWER.values()}

    def names(service: str) -> tuple[str, str]:
        if service == services.ACCOUNT.name:
            return "before it signs in", "it has signed in"
        if service in lists:
            return "a list is asked for", "a page of a list has come"
        if service in answers:
            return "before the POST leaves", "the answer has come"
        return "a fact is asked for", "a fact has come"

    @functools.wraps(exchange)
    async def told(connection: Connection, call: services.Call, body: bytes | None = None) -> Any:
        before, after = names(call.service.name)
        passes(before)
        reply = await exchange(connection, call, body)
        passes(after)
        return reply

    Connection.exchange = told  # type: ignore[method-assign]


def _commits(passes: Callable[[str], None]) -> None:
    """Each transaction that has done all its work and is about to be committed."""
    done: list[str] = []

    def noting(module: Any, name: str, point: str) -> None:
        work = getattr(module, name)

        @functools.wraps(work)
        def noted(*arguments: Any, **named: Any) -> Any:
            result = work(*arguments, **named)
            done.append(point)
            return result

        setattr(module, name, noted)

    noting(requests, "record_snapshot", "what was seen is not committed")
    noting(decisions, "record_decisions", "decisions are not committed")
    noting(intents, "record_intents", "the intent is not committed")
    noting(outcomes, "record_outcomes", "the outcome is not committed")

    @event.listens_for(Engine, "before_cursor_execute")
    def _statement(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement.lstrip().startswith("CREATE TABLE"):
            done.append(MAKING.name)

    @event.listens_for(Engine, "commit")
    def _commit(_connection: Any) -> None:
        points, done[:] = done[:], []
        for point in points:
            passes(point)

    @event.listens_for(Engine, "rollback")
    def _rollback(_connection: Any) -> None:
        done.clear()
