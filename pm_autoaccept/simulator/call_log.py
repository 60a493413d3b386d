"""The log of every call that the simulator received, in order, with what it changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pm_autoaccept.simulator.world import Effect


@dataclass(slots=True, kw_only=True)
class Call:
    """One call, or one act on the switchboard.

    Attributes:
        number: 1 for the first call.
        path: as received, with its query.
        service: its name in services.py, None where no service stands at that path.
        ids: the ids in the path, by their names there.
        caller: the username that signed in, None where nobody did.
        status: what was answered; None while nothing is, and where the connection was reset.
        effects: what the call changed.
        error: the error text of the answer.
        fault: the fault that befell it.
        processed: 1 for the first call that was processed, None where it was not: calls that are delayed are
            processed in another order than they came.
    """

    number: int
    at: datetime
    method: str
    path: str
    service: str | None = None
    ids: Mapping[str, int] = field(default_factory=dict)
    body: bytes = b""
    caller: str | None = None
    status: int | None = None
    effects: tuple[Effect, ...] = ()
    error: str | None = None
    fault: str | None = None
    processed: int | None = None

    def shown(self) -> dict[str, Any]:
        """The call as the switchboard shows it."""
        return {
            "number": self.number,
            "at": self.at.isoformat(),
            "method": self.method,
            "path": self.path,
            "service": self.service,
            "caller": self.caller,
            "status": self.status,
            "effect": [shown_effect(effect) for effect in self.effects],
            "error": self.error,
            "fault": self.fault,
            "processed": self.processed,
        }


def shown_effect(effect: Effect) -> dict[str, Any]:
    """An effect as the switchboard shows it."""
    return {
        "kind": effect.kind,
        "id": effect.id,
        "what": effect.what,
        "from": effect.before,
        "to": effect.after,
        "cascade": effect.cascade,
    }


@dataclass(slots=True)
class Log:
    """All calls, in the order in which they came."""

    calls: list[Call] = field(default_factory=list)
    _processed: int = 0

    def begin(self, *, at: datetime, method: str, path: str) -> Call:
        """Note that a call has come."""
        call = Call(number=len(self.calls) + 1, at=at, method=method, path=path)
        self.calls.append(call)
        return call

    def process(self, call: Call) -> None:
        """Note that a call is being processed now."""
        self._processed += 1
        call.processed = self._processed
