"""`connections` in the settings file: databases that policies ask for data, of which they know the name only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from pm_autoaccept.config.formats import is_database, ledger_file, with_password
from pm_autoaccept.config.origins import Given, Origin
from pm_autoaccept.errors import ConfigurationError, Fault
from pm_autoaccept.policy.messages import listed, perhaps
from pm_autoaccept.policy.parser.source_text import Broken, Entries, Node, Text
from pm_autoaccept.redaction import has_password

_KEYS = ("url", "password_file", "password_env")
_EXAMPLE = "billing: {url: 'postgresql://pm@db.internal/billing', password_file: secrets/billing}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """A connection as the settings file names it: its address without a password, and where that is kept."""

    address: str
    origin: Origin
    password: Given | None = None

    def read(self) -> SecretStr:
        """The address with its password.

        Raises:
            ConfigurationError: the password's file or variable is missing, or the address names no user to have it.
        """
        if self.password is None:
            return SecretStr(self.address)
        address = with_password(self.address, str(self.password.read()))
        if not has_password(address):
            raise ConfigurationError(
                self.origin.fault("the address names no user for this password; write it as postgresql://USER@HOST/DB")
            )
        return SecretStr(address)


def read_connections(node: Node, settings: Path, faults: list[Fault]) -> Mapping[str, Connection]:
    """What stands after `connections:`; paths are relative to the settings file."""
    if not isinstance(node, Entries):
        if not isinstance(node, Broken):
            faults.append(node.place.fault(f"`connections` is a mapping of names, as {_EXAMPLE}"))
        return {}
    read = {name.value: _connection(name, written, settings, faults) for name, written in node.entries}
    return {name: connection for name, connection in read.items() if connection is not None}


def _connection(name: Text, node: Node, settings: Path, faults: list[Fault]) -> Connection | None:
    if not isinstance(node, Entries):
        if not isinstance(node, Broken):
            faults.append(node.place.fault(f"a connection is a mapping, as {_EXAMPLE}"))
        return None
    said = _said(node, faults)
    if len({"password_file", "password_env"} & set(said)) > 1:
        faults.append(name.place.fault("say either password_file or password_env"))
    if "url" not in said:
        if all(key.value != "url" for key, _ in node.entries):
            faults.append(name.place.fault(f"the connection lacks `url`; write it as {_EXAMPLE}"))
        return None
    origin = Origin(text=f"{settings}:{name.place.line}", place=None)
    address = _address(said["url"], settings, faults)
    return Connection(address=address, origin=origin, password=_password(said, settings))


def _said(node: Entries, faults: list[Fault]) -> Mapping[str, Text]:
    said: dict[str, Text] = {}
    for key, value in node.entries:
        if key.value == "password":
            why = "a password does not stand in this file; put it into a file of its own and name that"
            faults.append(key.place.fault(f"{why} with password_file"))
        elif key.value not in _KEYS:
            meant = perhaps(key.value, _KEYS)
            faults.append(key.place.fault(f"a connection has no `{key.value}`{meant}; it has {listed(_KEYS)}"))
        elif isinstance(value, Text):
            said[key.value] = value
        elif not isinstance(value, Broken):
            faults.append(value.place.fault(f"`{key.value}` is one value, not a list or a mapping"))
    return said


def _address(written: Text, settings: Path, faults: list[Fault]) -> str:
    address = written.value.strip()
    file = ledger_file(address)
    if has_password(address):
        why = "a password stands in this address; take it out, put it into a file and name that with password_file"
        faults.append(written.place.fault(why))
    elif not is_database(address) or (address.startswith("sqlite:") and file is None):
        why = "that is no database's address; write sqlite:///FILE or postgresql://USER@HOST/DB"
        faults.append(written.place.fault(why))
    return address if file is None else f"sqlite:///{settings.parent / file}"


def _password(said: Mapping[str, Text], settings: Path) -> Given | None:
    for key in ("password_file", "password_env"):
        if key in said:
            node = said[key]
            text = f"{settings}:{node.place.line} ({key} {node.value})"
            if key == "password_file":
                return Given(Origin(text=text, place=node.place, file=settings.parent / node.value))
            return Given(Origin(text=text, place=node.place, variable=node.value))
    return None
