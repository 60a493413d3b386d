"""Who holds which account when, from the ledger's own table of leases; and how long until another replica took over."""

from __future__ import annotations

import re
import statistics
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import psycopg

EVERY = 0.1
"""Seconds between two looks at the leases."""

_PROCESS = re.compile(r":([0-9]+)/")
_HELD = "SELECT name, holder FROM lease WHERE holder IS NOT NULL AND until > clock_timestamp()"
_ALIVE = "SELECT id FROM replica WHERE until > clock_timestamp()"


@dataclass(slots=True)
class Takeovers:
    """Looks at the leases on a thread of its own, past every proxy.

    Attributes:
        uri: the ledger's database.
        held: account → the process that holds it now.
        alive: the processes that have given a sign of life.
        seconds: of each account that lost its holder, the time until another process held it.
    """

    uri: str
    held: dict[str, int] = field(default_factory=dict)
    alive: frozenset[int] = frozenset()
    seconds: list[float] = field(default_factory=list)
    _orphans: dict[str, tuple[int, float]] = field(default_factory=dict)
    _over: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _thread: threading.Thread = field(init=False)

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._look, name="takeovers")
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def lost(self, process: int) -> int:
        """A process was killed, stopped or cut off just now: how many accounts it held."""
        with self._lock:
            orphans = [name for name, holder in self.held.items() if holder == process]
            self._orphans |= {name: (process, time.monotonic()) for name in orphans}
            return len(orphans)

    def back(self, process: int) -> int:
        """A process goes on: what nobody had taken until then it may keep, and the number of these is returned."""
        with self._lock:
            kept = [name for name, (lost_by, _) in self._orphans.items() if lost_by == process]
            for name in kept:
                del self._orphans[name]
            return len(kept)

    def waiting(self) -> int:
        """How many accounts have not been taken over yet."""
        with self._lock:
            return len(self._orphans)

    def distribution(self, lease: float) -> dict[str, float]:
        """How long it took, in seconds and in leases."""
        if not self.seconds:
            return {"takeovers": 0}
        figures = {
            "min": min(self.seconds),
            "median": statistics.median(self.seconds),
            "p95": _percentile(self.seconds, 0.95),
            "max": max(self.seconds),
        }
        in_leases = {f"{name} in leases": round(value / lease, 2) for name, value in figures.items()}
        return {"takeovers": len(self.seconds)} | {name: round(value, 2) for name, value in figures.items()} | in_leases

    def _look(self) -> None:
        with psycopg.connect(self.uri, autocommit=True) as connection:
            while not self._over.wait(EVERY):
                try:
                    rows = connection.execute(_HELD).fetchall()
                    signs = connection.execute(_ALIVE).fetchall()
                except psycopg.errors.UndefinedTable:
                    continue  # nobody has made the tables yet
                now = time.monotonic()
                with self._lock:
                    self.held = {name: int(found[1]) for name, holder in rows if (found := _PROCESS.search(holder))}
                    self.alive = frozenset(int(found[1]) for (sign,) in signs if (found := _PROCESS.search(sign)))
                    for name, holder in self.held.items():
                        if name in self._orphans and self._orphans[name][0] != holder:
                            self.seconds.append(now - self._orphans.pop(name)[1])


def _percentile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
