"""The settings file: YAML whose every fault is told with file, line and column, and in which no password stands."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from pm_autoaccept.config.connections import Connection, read_connections
from pm_autoaccept.config.formats import ledger_file, proxy_has_password
from pm_autoaccept.config.origins import Given, Origin
from pm_autoaccept.config.settings import Settings
from pm_autoaccept.errors import ConfigurationError, Fault
from pm_autoaccept.policy.messages import listed, perhaps
from pm_autoaccept.policy.parser import source_text
from pm_autoaccept.policy.parser.source_text import Broken, Entries, Place, Text
from pm_autoaccept.redaction import has_password

OF_AN_ACCOUNT = (
    *("service", "username", "password", "policy", "mode", "interval", "in_flight", "rate", "timeout"),
    *("proxy", "proxy_password"),
)
"""What each account may say for itself; the rest is the whole program's."""

OF_THE_FILE = ("name", "connections", "proxy_variables")
"""What is no setting of one value: an account's name, what stands in the settings file only, and others' variables."""
SECRETS = ("password", "ledger_password", "proxy_password")
_ADDRESSES = {"ledger": has_password, "proxy": proxy_has_password}
"""Settings that are addresses, and what finds a password in one."""
_PATHS = ("policy", "heartbeat", "pause_file")
_NAME = re.compile(r"[a-z0-9]+([._-][a-z0-9]+)*")
_LONGEST_NAME = 60

