"""The two documents that we send (docs/protocol.md#answer-documents): strict in order, case and length."""

from __future__ import annotations

from lxml import etree

from pm_autoaccept.model import Action
from pm_autoaccept.portfolio_manager.services import Body

MOST_CHARACTERS = 1000
"""The longest note that EPA's schema allows; the shortest has one character."""


def sharing_response(action: Action, note: str | None) -> bytes:
    """The body of an accept or reject. No note, no element.

    Raises:
        ValueError: the note is empty, too long, or holds a character that XML cannot carry.
    """
    root = etree.Element(Body.SHARING_RESPONSE)
    etree.SubElement(root, "action").text = action.value
    return _with_note(root, note)


def terminate_sharing_response(note: str | None) -> bytes:
    """The body of a disconnect or unshare. No note, no element.

    Raises:
        ValueError: the note is empty, too long, or holds a character that XML cannot carry.
    """
    return _with_note(etree.Element(Body.TERMINATE_SHARING_RESPONSE), note)


def _with_note(root: etree._Element, note: str | None) -> bytes:
    if note is not None:
        if not 1 <= len(note) <= MOST_CHARACTERS:
            raise ValueError(f"a note has 1 to {MOST_CHARACTERS} characters, not {len(note)}; send None for no note")
        # A bare carriage return would arrive as a line feed; lxml writes it as a character reference.
        etree.SubElement(root, "note").text = note
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8")
