"""`run`: answer requests, cycle after cycle, until stopped."""

from __future__ import annotations

from typing import Any

import click

from pm_autoaccept.cli.support import options
from pm_autoaccept.cli.support.help_page import Command


@click.command(cls=Command)
@options.account
@options.mode
@click.option("--interval", metavar="TIME", help="From one cycle's end to the next (60s).")
def run(**said: Any) -> int:  # noqa: ANN401 — click hands over the options, config checks them
    """Poll, decide, answer and record until SIGTERM or Ctrl-C, then finish what is in hand and leave with 0.

    In `observe` mode, the default, everything is decided and recorded and nothing is sent.
    """
    from pm_autoaccept.cli.support.runner import run_until_stopped
    from pm_autoaccept.config import Settings, load_accounts, load_settings
    from pm_autoaccept.daemon import Stop
    from pm_autoaccept.daemon import run as run_daemon

    program = load_accounts(**said)

    def read_again(name: str) -> Settings:
        # Only this one: another account's fault must not keep a changed password from being seen.
        return load_settings(**said | {"account": name})

    async def work(stop: Stop) -> int:
        await run_daemon(program, stop=stop, read_again=read_again)
        return 0

    return run_until_stopped(work, settings=program.accounts[0])
