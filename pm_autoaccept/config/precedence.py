"""Loads the settings. Precedence: command line, then environment, then settings file, then default."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from pm_autoaccept.config.formats import parse_duration, parse_groups, parse_ledger
from pm_autoaccept.config.notice_targets import Target, missing_extras, usable_targets
from pm_autoaccept.config.origins import (
    PREFIX,
    Origin,
    SettingValue,
    from_command_line,
    from_environment,
    read_variable,
)
from pm_autoaccept.config.reviewers import ReviewSettings
from pm_autoaccept.config.settings import DEFAULT_NAME, Settings
from pm_autoaccept.config.settings_file import NOT_IN_ENVIRONMENT, SECRETS, SettingsFile, read_settings_file
from pm_autoaccept.config.validation import account_settings, connection_addresses, read_values
from pm_autoaccept.errors import ConfigurationError
from pm_autoaccept.model import NoticeTarget
from pm_autoaccept.redaction import has_password, redact_url

ENVIRONMENT_SETTINGS = tuple(name for name in Settings.model_fields if name not in NOT_IN_ENVIRONMENT)
"""Settings that an environment variable `PM_AUTOACCEPT_NAME` can set."""

_NEVER_SHARED = ("username", "password")
"""Settings that accounts in a settings file never share, so a program-wide value for all of them is a mistake."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """The settings of the whole program: its accounts, and the settings that they share.

    Attributes:
        accounts: at least one; each has its own name, and no two sign in to the same Portfolio Manager account.
        origins: account name → setting → where its value came from; settings at their defaults are left out.
        file: the settings file; None if there is none.
        targets: who gets notices, by name.
    """

    accounts: tuple[Settings, ...]
    origins: Mapping[str, Mapping[str, Origin]]
    file: Path | None = None
    targets: Mapping[str, Target] = field(default_factory=dict)

    @property
    def routing(self) -> tuple[NoticeTarget, ...]:
        """Which target gets which notices."""
        return tuple(target.routing for target in self.targets.values())

    @property
    def ledger(self) -> str:
        """The ledger's address, with its password."""
        return self.accounts[0].ledger

    @property
    def lease(self) -> timedelta:
        """How long a replica holds an account without renewing its lease."""
        return self.accounts[0].lease

    @property
    def listen(self) -> str | None:
        """HOST:PORT for /livez, /readyz and /metrics; None turns them off."""
        return self.accounts[0].listen

    @property
    def pause_file(self) -> Path | None:
        """The pause file: answering is paused while it exists."""
        return self.accounts[0].pause_file

    @property
    def heartbeat(self) -> Path | None:
        """The heartbeat file: touched after each successful cycle."""
        return self.accounts[0].heartbeat

    @property
    def unknown_wait(self) -> timedelta:
        """How long to wait before a read may settle an answer with an unknown outcome."""
        return self.accounts[0].unknown_wait


def load_accounts(*, settings: Path | None = None, account: str | None = None, **options: Any) -> Program:  # noqa: ANN401 — the command line's values, checked by the settings' own types
    """Load the settings of all accounts, or of one.

    An account's own value in the settings file overrides the file's program-wide value and the environment. The
    command line overrides all of them.

    Args:
        settings: the settings file; None for the one that PM_AUTOACCEPT_SETTINGS names, if any.
        account: load only this account.
        options: the command line's values by setting; None for options that were not given.

    Raises:
        ConfigurationError: lists everything that is missing or invalid, with its origin and what to do.
    """
    program, faults = load_valid_accounts(settings=settings, account=account, **options)
    if faults or program is None:
        raise ConfigurationError("\n".join(faults))
    return program


