"""Things that go wrong on purpose: slow, refused, garbled and broken answers.

A fault happens before the call is processed (then nothing has changed) or after (then it has, and the caller cannot
know). It applies always, a number of times, or at a rate whose dice are seeded.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field
from enum import StrEnum


class FaultKind(StrEnum):
    """What goes wrong."""

    DELAY = "delay"
    """The answer is withheld for `seconds`, or until it is released."""
    STATUS = "status"
    """Another answer: `status`, `body`, `content_type`, `headers`."""
    HTML = "html"
    """A page for people instead of XML, with `status`, `body` and `headers`."""
    RESET = "reset"
    """The connection is reset."""
    TRUNCATED = "truncated"
    """The body stops half-way, and the connection closes."""
    OVERLONG = "overlong"
    """More comes than Content-Length says."""
    TRICKLE = "trickle"
    """After the body blanks come, one each `seconds`, and never an end, until released."""
    TOO_LARGE = "too_large"
    """Twelve megabytes of blanks stand after the document."""
    MISLABELLED = "mislabelled"
    """The right body, as `content_type`."""
    GZIP = "gzip"
    """The right body, packed."""
    BROKEN_GZIP = "broken_gzip"
    """It cannot be unpacked."""
    GZIP_BOMB = "gzip_bomb"
    """Unpacked it is 64 megabytes."""


OF_AN_ANSWER = frozenset(FaultKind) - {FaultKind.DELAY, FaultKind.STATUS, FaultKind.HTML, FaultKind.RESET}
"""What befalls the answer of a call that was processed, always."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that goes wrong.

    Attributes:
        after: after the call was processed; else before, or instead.
        service: the name of a service (as in services.py), or of a method (`POST`), None for all.
        times: how often it happens, None for always.
        rate: the share of calls that it befalls, 0 to 1.
        seconds: of a delay; None waits until released. Between two blanks of a `trickle`.
        body: of a `status` fault; None makes the XML error that fits. Of an `html` fault, the page.
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
        """Whether it concerns a call of this service and method."""
        return self.service is None or self.service in {service, method}


@dataclass(slots=True)
class _Standing:
    fault: Fault
    left: int | None


@dataclass(slots=True)
class Faults:
    """The faults in force, the oldest first; at most one befalls a call."""

    seed: int = 0
    _standing: dict[int, _Standing] = field(default_factory=dict)
    _count: int = 0
    _dice: random.Random = field(init=False)
    _released: asyncio.Event = field(default_factory=asyncio.Event)
    _withheld: int = 0
    _one_more: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self._dice = random.Random(self.seed)  # noqa: S311 - reproducible dice, no secret

    def add(self, fault: Fault) -> int:
        """Put a fault in force; its number takes it away again."""
        self._count += 1
        self._standing[self._count] = _Standing(fault, fault.times)
        return self._count

    def remove(self, number: int) -> None:
        """Take one fault away.

        Raises:
            KeyError: there is none of this number.
        """
        del self._standing[number]

    def clear(self) -> None:
        """Take all faults away, and let go the answers that they withhold."""
        self._standing.clear()
        self.release()

    def release(self) -> None:
        """Let go every answer that is withheld now; later ones are withheld again."""
        self._released.set()
        self._released = asyncio.Event()

    def standing(self) -> dict[int, tuple[Fault, int | None]]:
        """The faults in force by number, with how often each may still happen."""
        return {number: (each.fault, each.left) for number, each in self._standing.items()}

    def befall(self, *, service: str | None, method: str) -> Fault | None:
        """The fault that befalls this call, if any, counted."""
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
        """What happens when the answers that are withheld now are let go."""
        return self._released

    async def wait(self, seconds: float | None, *, released: asyncio.Event | None = None) -> bool:
        """Withhold for so long, None for ever, or until released; say whether it was."""
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
        """Return as soon as so many answers are withheld at the same time."""
        while self._withheld < count:
            self._one_more.clear()
            await self._one_more.wait()
