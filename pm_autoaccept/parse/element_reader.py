"""Reads the children of an XML element by name, and records unreadable values under their policy field names."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TypeVar

from pm_autoaccept.parse.document import Element, attribute, local_name, own_bytes
from pm_autoaccept.parse.forbidden_characters import shown

T = TypeVar("T")

_BLANKS = " \t\r\n"
_LONG = 2**63
_DIGITS = re.compile(r"[+-]?[0-9]{1,30}")
_DECIMAL = re.compile(r"[+-]?[0-9]{1,20}(?:\.[0-9]{1,20})?")
_DAY = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})(?:Z|[+-][0-9]{2}:[0-9]{2})?")
_MOMENT = re.compile(
    r"(?P<upto>[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.(?P<fraction>[0-9]+))?"
    r"(?P<offset>Z|[+-][0-9]{2}:[0-9]{2})?"
)
_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}


class UnreadableText(ValueError):
    """A text is not what its element should contain. The message completes "it …"."""


def read_id(text: str) -> int:
    """A whole number within xs:long; blanks around it are allowed."""
    written = text.strip(_BLANKS)
    if _DIGITS.fullmatch(written) and -_LONG <= (number := int(written)) < _LONG:
        return number
    raise UnreadableText(f"is not a whole number: {_shown(text)}")


def read_positive_id(text: str) -> int:
    """An id above 0, as used in calls. Only audit elements contain other ids."""
    number = read_id(text)
    if number <= 0:
        raise UnreadableText(f"is not an id above 0: {_shown(text)}")
    return number


def read_decimal(text: str) -> Decimal:
    """A number with or without decimals."""
    written = text.strip(_BLANKS)
    if not _DECIMAL.fullmatch(written):
        raise UnreadableText(f"is not a number: {_shown(text)}")
    return Decimal(written)


def read_boolean(text: str) -> bool:
    """xs:boolean: true, false, 1, 0."""
    try:
        return _BOOLEANS[text.strip(_BLANKS)]
    except KeyError:
        raise UnreadableText(f"is neither true nor false: {_shown(text)}") from None


def read_day(text: str) -> date:
    """xs:date; a time zone offset is ignored, because it does not change the day."""
    written = _DAY.fullmatch(text.strip(_BLANKS))
    try:
        return date.fromisoformat(written[1] if written else "")
    except ValueError:
        raise UnreadableText(f"is not a date: {_shown(text)}") from None


def read_moment(text: str) -> datetime:
    """xs:dateTime with an offset, milliseconds optional (docs/protocol.md#dates)."""
    written = _MOMENT.fullmatch(text.strip(_BLANKS))
    if written is None:
        raise UnreadableText(f"is not a date and time: {_shown(text)}")
    if written["offset"] is None:
        raise UnreadableText(f"has no time zone offset: {_shown(text)}")
    try:
        moment = datetime.fromisoformat(f"{written['upto']}.{(written['fraction'] or '0')[:6]:0<6}{written['offset']}")
        # Times at either end of the calendar cannot be converted to UTC.
        moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise UnreadableText(f"is not a date and time: {_shown(text)}") from None
    return moment


def read_access_level(text: str) -> str:
    """shareLevelType: `Read` or `Read Write`."""
    written = text.strip(_BLANKS)
    if written not in ("Read", "Read Write"):
        raise UnreadableText(f"is neither Read nor Read Write: {_shown(text)}")
    return written


def as_written(text: str) -> str:
    """Text as the customer typed it, including blanks, because the policy does the cleaning."""
    return text


def own_text(element: Element) -> str:
    """The text of an element that contains only text, "" if it is empty."""
    if len(element):
        raise UnreadableText("contains elements where text was expected")
    return shown(element.text or "")


class ElementReader:
    """Reads one element, which may be absent or untrustworthy, field by field.

    An absent value reads as None. A value that is unreadable, or that appears twice with different contents, also reads
    as None and is recorded in `faults` under the name given as `field`.
    """

    __slots__ = ("_children", "_doubt", "_element", "_repeated", "faults")

    def __init__(self, element: Element | None, faults: dict[str, str], *, doubt: str | None = None) -> None:
        self._element = element
        self._doubt = doubt
        self.faults = faults
        # Name → the first child with this name, and name → the others, which hardly any element has.
        self._children: dict[str, Element] = {}
        self._repeated: dict[str, list[Element]] = {}
        for child in () if element is None else element:
            name = local_name(child)
            if self._children.setdefault(name, child) is not child:
                self._repeated.setdefault(name, []).append(child)

    def group(self, name: str) -> ElementReader:
        """A reader for the child with this name."""
        try:
            return ElementReader(self._only(name), self.faults, doubt=self._doubt)
        except UnreadableText as error:
            return ElementReader(None, self.faults, doubt=f"{name} {error}")

    def value(self, name: str, field: str, read: Callable[[str], T]) -> T | None:
        """The text of the child with this name, converted by `read`."""
        if self._doubt is not None:
            self.note(field, self._doubt)
            return None
        try:
            child = self._only(name)
            return None if child is None else read(own_text(child))
        except UnreadableText as error:
            self.note(field, f"{name} {error}")
            return None

    def attribute(self, name: str, field: str, read: Callable[[str], T]) -> T | None:
        """The element's own attribute with this name, converted by `read`."""
        if self._doubt is not None:
            self.note(field, self._doubt)
            return None
        try:
            text = None if self._element is None else attribute(self._element, name)
            return None if text is None else read(text)
        except UnreadableText as error:
            self.note(field, f"{name} {error}")
            return None

    def all(self, name: str) -> list[Element]:
        """Every child with this name, in document order."""
        first = self._children.get(name)
        return [] if first is None else [first, *self._repeated.get(name, ())]

    def present(self) -> bool:
        """Whether there is an element to read, trusted or not."""
        return self._element is not None or self._doubt is not None

    def note(self, field: str, why: str) -> None:
        """Record a fault, unless the field already has one."""
        self.faults.setdefault(field, why)

    def _only(self, name: str) -> Element | None:
        """The one child with this name; identical repetitions count as one."""
        first = self._children.get(name)
        if first is not None and name in self._repeated:
            content = own_bytes(first)
            if any(own_bytes(other) != content for other in self._repeated[name]):
                raise UnreadableText("appears more than once with different contents")
        return first


def _shown(text: str) -> str:
    """The found text, shortened for a message."""
    return repr(text if len(text) <= 40 else text[:40] + "…")  # noqa: PLR2004 - a width, of no further meaning
