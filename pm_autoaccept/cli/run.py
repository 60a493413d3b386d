"""The `run` command: the daemon, which answers requests cycle after cycle until it is stopped."""

from __future__ import annotations

from typing import Any

import click

from pm_autoaccept.cli.support import options
from pm_autoaccept.cli.support.help_page import Command


@click.command(cls=Command)
@options.account
@options.mode
@click.option("--interval", metavar="TIME", help="Wait this long between cycles (60s).")
def run(**overrides: Any) -> int:  # noqa: ANN401 — settings given as options; config checks them
    """Read, decide, answer and record in cycles until SIGTERM or Ctrl-C; then finish what is in flight and exit with 0.

    In mode observe, the default, everything is decided and recorded, and nothing is sent.
    """
    from pm_autoaccept.cli.support.runner import run_until_stopped
    from pm_autoaccept.config import Settings, load_accounts, load_settings
    from pm_autoaccept.daemon import Stop
    from pm_autoaccept.daemon import run as run_daemon

    program = load_accounts(**overrides)

    def reload_settings(name: str) -> Settings:
        # Only this account's: a fault in another's must not hide a changed password.
        return load_settings(**overrides | {"account": name})

    async def work(stop: Stop) -> int:
        await run_daemon(program, stop=stop, reload_settings=reload_settings)
        return 0

    return run_until_stopped(work, settings=program.accounts[0])
