"""Reads the settings file (YAML): reports each fault with file, line and column, and refuses passwords in it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from pm_autoaccept.config.connections import Connection, read_connections
from pm_autoaccept.config.formats import ledger_file, proxy_has_password
from pm_autoaccept.config.notice_targets import TargetSettings, read_targets
from pm_autoaccept.config.origins import Origin, SettingValue
from pm_autoaccept.config.reviewers import ReviewerSettings, read_reviewers
from pm_autoaccept.config.settings import Settings
from pm_autoaccept.errors import ConfigurationError, Fault
from pm_autoaccept.policy.messages import listed, perhaps
from pm_autoaccept.policy.parser import source_text
from pm_autoaccept.policy.parser.source_text import Broken, Entries, Place, Text
from pm_autoaccept.redaction import has_password

ACCOUNT_SETTINGS = (
    *("service", "username", "password", "policy", "mode", "interval", "in_flight", "rate", "timeout"),
    *("proxy", "proxy_password"),
)
"""Settings that each account may override; the others apply to the whole program."""

NOT_IN_ENVIRONMENT = ("name", "connections", "proxy_variables")
"""Settings without a `PM_AUTOACCEPT_…` variable: an account's name, connections, and the usual proxy variables."""
SECRETS = ("password", "ledger_password", "proxy_password")
_ADDRESSES = {"ledger": has_password, "proxy": proxy_has_password}
"""Settings that are addresses → the function that finds a password in one."""
_MAPPINGS = ("connections", "reviewers", "targets")
"""Keys of the whole program that are mappings, each with a module of its own."""
_PATHS = ("policy", "heartbeat", "pause_file")
_NAME = re.compile(r"[a-z0-9]+([._-][a-z0-9]+)*")
_MAX_NAME_CHARACTERS = 60

