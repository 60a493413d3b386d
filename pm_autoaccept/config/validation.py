"""Validates one account's settings, each value and their combinations, and collects every error at once."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from pydantic import SecretStr, ValidationError
from pydantic_core import ErrorDetails

from pm_autoaccept.config.formats import with_password
from pm_autoaccept.config.messages import message
from pm_autoaccept.config.origins import PREFIX, SettingValue
from pm_autoaccept.config.settings import Settings
from pm_autoaccept.config.settings_file import SECRETS, SettingsFile
from pm_autoaccept.egress import proxy_variables
from pm_autoaccept.errors import ConfigurationError


def account_settings(
    name: str, given: Mapping[str, SettingValue], file: SettingsFile | None, faults: list[str]
) -> Settings | None:
    """One account's settings, None if any is invalid; errors are added to `faults`."""
    before, entry = len(faults), file.accounts.get(name) if file is not None else None
    values, connections = read_values(given, faults), connection_addresses(file, faults)
    made, errors = _validated(name, values, connections)
    for each in errors:
        field = str(each["loc"][0]) if each["loc"] else None
        described = Settings.model_fields[field].description if field is not None else None
        text = message(each, description=described or "another value")
        if field is None:
            together = text.splitlines()
            faults += [one if entry is None else str(entry.place.fault(f"account `{name}`: {one}")) for one in together]
        elif field in values:
            faults.append(given[field].origin.fault(text))
        elif field not in given and not (file is not None and file.faults):
            # A setting that seems to be missing from a file with faults may be there under a misspelled name.
            faults.append(_missing(name, field, file))
    return made if len(faults) == before else None


_VALID_VALUES = {"username": "anybody", "password": "secret", "policy": "."}
"""Stand-ins for missing or invalid values while the combinations of the others are validated."""


def _validated(
    name: str, values: Mapping[str, Any], connections: Mapping[str, SecretStr]
) -> tuple[Settings | None, list[ErrorDetails]]:
    """The settings made of these values, None if there are errors; and the errors of each value and of combinations."""
    outside: dict[str, Any] = {"connections": dict(connections), "proxy_variables": proxy_variables(os.environ)}
    try:
        return Settings(name=name, **outside, **values), []
    except ValidationError as error:
        errors = error.errors(include_url=False, include_input=False)
    wrong = {str(each["loc"][0]) for each in errors if each["loc"]}
    if wrong and "service" not in wrong:
        valid = {name: value for name, value in values.items() if name not in wrong}
        try:
            Settings(name=name, **{**outside, **_VALID_VALUES, **valid})
        except ValidationError as error:
            errors += error.errors(include_url=False, include_input=False)
    return None, errors


def connection_addresses(file: SettingsFile | None, faults: list[str]) -> dict[str, SecretStr]:
    """The addresses of the databases that policies query, with their passwords."""
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
        return str(entry.place.fault(f"account `{name}`: missing `{key}` ({described})"))
    elsewhere = "" if file is None else f", nor `{key}` in {file.path}"
    return f"{PREFIX}{field.upper()} is not set{elsewhere} ({described})"


def read_values(given: Mapping[str, SettingValue], faults: list[str]) -> dict[str, Any]:
    """The values of the settings that were given; the ledger's password is merged into its address."""
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
