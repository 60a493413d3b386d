"""How a command's `--help` is laid out: what is its own first, then the settings that it shares with others."""

from __future__ import annotations

import click

LONGEST = 200
"""Characters of a command's line in the list of commands: one sentence, which is folded and not cut."""


class Setting(click.Option):
    """An option that is a setting of the program, so that it may stand in the environment or the settings file too."""


def _format_options(command: click.Command, ctx: click.Context, formatter: click.HelpFormatter) -> None:
    """Write two sections; a command without settings has one."""
    options: list[tuple[str, str]] = []
    settings: list[tuple[str, str]] = []
    for param in command.get_params(ctx):
        record = param.get_help_record(ctx) if isinstance(param, click.Option) else None
        if record is not None:
            (settings if isinstance(param, Setting) else options).append(record)
    for title, records in (("Options", options), ("Settings, here or in the environment or a file", settings)):
        if records:
            with formatter.section(title):
                formatter.write_dl(records)


class Command(click.Command):
    """A command whose help has its settings apart."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options."""
        _format_options(self, ctx, formatter)


class Group(click.Group):
    """A group of such commands, in the order in which they are written."""

    command_class = Command

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 — click's signature
        """Name the commands."""
        return list(self.commands)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, then the commands."""
        _format_options(self, ctx, formatter)
        self.format_commands(ctx, formatter)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 — click's signature
        """List the commands, each with a whole sentence."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, each.get_short_help_str(LONGEST)) for name, each in self.commands.items()])