_SECRET_IN_LINE = re.compile(r"pass|secret|:\S*@|://.*[@?]", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """An account in the settings file: the position of its name, and the settings that it overrides."""

    place: Place
    given: Mapping[str, SettingValue]


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsFile:
    """The contents of a settings file. If it names no accounts, there is one account, `default`."""

    path: Path
    program: Mapping[str, SettingValue] = field(default_factory=dict)
    accounts: Mapping[str, Account] = field(default_factory=dict)
    connections: Mapping[str, Connection] = field(default_factory=dict)
    reviewers: Mapping[str, ReviewerSettings] = field(default_factory=dict)
    targets: Mapping[str, TargetSettings] = field(default_factory=dict)
    faults: tuple[str, ...] = ()
    """Faults of the file itself, in file order. The valid settings are available all the same."""


def read_settings_file(path: Path) -> SettingsFile:
    """Read a settings file. Its values are validated later, once they are merged with the environment.

    Raises:
        ConfigurationError: the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            data = file.read(source_text.MAX_FILE_BYTES + 1)
    except OSError as error:
        raise ConfigurationError(f"cannot read the settings file {path}: {error.strerror}") from error
    faults: list[Fault] = []
    root = source_text.read(
        str(path), data, faults, empty="the file is empty; write settings, for example `mode: observe`"
    )
    reader = _Reader(path, faults)
    found = SettingsFile(path=path)
    if isinstance(root, Entries):
        found = reader.file(root)
    elif isinstance(root, source_text.Items | Text):
        faults.append(root.place.fault("a settings file must be a mapping, for example `mode: observe`"))
    ordered = sorted(faults, key=lambda fault: (fault.line, fault.column))
    return replace(found, faults=tuple(str(_without_secrets(fault)) for fault in ordered))


def keys_of(names: tuple[str, ...]) -> tuple[str, ...]:
    """The settings file's keys for these settings. A secret has two: for a file and for a variable that holds it."""
    return tuple(key for name in names for key in ([f"{name}_file", f"{name}_env"] if name in SECRETS else [name]))


PROGRAM_KEYS = keys_of(tuple(name for name in Settings.model_fields if name not in NOT_IN_ENVIRONMENT))
ACCOUNT_KEYS = keys_of(ACCOUNT_SETTINGS)


def _without_secrets(fault: Fault) -> Fault:
    """The fault, without its line and without quotations from it if the line may contain a secret."""
    key = re.match(r"\s*(\w+):", fault.text)
    if key and key[1] in PROGRAM_KEYS and not _SECRET_IN_LINE.search(fault.text):
        return fault
    quoted = re.search("single quotes|begins a YAML", fault.message)
    message = "invalid YAML; put text that contains special characters in single quotes"
    return replace(fault, text="", message=message if quoted else fault.message)


class _Reader:
    """Turns the YAML nodes of a settings file into values with origins, and collects faults."""

    def __init__(self, path: Path, faults: list[Fault]) -> None:
        self._path = path
        self._faults = faults

    def file(self, root: Entries) -> SettingsFile:
        """Read the whole file."""
        accounts: dict[str, Account] = {}
        connections: Mapping[str, Connection] = {}
        reviewers: Mapping[str, ReviewerSettings] = {}
        targets: Mapping[str, TargetSettings] = {}
        settings = []
        for key, node in root.entries:
            if key.value == "connections":
                connections = read_connections(node, self._path, self._faults)
            elif key.value == "reviewers":
                reviewers = read_reviewers(node, self._faults)
            elif key.value == "targets":
                targets = read_targets(node, self._path, self._faults)
            elif key.value != "accounts":
                settings.append((key, node))
            elif isinstance(node, Entries):
                accounts = dict(map(self._account, *zip(*node.entries, strict=True)))
            elif not isinstance(node, Broken):
                self._faults.append(node.place.fault("`accounts` must be a mapping of account names to settings"))
        program = self._settings(settings, (*PROGRAM_KEYS, "accounts", *_MAPPINGS), "a settings file")
        return SettingsFile(
            path=self._path,
            program=program,
            accounts=accounts,
            connections=connections,
            reviewers=reviewers,
            targets=targets,
        )

    def _account(self, name: Text, node: source_text.Node) -> tuple[str, Account]:
        if not _NAME.fullmatch(name.value) or len(name.value) > _MAX_NAME_CHARACTERS:
            self._faults.append(
                name.place.fault(
                    "invalid account name; use lower-case letters and digits, separated by hyphens, dots or "
                    "underscores, for example our-utility"
                )
            )
        given: Mapping[str, SettingValue] = {}
        if isinstance(node, Entries):
            given = self._settings(node.entries, ACCOUNT_KEYS, "an account")
        elif not isinstance(node, Broken):
            self._faults.append(node.place.fault("an account must be a mapping, for example `username: prairie_power`"))
        return name.value, Account(place=replace(name.place, text=""), given=given)

    def _settings(
        self,
        entries: list[tuple[Text, source_text.Node]] | tuple[tuple[Text, source_text.Node], ...],
        known: tuple[str, ...],
        what: str,
    ) -> dict[str, SettingValue]:
        found: dict[str, SettingValue] = {}
        for key, node in entries:
            if why := _refused_reason(key.value, known, what):
                self._faults.append(key.place.fault(why))
            elif isinstance(node, Text):
                self._add(key, node, found)
            elif not isinstance(node, Broken):
                self._faults.append(node.place.fault(f"`{key.value}` must be a single value, not a list or a mapping"))
        return found

    def _add(self, key: Text, node: Text, found: dict[str, SettingValue]) -> None:
        """Add one setting with its value and origin."""
        name, value = key.value, node.value
        text = f"{self._path}:{key.place.line}"
        if secret := next((each for each in SECRETS if name in (f"{each}_file", f"{each}_env")), None):
            if secret in found:
                self._faults.append(key.place.fault(f"{secret}_file and {secret}_env are both set; set only one"))
            elif name.endswith("_file"):
                file = self._beside(value)
                found[secret] = SettingValue(Origin(text=f"{text} ({name} {value})", place=node.place, file=file))
            else:
                found[secret] = SettingValue(Origin(text=f"{text} ({name} {value})", place=node.place, variable=value))
            return
        if name in _ADDRESSES and _ADDRESSES[name](value):
            self._faults.append(
                key.place.fault(
                    f"the address contains a password; remove it, put it in a file and set {name}_password_file"
                )
            )
        found[name] = SettingValue(Origin(text=text, place=node.place), self._resolved(name, value))

    def _resolved(self, name: str, value: str) -> str | Path:
        """The value; relative paths are resolved against the settings file's folder, not the working directory."""
        if name in _PATHS:
            return self._beside(value)
        if name == "ledger" and (file := ledger_file(value)):
            return f"sqlite:///{self._beside(file)}"
        return value

    def _beside(self, value: str) -> Path:
        return self._path.parent / value


def _refused_reason(key: str, known: tuple[str, ...], what: str) -> str | None:
    """Why a key is not allowed here; None if it is."""
    if key in known:
        return None
    if key in SECRETS:
        return f"passwords are not allowed in the settings file; put it in a file of its own and set {key}_file"
    if key in (*PROGRAM_KEYS, *_MAPPINGS):
        return f"`{key}` applies to the whole program; move it above `accounts`"
    return f"unknown setting `{key}` in {what}{perhaps(key, known)}; allowed settings: {listed(known)}"
