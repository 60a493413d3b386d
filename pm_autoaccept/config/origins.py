"""Where each setting's value came from: command-line option, environment variable, secret file or settings file."""

from __future__ import annotations

import codecs
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pm_autoaccept.errors import ConfigurationError
from pm_autoaccept.policy.parser.source_text import Place, Text

PREFIX = "PM_AUTOACCEPT_"

EMPTY_IS_A_VALUE = ("proxy",)
"""Settings for which an empty variable is not the same as an unset one: an empty PROXY means no proxy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a setting's value came from.

    Attributes:
        text: for people, for example `--mode`, `PM_AUTOACCEPT_MODE` or `settings.yaml:4`.
        place: the position in the settings file; None for a value from elsewhere.
        file: the secret file that holds the value.
        variable: the environment variable that holds the value, if the settings file names one.
    """

    text: str
    place: Place | None = None
    file: Path | None = None
    variable: str | None = None

    def fault(self, message: str) -> str:
        """An error message about the value that starts with its origin."""
        return str(self.place.fault(message)) if self.place is not None else f"{self.text}: {message}"


@dataclass(frozen=True, slots=True)
class SettingValue:
    """A value and its origin. The value may be a secret, so it is never shown."""

    origin: Origin
    value: object = field(default=None, repr=False)

    def read(self) -> object:
        """The value, read from its file or variable if it has one, without what editors and shells add.

        Raises:
            ConfigurationError: there is no such file or variable.
        """
        if self.origin.variable is not None:
            value = read_variable(self.origin.variable)
            if not value:
                message = f"the environment variable {self.origin.variable} is not set"
                raise ConfigurationError(self.origin.fault(message))
            return value
        if self.origin.file is None:
            return self.value
        try:
            return decode_value(self.origin.file.read_bytes())
        except OSError as error:
            why = error.strerror or str(error)
        except ValueError as error:
            why = str(error)
        raise ConfigurationError(self.origin.fault(f"cannot read the file {self.origin.file}: {why}"))


def kept_elsewhere(key: str, node: Text, settings: Path) -> SettingValue:
    """The value of a key such as `password_file` or `password_env`: in a file beside the settings, or in a variable.

    Args:
        key: the key in the settings file.
        node: the name of the file or variable.
        settings: the settings file.
    """
    text = f"{settings}:{node.place.line} ({key} {node.value})"
    if key.endswith("_file"):
        return SettingValue(Origin(text=text, place=node.place, file=settings.parent / node.value))
    return SettingValue(Origin(text=text, place=node.place, variable=node.value))


def from_command_line(options: Mapping[str, object]) -> dict[str, SettingValue]:
    """The values of the options that were given."""
    return {
        name: SettingValue(Origin(text=f"--{name.replace('_', '-')}"), value)
        for name, value in options.items()
        if value is not None
    }


def from_environment(names: Iterable[str]) -> dict[str, SettingValue]:
    """The values of the environment variables `PM_AUTOACCEPT_NAME` and `PM_AUTOACCEPT_NAME_FILE` for these settings.

    An empty variable counts as unset, except for the settings in `EMPTY_IS_A_VALUE`.

    Raises:
        ConfigurationError: both are set.
    """
    found: dict[str, SettingValue] = {}
    for name in names:
        key = f"{PREFIX}{name.upper()}"
        value, file = read_variable(key), read_variable(f"{key}_FILE")
        if value and file:
            raise ConfigurationError(f"{key}_FILE and {key} are both set; set only one")
        if value:
            found[name] = SettingValue(Origin(text=key), value)
        elif file:
            found[name] = SettingValue(Origin(text=f"{key}_FILE ({file})", file=Path(file)))
        elif value is not None and name in EMPTY_IS_A_VALUE:
            found[name] = SettingValue(Origin(text=key), value)
    return found


def read_variable(name: str) -> str | None:
    """The value of an environment variable; None if it is not set.

    Raises:
        ConfigurationError: it has several lines, or is not UTF-8.
    """
    value = os.environ.get(name)
    try:
        return None if value is None else decode_value(os.fsencode(value))
    except ValueError as error:
        raise ConfigurationError(f"{name}: {error}") from None


_BYTE_ORDER_MARK = "\ufeff"
_ENCODINGS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
"""Byte order marks that editors and shells such as PowerShell write, and the encoding that each stands for."""


def decode_value(data: bytes) -> str:
    """A value as its author meant it: without byte order marks and line ends, which are invisible.

    Raises:
        ValueError: it has several lines, or is not text.
    """
    encoding = next((each for mark, each in _ENCODINGS if data.startswith(mark)), "utf-8")
    try:
        text = data.decode(encoding)
    except UnicodeError:
        raise ValueError("not UTF-8; save it as UTF-8") from None
    text = text.replace(_BYTE_ORDER_MARK, "").strip("\r\n")
    if "\n" in text or "\r" in text:
        raise ValueError("more than one line; write the value on one line, and nothing else")
    if "\0" in text:
        raise ValueError("contains a NUL character; save it as UTF-8")
    return text
