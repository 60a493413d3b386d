"""Reads one element's children by name, and notes what cannot be read under the policy language's name for it."""

from __future__ import annotations

import re
from collections import defaultdict
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


class Unread(ValueError):
    """A text is not what its element should hold. Its message completes "it …"."""


def read_id(text: str) -> int:
    """A decimal number within xs:long, blanks around it allowed."""
    written = text.strip(_BLANKS)
    if not _DIGITS.fullmatch(written) or not -_LONG <= int(written) < _LONG:
        raise Unread(f"is not a whole number: {_shown(text)}")
    return int(written)


def read_positive_id(text: str) -> int:
    """An id that a call may name: above 0. Only audit elements hold ids below."""
    number = read_id(text)
    if number <= 0:
        raise Unread(f"is not an id above 0: {_shown(text)}")
    return number


def read_decimal(text: str) -> Decimal:
    """A number with or without decimals."""
    written = text.strip(_BLANKS)
    if not _DECIMAL.fullmatch(written):
        raise Unread(f"is not a number: {_shown(text)}")
    return Decimal(written)


def read_boolean(text: str) -> bool:
    """xs:boolean: true, false, 1, 0."""
    try:
        return _BOOLEANS[text.strip(_BLANKS)]
    except KeyError:
        raise Unread(f"is neither true nor false: {_shown(text)}") from None


def read_day(text: str) -> date:
    """xs:date; an offset, which would not move the day that is meant, is passed over."""
    written = _DAY.fullmatch(text.strip(_BLANKS))
    try:
        return date.fromisoformat(written[1] if written else "")
    except ValueError:
        raise Unread(f"is not a date: {_shown(text)}") from None


def read_moment(text: str) -> datetime:
    """xs:dateTime with an offset, milliseconds optional (docs/protocol.md#dates)."""
    written = _MOMENT.fullmatch(text.strip(_BLANKS))
    if written is None:
        raise Unread(f"is not a date and time: {_shown(text)}")
    if written["offset"] is None:
        raise Unread(f"has no offset: {_shown(text)}")
    try:
        moment = datetime.fromisoformat(f"{written['upto']}.{(written['fraction'] or '0')[:6]:0<6}{written['offset']}")
        # At either end of the calendar a moment exists that no computation can move to UTC.
        moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise Unread(f"is not a date and time: {_shown(text)}") from None
    return moment


def read_access_level(text: str) -> str:
    """shareLevelType: `Read` or `Read Write`."""
    written = text.strip(_BLANKS)
    if written not in ("Read", "Read Write"):
        raise Unread(f"is neither Read nor Read Write: {_shown(text)}")
    return written


def as_written(text: str) -> str:
    """Text as the customer typed it, blanks included: cleaning is the policy's business."""
    return text


def own_text(element: Element) -> str:
    """The text of an element that holds nothing but text, "" where it is empty."""
    if len(element):
        raise Unread("holds elements where text was expected")
    return shown(element.text or "")


class Reading:
    """One element, or none, or one that cannot be trusted, read field by field.

    What is absent reads as None. What cannot be read, and what stands twice with different contents, reads as None too
    and is noted in `faults` under the name given as `field`.
    """

    __slots__ = ("_children", "_doubt", "_element", "faults")

    def __init__(self, element: Element | None, faults: dict[str, str], *, doubt: str | None = None) -> None:
        self._element = element
        self._doubt = doubt
        self.faults = faults
        self._children = defaultdict[str, list[Element]](list)
        for child in () if element is None else element:
            self._children[local_name(child)].append(child)

    def group(self, name: str) -> Reading:
        """The child of that name, to be read in turn."""
        try:
            return Reading(self._only(name), self.faults, doubt=self._doubt)
        except Unread as error:
            return Reading(None, self.faults, doubt=f"{name} {error}")

    def value(self, name: str, field: str, read: Callable[[str], T]) -> T | None:
        """The child of that name, as `read` understands its text."""

        def found() -> T | None:
            child = self._only(name)
            return None if child is None else read(own_text(child))

        return self._noting(name, field, found)

    def attribute(self, name: str, field: str, read: Callable[[str], T]) -> T | None:
        """The element's own attribute of that name, as `read` understands it."""

        def found() -> T | None:
            text = None if self._element is None else attribute(self._element, name)
            return None if text is None else read(text)

        return self._noting(name, field, found)

    def present(self) -> bool:
        """Whether there is an element to read, trusted or not."""
        return self._element is not None or self._doubt is not None

    def note(self, field: str, why: str) -> None:
        """Notes a fault, unless the field has one already."""
        self.faults.setdefault(field, why)

    def _noting(self, name: str, field: str, found: Callable[[], T | None]) -> T | None:
        if self._doubt is not None:
            self.note(field, self._doubt)
            return None
        try:
            return found()
        except Unread as error:
            self.note(field, f"{name} {error}")
            return None

    def _only(self, name: str) -> Element | None:
        """The one child of that name; several are one if they say the same."""
        found = self._children.get(name, ())
        if len(found) > 1 and len({own_bytes(child) for child in found}) > 1:
            raise Unread("stands more than once, with different contents")
        return found[0] if found else None


def _shown(text: str) -> str:
    """What was found, short enough for a message."""
    return repr(text if len(text) <= 40 else text[:40] + "…")  # noqa: PLR2004 - a width, of no further meaning
