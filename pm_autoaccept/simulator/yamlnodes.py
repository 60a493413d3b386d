"""Typed access to the sections of a YAML world file; errors name the line."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from datetime import date, datetime
from enum import StrEnum
from typing import TypeVar

import yaml

from pm_autoaccept.errors import ConfigurationError

E = TypeVar("E", bound=StrEnum)

_MAX_DEPTH = 20
"""The maximum nesting depth; a world has seven levels."""


def load_mapping(text: bytes) -> Section:
    """The mapping in a YAML file.

    Raises:
        ConfigurationError: the file is not YAML or not a mapping, or it uses anchors, aliases or tags.
    """
    try:
        _refuse_what_is_not_read(text)
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        raise ConfigurationError(f"the world file is not valid YAML: {error}") from error
    if node is None:
        raise ConfigurationError("the world file is empty; it needs at least `customers:`")
    return Section(node, "the file")


def _refuse_what_is_not_read(text: bytes) -> None:
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        mark = event.start_mark
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) or getattr(event, "tag", None):
            raise _wrong(mark.line if mark else 0, "anchors, aliases and tags are not supported; write the values out")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _MAX_DEPTH:
            raise _wrong(mark.line if mark else 0, "the file is nested too deeply")


def _wrong(line: int, text: str) -> ConfigurationError:
    return ConfigurationError(f"world file, line {line + 1}: {text}")


def _whole(text: str) -> bool:
    """Whether it is a whole number that certainly fits xs:long."""
    return text.isascii() and text.removeprefix("-").isdigit() and len(text) < 19  # noqa: PLR2004 - digits of xs:long


class Section:
    """A mapping in the file. Keys that are read count as known; `done` refuses the others."""

    def __init__(self, node: yaml.Node, name: str) -> None:
        self._line: int = node.start_mark.line
        self._name = name
        self._values: dict[str, yaml.Node] = {}
        self._read: set[str] = set()
        if not isinstance(node, yaml.MappingNode):
            raise _wrong(self._line, f"{name} must be a mapping of names to values")
        for key, value in node.value:
            written = str(key.value)
            if written in self._values:
                raise _wrong(key.start_mark.line, f"duplicate key {written}; remove one")
            self._values[written] = value

    def wrong(self, key: str, text: str) -> ConfigurationError:
        """An error about this key's value."""
        node = self._values.get(key)
        return _wrong(self._line if node is None else node.start_mark.line, f"{key}: {text}")

    def done(self) -> None:
        """Check that all keys were read.

        Raises:
            ConfigurationError: the mapping has an unknown key.
        """
        for key, node in self._values.items():
            if key not in self._read:
                near = difflib.get_close_matches(key, self._read, n=1)
                hint = f"did you mean {near[0]}?" if near else f"known keys: {', '.join(sorted(self._read))}"
                raise _wrong(node.start_mark.line, f"unknown key {key} in {self._name}; {hint}")

    def all_ids(self) -> frozenset[int]:
        """Every whole number under a key `id`, here or in nested sections."""
        ids: set[int] = set()
        waiting: list[yaml.Node] = list(self._values.values())
        while waiting:
            node = waiting.pop()
            if isinstance(node, yaml.SequenceNode):
                waiting += node.value
            elif isinstance(node, yaml.MappingNode):
                waiting += [value for _, value in node.value]
                written = [str(value.value) for key, value in node.value if key.value == "id"]
                ids.update(int(text) for text in written if _whole(text))
        return frozenset(ids)

    def _node(self, key: str) -> yaml.Node | None:
        self._read.add(key)
        return self._values.get(key)

    def text(self, key: str) -> str | None:
        """A text as written, None if the key is missing."""
        node = self._node(key)
        if node is None:
            return None
        if not isinstance(node, yaml.ScalarNode):
            raise self.wrong(key, "must be a single value")
        return str(node.value)

    def filled(self, key: str, default: str | None = None, *, longest: int = 100) -> str:
        """A text of 1 to `longest` characters, or the default."""
        text = self.text(key)
        if text is None and default is not None:
            return default
        if not text:
            raise self.wrong(key, f"is missing or empty in {self._name}")
        if len(text) > longest:
            raise self.wrong(key, f"has {len(text)} characters; at most {longest} are allowed")
        return text

    def number(self, key: str) -> int | None:
        """A whole number, None if the key is missing."""
        text = self.text(key)
        if text is None:
            return None
        if not _whole(text):
            raise self.wrong(key, f"must be a whole number, not {text!r}")
        return int(text)

    def flag(self, key: str) -> bool | None:
        """`true` or `false`, None if the key is missing."""
        text = self.text(key)
        if text not in {None, "true", "false"}:
            raise self.wrong(key, f"must be true or false, not {text!r}")
        return None if text is None else text == "true"

    def one_of(self, key: str, choices: type[E], default: E) -> E:
        """A member of an enumeration, by its value, or the default."""
        text = self.text(key)
        if text is None:
            return default
        if text not in set(choices):
            raise self.wrong(key, f"must be one of {', '.join(choices)}, not {text!r}")
        return choices(text)

    def day(self, key: str) -> date | None:
        """A date such as 2026-03-04, None if the key is missing."""
        text = self.text(key)
        try:
            return None if text is None else date.fromisoformat(text)
        except ValueError as error:
            raise self.wrong(key, f"must be a date, for example 2026-03-04, not {text!r}") from error

    def moment(self, key: str, default: datetime) -> datetime:
        """A time with a time zone, such as 2026-03-04T12:00:00Z, or the default."""
        text = self.text(key)
        try:
            moment = default if text is None else datetime.fromisoformat(text)
        except ValueError as error:
            raise self.wrong(key, f"must be a time, for example 2026-03-04T12:00:00Z, not {text!r}") from error
        if moment.tzinfo is None:
            raise self.wrong(key, "has no time zone; append Z for UTC")
        return moment

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of texts, empty if the key is missing."""
        nodes = self._items(key)
        if not all(isinstance(node, yaml.ScalarNode) for node in nodes):
            raise self.wrong(key, "must be a list of single values")
        return tuple(str(node.value) for node in nodes)

    def sections(self, key: str) -> Iterable[Section]:
        """A list of mappings, empty if the key is missing."""
        return [Section(node, f"{key}[{number}]") for number, node in enumerate(self._items(key))]

    def _items(self, key: str) -> list[yaml.Node]:
        node = self._node(key)
        if node is None:
            return []
        if not isinstance(node, yaml.SequenceNode):
            raise self.wrong(key, "must be a list; begin each entry with a dash")
        return list(node.value)

    def section(self, key: str) -> Section | None:
        """A mapping, None if the key is missing."""
        node = self._node(key)
        return None if node is None else Section(node, key)

    def pairs(self, key: str) -> tuple[tuple[str, str], ...] | None:
        """Names and texts, in order, None if the key is missing."""
        section = self.section(key)
        return None if section is None else section.all_texts()

    def all_texts(self) -> tuple[tuple[str, str], ...]:
        """Every key with its text, in order."""
        return tuple((key, self.text(key) or "") for key in self._values)
