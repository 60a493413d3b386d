"""Puts the settings together: defaults < settings file < environment < command line; and keeps where each came from."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from pydantic import SecretStr, ValidationError

from pm_autoaccept.config.forms import parse_ledger, with_password
from pm_autoaccept.config.given import PREFIX, Given, Origin, from_command_line, from_environment
from pm_autoaccept.config.settings import DEFAULT_NAME, Settings
from pm_autoaccept.config.settings_file import OF_THE_FILE, SECRETS, SettingsFile, read_settings_file
from pm_autoaccept.errors import ConfigurationError
from pm_autoaccept.redaction import has_password, shown

IN_THE_ENVIRONMENT = tuple(name for name in Settings.model_fields if name not in OF_THE_FILE)
"""Each of them is a variable `PM_AUTOACCEPT_…`."""

_ITS_OWN = ("username", "password")
"""What accounts in a settings file never share: what the environment says cannot be meant for each of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """The settings of the whole program: its accounts, and what they share.

    Attributes:
        accounts: at least one; each has its own name, and no two sign in to the same account.
        origins: account's name → setting → where its value came from; a setting at its default is not in it.
        file: the settings file, None where there is none.
    """

    accounts: tuple[Settings, ...]
    origins: Mapping[str, Mapping[str, Origin]]
    file: Path | None = None

    @property
    def ledger(self) -> str:
        """The ledger's address, with its password."""
        return self.accounts[0].ledger

    @property
    def lease(self) -> timedelta:
        """How long a replica keeps an account without renewing it."""
        return self.accounts[0].lease

    @property
    def listen(self) -> str | None:
        """HOST:PORT for /livez, /readyz and /metrics; None is off."""
        return self.accounts[0].listen

    @property
    def pause_file(self) -> Path | None:
        """Nothing is answered while this file is there."""
        return self.accounts[0].pause_file

    @property
    def heartbeat(self) -> Path | None:
        """The file that is touched after each good cycle."""
        return self.accounts[0].heartbeat

    @property
    def unknown_wait(self) -> timedelta:
        """How long an answer of unknown fate is given before a read may settle it."""
        return self.accounts[0].unknown_wait


def load_accounts(*, settings: Path | None = None, account: str | None = None, **said: Any) -> Program:  # noqa: ANN401 — the command line's values, checked by the settings' own types
    """Read the settings of all accounts, or only of the one that is named.

    An account's own value in the settings file stands above what the file and the environment say for the whole
    program; what the command line says (not None) stands above all.

    Args:
        settings: the settings file; None is the one that PM_AUTOACCEPT_SETTINGS names, if any.
        account: only this one.
        said: what the command line says, by the settings' names.

    Raises:
        ConfigurationError: all that is missing or wrong, each with where it was given and what to do.
    """
    program, faults = load_sound_accounts(settings=settings, account=account, **said)
    if faults or program is None:
        raise ConfigurationError("\n".join(faults))
    return program


def load_sound_accounts(
    *,
    settings: Path | None = None,
    account: str | None = None,
    **said: Any,  # noqa: ANN401 — likewise
) -> tuple[Program | None, tuple[str, ...]]:
    """The settings of those accounts that have no faults, None if there are none, and the faults of the others.

    Raises:
        ConfigurationError: the settings file itself has faults, or something is said that no account can have.
    """
    file = _settings_file(settings)
    named = _named(file, _from_command_line(said), account)
    faults: list[str] = []
    accounts = [_account(name, given, file, faults) for name, given in named.items()]
    made = tuple(each for each in accounts if each is not None)
    faults.extend(_twice(made))
    if not made:
        return None, tuple(dict.fromkeys(faults))
    origins = {each.name: {name: given.origin for name, given in named[each.name].items()} for each in made}
    for name, connection in (file.connections if file is not None else {}).items():
        for of_account in origins.values():
            of_account[f"connections.{name}"] = connection.origin
    program = Program(accounts=made, origins=origins, file=None if file is None else file.path)
    return program, tuple(dict.fromkeys(faults))


def load_settings(*, account: str | None = None, **said: Any) -> Settings:  # noqa: ANN401 — likewise
    """Read the settings of one account: the only one there is, or the one that is named.

    Raises:
        ConfigurationError: as `load_accounts`; or there are several, and none is named.
    """
    program = load_accounts(account=account, **said)
    _only_one([each.name for each in program.accounts])
    return program.accounts[0]


