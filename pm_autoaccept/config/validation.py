"""Validates one account's settings: each value, and all of them together; collects every error at once."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from pydantic import SecretStr, ValidationError
from pydantic_core import ErrorDetails

from pm_autoaccept.config.formats import with_password
from pm_autoaccept.config.messages import message
from pm_autoaccept.config.origins import PREFIX, Given
from pm_autoaccept.config.settings import Settings
from pm_autoaccept.config.settings_file import SECRETS, SettingsFile
from pm_autoaccept.egress import proxy_variables
from pm_autoaccept.errors import ConfigurationError


def account_settings(
    name: str, given: Mapping[str, Given], file: SettingsFile | None, faults: list[str]
) -> Settings | None:
    """One account's settings; what is wrong with them is added to `faults`."""
    before, entry = len(faults), file.accounts.get(name) if file is not None else None
    values, connections = read_values(given, faults), connection_addresses(file, faults)
    made, errors = _checked(name, values, connections)
    for each in errors:
        field = str(each["loc"][0]) if each["loc"] else None
        described = Settings.model_fields[field].description if field is not None else None
        said = message(each, description=described or "another")
        if field is None:
            together = said.splitlines()
            faults += [one if entry is None else str(entry.place.fault(f"account `{name}`: {one}")) for one in together]
        elif field in values:
            faults.append(given[field].origin.fault(said))
        elif field not in given and not (file is not None and file.faults):
            # What a file with faults lacks may stand there under a wrong name.
            faults.append(_missing(name, field, file))
    return made if len(faults) == before else None


_SOUND = {"username": "anybody", "password": "secret", "policy": "."}
"""What stands for a value that is missing or wrong while it is seen whether the others go together."""


def _checked(
    name: str, values: Mapping[str, Any], connections: Mapping[str, SecretStr]
) -> tuple[Settings | None, list[ErrorDetails]]:
    """The settings that these values make, and all that is wrong with them: with each, and with them together."""
    outside: dict[str, Any] = {"connections": dict(connections), "proxy_variables": proxy_variables(os.environ)}
    try:
        return Settings(name=name, **outside, **values), []
    except ValidationError as error:
        errors = error.errors(include_url=False, include_input=False)
    wrong = {str(each["loc"][0]) for each in errors if each["loc"]}
    if wrong and "service" not in wrong:
        sound = {name: value for name, value in values.items() if name not in wrong}
        try:
            Settings(name=name, **{**outside, **_SOUND, **sound})
        except ValidationError as error:
            errors += error.errors(include_url=False, include_input=False)
    return None, errors


def connection_addresses(file: SettingsFile | None, faults: list[str]) -> dict[str, SecretStr]:
    """The addresses of databases that policies ask, with their passwords."""
    read: dict[str, SecretStr] = {}
    for name, connection in (file.connections if file is not None else {}).items():
        try:
            read[name] = connection.read()
        except ConfigurationError as error:
            faults.append(str(error))
    return read


def _missing(name: str, field: str, file: SettingsFile | None) -> str:
    described = Settings.model_fields[field].description
    key = f"{field}_file" if field in SECRETS else field
    entry = file.accounts.get(name) if file is not None else None
    if entry is not None:
        return str(entry.place.fault(f"account `{name}` lacks `{key}` ({described})"))
    elsewhere = "" if file is None else f", nor `{key}` in {file.path}"
    return f"{PREFIX}{field.upper()} is not set{elsewhere} ({described})"


def read_values(given: Mapping[str, Given], faults: list[str]) -> dict[str, Any]:
    """The values out of what was given, the database's password within the ledger's address."""
    values: dict[str, Any] = {}
    for name, each in given.items():
        try:
            values[name] = each.read()
        except ConfigurationError as error:
            faults.append(str(error))
    address, password = values.get("ledger"), values.get("ledger_password")
    if isinstance(address, str) and isinstance(password, str) and password:
        values["ledger"] = with_password(address, password)
    return values
