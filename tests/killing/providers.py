"""Several simulated Portfolio Managers in one process: `python -m tests.killing.providers HOW_MANY PENDING SEED`.

Each is one provider account's, on a port and with a switchboard of its own. Prints their ready lines as one JSON
list, and serves until stdin ends.
"""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import AsyncExitStack
from datetime import UTC, datetime

from pm_autoaccept.simulator import Simulator, ready_line, world_from_seed


async def main(how_many: int, pending: int, seed: int) -> None:
    """Serve."""
    async with AsyncExitStack() as stack:
        simulators = []
        for number in range(how_many):
            world = world_from_seed(seed=seed + number, pending=pending, now=datetime.now(UTC))
            simulators.append(await stack.enter_async_context(Simulator(world, fault_seed=seed + number)))
        print(json.dumps([ready_line(simulator) for simulator in simulators]), flush=True)  # noqa: T201 — the protocol
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main(*map(int, sys.argv[1:])))
