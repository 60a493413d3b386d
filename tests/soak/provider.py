"""A simulated Portfolio Manager to which customers come for as long as it runs, and leave again when all is answered.

    python -m tests.soak.provider REQUESTS PER_SECOND FAULTS SEED

Prints its ready line, then once a second a line with what was asked, answered and what pends. Its world stays small, so
that only the daemon's ledger grows.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter, deque
from datetime import UTC, datetime

from pm_autoaccept.model import AccountInfo, CustomField, Kind, RequestKey
from pm_autoaccept.simulator import Access, Call, Fault, FaultKind, Simulator, State, Tie, World, ready_line
from pm_autoaccept.simulator.seed import world_from_seed
from pm_autoaccept.simulator.world import Account, Meter, Property
from tests.killing.harness import FAULTS

METERS = 2
FAMILY = 2 + METERS
"""A connection, a property, and its meters."""
MOST_PENDING = 2000
"""Nobody comes while so many wait: then the daemon is what is slow."""
PATIENCE, STAYS = 30, 20
"""Seconds after which a family leaves that is held, and one that is answered: were they longer, those who are held
would soon be all who wait, and nobody could come."""


class Coming:
    """Families of requests that come to a world, and go when none of theirs pends any more."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._families: deque[int] = deque()
        self.asked = 0

    def one_more(self, now: datetime) -> None:
        """A customer asks for a connection, and shares a property with its meters."""
        world, number = self._world, 1_000_000 + self.asked
        self.asked += FAMILY
        info = AccountInfo(first_name="Ines", last_name="Okafor", email=f"a{number}@example.org")
        name = f"customer_{number}"
        world.accounts[number] = Account(id=number, username=name, password="Simulated-1", info=info)
        world.properties[number] = Property(id=number, owner=number, name=f"Tower {number}", primary_function="Office")
        access = Access.READ if number % 5 == 0 else Access.READ_WRITE
        keys = [RequestKey(Kind.CONNECTION, number), RequestKey(Kind.PROPERTY, number)]
        for meter in range(METERS):
            kind, unit = (
                ("Natural Gas", "therms") if (number + meter) % 7 == 0 else ("Electric", "kWh (thousand Watt-hours)")
            )
            made = Meter(id=number + meter, property_id=number, name=f"Meter {meter}", type=kind, unit=unit)
            world.meters[made.id] = made
            keys.append(RequestKey(Kind.METER, made.id))
        for key in keys:
            share = access if key.kind is not Kind.CONNECTION else None
            world.add(Tie(key=key, state=State.PENDING, sender=number, asked_at=now, access=share))
        if number % 50:
            world.answers[keys[0]] = (CustomField("Utility Customer Number", "0041-001-234" if number % 9 else "none"),)
        self._families.append(number)

    def leave(self) -> None:
        """Take away the families of which nothing pends, and those that are held once they are old."""
        for _ in range(len(self._families)):
            number = self._families.popleft()
            keys = [RequestKey(Kind.CONNECTION, number), RequestKey(Kind.PROPERTY, number)]
            keys += [RequestKey(Kind.METER, number + meter) for meter in range(METERS)]
            ties = [self._world.ties[key] for key in keys]
            waiting = any(tie.state is State.PENDING for tie in ties)
            age = (datetime.now(UTC) - ties[0].asked_at).total_seconds()
            if age < (PATIENCE if waiting else STAYS):
                self._families.append(number)
                continue
            for key in keys:
                self._world.move(key, State.ENDED)  # so that no list holds it any more
                del self._world.ties[key]
                self._world.answers.pop(key, None)
            for meter in range(METERS):
                del self._world.meters[number + meter]
            del self._world.properties[number], self._world.accounts[number]


async def main(requests: int, per_second: int, faults: float, seed: int) -> None:
    """Serve until stdin ends."""
    world = world_from_seed(seed=seed, pending=0, now=datetime.now(UTC))
    coming = Coming(world)
    answered: Counter[str] = Counter()
    async with Simulator(world, fault_seed=seed) as simulator:
        for share, fault in FAULTS:
            simulator.faults.add(Fault(**{**fault, "kind": FaultKind(fault["kind"]), "rate": share * faults}))
        print(json.dumps(ready_line(simulator)), flush=True)  # noqa: T201 — the protocol
        over = asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
        while not over.done():
            await asyncio.wait({over}, timeout=1.0)
            _count(simulator.log.calls, answered)
            coming.leave()
            pending = sum(world.pending().values())
            wanted = min(per_second, requests - coming.asked, MOST_PENDING - pending)
            for _ in range(max(0, wanted) // FAMILY):
                coming.one_more(datetime.now(UTC))
            print(json.dumps({"asked": coming.asked, "pending": pending} | answered), flush=True)  # noqa: T201 — likewise


def _count(calls: list[Call], answered: Counter[str]) -> None:
    """Count what is finished, and forget it."""
    for call in calls:
        if call.fault:
            answered["faults"] += 1
        answered["calls"] += 1
        answered["answered"] += sum(effect.before == State.PENDING for effect in call.effects)
    calls.clear()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])))
