"""The real program, which at SIGUSR1 says in a file how many tasks it has, and what Python holds.

`objects` are those that its garbage collector knows, `blocks` are all, texts and numbers too.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import signal
import sys
from contextlib import suppress
from types import FrameType


def _count(_number: int, _frame: FrameType | None) -> None:
    with suppress(RuntimeError):  # no loop yet
        counted = {"tasks": len(asyncio.all_tasks()), "objects": len(gc.get_objects())}
        counted["blocks"] = sys.getallocatedblocks()
        with open(os.environ["SOAK_COUNTS"], "a", encoding="utf-8") as file:  # noqa: PTH123 — a handler is short
            file.write(json.dumps(counted) + "\n")


if __name__ == "__main__":
    signal.signal(signal.SIGUSR1, _count)
    from pm_autoaccept.__main__ import main

    main()
