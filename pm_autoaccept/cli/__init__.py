"""The command line: lists the commands and imports each one only when it is called, so that start-up is fast."""

from __future__ import annotations

from importlib import import_module

import click

from pm_autoaccept import __version__

SECTIONS = {
    "Try it out": {
        "demo": "Run a demonstration on a simulated Portfolio Manager.",
        "simulate": "Run a simulated Portfolio Manager for tests of any client.",
    },
    "Write a policy": {
        "init": "Create a policy to start from, based on the account's custom fields.",
        "check": "Check a policy folder, run its tests, and list every fault.",
        "data": "List the policy's data sources, and whether each is good.",
        "pending": "List the pending requests, each with its verdict and what would be sent.",
        "explain": "Explain the decision for one request.",
    },
    "Answer requests": {
        "doctor": "Check settings, policy, sign-in and ledger without changing anything.",
        "once": "Run one cycle and print a summary.",
        "run": "Run the daemon: answer requests in cycles until stopped.",
        "pause": "Pause answering, including a running daemon.",
        "resume": "Resume answering, or lift a limit for a while.",
    },
    "Review and audit": {
        "review": "List the requests that are held for review, and answer them.",
        "notices": "List the notices to people and programs, and send dead ones again.",
        "decisions": "List recorded decisions and their outcomes.",
        "account": "List or end connections and shares.",
    },
    "Maintain the ledger": {
        "migrate": "Upgrade a ledger to this program's schema version.",
        "mask": "Permanently mask personal data in old records.",
    },
}
"""Purpose → command → its line in the help. The module of the same name holds the command."""

COMMANDS = tuple(name for section in SECTIONS.values() for name in section)


class LazyCommands(click.Group):
    """A group that imports a command only when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 — click's signature
        """Name the commands in the order of the help."""
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
        """Find the command, or fail with a suggestion."""
        if args[0] not in COMMANDS:
            from pm_autoaccept.policy.messages import perhaps

            ctx.fail(f"unknown command `{args[0]}`{perhaps(args[0], COMMANDS)}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 — click's signature
        """List the commands by purpose, without importing them; all summaries start in one column."""
        longest = max(map(len, COMMANDS))
        for title, commands in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl([(name.ljust(longest), line) for name, line in commands.items()])


@click.group(cls=LazyCommands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="pm-autoaccept")
def cli() -> None:
    """Answer ENERGY STAR Portfolio Manager connection and share requests by policy.

    Set environment variables PM_AUTOACCEPT_… (SERVICE, USERNAME, PASSWORD, POLICY, LEDGER, MODE …) or use a settings
    file. For a secret, PM_AUTOACCEPT_…_FILE may name a file. Start with `pm-autoaccept demo`: it needs no settings.
    """
