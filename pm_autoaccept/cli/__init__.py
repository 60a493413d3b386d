"""The commands, thin: what they need is imported in their bodies, so that `--version` and `check` start at once."""

from __future__ import annotations

from importlib import import_module

import click

from pm_autoaccept import __version__

SECTIONS = {
    "Look around": {
        "demo": "Watch it work on a simulated Portfolio Manager.",
        "simulate": "Be a Portfolio Manager that other programs can talk to.",
    },
    "Write a policy": {
        "init": "Write a policy to start from, made from the account's custom fields.",
        "check": "Check a policy folder and say all that is wrong with it.",
        "data": "Say what each data source of the policy holds, and whether it is good.",
        "pending": "List everything pending with its verdict and what would be sent.",
        "explain": "Say of one request what is decided, by which rule, and why.",
    },
    "Answer": {
        "doctor": "Try what can be tried without changing anything, and say what to do about each fault.",
        "once": "Run one cycle, then print a summary.",
        "run": "Answer requests, cycle after cycle, until stopped.",
        "pause": "Stop answering, also of a program that runs.",
        "resume": "Go on answering, or lift a limit for a while.",
    },
    "Look back": {
        "review": "List the requests that are held for people, by which rule and for how long.",
        "decisions": "List what was decided and what came of it, from the ledger.",
        "account": "Say who is connected and what is shared, and end it.",
    },
    "Keep the ledger": {
        "migrate": "Bring a ledger up to date.",
        "mask": "Take names and what customers typed out of what is old, for good.",
    },
}
"""What people come for → command → its line in the help. The module of the same name holds the command."""

COMMANDS = tuple(name for section in SECTIONS.values() for name in section)


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

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that is meant, and say which one may have been."""
        if args[0] not in COMMANDS:
            from pm_autoaccept.policy.messages import perhaps

            ctx.fail(f"there is no command `{args[0]}`{perhaps(args[0], COMMANDS)}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 — click's signature
        """List the commands by what people come for, without importing them; all lines begin in one column."""
        longest = max(map(len, COMMANDS))
        for title, commands in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl([(name.ljust(longest), line) for name, line in commands.items()])


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="pm-autoaccept")
def cli() -> None:
    """Answer ENERGY STAR Portfolio Manager connection and share requests by policy.

    Settings come from PM_AUTOACCEPT_… variables (SERVICE, USERNAME, PASSWORD, POLICY, LEDGER, MODE …), secrets also
    from files named by PM_AUTOACCEPT_…_FILE. Try `pm-autoaccept demo` first: it needs none of them.
    """
