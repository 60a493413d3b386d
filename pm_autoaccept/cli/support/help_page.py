"""Lays out `--help`: a command's own options first, then the settings that it shares with other commands."""

from __future__ import annotations

import click
from click.core import ParameterSource

MAX_SUMMARY_CHARACTERS = 200
"""Of a command's line in the list of commands: one sentence, which wraps and is never cut."""


class Setting(click.Option):
    """An option for a setting, which may also be set in the environment or in the settings file."""


def _format_options(command: click.Command, ctx: click.Context, formatter: click.HelpFormatter) -> None:
    """Write the options in two sections; a command without settings has one."""
    options: list[tuple[str, str]] = []
    settings: list[tuple[str, str]] = []
    for param in command.get_params(ctx):
        record = param.get_help_record(ctx) if isinstance(param, click.Option) else None
        if record is not None:
            (settings if isinstance(param, Setting) else options).append(record)
    for title, records in (
        ("Options", options),
        ("Settings (also as environment variables or in a settings file)", settings),
    ):
        if records:
            with formatter.section(title):
                formatter.write_dl(records)


class Command(click.Command):
    """A command whose help lists settings separately."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options."""
        _format_options(self, ctx, formatter)


class Group(click.Group):
    """A group of such commands, listed in the order of definition."""

    command_class = Command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the subcommand. The options of a group that is a command itself are its own, and must not precede one.

        Raises:
            UsageError: one does; the subcommand would ignore it.
        """
        name, command, rest = super().resolve_command(ctx, args)
        given = [
            param.opts[0]
            for param in self.params
            if param.name and ctx.get_parameter_source(param.name) is ParameterSource.COMMANDLINE
        ]
        if given and self.invoke_without_command:
            raise click.UsageError(f"{given[0]} must come after `{name}`: `{self.name} {name} … {given[0]} …`")
        return name, command, rest

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 — click's signature
        """Name the commands."""
        return list(self.commands)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, then the commands."""
        _format_options(self, ctx, formatter)
        self.format_commands(ctx, formatter)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 — click's signature
        """List the commands, each with its full summary."""
        with formatter.section("Commands"):
            formatter.write_dl(
                [(name, each.get_short_help_str(MAX_SUMMARY_CHARACTERS)) for name, each in self.commands.items()]
            )
