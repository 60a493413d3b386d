"""The commands, thin: what they need is imported in their bodies, so that `--version` and `check` start at once."""

from __future__ import annotations

from importlib import import_module

import click

from pm_autoaccept import __version__

COMMANDS = {
    "run": "Answer requests, cycle after cycle, until stopped.",
    "once": "Run one cycle, then print a summary.",
    "demo": "Watch it work on a simulated Portfolio Manager.",
    "simulate": "Be a Portfolio Manager that other programs can talk to.",
    "init": "Write a policy to start from, made from the account's custom fields.",
    "check": "Check a policy folder and say all that is wrong with it.",
    "pending": "List everything pending with its verdict and what would be sent.",
    "explain": "Say of one request what is decided, by which rule, and why.",
    "account": "Say who is connected and what is shared, and end it.",
    "mask": "Take names and what customers typed out of what is old, for good.",
    "doctor": "Try what can be tried without changing anything, and say what to do about each fault.",
    "migrate": "Bring a ledger up to date.",
    "data": "Say what each data source of the policy holds, and whether it is good.",
    "decisions": "List what was decided and what came of it, from the ledger.",
    "pause": "Stop answering, also of a program that runs.",
    "resume": "Go on answering, or lift a limit for a while.",
}
"""Command → its line in the help. The module of the same name holds it."""


class Commands(click.Group):
    """A group whose commands are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 — click's signature
        """Name the commands in the order in which people meet them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 — click's signature
        """Import one command."""
        if cmd_name not in COMMANDS:
            return None
        command = getattr(import_module(f"pm_autoaccept.cli.{cmd_name}"), cmd_name)
        return command if isinstance(command, click.Command) else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 — click's signature
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="pm-autoaccept")
def cli() -> None:
    """Answer ENERGY STAR Portfolio Manager connection and share requests by policy.

    Settings come from PM_AUTOACCEPT_… variables (SERVICE, USERNAME, PASSWORD, POLICY, LEDGER, MODE …), secrets also
    from files named by PM_AUTOACCEPT_…_FILE. Try `pm-autoaccept demo` first: it needs none of them.
    """