def load_valid_accounts(
    *,
    settings: Path | None = None,
    account: str | None = None,
    **options: Any,  # noqa: ANN401 — likewise
) -> tuple[Program | None, tuple[str, ...]]:
    """Load the accounts whose settings are valid (None if there are none), and list the faults of the others.

    Raises:
        ConfigurationError: the settings file itself has faults, or a setting is invalid for every account.
    """
    file = _any_settings_file(settings)
    faults: list[str] = []
    named = _values_by_account(file, _from_command_line(options), account, faults)
    targets = {} if file is None else usable_targets(file.targets, faults)
    fatal = bool(faults) or (file is not None and bool(file.faults))
    accounts = [account_settings(name, given, file, faults) for name, given in named.items()]
    made = tuple(each for each in accounts if each is not None)
    faults.extend(_duplicates(made))
    if fatal:
        of_the_file = () if file is None else file.faults
        raise ConfigurationError("\n".join(dict.fromkeys((*of_the_file, *faults))))
    if not made:
        return None, tuple(dict.fromkeys(faults))
    origins = {each.name: {name: given.origin for name, given in named[each.name].items()} for each in made}
    for name, connection in (file.connections if file is not None else {}).items():
        for of_account in origins.values():
            of_account[f"connections.{name}"] = connection.origin
    for name, target in (file.targets if file is not None else {}).items():
        for of_account in origins.values():
            of_account[f"targets.{name}"] = target.origin
    program = Program(accounts=made, origins=origins, file=None if file is None else file.path, targets=targets)
    return program, tuple(dict.fromkeys(faults))


def load_settings(*, account: str | None = None, **options: Any) -> Settings:  # noqa: ANN401 — likewise
    """Load the settings of one account: the only one, or the one that is named.

    Raises:
        ConfigurationError: as `load_accounts`; or there are several accounts, and none is named.
    """
    return load_program(account=account, **options).accounts[0]


def load_program(*, account: str | None = None, **options: Any) -> Program:  # noqa: ANN401 — likewise
    """Load all settings with one account: the only one, or the one that is named.

    Raises:
        ConfigurationError: as `load_settings`.
    """
    program = load_accounts(account=account, **options)
    _only_one([each.name for each in program.accounts])
    return program


def policy_folder(
    option: Path | None = None, *, settings: Path | None = None, account: str | None = None
) -> Path | None:
    """The policy folder, for commands that need no other setting; None if it is not set.

    Raises:
        ConfigurationError: there are several accounts, and none is named; or the settings file has faults.
    """
    if option is not None:
        return option
    folders = policy_folders(settings=settings, account=account)
    _only_one(list(folders))
    return next(iter(folders.values()))


