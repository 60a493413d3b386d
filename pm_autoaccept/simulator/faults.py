"""Fault injection for the simulator: delays, error statuses, resets and broken responses.

A fault happens before a call is processed (then nothing has changed) or after it (then it has, and the caller cannot
know). It applies always, a number of times, or at a rate with a seeded random generator.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field
from enum import StrEnum


class FaultKind(StrEnum):
    """What goes wrong."""

    DELAY = "delay"
    """The response is withheld for `seconds`, or until it is released."""
    STATUS = "status"
    """Another response: `status`, `body`, `content_type`, `headers`."""
    HTML = "html"
    """An HTML page instead of XML, with `status`, `body` and `headers`."""
    RESET = "reset"
    """The connection is reset."""
    TRUNCATED = "truncated"
    """The body stops halfway, and the connection closes."""
    OVERLONG = "overlong"
    """The body is longer than Content-Length."""
    TRICKLE = "trickle"
    """After the body, one blank is sent every `seconds`, without end until released."""
    TOO_LARGE = "too_large"
    """Twelve megabytes of blanks follow the document."""
    MISLABELLED = "mislabelled"
    """The right body with the wrong `content_type`."""
    GZIP = "gzip"
    """The right body, compressed."""
    BROKEN_GZIP = "broken_gzip"
    """The compressed body is corrupt."""
    GZIP_BOMB = "gzip_bomb"
    """The body decompresses to 64 megabytes."""


RESPONSE_FAULTS = frozenset(FaultKind) - {FaultKind.DELAY, FaultKind.STATUS, FaultKind.HTML, FaultKind.RESET}
"""Faults that always apply to the response of a processed call."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One fault.

    Attributes:
        after: whether the call is processed first; otherwise the fault happens before or instead.
        service: a service name (as in services.py) or an HTTP method (`POST`), None for all.
        times: how often it happens, None for always.
        rate: the fraction of calls that it applies to, 0 to 1.
        seconds: the length of a delay, None until released; or the interval of a `trickle`.
        body: the body of a `status` fault (None: a matching XML error), or the page of an `html` fault.
    """

    kind: FaultKind
    after: bool = False
    service: str | None = None
    times: int | None = None
    rate: float = 1.0
    seconds: float | None = None
    status: int = 500
    body: str | None = None
    content_type: str = "application/xml"
    headers: tuple[tuple[str, str], ...] = ()

    def fits(self, *, service: str | None, method: str) -> bool:
        """Whether it applies to calls with this service and method."""
        return self.service is None or self.service in {service, method}


@dataclass(slots=True)
class _ActiveFault:
    fault: Fault
    left: int | None


@dataclass(slots=True)
class Faults:
    """The active faults, oldest first; at most one applies to a call."""

    seed: int = 0
    _standing: dict[int, _ActiveFault] = field(default_factory=dict)
    _count: int = 0
    _dice: random.Random = field(init=False)
    _released: asyncio.Event = field(default_factory=asyncio.Event)
    _withheld: int = 0
    _one_more: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self._dice = random.Random(self.seed)  # noqa: S311 - reproducible dice, no secret

    def add(self, fault: Fault) -> int:
        """Activate a fault and return its number, which removes it again."""
        self._count += 1
        self._standing[self._count] = _ActiveFault(fault, fault.times)
        return self._count

    def remove(self, number: int) -> None:
        """Remove one fault.

        Raises:
            KeyError: no fault has this number.
        """
        del self._standing[number]

    def clear(self) -> None:
        """Remove all faults, and release the responses that they withhold."""
        self._standing.clear()
        self.release()

    def release(self) -> None:
        """Release every response that is withheld now; later ones are withheld again."""
        self._released.set()
        self._released = asyncio.Event()

    def standing(self) -> dict[int, tuple[Fault, int | None]]:
        """The active faults by number, with how often each can still happen."""
        return {number: (each.fault, each.left) for number, each in self._standing.items()}

    def befall(self, *, service: str | None, method: str) -> Fault | None:
        """The fault that applies to this call, if any; counts it."""
        for number, each in self._standing.items():
            if not each.fault.fits(service=service, method=method) or self._dice.random() >= each.fault.rate:
                continue
            if each.left is not None:
                each.left -= 1
                if each.left <= 0:
                    del self._standing[number]
            return each.fault
        return None

    def releasing(self) -> asyncio.Event:
        """The event that is set when the currently withheld responses are released."""
        return self._released

    async def wait(self, seconds: float | None, *, released: asyncio.Event | None = None) -> bool:
        """Withhold for this time (None: forever) or until released; return whether it was released."""
        released = released or self._released
        self._withheld += 1
        self._one_more.set()
        try:
            async with asyncio.timeout(seconds):
                return await released.wait()
        except TimeoutError:
            return False
        finally:
            self._withheld -= 1

    async def until_withheld(self, count: int) -> None:
        """Return once this many responses are withheld at the same time."""
        while self._withheld < count:
            self._one_more.clear()
            await self._one_more.wait()
