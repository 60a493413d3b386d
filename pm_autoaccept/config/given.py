"""A setting's value as somebody gave it, and where: on the command line, in the environment, in the settings file."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pm_autoaccept.errors import ConfigurationError
from pm_autoaccept.policy.reading.source_text import Place

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
        """The value, out of the file or variable that holds it. A newline at its end is not part of it.

        Raises:
            ConfigurationError: there is no such file or variable.
        """
        if self.origin.variable is not None:
            value = os.environ.get(self.origin.variable)
            if not value:
                raise ConfigurationError(self.origin.fault(f"the variable {self.origin.variable} is not set"))
            return value
        if self.origin.file is None:
            return self.value
        try:
            return self.origin.file.read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, UnicodeError) as error:
            why = getattr(error, "strerror", None) or "it is not UTF-8"
            raise ConfigurationError(self.origin.fault(f"the file {self.origin.file} cannot be read: {why}")) from error


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
        variable = f"{PREFIX}{name.upper()}"
        value, file = os.environ.get(variable), os.environ.get(f"{variable}_FILE")
        if value and file:
            raise ConfigurationError(f"{variable}_FILE and {variable} are both set; set only one")
        if value:
            found[name] = Given(Origin(text=variable), value)
        elif file:
            found[name] = Given(Origin(text=f"{variable}_FILE ({file})", file=Path(file)))
        elif value is not None and name in EMPTY_SAYS_SOMETHING:
            found[name] = Given(Origin(text=variable), value)
    return found