_SECRET_IN_LINE = re.compile(r"pass|secret|:\S*@|://.*[@?]", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """An account in the settings file: where its name stands, and what it says for itself."""

    place: Place
    given: Mapping[str, Given]


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsFile:
    """What a settings file says: for the whole program, and of each account, by name. No accounts: one, `default`."""

    path: Path
    program: Mapping[str, Given] = field(default_factory=dict)
    accounts: Mapping[str, Account] = field(default_factory=dict)
    connections: Mapping[str, Connection] = field(default_factory=dict)
    faults: tuple[str, ...] = ()
    """What is wrong with the file itself, in its order. What it says beside that is here all the same."""


def read_settings_file(path: Path) -> SettingsFile:
    """Read a settings file. The values themselves are checked where they are put together.

    Raises:
        ConfigurationError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            data = file.read(source_text.LARGEST + 1)
    except OSError as error:
        raise ConfigurationError(f"the settings file {path} cannot be read: {error.strerror}") from error
    faults: list[Fault] = []
    root = source_text.read(str(path), data, faults, empty="the file is empty; write settings, as `mode: observe`")
    reader = _Reader(path, faults)
    found = SettingsFile(path=path)
    if isinstance(root, Entries):
        found = reader.file(root)
    elif isinstance(root, source_text.Items | Text):
        faults.append(root.place.fault("a settings file is a mapping, as `mode: observe`"))
    ordered = sorted(faults, key=lambda fault: (fault.line, fault.column))
    return replace(found, faults=tuple(str(_without_secrets(fault)) for fault in ordered))


def keys_of(names: tuple[str, ...]) -> tuple[str, ...]:
    """The keys by which the settings of these names are given: a secret by a file or a variable that holds it."""
    return tuple(key for name in names for key in ([f"{name}_file", f"{name}_env"] if name in SECRETS else [name]))


PROGRAM_KEYS = keys_of(tuple(name for name in Settings.model_fields if name not in OF_THE_FILE))
ACCOUNT_KEYS = keys_of(OF_AN_ACCOUNT)


def _without_secrets(fault: Fault) -> Fault:
    """The fault, without a line that may hold a secret (its key may be misspelt), and without what is quoted of it."""
    key = re.match(r"\s*(\w+):", fault.text)
    if key and key[1] in PROGRAM_KEYS and not _SECRET_IN_LINE.search(fault.text):
        return fault
    quoted = re.search("single quotes|begins a YAML", fault.message)
    message = "YAML cannot read this line; put texts that have special characters in single quotes"
    return replace(fault, text="", message=message if quoted else fault.message)


class _Reader:
    """Turns the nodes of a settings file into values with their origins, and notes each fault."""

    def __init__(self, path: Path, faults: list[Fault]) -> None:
        self._path = path
        self._faults = faults

    def file(self, root: Entries) -> SettingsFile:
        """The whole file."""
        accounts: dict[str, Account] = {}
        connections: Mapping[str, Connection] = {}
        settings = []
        for key, node in root.entries:
            if key.value == "connections":
                connections = read_connections(node, self._path, self._faults)
            elif key.value != "accounts":
                settings.append((key, node))
            elif isinstance(node, Entries):
                accounts = dict(map(self._account, *zip(*node.entries, strict=True)))
            elif not isinstance(node, Broken):
                self._faults.append(node.place.fault("`accounts` is a mapping of names, each with its settings below"))
        program = self._settings(settings, (*PROGRAM_KEYS, "accounts", "connections"), "a settings file")
        return SettingsFile(path=self._path, program=program, accounts=accounts, connections=connections)

    def _account(self, name: Text, node: source_text.Node) -> tuple[str, Account]:
        if not _NAME.fullmatch(name.value) or len(name.value) > _LONGEST_NAME:
            self._faults.append(
                name.place.fault("an account's name is of small letters, digits and dashes, as our-utility")
            )
        given: Mapping[str, Given] = {}
        if isinstance(node, Entries):
            given = self._settings(node.entries, ACCOUNT_KEYS, "an account")
        elif not isinstance(node, Broken):
            self._faults.append(node.place.fault("an account is a mapping, as `username: prairie_power`"))
        return name.value, Account(place=replace(name.place, text=""), given=given)

    def _settings(
        self,
        entries: list[tuple[Text, source_text.Node]] | tuple[tuple[Text, source_text.Node], ...],
        known: tuple[str, ...],
        what: str,
    ) -> dict[str, Given]:
        found: dict[str, Given] = {}
        for key, node in entries:
            if why := _refused(key.value, known, what):
                self._faults.append(key.place.fault(why))
            elif isinstance(node, Text):
                self._take(key, node, found)
            elif not isinstance(node, Broken):
                self._faults.append(node.place.fault(f"`{key.value}` is one value, not a list or a mapping"))
        return found

    def _take(self, key: Text, node: Text, found: dict[str, Given]) -> None:
        """One setting with its value and origin."""
        name, value = key.value, node.value
        text = f"{self._path}:{key.place.line}"
        if secret := next((each for each in SECRETS if name in (f"{each}_file", f"{each}_env")), None):
            if secret in found:
                self._faults.append(key.place.fault(f"say either {secret}_file or {secret}_env"))
            elif name.endswith("_file"):
                file = self._beside(value)
                found[secret] = Given(Origin(text=f"{text} ({name} {value})", place=node.place, file=file))
            else:
                found[secret] = Given(Origin(text=f"{text} ({name} {value})", place=node.place, variable=value))
            return
        if name in _ADDRESSES and _ADDRESSES[name](value):
            self._faults.append(
                key.place.fault(
                    "a password stands in this address; take it out, put it into a file and name that with "
                    f"{name}_password_file"
                )
            )
        found[name] = Given(Origin(text=text, place=node.place), self._resolved(name, value))

    def _resolved(self, name: str, value: str) -> str | Path:
        """Paths are relative to the settings file, wherever the program is started."""
        if name in _PATHS:
            return self._beside(value)
        if name == "ledger" and (file := ledger_file(value)):
            return f"sqlite:///{self._beside(file)}"
        return value

    def _beside(self, value: str) -> Path:
        return self._path.parent / value


def _refused(key: str, known: tuple[str, ...], what: str) -> str | None:
    """Why a key cannot stand here; None if it can."""
    if key in known:
        return None
    if key in SECRETS:
        return f"a password does not stand in this file; put it into a file of its own and name that with {key}_file"
    if key in (*PROGRAM_KEYS, "connections"):
        return f"`{key}` is the whole program's; put it above `accounts`"
    return f"{what} has no `{key}`{perhaps(key, known)}; it has {listed(known)}"
