"""What `--help` shows: commands by what people come for, own options before settings, whole sentences."""

from __future__ import annotations

import click
import pytest
from click.testing import CliRunner

from pm_autoaccept.cli import COMMANDS, cli

CALLS = [(name,) for name in COMMANDS] + [
    *(("account", name) for name in ("list", "disconnect", "unshare", "notifications")),
    *(("data", name) for name in ("confirm", "history")),
    *(("review", name) for name in ("show", "accept", "reject", "take-back", "next", "acknowledge")),
    *(("notices", name) for name in ("list", "resend")),
]


def shown(*words: str) -> str:
    """What the program prints on a terminal of 80 columns."""
    return CliRunner().invoke(cli, words, env={"COLUMNS": "80"}, terminal_width=80).output


def test_every_command_is_there_once_and_is_one():
    """The list is made without importing them, so that it may name what there is not."""
    lines = shown("--help").splitlines()
    context = click.Context(cli)
    for name in COMMANDS:
        assert [line.split()[0] for line in lines if line.startswith("  ")].count(name) == 1
        assert cli.get_command(context, name) is not None


@pytest.mark.parametrize("call", CALLS, ids=" ".join)
def test_nothing_is_cut_and_no_line_is_too_long(call):
    """Of a command and of each in a group; what is cut ends in dots."""
    said = shown(*call, "--help")
    assert "..." not in said.replace("[ARGS]...", "")
    assert max(map(len, said.splitlines())) <= 80


def test_settings_stand_apart_from_what_a_command_is_for():
    """Its own options come first; those that may stand elsewhere too are last."""
    own, _, settings = shown("check", "--help").partition(
        "Settings (also as environment variables or in a settings file):"
    )
    assert "--coverage" in own
    assert "--username" not in own
    assert "--username" in settings
    assert "Settings" not in shown("simulate", "--help")


def test_a_misspelt_command_is_told_with_what_may_have_been_meant():
    """The exit code is that of a wrong use."""
    result = CliRunner().invoke(cli, ["chek"])
    assert result.exit_code == 2
    assert "unknown command `chek` (did you mean `check`?)" in result.output


@pytest.mark.parametrize(
    ("words", "refused"),
    [
        (("data", "--ledger", "x", "confirm", "accounts"), "--ledger must come after `confirm`"),
        (("review", "--account", "x", "acknowledge", "property:1"), "--account must come after `acknowledge`"),
    ],
)
def test_a_group_that_is_a_command_takes_no_options_in_front_of_a_subcommand(words, refused):
    """The subcommand would ignore them silently, also where the answer is to be recorded."""
    given = CliRunner().invoke(cli, words)
    assert (given.exit_code, refused in given.output) == (2, True)
