"""Reads `connections` in the settings file: the databases that policies query by name, and their passwords."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from pm_autoaccept.config.formats import is_database, ledger_file, with_password
from pm_autoaccept.config.origins import Origin, SettingValue, kept_elsewhere
from pm_autoaccept.errors import ConfigurationError, Fault
from pm_autoaccept.policy.messages import listed, perhaps
from pm_autoaccept.policy.parser.source_text import Broken, Entries, Node, Text
from pm_autoaccept.redaction import has_password

_KEYS = ("url", "password_file", "password_env")
_EXAMPLE = "billing: {url: 'postgresql://pm@db.internal/billing', password_file: secrets/billing}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """A database connection in the settings file: its address without a password, and where the password is."""

    address: str
    origin: Origin
    password: SettingValue | None = None

    def read(self) -> SecretStr:
        """The address with its password.

        Raises:
            ConfigurationError: the password's file or variable is missing, or the address names no user.
        """
        if self.password is None:
            return SecretStr(self.address)
        address = with_password(self.address, str(self.password.read()))
        if not has_password(address):
            raise ConfigurationError(
                self.origin.fault("the address has a password but no user; write it as postgresql://USER@HOST/DB")
            )
        return SecretStr(address)


def read_connections(node: Node, settings: Path, faults: list[Fault]) -> Mapping[str, Connection]:
    """Read the value of `connections`. Paths are relative to the settings file."""
    if not isinstance(node, Entries):
        if not isinstance(node, Broken):
            faults.append(
                node.place.fault(f"`connections` must be a mapping of names to databases, for example {_EXAMPLE}")
            )
        return {}
    read = {name.value: _connection(name, written, settings, faults) for name, written in node.entries}
    return {name: connection for name, connection in read.items() if connection is not None}


def _connection(name: Text, node: Node, settings: Path, faults: list[Fault]) -> Connection | None:
    if not isinstance(node, Entries):
        if not isinstance(node, Broken):
            faults.append(node.place.fault(f"a connection must be a mapping, for example {_EXAMPLE}"))
        return None
    values = _values(node, faults)
    if len({"password_file", "password_env"} & set(values)) > 1:
        faults.append(name.place.fault("password_file and password_env are both set; set only one"))
    if "url" not in values:
        if all(key.value != "url" for key, _ in node.entries):
            faults.append(name.place.fault(f"missing `url`; write the connection like this: {_EXAMPLE}"))
        return None
    origin = Origin(text=f"{settings}:{name.place.line}", place=None)
    address = _address(values["url"], settings, faults)
    return Connection(address=address, origin=origin, password=_password(values, settings))


def _values(node: Entries, faults: list[Fault]) -> Mapping[str, Text]:
    values: dict[str, Text] = {}
    for key, value in node.entries:
        if key.value == "password":
            why = "passwords are not allowed in the settings file; put it in a file of its own and set password_file"
            faults.append(key.place.fault(why))
        elif key.value not in _KEYS:
            meant = perhaps(key.value, _KEYS)
            faults.append(
                key.place.fault(f"unknown key `{key.value}` in a connection{meant}; allowed keys: {listed(_KEYS)}")
            )
        elif isinstance(value, Text):
            values[key.value] = value
        elif not isinstance(value, Broken):
            faults.append(value.place.fault(f"`{key.value}` must be a single value, not a list or a mapping"))
    return values


def _address(written: Text, settings: Path, faults: list[Fault]) -> str:
    address = written.value.strip()
    file = ledger_file(address)
    if has_password(address):
        why = "the address contains a password; remove it, put it in a file and set password_file"
        faults.append(written.place.fault(why))
    elif not is_database(address) or (address.startswith("sqlite:") and file is None):
        why = "invalid database address; use sqlite:///FILE or postgresql://USER@HOST/DB"
        faults.append(written.place.fault(why))
    return address if file is None else f"sqlite:///{settings.parent / file}"


def _password(values: Mapping[str, Text], settings: Path) -> SettingValue | None:
    key = next((each for each in ("password_file", "password_env") if each in values), None)
    return None if key is None else kept_elsewhere(key, values[key], settings)
