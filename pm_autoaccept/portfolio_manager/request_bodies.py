"""XML request bodies of accept, reject, disconnect and unshare, with the note (docs/protocol.md#answer-documents)."""

from __future__ import annotations

from functools import lru_cache

from lxml import etree

from pm_autoaccept.model import Action
from pm_autoaccept.portfolio_manager.services import Body

MAX_NOTE_CHARACTERS = 1000
"""The longest note that EPA's schema allows. The shortest has one character."""


@lru_cache(maxsize=64)
def sharing_response(action: Action, note: str | None) -> bytes:
    """The XML body of an accept or reject. Without a note there is no `note` element.

    Most answers of a cycle have one of a few notes, so their bodies are kept.

    Raises:
        ValueError: the note is empty, is too long, or contains a character that XML does not allow.
    """
    root = etree.Element(Body.SHARING_RESPONSE)
    etree.SubElement(root, "action").text = action.value
    return _with_note(root, note)


def terminate_sharing_response(note: str | None) -> bytes:
    """The XML body of a disconnect or unshare. Without a note there is no `note` element.

    Raises:
        ValueError: the note is empty, is too long, or contains a character that XML does not allow.
    """
    return _with_note(etree.Element(Body.TERMINATE_SHARING_RESPONSE), note)


def _with_note(root: etree._Element, note: str | None) -> bytes:
    if note is not None:
        if not 1 <= len(note) <= MAX_NOTE_CHARACTERS:
            raise ValueError(
                f"the note has {len(note)} characters; use 1 to {MAX_NOTE_CHARACTERS}, or None for no note"
            )
        # A bare carriage return would arrive as a line feed, so lxml writes it as a character reference.
        etree.SubElement(root, "note").text = note
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8")
