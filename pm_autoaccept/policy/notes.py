"""Note templates for customers: parse placeholders and filters, fill in values, and limit the length."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import accumulate
from types import MappingProxyType

from pm_autoaccept.errors import Fault
from pm_autoaccept.model import Facts, Kind, NotLearnt, PendingRequest
from pm_autoaccept.policy.fields import CUSTOM, FIELDS, Field, field_named
from pm_autoaccept.policy.messages import listed, perhaps
from pm_autoaccept.policy.parser.source_text import Broken, Node, Text
from pm_autoaccept.policy.private import with_privacy
from pm_autoaccept.policy.values import text_of

MAX_NOTE_CHARACTERS = 1_000
"""The maximum length of a note in EPA's schema."""

_SEGMENT = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]|[^{}]+")
_WORD = re.compile(r"[^\W_]+(?:['\u2019][sS]\b)?")
_INVALID_IN_XML = re.compile(r"[^\t\n\x20-\x7e\u00a0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def last4(text: str) -> str:
    """The last four letters or digits; the last two if there are fewer than eight."""
    kept = "".join(filter(str.isalnum, text))
    return kept[-4:] if len(kept) >= 8 else kept[-2:]  # noqa: PLR2004 - the language's own number


def mask(text: str) -> str:
    """The text with an asterisk for each letter or digit that `last4` would not show."""
    hidden = sum(map(str.isalnum, text)) - len(last4(text))
    counted = accumulate(map(str.isalnum, text))
    return "".join(
        "*" if each.isalnum() and count <= hidden else each for each, count in zip(text, counted, strict=True)
    )


def title(text: str) -> str:
    """The text in title case; an `'s` stays lower case."""
    return _WORD.sub(lambda word: word.group().capitalize(), text)


FILTERS: Mapping[str, Callable[[str], str]] = MappingProxyType(
    {"last4": last4, "mask": mask, "upper": str.upper, "title": title}
)
"""The filters after `|`, except `or TEXT`, and what each does to a value."""


@dataclass(frozen=True, slots=True)
class Placeholder:
    """A placeholder in a note: the field, its filters in order, and the text to use if there is no value."""

    field: Field
    filters: tuple[str, ...] = ()
    otherwise: str = ""

    def text(self, request: PendingRequest, facts: Facts) -> str:
        """The text to insert: one line, without characters that XML does not allow."""
        value = self.field.value(request, facts)
        if value is None or isinstance(value, NotLearnt):
            return self.otherwise
        text = " ".join(_INVALID_IN_XML.sub("", text_of(value)).split())
        for name in self.filters:
            text = FILTERS[name](text)
        return text or self.otherwise


@dataclass(frozen=True, slots=True)
class Note:
    """A note template: fixed text and placeholders in order. `digest` identifies the text as written."""

    parts: tuple[str | Placeholder, ...]
    digest: str = ""

    def render(self, request: PendingRequest, facts: Facts) -> str | None:
        """The note for this request, at most 1,000 characters; None if it would be blank.

        Values are truncated to fit, the longest first; fixed text is never truncated.
        """
        texts = [part if isinstance(part, str) else part.text(request, facts) for part in self.parts]
        lengths = [len(text) for text, part in zip(texts, self.parts, strict=True) if isinstance(part, Placeholder)]
        room = MAX_NOTE_CHARACTERS - self.fixed
        longest = next(most for most in range(room, -1, -1) if sum(min(length, most) for length in lengths) <= room)
        cut = (text if isinstance(part, str) else text[:longest] for text, part in zip(texts, self.parts, strict=True))
        return "".join(cut).strip() or None

    @property
    def fixed(self) -> int:
        """The number of characters of fixed text."""
        return sum(len(part) for part in self.parts if isinstance(part, str))

    @property
    def fields(self) -> tuple[Field, ...]:
        """The fields whose values it shows."""
        return tuple(part.field for part in self.parts if isinstance(part, Placeholder))


def check_note(text: str) -> str:
    """Check a note that a person wrote; returns it without blanks at its ends.

    Raises:
        ValueError: it is blank or too long, or contains a character that XML does not allow.
    """
    note = text.strip()
    if not note:
        raise ValueError("the note is blank; write 1 to 1,000 characters, or leave it out")
    if len(note) > MAX_NOTE_CHARACTERS:
        raise ValueError(f"the note has {len(note):,} characters; at most {MAX_NOTE_CHARACTERS:,} fit")
    if (found := _INVALID_IN_XML.search(note)) is not None:
        raise ValueError(f"the note contains the character {found.group()!r}, which cannot be sent; remove it")
    return note


def read_note(
    node: Node,
    *,
    kinds: frozenset[Kind],
    ensured: frozenset[str] | None,
    faults: list[Fault],
    private: frozenset[str] = frozenset(),
) -> Note | None:
    """Parse `note`.

    Args:
        node: the text.
        kinds: the kinds of request to which the note is sent.
        ensured: names of the fields that always have a value if the rule matches; None if unknown.
        faults: errors are added here.
        private: the custom fields that are never shown.
    """
    if not isinstance(node, Text):
        if not isinstance(node, Broken):
            message = "`note` must be one text; if it begins with { or [, put it in single quotes"
            faults.append(node.place.fault(message))
        return None
    parts: list[str | Placeholder] = []
    for found in _SEGMENT.finditer(node.value):
        written = found.group()
        if found.group(1) is not None:
            placeholder = _placeholder(found.group(1), node, kinds, ensured, faults)
            if placeholder is not None and with_privacy(placeholder.field, private).private:
                named = placeholder.field.name
                faults.append(node.place.fault(f"the note shows `{named}`, which is private; remove it from the note"))
            parts.extend([placeholder] if placeholder else [])
        elif written in {"{", "}"}:
            message = f"unmatched `{written}` in the note; write `{written * 2}` for a literal brace"
            faults.append(node.place.fault(message))
        else:
            parts.append(_INVALID_IN_XML.sub("", written[0] if written in {"{{", "}}"} else written))
    note = Note(tuple(parts), hashlib.sha256(node.value.encode()).hexdigest())
    if note.fixed > MAX_NOTE_CHARACTERS:
        message = f"the fixed text of the note has {note.fixed:,} characters; at most {MAX_NOTE_CHARACTERS:,} fit"
        faults.append(node.place.fault(message))
        return None
    return note


def _placeholder(
    written: str, node: Text, kinds: frozenset[Kind], ensured: frozenset[str] | None, faults: list[Fault]
) -> Placeholder | None:
    name, *filters = (part.strip() for part in written.split("|"))
    field = field_named(name)
    if field is None:
        meant = perhaps(name, (*FIELDS, *CUSTOM))
        faults.append(node.place.fault(f"unknown field `{name}` in the note{meant}"))
        return None
    if not kinds & field.kinds:
        faults.append(node.place.fault(f"the note shows `{name}`, which a {min(kinds)} request never has"))
        return None
    placeholder = Placeholder(field)
    for each in filters:
        if each in FILTERS:
            placeholder = replace(placeholder, filters=(*placeholder.filters, each))
        elif each.startswith("or ") and each[3:].strip():
            placeholder = replace(placeholder, otherwise=each[3:].strip())
        else:
            meant = perhaps(each, FILTERS)
            known = listed((*FILTERS, "or TEXT"))
            faults.append(node.place.fault(f"unknown filter `{each}`{meant}; allowed filters: {known}"))
    always_there = ensured is None or field.name in ensured or (field.required and kinds <= field.kinds)
    if not placeholder.otherwise and not always_there:
        message = f"`{name}` can be absent; add a fallback text, for example {{{name}|or your …}}"
        faults.append(node.place.fault(message))
    return placeholder
