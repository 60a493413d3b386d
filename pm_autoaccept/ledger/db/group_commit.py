"""Group commit: what waits when a transaction begins is committed with it, once, and each gets its own result.

A commit costs a flush of the disk, or a round trip and a flush elsewhere; many answers in flight share it. What is
promised of one transaction holds for each piece of work: when its result comes, it is durable, and when an error comes,
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
from pm_autoaccept.ledger.db.engines import DATABASE_ERRORS, hang_up, unavailable

MOST_TOGETHER = 256
"""Pieces of work in one transaction: nobody waits for more than so many others."""

GATHERING = 0.002
"""Seconds for which work that is done together waits for more of it: less than most commits take."""

PATIENCE = 15.0
"""Seconds that one transaction may take in PostgreSQL: longer than each of its own timeouts, which a server that is
frozen does not keep."""

Handler: TypeAlias = Callable[[Connection, Sequence[Any]], Sequence[Any]]
"""Does many pieces of work of one kind at once: one result for each, an exception where it failed without harm."""


class _Spoiled(Exception):
    """One piece of work failed, and the transaction with it."""


@dataclass(slots=True)
class _Piece:
    handler: Handler
    item: Any
    result: asyncio.Future[Any]
    gathers: bool


class Writer:
    """Runs work on a thread of its own, as many pieces in one transaction as wait: none before what came earlier.

    A piece that raises is rolled back, and with it all that was in its transaction: each is then done again in one of
    its own. Work must bear that: it has no effect but on the database.

    Args:
        engine: has one connection.
        check: called before each transaction and after its commit. The `LedgerUnavailable` that it raises is what
            becomes of each piece.
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
        self._waiting: list[_Piece] = []
        self._running: asyncio.Future[list[Any]] | None = None
        self._under_way: tuple[float, Any] | None = None
        self._gathering: asyncio.TimerHandle | None = None
        self._watching: asyncio.TimerHandle | None = None
        self.patience: float | None = PATIENCE

    async def run(self, handler: Handler, item: Any, *, gathers: bool = False) -> Any:  # noqa: ANN401 — the handler's own types
        """Hand one item to a handler, together with what waits for the same one; where it `gathers`, that may be more.

        A caller that is cancelled meanwhile does no harm: its work is done all the same.
        """
        result = asyncio.get_running_loop().create_future()
        self._waiting.append(_Piece(handler, item, result, gathers))
        if self._running is None:
            self._begin_soon(gathers=gathers)
        return await result

    async def on_thread(self, work: Callable[[], Any]) -> Any:  # noqa: ANN401 — the work's own type
        """Run something that is no transaction."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    async def close(self) -> None:
        """Finish what waits, then give back the thread."""
        while self._running is not None or self._waiting:
            if self._running is None:
                self._begin()
            else:
                await asyncio.wait({self._running})
                await asyncio.sleep(0)  # its results are handed out, and what waits begins
        self._thread.shutdown(wait=False)

    def _begin_soon(self, *, gathers: bool) -> None:
        if not gathers:
            self._begin()
        elif self._gathering is None:
            self._gathering = asyncio.get_running_loop().call_later(GATHERING, self._begin)

    def _begin(self) -> None:
        if self._gathering is not None:
            self._gathering.cancel()
            self._gathering = None
        pieces, self._waiting = self._waiting[:MOST_TOGETHER], self._waiting[MOST_TOGETHER:]
        self._running = asyncio.get_running_loop().run_in_executor(self._thread, self._commit, pieces)
        self._running.add_done_callback(lambda done: self._hand_out(pieces, done))
        self._watch()

    def _watch(self) -> None:
        """Cut off a database that neither answers nor hangs up, so that what waits fails, and other work goes on."""
        if self._watching is not None:
            self._watching.cancel()
            self._watching = None
        if self._running is None or self.patience is None:
            return
        if self._under_way is not None and self._under_way[0] + self.patience < time.monotonic():
            hang_up(self._under_way[1])
        self._watching = asyncio.get_running_loop().call_later(self.patience / 3, self._watch)

    def _hand_out(self, pieces: list[_Piece], done: asyncio.Future[list[Any]]) -> None:
        failed = done.exception()
        results = [failed] * len(pieces) if failed is not None else done.result()
        for piece, result in zip(pieces, results, strict=True):
            if piece.result.done():
                continue  # its caller has gone
            if isinstance(result, BaseException):
                piece.result.set_exception(result)
            else:
                piece.result.set_result(result)
        # Whoever has waited comes first: what it writes next then shares the next commit.
        asyncio.get_running_loop().call_soon(self._go_on)

    def _go_on(self) -> None:
        self._running = None
        self._watch()
        if self._waiting:
            self._begin_soon(gathers=all(piece.gathers for piece in self._waiting))

    def _commit(self, pieces: list[_Piece], *, reconnected: bool = False) -> list[Any]:
        """One result or exception for each piece; what is a result is durable."""
        try:
            self._check()
            with self._engine.begin() as connection:
                self._under_way = time.monotonic(), connection.connection.driver_connection
                results = self._work(connection, pieces)
            self._check()
        except LedgerUnavailable as replaced:
            return [replaced] * len(pieces)
        except _Spoiled as spoiled:
            error = spoiled.__cause__
            if isinstance(error, DBAPIError) and error.connection_invalidated:
                # The connection was lost before the commit, perhaps long ago: nothing was done.
                return [self._failure(error)] * len(pieces) if reconnected else self._commit(pieces, reconnected=True)
            if len(pieces) == 1:
                return [self._failure(error)]
        except DATABASE_ERRORS as error:
            # It could not begin, or the commit failed and nobody knows whether it was done: it is not done again.
            return [self._failure(error)] * len(pieces)
        else:
            return results
        finally:
            self._under_way = None
        return [result for piece in pieces for result in self._commit([piece])]

    def _work(self, connection: Connection, pieces: list[_Piece]) -> list[Any]:
        try:
            self._begun(connection)
        except DATABASE_ERRORS as error:
            raise _Spoiled from error
        return _work(connection, pieces)

    def _failure(self, error: BaseException | None) -> BaseException:
        if isinstance(error, DATABASE_ERRORS):
            return unavailable(self.url, error)
        return error or RuntimeError("work failed without an error")

    @property
    def url(self) -> URL:
        """Where the database is."""
        return self._engine.url


def _work(connection: Connection, pieces: list[_Piece]) -> list[Any]:
    """One result for each piece; those for the same handler are made together.

    Nobody who waits knows what came of the others, so that any order is one in which they might have come.
    """
    alike: dict[Handler, list[int]] = {}
    for place, piece in enumerate(pieces):
        alike.setdefault(piece.handler, []).append(place)
    results: list[Any] = [None] * len(pieces)
    for handler, places in alike.items():
        try:
            made = handler(connection, [pieces[place].item for place in places])
        except Exception as error:
            raise _Spoiled from error
        for place, result in zip(places, made, strict=True):
            results[place] = result
    return results
