"""The entry: runs the command, and ends with a message and an exit code that fit the error."""

from __future__ import annotations

import sys

import click

from pm_autoaccept.cli import cli
from pm_autoaccept.cli.support.standard_streams import exit_code, make_safe
from pm_autoaccept.errors import ConfigurationError, PmAutoacceptError, PolicyRefused


def main() -> None:
    """Run the command line. Exit codes are those of the design: 0, 1, 2, 69, 74, 77, 78, 130, 143."""
    make_safe()
    try:
        code = cli.main(prog_name="pm-autoaccept", standalone_mode=False)
    except click.exceptions.Abort:
        code = 130
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except PmAutoacceptError as error:
        click.echo(_said(error), err=True)
        code = error.exit_code
    sys.exit(exit_code(code if isinstance(code, int) else 0))


def _said(error: PmAutoacceptError) -> str:
    """What went wrong, in a line; faults that take several stand below, each with its own."""
    lines = str(error).splitlines()
    if isinstance(error, PolicyRefused | ConfigurationError) and len(lines) > 1:
        what = "policy" if isinstance(error, PolicyRefused) else "settings"
        return "\n  ".join([f"pm-autoaccept: the {what} cannot be used:", *lines])
    return f"pm-autoaccept: {error}"


if __name__ == "__main__":
    main()