def policy_folder(said: Path | None = None, *, settings: Path | None = None, account: str | None = None) -> Path | None:
    """The policy folder, for commands that need no other setting; None where nobody names one.

    Raises:
        ConfigurationError: there are several accounts, and none is named; or the settings file has faults.
    """
    if said is not None:
        return said
    named = _named(_settings_file(settings), {}, account)
    _only_one(list(named))
    (given,) = named.values()
    return Path(str(given["policy"].read())) if "policy" in given else None


def ledger_address(said: str | None = None, *, settings: Path | None = None) -> str:
    """The ledger's address, with its password, for commands that need no other setting.

    Raises:
        ConfigurationError: it is none.
    """
    given = _program_wide(_settings_file(settings)) | _from_command_line({"ledger": said})
    faults: list[str] = []
    values = _values({name: given[name] for name in ("ledger", "ledger_password") if name in given}, faults)
    address = values.get("ledger", Settings.model_fields["ledger"].default)
    try:
        checked = parse_ledger(address)
    except ValueError as error:
        faults.append(given["ledger"].origin.fault(str(error)))
    else:
        if not faults:
            return str(checked)
    raise ConfigurationError("\n".join(faults))


def _settings_file(said: Path | None) -> SettingsFile | None:
    path = said or os.environ.get(f"{PREFIX}SETTINGS")
    return read_settings_file(Path(path)) if path else None


def _named(file: SettingsFile | None, line: Mapping[str, Given], account: str | None) -> dict[str, Mapping[str, Given]]:
    """What is given of each account, or of the one that is named."""
    wide = _program_wide(file)
    named: dict[str, Mapping[str, Given]] = {DEFAULT_NAME: {**wide, **line}}
    if file is not None and file.accounts:
        _only_for_one({**wide, **line}, file)
        named = {name: {**wide, **each.given, **line} for name, each in file.accounts.items()}
    if account is None:
        return named
    if account not in named:
        raise ConfigurationError(f"there is no account `{account}`; there is {', '.join(named)}")
    return {account: named[account]}


def _only_one(names: Sequence[str]) -> None:
    """Refuse to guess which account is meant."""
    if len(names) > 1:
        raise ConfigurationError(f"the settings have several accounts; say --account with one of {', '.join(names)}")


def _program_wide(file: SettingsFile | None) -> dict[str, Given]:
    return dict(file.program if file is not None else {}) | from_environment(IN_THE_ENVIRONMENT)


def _from_command_line(said: Mapping[str, object]) -> dict[str, Given]:
    ledger = said.get("ledger")
    if isinstance(ledger, str) and has_password(ledger):
        raise ConfigurationError(
            "--ledger: a password on a command line can be read by every user of this machine; take it out and set "
            f"{PREFIX}LEDGER_PASSWORD or {PREFIX}LEDGER_PASSWORD_FILE"
        )
    return from_command_line(said)


def _only_for_one(given: Mapping[str, Given], file: SettingsFile) -> None:
    """Refuse a username or a password that would be every account's."""
    for name in _ITS_OWN:
        if name in given:
            key = f"{name}_file" if name in SECRETS else name
            raise ConfigurationError(
                given[name].origin.fault(
                    f"{file.path} has accounts, and each has a {name} of its own; write `{key}` below each, and take "
                    "this out"
                )
            )


def _account(name: str, given: Mapping[str, Given], file: SettingsFile | None, faults: list[str]) -> Settings | None:
    """One account's settings; what is wrong with them is added to `faults`."""
    before = len(faults)
    values = _values(given, faults)
    connections = _connections(file, faults)
    if len(faults) > before:
        return None
    try:
        return Settings(name=name, connections=connections, **values)
    except ValidationError as error:
        entry = file.accounts.get(name) if file is not None else None
        for each in error.errors(include_url=False, include_input=False):
            message = str(each["msg"]).removeprefix("Value error, ")
            field = str(each["loc"][0]) if each["loc"] else None
            if field is None:
                faults.append(message if entry is None else str(entry.place.fault(f"account `{name}`: {message}")))
            elif field in given:
                faults.append(given[field].origin.fault(message))
            else:
                faults.append(_missing(name, field, file))
    return None


def _connections(file: SettingsFile | None, faults: list[str]) -> dict[str, SecretStr]:
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


def _values(given: Mapping[str, Given], faults: list[str]) -> dict[str, Any]:
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


def _twice(accounts: tuple[Settings, ...]) -> Iterator[str]:
    """Accounts that sign in to the same account: two daemons would answer the same requests."""
    seen: dict[tuple[str, str], str] = {}
    for each in accounts:
        whose = (each.base_url, each.username.casefold())
        if whose in seen:
            yield (
                f"the accounts `{seen[whose]}` and `{each.name}` are both {each.username} on {shown(each.base_url)}; "
                "keep one of them"
            )
        seen.setdefault(whose, each.name)
