"""The simulator's own check of the bodies it receives, as strict as EPA's schema (docs/protocol.md#answer-documents).

What does not fit is answered with 400/-100 and a text like a validator's.
"""

from __future__ import annotations

from collections.abc import Sequence

from lxml import etree

from pm_autoaccept.model import Action, CustomField
from pm_autoaccept.simulator.error_answers import invalid

LONGEST_NOTE = 1_000
LARGEST_BODY = 1_000_000
"""Bytes. Portfolio Manager's own limit is not known; nothing honest comes near."""

_SCHEMA_INSTANCE = "{http://www.w3.org/2001/XMLSchema-instance}"


def sharing_response(body: bytes) -> tuple[Action, str | None]:
    """The action and the note of a `sharingResponse`.

    Raises:
        Refusal: with -100, what came is anything else.
    """
    children = _children(_root(body, "sharingResponse"))
    if not children or children[0].tag != "action":
        raise invalid(_content_problem(children, "action", "sharingResponse"))
    said = _text(children[0])
    if said not in set(Action):
        raise invalid(
            f"cvc-enumeration-valid: Value '{said}' is not facet-valid with respect to enumeration '[Accept, Reject]'."
            " It must be a value from the enumeration."
        )
    return Action(said), _note(children[1:], "sharingResponse")


def terminate_sharing_response(body: bytes) -> str | None:
    """The note of a `terminateSharingResponse`.

    Raises:
        Refusal: with -100, what came is anything else.
    """
    return _note(_children(_root(body, "terminateSharingResponse")), "terminateSharingResponse")


def custom_field_list(body: bytes) -> tuple[CustomField, ...]:
    """The values of a `customFieldList`; none is also valid (docs/protocol.md#customer-services).

    Raises:
        Refusal: with -100, what came is anything else.
    """
    found = []
    for child in _children(_root(body, "customFieldList")):
        if child.tag != "customField":
            raise invalid(_content_problem([child], "customField", "customFieldList"))
        found.append(CustomField(child.get("name", ""), _text(child, allowed=("name",))))
    return tuple(found)


def _root(body: bytes, expected: str) -> etree._Element:
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        root = etree.fromstring(body, parser)
    except etree.XMLSyntaxError as error:
        raise invalid(f"The XML is not well-formed: {error.msg}") from error
    if root.getroottree().docinfo.internalDTD is not None:
        raise invalid("A document type declaration is not allowed.")
    if root.tag != expected:
        raise invalid(f"cvc-elt.1: Cannot find the declaration of element '{root.tag}'.")
    _refuse_attributes(root, ())
    return root


def _children(element: etree._Element) -> list[etree._Element]:
    strays = [element.text, *(child.tail for child in element)]
    if any(text and text.strip() for text in strays):
        raise invalid(
            f"cvc-complex-type.2.3: Element '{element.tag}' cannot have character [children], because the type's"
            " content type is element-only."
        )
    return list(element.iterchildren("*"))  # not comments or processing instructions


def _note(children: Sequence[etree._Element], parent: str) -> str | None:
    if not children:
        return None
    if children[0].tag != "note" or len(children) > 1:
        raise invalid(_content_problem(children[1:] if children[0].tag == "note" else children, "note", parent))
    note = _text(children[0])
    if not note:
        raise invalid(
            "cvc-minLength-valid: Value '' with length = '0' is not facet-valid with respect to minLength '1'."
        )
    if len(note) > LONGEST_NOTE:
        raise invalid(
            f"cvc-maxLength-valid: Value with length = '{len(note)}' is not facet-valid with respect to maxLength"
            f" '{LONGEST_NOTE}'."
        )
    return note


def _text(element: etree._Element, *, allowed: tuple[str, ...] = ()) -> str:
    _refuse_attributes(element, allowed)
    if next(element.iterchildren("*"), None) is not None:
        raise invalid(f"cvc-type.3.1.2: Element '{element.tag}' is a simple type, so it must have no element children.")
    return "".join([element.text or "", *(child.tail or "" for child in element)])


def _refuse_attributes(element: etree._Element, allowed: tuple[str, ...]) -> None:
    for name in map(str, element.attrib):
        if name not in allowed and not name.startswith(_SCHEMA_INSTANCE):
            raise invalid(f"cvc-complex-type.3.2.2: Attribute '{name}' is not allowed to appear in '{element.tag}'.")


def _content_problem(children: Sequence[etree._Element], expected: str, parent: str) -> str:
    if not children:
        return (
            f"cvc-complex-type.2.4.b: The content of element '{parent}' is not complete. One of '{{{expected}}}' is"
            " expected."
        )
    return (
        f"cvc-complex-type.2.4.a: Invalid content was found starting with element '{children[0].tag}'. One of"
        f" '{{{expected}}}' is expected."
    )
