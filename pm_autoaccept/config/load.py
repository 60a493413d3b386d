"""Puts the settings together: defaults < settings file < environment < command line; and keeps where each came from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from pm_autoaccept.config.formats import parse_groups, parse_ledger
from pm_autoaccept.config.origins import PREFIX, Given, Origin, from_command_line, from_environment, variable
from pm_autoaccept.config.settings import DEFAULT_NAME, Settings
from pm_autoaccept.config.settings_file import OF_THE_FILE, SECRETS, SettingsFile, read_settings_file
from pm_autoaccept.config.validation import account_settings, connection_addresses, read_values
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
    file = _any_settings_file(settings)
    faults: list[str] = []
    named = _named(file, _from_command_line(said), account, faults)
    fatal = bool(faults) or (file is not None and bool(file.faults))
    accounts = [account_settings(name, given, file, faults) for name, given in named.items()]
    made = tuple(each for each in accounts if each is not None)
    faults.extend(_twice(made))
    if fatal:
        of_the_file = () if file is None else file.faults
        raise ConfigurationError("\n".join(dict.fromkeys((*of_the_file, *faults))))
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
    folders = policy_folders(settings=settings, account=account)
    _only_one(list(folders))
    return next(iter(folders.values()))


def policy_folders(*, settings: Path | None = None, account: str | None = None) -> dict[str, Path | None]:
    """Account → its policy folder, None where nobody names one.

    Raises:
        ConfigurationError: the settings file has faults.
    """
    faults: list[str] = []
    named = _named(_settings_file(settings), {}, account, faults)
    if faults:
        raise ConfigurationError("\n".join(faults))
    return {name: Path(str(given["policy"].read())) if "policy" in given else None for name, given in named.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class ForPolicy:
    """What a settings file says about what policies name: the databases that they ask, and whom they tell."""

    connections: Mapping[str, SecretStr]
    groups: tuple[str, ...]


def policy_names(settings: Path | None = None) -> ForPolicy | None:
    """What policies may name, by the settings, for commands that need no account; None without a settings file.

    Raises:
        ConfigurationError: what is said of them has faults.
    """
    file, faults = _settings_file(settings), list[str]()
    if file is None:
        return None
    connections, given = connection_addresses(file, faults), _program_wide(file).get("groups")
    groups: object = ()
    if given is not None:
        try:
            groups = parse_groups(given.read())
        except ValueError as error:
            faults.append(given.origin.fault(str(error)))
    if faults:
        raise ConfigurationError("\n".join(faults))
    return ForPolicy(connections=connections, groups=groups if isinstance(groups, tuple) else ())


def ledger_address(said: str | None = None, *, settings: Path | None = None) -> str:
    """The ledger's address, with its password, for commands that need no other setting.

    Raises:
        ConfigurationError: it is none.
    """
    given = _program_wide(_settings_file(settings)) | _from_command_line({"ledger": said})
    faults: list[str] = []
    values = read_values({name: given[name] for name in ("ledger", "ledger_password") if name in given}, faults)
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
    """The settings file; raises `ConfigurationError` where it has faults."""
    file = _any_settings_file(said)
    if file is not None and file.faults:
        raise ConfigurationError("\n".join(file.faults))
    return file


def _any_settings_file(said: Path | None) -> SettingsFile | None:
    path = said or variable(f"{PREFIX}SETTINGS")
    return read_settings_file(Path(path)) if path else None


def _named(
    file: SettingsFile | None, line: Mapping[str, Given], account: str | None, faults: list[str]
) -> dict[str, Mapping[str, Given]]:
    """What is given of each account, or of the one that is named; what no account can have is added to `faults`."""
    wide = _program_wide(file)
    named: dict[str, Mapping[str, Given]] = {DEFAULT_NAME: {**wide, **line}}
    if file is not None and file.accounts:
        faults.extend(_only_for_one({**wide, **line}, file))
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


def _only_for_one(given: Mapping[str, Given], file: SettingsFile) -> Iterator[str]:
    """Refuse a username or a password that would be every account's."""
    for name in _ITS_OWN:
        if name in given:
            key = f"{name}_file" if name in SECRETS else name
            yield given[name].origin.fault(
                f"{file.path} has accounts, and each has a {name} of its own; write `{key}` below each, and take this "
                "out"
            )


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
