"""Entry point: runs the command line and turns errors into a message on stderr and an exit code."""

from __future__ import annotations

import sys

import click

from pm_autoaccept.cli import cli
from pm_autoaccept.cli.support.garbage_collection import collect_less_often
from pm_autoaccept.cli.support.standard_streams import exit_code, make_safe
from pm_autoaccept.errors import ConfigurationError, PmAutoacceptError, PolicyRefused


def main() -> None:
    """Run the command line. docs/operations.md lists the exit codes."""
    collect_less_often()  # before the commands import their libraries
    make_safe()
    try:
        code = cli.main(prog_name="pm-autoaccept", standalone_mode=False)
    except click.exceptions.Abort:
        code = 130
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except PmAutoacceptError as error:
        click.echo(_error_message(error), err=True)
        code = error.exit_code
    sys.exit(exit_code(code if isinstance(code, int) else 0))


def _error_message(error: PmAutoacceptError) -> str:
    """The error on one line; several faults of the settings or the policy follow a headline, each on its own lines."""
    lines = str(error).splitlines()
    if isinstance(error, PolicyRefused | ConfigurationError) and len(lines) > 1:
        what = "policy is" if isinstance(error, PolicyRefused) else "settings are"
        return "\n  ".join([f"pm-autoaccept: the {what} invalid:", *lines])
    return f"pm-autoaccept: {error}"


if __name__ == "__main__":
    main()
