"""A setting's value as somebody gave it, and where: on the command line, in the environment, in the settings file."""

from __future__ import annotations

import codecs
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pm_autoaccept.errors import ConfigurationError
from pm_autoaccept.policy.parser.source_text import Place

PREFIX = "PM_AUTOACCEPT_"

EMPTY_SAYS_SOMETHING = ("proxy",)
"""An empty variable of these is not one that is not set: it says that there is to be no proxy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a setting's value came from.

    Attributes:
        text: for people, as `--mode`, `PM_AUTOACCEPT_MODE` or `settings.yaml:4`.
        place: where it stands in the settings file, None if it stands elsewhere.
        file: the value is what this file holds.
        variable: the value is what this variable holds, which the settings file names.
    """

    text: str
    place: Place | None = None
    file: Path | None = None
    variable: str | None = None

    def fault(self, message: str) -> str:
        """A message about the value, beginning with where it was given."""
        return str(self.place.fault(message)) if self.place is not None else f"{self.text}: {message}"


@dataclass(frozen=True, slots=True)
class Given:
    """A value and its origin. The value may be a secret: it is never shown."""

    origin: Origin
    value: object = field(default=None, repr=False)

    def read(self) -> object:
        """The value, out of the file or variable that holds it, without what an editor or a shell adds.

        Raises:
            ConfigurationError: there is no such file or variable.
        """
        if self.origin.variable is not None:
            value = variable(self.origin.variable)
            if not value:
                raise ConfigurationError(self.origin.fault(f"the variable {self.origin.variable} is not set"))
            return value
        if self.origin.file is None:
            return self.value
        try:
            return one_line(self.origin.file.read_bytes())
        except OSError as error:
            why = error.strerror or str(error)
        except ValueError as error:
            why = str(error)
        raise ConfigurationError(self.origin.fault(f"the file {self.origin.file} cannot be read: {why}"))


def from_command_line(said: Mapping[str, object]) -> dict[str, Given]:
    """What options say, where they say something."""
    return {
        name: Given(Origin(text=f"--{name.replace('_', '-')}"), value)
        for name, value in said.items()
        if value is not None
    }


def from_environment(names: Iterable[str]) -> dict[str, Given]:
    """What `PM_AUTOACCEPT_NAME` or `PM_AUTOACCEPT_NAME_FILE` say of these; an empty variable says nothing, but for one.

    Raises:
        ConfigurationError: both are set.
    """
    found: dict[str, Given] = {}
    for name in names:
        key = f"{PREFIX}{name.upper()}"
        value, file = variable(key), variable(f"{key}_FILE")
        if value and file:
            raise ConfigurationError(f"{key}_FILE and {key} are both set; set only one")
        if value:
            found[name] = Given(Origin(text=key), value)
        elif file:
            found[name] = Given(Origin(text=f"{key}_FILE ({file})", file=Path(file)))
        elif value is not None and name in EMPTY_SAYS_SOMETHING:
            found[name] = Given(Origin(text=key), value)
    return found


def variable(name: str) -> str | None:
    """What a variable of the environment holds; None where it is not set.

    Raises:
        ConfigurationError: it holds several lines, or is not UTF-8.
    """
    value = os.environ.get(name)
    try:
        return None if value is None else one_line(os.fsencode(value))
    except ValueError as error:
        raise ConfigurationError(f"{name}: {error}") from None


_MARK = "\ufeff"
_ENCODINGS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
"""The byte order marks that editors and shells begin a text with, as PowerShell does."""


def one_line(data: bytes) -> str:
    """A value as somebody wrote it: a byte order mark and line ends, which nobody sees, are no part of it.

    Raises:
        ValueError: it holds several lines, or is no text.
    """
    encoding = next((each for mark, each in _ENCODINGS if data.startswith(mark)), "utf-8")
    try:
        text = data.decode(encoding)
    except UnicodeError:
        raise ValueError("it is not UTF-8; save it as UTF-8") from None
    text = text.replace(_MARK, "").strip("\r\n")
    if "\n" in text or "\r" in text:
        raise ValueError("it holds several lines; write the value in one line, and nothing else")
    if "\0" in text:
        raise ValueError("it holds a NUL character; save it as UTF-8")
    return text
