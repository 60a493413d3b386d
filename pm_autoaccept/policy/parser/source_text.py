"""Read YAML files into nodes that keep every scalar as written, with file, line and column.

The nodes are made from PyYAML's events. Whatever YAML does unnoticed (tags, aliases, merge keys, comments that
truncate a text) is an error.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import yaml

from pm_autoaccept.errors import Fault
from pm_autoaccept.policy.messages import shown
from pm_autoaccept.policy.parser.yaml_faults import explain_yaml_error, quoted

MAX_FILE_BYTES = 250_000
"""Limit of one policy file: people write a few thousand bytes, and parsing far more would block the daemon."""
MAX_NESTING = 20
"""Limit of nested mappings and lists."""

_UNPRINTABLE = re.compile(r"[^\t\n\r\x20-\x7e\u00a0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_NO_TEXT = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
"""Characters that an escape in double quotes can still produce: surrogates and control characters."""
_WITH_COMMAS = re.compile(r"(?<![\w,.-])[1-9][0-9]{0,2}(?:,[0-9]{3})+(?![0-9])")
_GROUP = re.compile(r"[0-9]{3}(?![0-9])")
"""A number with thousands separators, and the beginning of one of its later groups."""
_COMMENT = re.compile(r"[ \t]+#")
_FAST = yaml.CBaseLoader if yaml.__with_libyaml__ else None
_READ_OTHERWISE = re.compile(r"[\t?\ufeff]|[|>][-+0-9]*#")
"""Text that libyaml accepts but PyYAML refuses or reads differently contains one of these."""


@dataclass(frozen=True, slots=True)
class Place:
    """The position of a node: file, one-based line and column, and the text of the line."""

    file: str
    line: int
    column: int
    text: str

    @property
    def where(self) -> str:
        """File, line and column, for example `policy.yaml:7:14`."""
        return f"{self.file}:{self.line}:{self.column}"

    def fault(self, message: str) -> Fault:
        """A fault at this place."""
        return Fault(self.file, self.line, self.column, message, shown(self.text))


@dataclass(frozen=True, slots=True)
class Text:
    """A scalar as written."""

    place: Place
    value: str


@dataclass(frozen=True, slots=True)
class Items:
    """A list, never empty."""

    place: Place
    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Entries:
    """A mapping, never empty, without repeated keys."""

    place: Place
    entries: tuple[tuple[Text, Node], ...]


@dataclass(frozen=True, slots=True)
class Broken:
    """A node with an error that is already reported."""

    place: Place


Node: TypeAlias = Text | Items | Entries | Broken


def is_sound(node: Node) -> bool:
    """Whether the node contains no errors."""
    if isinstance(node, Items):
        return all(map(is_sound, node.items))
    if isinstance(node, Entries):
        return all(is_sound(value) for _, value in node.entries)
    return isinstance(node, Text)


class _TooDeep(Exception):
    """Mappings and lists are nested too deeply at this position."""

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self.place = place


def read(
    file: str,
    data: bytes,
    faults: list[Fault],
    *,
    empty: str = "the file is empty; write `version: 1` and the rules",
    blanks: bool = False,
) -> Node | None:
    """Read the single document of a file; None if the file cannot be read. Errors are added to `faults`.

    `empty` is the message for an empty file. With `blanks`, quoted text can be blank (`''`), as in a test case that
    states what a customer entered.
    """
    if len(data) > MAX_FILE_BYTES:
        line, column = _line_and_column(data, MAX_FILE_BYTES)
        message = f"the file is larger than {MAX_FILE_BYTES:,} bytes; move long lists to a csv file"
        faults.append(Fault(file, line, column, message))
        return None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line, column = _line_and_column(data, error.start)
        faults.append(Fault(file, line, column, "invalid UTF-8; save the file as UTF-8"))
        return None
    lines = tuple(text.splitlines())
    if found := _UNPRINTABLE.search(text):
        before = text[: found.start()]
        line = before.count("\n") + 1
        column = found.start() - before.rfind("\n")
        code = f"U+{ord(found.group()):04X}"
        faults.append(Fault(file, line, column, f"control character {code}; remove it"))
        return None
    if (root := _without_fault(file, text, lines, blanks=blanks)) is not None:
        return root
    builder = _Builder(file, lines, faults, blanks=blanks)
    try:
        return builder.document(yaml.parse(text, Loader=yaml.BaseLoader), empty)
    except yaml.MarkedYAMLError as error:
        fault = explain_yaml_error(error, file=file, lines=lines)
        # Earlier faults in that line have the same cause.
        faults[:] = [each for each in faults if (each.file, each.line) != (file, fault.line)] + [fault]
    except (ValueError, OverflowError):  # of PyYAML: an escape beyond U+10FFFF, a version of thousands of digits
        faults.append(Fault(file, 0, 0, "invalid escape sequence (\\U…) in this file; remove it"))
    except _TooDeep as error:
        message = f"lists and mappings are nested more than {MAX_NESTING} levels deep; use fewer levels"
        faults.append(error.place.fault(message))
    return None


def _without_fault(file: str, text: str, lines: tuple[str, ...], *, blanks: bool) -> Node | None:
    """The document as read by libyaml, ten times as fast; None if it has errors, which PyYAML explains better."""
    if _FAST is None or _READ_OTHERWISE.search(text):
        return None
    faults: list[Fault] = []
    try:
        root = _Builder(file, lines, faults, blanks=blanks).document(yaml.parse(text, Loader=_FAST), "")
    except (yaml.YAMLError, ValueError, OverflowError, _TooDeep):
        return None
    return None if faults else root


def _line_and_column(data: bytes, byte: int) -> tuple[int, int]:
    """One-based line and column of a byte."""
    return data.count(b"\n", 0, byte) + 1, byte - data.rfind(b"\n", 0, byte)


class _Mark(Protocol):
    line: int
    column: int


def _mark_position(mark: _Mark | None) -> tuple[int, int]:
    """Zero-based line and column of a mark."""
    return (mark.line, mark.column) if mark is not None else (0, 0)


class _Builder:
    """Makes nodes from events, and adds errors to `faults`."""

    def __init__(self, file: str, lines: tuple[str, ...], faults: list[Fault], *, blanks: bool) -> None:
        self._file = file
        self._lines = lines
        self._faults = faults
        self._blanks = blanks

    def document(self, events: Iterator[yaml.Event], empty: str) -> Node | None:
        """The document among the events; None if there is none."""
        root: Node | None = None
        documents = 0
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    self._refuse(event, "a second YAML document begins here; put it in a separate file")
                    break
                root = self._node(next(events), events, 0)
        if root is None:
            self._faults.append(Fault(self._file, 0, 0, empty))
        return root

    def _place(self, event: yaml.Event) -> Place:
        line, column = _mark_position(event.start_mark)
        return Place(self._file, line + 1, column + 1, self._lines[line] if line < len(self._lines) else "")

    def _refuse(self, event: yaml.Event, message: str) -> Broken:
        place = self._place(event)
        self._faults.append(place.fault(message))
        return Broken(place)

    def _node(self, event: yaml.Event, events: Iterator[yaml.Event], depth: int) -> Node:
        if depth > MAX_NESTING:
            raise _TooDeep(self._place(event))
        refused: Broken | None = None
        if isinstance(event, yaml.AliasEvent):
            text = f"*{event.anchor}"
            return self._refuse(event, f"`*` begins a YAML alias, which is not supported; write {quoted(text)}")
        if isinstance(event, yaml.NodeEvent) and event.anchor is not None:
            text = f"&{event.anchor}"
            refused = self._refuse(event, f"`&` begins a YAML anchor, which is not supported; write {quoted(text)}")
        if getattr(event, "tag", None) is not None:
            refused = self._refuse(event, "`!` begins a YAML tag, which is not supported; use single quotes")
        node: Node
        if isinstance(event, yaml.ScalarEvent):
            node = self._text(event)
        elif isinstance(event, yaml.SequenceStartEvent):
            node = self._items(event, events, depth)
        else:
            node = self._entries(event, events, depth)
        return refused or node

    def _text(self, event: yaml.ScalarEvent) -> Text | Broken:
        if not event.value.strip() and not (self._blanks and event.style in {"'", '"'}):
            return self._refuse(
                event, "missing value; add one, or remove the key (text with braces needs single quotes)"
            )
        if event.style == '"' and (found := _NO_TEXT.search(event.value)):
            code = f"U+{ord(found.group()):04X}"
            return self._refuse(event, f"the escape sequence for {code} is not a printable character; remove it")
        place = self._place(event)
        if not event.style and (whole := self._truncated(event, place)):
            return self._refuse(
                event,
                "YAML truncates text at ` #`; put the text in single quotes, "
                f"{quoted(whole)}, or the comment on a separate line",
            )
        return Text(place, event.value)

    def _split_number(self, event: yaml.Event) -> str | None:
        """The number with commas that this is a later group of: within braces, YAML ends a value at a comma."""
        if not isinstance(event, yaml.ScalarEvent) or event.style or not _GROUP.match(event.value):
            return None
        place = self._place(event)
        found = (each for each in _WITH_COMMAS.finditer(place.text) if each.start() < place.column - 1 < each.end())
        return next((each.group() for each in found), None)

    def _report_split_number(self, event: yaml.Event, number: str) -> None:
        """Report each such number once, at its second group."""
        place = self._place(event)
        if place.text[: place.column - 1].endswith(number.partition(",")[0] + ","):
            written = number.replace(",", "")
            message = f"YAML splits `{number}` at the comma; write {written}"
            self._faults.append(place.fault(message))

    def _truncated(self, event: yaml.ScalarEvent, place: Place) -> str | None:
        """The last line of a plain text with what YAML takes for a comment; None if there is no comment."""
        last, end = _mark_position(event.end_mark)
        line = self._lines[last]
        if not _COMMENT.match(line, end):
            return None
        return line[place.column - 1 if place.line == last + 1 else 0 :].strip()

    def _items(self, start: yaml.Event, events: Iterator[yaml.Event], depth: int) -> Node:
        items: list[Node] = []
        while not isinstance(event := next(events), yaml.SequenceEndEvent):
            # `[100,200]` can be two numbers, but nobody writes `000` as one.
            if (number := self._split_number(event)) is not None and ",0" in number:
                self._report_split_number(event, number)
            items.append(self._node(event, events, depth + 1))
        if not items:
            return self._refuse(start, "empty list; add entries, or remove the key")
        return Items(self._place(start), tuple(items))

    def _tab(self, key: Node, event: yaml.Event) -> Text | None:
        """The one blank value with a meaning: a tab as the separator of csv cells."""
        separates = isinstance(key, Text) and key.value == "separator"
        tab = isinstance(event, yaml.ScalarEvent) and event.value == "\t"
        return Text(self._place(event), "\t") if separates and tab else None

    def _entries(self, start: yaml.Event, events: Iterator[yaml.Event], depth: int) -> Node:
        entries: dict[str, tuple[Text, Node]] = {}
        empty = True
        while not isinstance(event := next(events), yaml.MappingEndEvent):
            empty = False
            if (number := self._split_number(event)) is not None:
                self._report_split_number(event, number)
                follows = next(events)
                if not isinstance(follows, yaml.ScalarEvent) or follows.value:
                    self._node(follows, events, depth + 1)
                continue
            key = self._node(event, events, depth + 1)
            after = next(events)
            value = self._tab(key, after) or self._node(after, events, depth + 1)
            if isinstance(key, Items | Entries):
                message = "a key must be a name; put text with braces or brackets in single quotes"
                self._faults.append(key.place.fault(message))
            elif isinstance(key, Text) and key.value == "<<":
                self._faults.append(key.place.fault("YAML merge keys (`<<`) are not supported; write the entries out"))
            elif isinstance(key, Text) and key.value in entries:
                first = entries[key.value][0].place.line
                message = f"duplicate key `{key.value}`, first used in line {first}; keep one of them"
                self._faults.append(key.place.fault(message))
            elif isinstance(key, Text):
                entries[key.value] = (key, value)
        if empty:
            return self._refuse(start, "empty mapping; add entries, or remove the key")
        if not entries:
            return Broken(self._place(start))
        return Entries(self._place(start), tuple(entries.values()))
