"""Opens XML safely: size, depth and DOCTYPE limits, no entities and no network. All XML from outside passes here."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TypeAlias

from lxml import etree

from pm_autoaccept.errors import DocumentRefused
from pm_autoaccept.parse.forbidden_characters import MARK, marked, shown

Element: TypeAlias = etree._Element  # noqa: SLF001 - the name that lxml's stubs give to what every parser returns

MAX_BYTES = 10 * 1024 * 1024
"""The maximum size of a document. A full page of 20 meters has about 40 KB."""
MAX_MARKS = 400_000
"""The maximum number of `<` and `=` in a document: each may become an element or an attribute, which takes a hundred
times as much memory. A page of 20 meters has about 1,900, a list of 60,000 links 300,000."""
MAX_DEPTH = 200
"""The maximum nesting depth; the root counts as 1. Portfolio Manager's own documents stay below 10."""

_MAX_SHOWN_CHARACTERS = 200
"""The maximum length of a path, or of a libxml2 message, in our messages."""

_HTML = re.compile(rb"\s*(?:\xef\xbb\xbf)?\s*<(?:!doctype\s+html|html)\b", re.IGNORECASE)


def open_document(body: bytes, root: str) -> Element:
    """The root element of a document about one thing; its name must be `root`.

    Raises:
        DocumentRefused: the document is empty, too large, too deep, HTML or not well-formed, has too many elements, a
            DOCTYPE (and so perhaps entities) or another root. The message says which.
    """
    _refuse_the_untrusted(body)
    return _of_this_name(parsed(body), root)


def open_list(body: bytes, root: str) -> Element:
    """The root element of a list, like `open_document`, with a marker in place of each forbidden character.

    So one customer's input affects only its own element. The code that reads the list must check for the marker.

    Raises:
        DocumentRefused: like `open_document`, and for a forbidden character in a tag or an entity name.
    """
    _refuse_the_untrusted(body)
    try:
        element = parsed(body)
    except DocumentRefused as refusal:
        if (replaced := marked(body)) is None:
            raise
        try:
            element = parsed(replaced, encoding="utf-8")
        except DocumentRefused:
            raise refusal from None
    return _of_this_name(element, root)


def _refuse_the_untrusted(body: bytes) -> None:
    """Refuse a document that no parser should see."""
    if len(body) > MAX_BYTES:
        raise DocumentRefused(f"a document of {len(body)} bytes; at most {MAX_BYTES} are allowed")
    if body.count(b"<") + body.count(b"=") > MAX_MARKS:
        raise DocumentRefused(f"a document with too many elements and attributes; at most {MAX_MARKS} are allowed")
    if not body.strip():
        raise DocumentRefused("an empty document, where XML was expected")
    if _HTML.match(body):
        raise DocumentRefused("an HTML page, where XML was expected")


def _of_this_name(element: Element, root: str) -> Element:
    """The root element, if it has this name, no DOCTYPE, and is not too deep."""
    # lxml silently drops entities of a DOCTYPE, so a DOCTYPE is always refused.
    if element.getroottree().docinfo.internalDTD is not None:
        raise DocumentRefused("a document with a DOCTYPE, which Portfolio Manager never sends")
    if _too_deep(element):
        raise DocumentRefused(f"a document nested more than {MAX_DEPTH} levels deep")
    if local_name(element) != root:
        raise DocumentRefused(f"a <{local_name(element)[:60]}> document, where <{root}> was expected")
    return element


def local_name(element: Element) -> str:
    """The element's name without its namespace: Portfolio Manager uses none, but a proxy might add one."""
    # lxml writes {namespace}name. QName does the same, but five times slower.
    return element.tag.rpartition("}")[2]


def children(element: Element, name: str) -> Iterator[Element]:
    """The element's own children with this name, in document order."""
    return (child for child in element if local_name(child) == name)


def attribute(element: Element, name: str) -> str | None:
    """The attribute's text as written, None if absent. An attribute with a prefix is a different one."""
    value = element.get(name)
    return None if value is None else shown(value)


def where_marked(element: Element) -> str:
    """The path of the first marker in the element, for messages: `account/accountInfo/organization`."""
    own = local_name(element)
    return next((place for place, text in _texts(element, own) if MARK in text), own)[:_MAX_SHOWN_CHARACTERS]


def _texts(element: Element, place: str) -> Iterator[tuple[str, str]]:
    """Every text in the element with its path, in document order."""
    for name, value in element.items():
        yield f"{place}/@{str(name).rpartition('}')[2]}", str(value)
    yield place, element.text or ""
    for child in element:
        yield from _texts(child, f"{place}/{local_name(child)}"[:_MAX_SHOWN_CHARACTERS])
        yield place, child.tail or ""


def own_bytes(element: Element) -> bytes:
    """The element alone as bytes, to be stored and shown."""
    return etree.tostring(element, encoding="utf-8", with_tail=False)


def parsed(source: bytes, *, encoding: str | None = None) -> Element:
    """The root element of these bytes, including bytes from `own_bytes`. `encoding` overrides the declared one.

    Raises:
        DocumentRefused: they are not well-formed.
    """
    try:
        return etree.fromstring(source, _parser(encoding))
    except (etree.XMLSyntaxError, ValueError) as error:
        raise DocumentRefused(f"not well-formed XML: {_one_line(error)}") from error


def _parser(encoding: str | None) -> etree.XMLParser:
    """A parser for one document: no entities, no network, no DTD, no huge trees."""
    return etree.XMLParser(
        encoding=encoding,
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        attribute_defaults=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
        strip_cdata=True,
    )


def _too_deep(root: Element) -> bool:
    """Whether an element is nested deeper than MAX_DEPTH. libxml2's own limit differs between versions."""
    return bool(_BELOW_MAX_DEPTH(root))


_BELOW_MAX_DEPTH = etree.XPath("boolean(" + "/".join(["*"] * MAX_DEPTH) + ")")
"""Whether the root has descendants `MAX_DEPTH` levels below it. Walking the tree in Python takes 14 times as long."""


def _one_line(error: Exception) -> str:
    """libxml2's message on one line, shortened."""
    return " ".join(str(error).split())[:_MAX_SHOWN_CHARACTERS]
