"""Reads the custom fields that an account defines, for commands that lay a policy beside them."""

from __future__ import annotations

import click

from pm_autoaccept.cli.support.runner import read_gently
from pm_autoaccept.cli.support.session import signed_in_to_read
from pm_autoaccept.config import Settings
from pm_autoaccept.model import CustomFieldDefinition


def definitions_of(settings: Settings) -> tuple[CustomFieldDefinition, ...]:
    """Each custom field in full, in the order in which the account lists them. Only reads; a signal ends the command.

    Raises:
        LedgerError, PortfolioManagerError: as `sign_in`.
    """
    found: list[CustomFieldDefinition] = []

    async def read() -> int:
        async with signed_in_to_read(settings) as pm:
            for named in await pm.custom_fields():
                found.append(await pm.custom_field(named.id))  # noqa: PERF401 — what is awaited one by one is no list
        return 0

    if code := read_gently(read, settings=settings):
        raise click.exceptions.Exit(code)
    return tuple(found)
