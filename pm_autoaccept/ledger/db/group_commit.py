"""Group commit: runs all waiting jobs in one transaction with one commit, and gives each job its own result.

A commit costs a disk flush, or a network round trip and a flush on the server; many answers in flight share it. Each
job has the guarantees of a transaction of its own: when its result arrives it is durable, and after an error nothing of
it is stored.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeAlias

from sqlalchemy import URL, Connection, Engine
from sqlalchemy.exc import DBAPIError

from pm_autoaccept.errors import LedgerUnavailable
from pm_autoaccept.ledger.db.engines import DATABASE_ERRORS, ledger_unavailable, shut_down_socket

MAX_JOBS_PER_COMMIT = 256
"""The most jobs in one transaction, so that no job waits for more than that."""

GATHER_S = 0.002
"""How long a job that may wait does so for others to share its commit, in seconds. Most commits take longer."""

GATHERED_COMMITS = 8
"""Gathering ends early once as many jobs wait as the largest of so many last ones gathered: hardly more will come."""

TRANSACTION_TIMEOUT_S = 15.0
"""How long one transaction may take in PostgreSQL, in seconds. Longer than the server's own timeouts, which a frozen
server does not enforce."""

Handler: TypeAlias = Callable[[Connection, Sequence[Any]], Sequence[Any]]
"""Does the work of many items at once. Returns one result per item; an exception if only that item failed."""


class _TransactionFailed(Exception):
    """A job failed, and with it its transaction."""


@dataclass(slots=True)
class _Job:
    handler: Handler
    item: Any
    result: asyncio.Future[Any]
    may_wait: bool


class Writer:
    """The single writer: runs jobs on its own thread, in order of arrival, all waiting jobs in one transaction.

    If a job raises, its whole transaction is rolled back, and each job then runs again in a transaction of its own. So
    jobs must have no effects outside the database.

    Args:
        engine: has one connection.
        check: called before each transaction and after its commit. If it raises `LedgerUnavailable`, every job gets
            that error.
        begun: called in each transaction before the jobs; may raise `LedgerUnavailable` too.
        timeout_s: how long one transaction may take in PostgreSQL, in seconds; None for any time.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        check: Callable[[], None] = lambda: None,
        begun: Callable[[Connection], None] = lambda _connection: None,
        timeout_s: float | None = TRANSACTION_TIMEOUT_S,
    ) -> None:
        self._engine = engine
        self._check = check
        self._begun = begun
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="ledger")
        self._queue: list[_Job] = []
        self._running: asyncio.Future[list[Any]] | None = None
        self._transaction: tuple[float, Any] | None = None
        self._gather_timer: asyncio.TimerHandle | None = None
        self._gathered: deque[int] = deque(maxlen=GATHERED_COMMITS)
        self._watch_timer: asyncio.TimerHandle | None = None
        self.transaction_timeout_s = timeout_s

    async def run(self, handler: Handler, item: Any, *, may_wait: bool = False) -> Any:  # noqa: ANN401 — the handler's own types
        """Run a handler with this item and others that wait for the same handler. `may_wait` lets more items gather.

        If the caller is cancelled meanwhile, its job is done anyway.
        """
        result = asyncio.get_running_loop().create_future()
        self._queue.append(_Job(handler, item, result, may_wait))
        if self._running is None:
            self._begin_soon(may_wait=may_wait)
        return await result

    async def on_thread(self, work: Callable[[], Any]) -> Any:  # noqa: ANN401 — the work's own type
        """Run work that is not a transaction."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    async def close(self) -> None:
        """Finish waiting jobs, then close the thread."""
        while self._running is not None or self._queue:
            if self._running is None:
                self._begin()
            else:
                await asyncio.wait({self._running})
                await asyncio.sleep(0)  # results are handed out, and waiting jobs begin
        self._thread.shutdown(wait=False)

    def _begin_soon(self, *, may_wait: bool) -> None:
        if not may_wait or len(self._queue) >= max(self._gathered, default=MAX_JOBS_PER_COMMIT):
            self._begin()
        elif self._gather_timer is None:
            self._gather_timer = asyncio.get_running_loop().call_later(GATHER_S, self._begin)

    def _begin(self) -> None:
        if self._gather_timer is not None:
            self._gather_timer.cancel()
            self._gather_timer = None
        jobs, self._queue = self._queue[:MAX_JOBS_PER_COMMIT], self._queue[MAX_JOBS_PER_COMMIT:]
        if all(job.may_wait for job in jobs):
            self._gathered.append(len(jobs))
        self._running = asyncio.get_running_loop().run_in_executor(self._thread, self._commit, jobs)
        self._running.add_done_callback(lambda done: self._hand_out(jobs, done))
        self._watch()

    def _watch(self) -> None:
        """Cut off a database that does not respond, so that waiting jobs fail and other work continues."""
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
        # Let the callers run first, so that what they write next shares the next commit.
        asyncio.get_running_loop().call_soon(self._next)

    def _next(self) -> None:
        self._running = None
        self._watch()
        if self._queue:
            self._begin_soon(may_wait=all(job.may_wait for job in self._queue))

    def _commit(self, jobs: list[_Job], *, reconnected: bool = False) -> list[Any]:
        """Return one result or exception per job; results are durable."""
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
                # The connection was lost before the commit, perhaps long ago, so nothing was stored.
                return [self._failure(error)] * len(jobs) if reconnected else self._commit(jobs, reconnected=True)
            if len(jobs) == 1:
                return [self._failure(error)]
        except DATABASE_ERRORS as error:
            # It could not begin, or nobody knows whether the commit succeeded, so it must not run again.
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
        return error or RuntimeError("internal error: work failed without an error")

    @property
    def url(self) -> URL:
        """The database's address."""
        return self._engine.url


def _run_jobs(connection: Connection, jobs: list[_Job]) -> list[Any]:
    """Run jobs with the same handler together; returns one result per job.

    No waiting caller knows the results of others, so any order is one in which the jobs could have arrived.
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
