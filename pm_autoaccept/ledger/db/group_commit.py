"""Group commit: what waits when a transaction begins is committed with it, once, and each gets its own result.

A commit costs a flush of the disk, or a round trip and a flush elsewhere; many answers in flight share it. What is
promised of one transaction holds for each job of work: when its result comes, it is durable, and when an error comes,
nothing of it is.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeAlias

from sqlalchemy import URL, Connection, Engine
from sqlalchemy.exc import DBAPIError

from pm_autoaccept.errors import LedgerUnavailable
from pm_autoaccept.ledger.db.engines import DATABASE_ERRORS, ledger_unavailable, shut_down_socket

MAX_JOBS_PER_COMMIT = 256
"""Pieces of work in one transaction: nobody waits for more than so many others."""

GATHER_S = 0.002
"""Seconds for which work that is done together waits for more of it: less than most commits take."""

TRANSACTION_TIMEOUT_S = 15.0
"""Seconds that one transaction may take in PostgreSQL: longer than each of its own timeouts, which a server that is
frozen does not keep."""

Handler: TypeAlias = Callable[[Connection, Sequence[Any]], Sequence[Any]]
"""Does many jobs of work of one kind at once: one result for each, an exception where it failed without harm."""


class _TransactionFailed(Exception):
    """One job of work failed, and the transaction with it."""


@dataclass(slots=True)
class _Job:
    handler: Handler
    item: Any
    result: asyncio.Future[Any]
    may_wait: bool


class Writer:
    """Runs work on a thread of its own, as many jobs in one transaction as wait: none before what came earlier.

    A job that raises is rolled back, and with it all that was in its transaction: each is then done again in one of
    its own. Work must bear that: it has no effect but on the database.

    Args:
        engine: has one connection.
        check: called before each transaction and after its commit. The `LedgerUnavailable` that it raises is what
            becomes of each job.
        begun: called in each transaction, before the work; raises likewise.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        check: Callable[[], None] = lambda: None,
        begun: Callable[[Connection], None] = lambda _connection: None,
    ) -> None:
        self._engine = engine
        self._check = check
        self._begun = begun
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="ledger")
        self._queue: list[_Job] = []
        self._running: asyncio.Future[list[Any]] | None = None
        self._transaction: tuple[float, Any] | None = None
        self._gather_timer: asyncio.TimerHandle | None = None
        self._watch_timer: asyncio.TimerHandle | None = None
        self.transaction_timeout_s: float | None = TRANSACTION_TIMEOUT_S

    async def run(self, handler: Handler, item: Any, *, may_wait: bool = False) -> Any:  # noqa: ANN401 — the handler's own types
        """Hand one item to a handler, together with what waits for the same one; where it `may_wait`, that may be more.

        A caller that is cancelled meanwhile does no harm: its work is done all the same.
        """
        result = asyncio.get_running_loop().create_future()
        self._queue.append(_Job(handler, item, result, may_wait))
        if self._running is None:
            self._begin_soon(may_wait=may_wait)
        return await result

    async def on_thread(self, work: Callable[[], Any]) -> Any:  # noqa: ANN401 — the work's own type
        """Run something that is no transaction."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    async def close(self) -> None:
        """Finish what waits, then give back the thread."""
        while self._running is not None or self._queue:
            if self._running is None:
                self._begin()
            else:
                await asyncio.wait({self._running})
                await asyncio.sleep(0)  # its results are handed out, and what waits begins
        self._thread.shutdown(wait=False)

    def _begin_soon(self, *, may_wait: bool) -> None:
        if not may_wait:
            self._begin()
        elif self._gather_timer is None:
            self._gather_timer = asyncio.get_running_loop().call_later(GATHER_S, self._begin)

    def _begin(self) -> None:
        if self._gather_timer is not None:
            self._gather_timer.cancel()
            self._gather_timer = None
        jobs, self._queue = self._queue[:MAX_JOBS_PER_COMMIT], self._queue[MAX_JOBS_PER_COMMIT:]
        self._running = asyncio.get_running_loop().run_in_executor(self._thread, self._commit, jobs)
        self._running.add_done_callback(lambda done: self._hand_out(jobs, done))
        self._watch()

    def _watch(self) -> None:
        """Cut off a database that neither answers nor hangs up, so that what waits fails, and other work goes on."""
        if self._watch_timer is not None:
            self._watch_timer.cancel()
            self._watch_timer = None
        if self._running is None or self.transaction_timeout_s is None:
            return
        if self._transaction is not None and self._transaction[0] + self.transaction_timeout_s < time.monotonic():
            shut_down_socket(self._transaction[1])
        self._watch_timer = asyncio.get_running_loop().call_later(self.transaction_timeout_s / 3, self._watch)

    def _hand_out(self, jobs: list[_Job], done: asyncio.Future[list[Any]]) -> None:
        failed = done.exception()
        results = [failed] * len(jobs) if failed is not None else done.result()
        for job, result in zip(jobs, results, strict=True):
            if job.result.done():
                continue  # its caller has gone
            if isinstance(result, BaseException):
                job.result.set_exception(result)
            else:
                job.result.set_result(result)
        # Whoever has waited comes first: what it writes next then shares the next commit.
        asyncio.get_running_loop().call_soon(self._next)

    def _next(self) -> None:
        self._running = None
        self._watch()
        if self._queue:
            self._begin_soon(may_wait=all(job.may_wait for job in self._queue))

    def _commit(self, jobs: list[_Job], *, reconnected: bool = False) -> list[Any]:
        """One result or exception for each job; what is a result is durable."""
        try:
            self._check()
            with self._engine.begin() as connection:
                self._transaction = time.monotonic(), connection.connection.driver_connection
                results = self._run_in(connection, jobs)
            self._check()
        except LedgerUnavailable as replaced:
            return [replaced] * len(jobs)
        except _TransactionFailed as spoiled:
            error = spoiled.__cause__
            if isinstance(error, DBAPIError) and error.connection_invalidated:
                # The connection was lost before the commit, perhaps long ago: nothing was done.
                return [self._failure(error)] * len(jobs) if reconnected else self._commit(jobs, reconnected=True)
            if len(jobs) == 1:
                return [self._failure(error)]
        except DATABASE_ERRORS as error:
            # It could not begin, or the commit failed and nobody knows whether it was done: it is not done again.
            return [self._failure(error)] * len(jobs)
        else:
            return results
        finally:
            self._transaction = None
        return [result for job in jobs for result in self._commit([job])]

    def _run_in(self, connection: Connection, jobs: list[_Job]) -> list[Any]:
        try:
            self._begun(connection)
        except DATABASE_ERRORS as error:
            raise _TransactionFailed from error
        return _run_jobs(connection, jobs)

    def _failure(self, error: BaseException | None) -> BaseException:
        if isinstance(error, DATABASE_ERRORS):
            return ledger_unavailable(self.url, error)
        return error or RuntimeError("work failed without an error")

    @property
    def url(self) -> URL:
        """Where the database is."""
        return self._engine.url


def _run_jobs(connection: Connection, jobs: list[_Job]) -> list[Any]:
    """One result for each job; those for the same handler are made together.

    Nobody who waits knows what came of the others, so that any order is one in which they might have come.
    """
    alike: dict[Handler, list[int]] = {}
    for place, job in enumerate(jobs):
        alike.setdefault(job.handler, []).append(place)
    results: list[Any] = [None] * len(jobs)
    for handler, places in alike.items():
        try:
            made = handler(connection, [jobs[place].item for place in places])
        except Exception as error:
            raise _TransactionFailed from error
        for place, result in zip(places, made, strict=True):
            results[place] = result
    return results