def policy_folders(*, settings: Path | None = None, account: str | None = None) -> dict[str, Path | None]:
    """Account → its policy folder; None if it is not set.

    Raises:
        ConfigurationError: the settings file has faults.
    """
    faults: list[str] = []
    named = _values_by_account(_settings_file(settings), {}, account, faults)
    if faults:
        raise ConfigurationError("\n".join(faults))
    return {name: Path(str(given["policy"].read())) if "policy" in given else None for name, given in named.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyNames:
    """The names that a policy may refer to: the databases that it queries, and the groups that it notifies."""

    connections: Mapping[str, SecretStr]
    groups: tuple[str, ...]


def policy_names(settings: Path | None = None) -> PolicyNames | None:
    """The names that policies may refer to, for commands that need no account; None without a settings file.

    Raises:
        ConfigurationError: `connections` or `groups` is invalid.
    """
    file, faults = _settings_file(settings), list[str]()
    if file is None:
        return None
    connections, given = connection_addresses(file, faults), _program_values(file).get("groups")
    faults.extend(missing_extras(file.targets))
    groups: object = ()
    if given is not None:
        try:
            groups = parse_groups(given.read())
        except ValueError as error:
            faults.append(given.origin.fault(str(error)))
    if faults:
        raise ConfigurationError("\n".join(faults))
    return PolicyNames(connections=connections, groups=groups if isinstance(groups, tuple) else ())


def ledger_address(option: str | None = None, *, settings: Path | None = None) -> str:
    """The ledger's address, with its password, for commands that need no other setting.

    Raises:
        ConfigurationError: the address is invalid, or its password cannot be read.
    """
    given = _program_values(_settings_file(settings)) | _from_command_line({"ledger": option})
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


def review_settings(*, settings: Path | None = None) -> ReviewSettings:
    """The settings of reviewers, for commands that need no account and no password.

    Raises:
        ConfigurationError: the settings file has faults, or `review_grace` is invalid.
    """
    file = _settings_file(settings)
    given = _program_values(file).get("review_grace")
    grace: object = Settings.model_fields["review_grace"].default
    if given is not None:
        try:
            grace = parse_duration(given.read())
        except ValueError as error:
            raise ConfigurationError(given.origin.fault(str(error))) from error
    return ReviewSettings(
        grace=grace if isinstance(grace, timedelta) else timedelta(),
        reviewers={} if file is None else file.reviewers,
        targets=() if file is None else tuple(target.routing for target in file.targets.values()),
    )


def _settings_file(option: Path | None) -> SettingsFile | None:
    """The settings file; raises `ConfigurationError` if it has faults."""
    file = _any_settings_file(option)
    if file is not None and file.faults:
        raise ConfigurationError("\n".join(file.faults))
    return file


def _any_settings_file(option: Path | None) -> SettingsFile | None:
    path = option or read_variable(f"{PREFIX}SETTINGS")
    return read_settings_file(Path(path)) if path else None


def _values_by_account(
    file: SettingsFile | None, line: Mapping[str, SettingValue], account: str | None, faults: list[str]
) -> dict[str, Mapping[str, SettingValue]]:
    """Account → its values by setting, for all accounts or one; faults that no account can have go to `faults`."""
    wide = _program_values(file)
    named: dict[str, Mapping[str, SettingValue]] = {DEFAULT_NAME: {**wide, **line}}
    if file is not None and file.accounts:
        faults.extend(_only_for_one({**wide, **line}, file))
        named = {name: {**wide, **each.given, **line} for name, each in file.accounts.items()}
    if account is None:
        return named
    if account not in named:
        raise ConfigurationError(f"unknown account `{account}`; known accounts: {', '.join(named)}")
    return {account: named[account]}


def _only_one(names: Sequence[str]) -> None:
    """Raise if there are several accounts: the command needs one."""
    if len(names) > 1:
        raise ConfigurationError(f"the settings have several accounts; pass --account with one of {', '.join(names)}")


def _program_values(file: SettingsFile | None) -> dict[str, SettingValue]:
    return dict(file.program if file is not None else {}) | from_environment(ENVIRONMENT_SETTINGS)


def _from_command_line(options: Mapping[str, object]) -> dict[str, SettingValue]:
    ledger = options.get("ledger")
    if isinstance(ledger, str) and has_password(ledger):
        raise ConfigurationError(
            "--ledger: every user of this machine can read a password on the command line; remove it and set "
            f"{PREFIX}LEDGER_PASSWORD or {PREFIX}LEDGER_PASSWORD_FILE"
        )
    return from_command_line(options)


def _only_for_one(given: Mapping[str, SettingValue], file: SettingsFile) -> Iterator[str]:
    """Refuse a program-wide username or password if there are several accounts."""
    for name in _NEVER_SHARED:
        if name in given:
            key = f"{name}_file" if name in SECRETS else name
            yield given[name].origin.fault(
                f"each account in {file.path} needs a {name} of its own; write `{key}` below each account, and remove "
                "this one"
            )


def _duplicates(accounts: tuple[Settings, ...]) -> Iterator[str]:
    """Refuse two accounts with the same sign-in: both would answer the same requests."""
    seen: dict[tuple[str, str], str] = {}
    for each in accounts:
        login = (each.base_url, each.username.casefold())
        if login in seen:
            yield (
                f"accounts `{seen[login]}` and `{each.name}` both sign in as {each.username} on "
                f"{redact_url(each.base_url)}; remove one of them"
            )
        seen.setdefault(login, each.name)
