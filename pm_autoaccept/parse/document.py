"""Bytes to an element tree, or a refusal: the one place where XML from outside is opened."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TypeAlias

from lxml import etree

from pm_autoaccept.errors import DocumentRefused
from pm_autoaccept.parse.forbidden_characters import MARK, marked, shown

Element: TypeAlias = etree._Element  # noqa: SLF001 - the name that lxml's stubs give to what every parser returns

MAX_BYTES = 10 * 1024 * 1024
"""The largest document that is read. A full page of 20 meters has about 40 KB."""
MAX_MARKS = 400_000
"""The most `<` and `=` in a document that is read: each may become an element or an attribute, in memory a hundred
times its size. A page of 20 meters has about 1,900, a list of 60,000 links 300,000."""
MAX_DEPTH = 200
"""The deepest element that is read, the root being 1. Portfolio Manager's own documents stay below 10."""

_SHOWN = 200
"""The longest place or message of libxml2's that is passed on."""

_HTML = re.compile(rb"\s*(?:\xef\xbb\xbf)?\s*<(?:!doctype\s+html|html)\b", re.IGNORECASE)


def open_document(body: bytes, root: str) -> Element:
    """The root element of a document about one thing, which must be called `root`.

    Raises:
        DocumentRefused: it is empty, too large, of too many parts, too deep, HTML, not well-formed, has a DOCTYPE (and
            with it perhaps entities), or has another root. The message says which.
    """
    _refuse_the_untrusted(body)
    return _of_this_name(parsed(body), root)


def open_list(body: bytes, root: str) -> Element:
    """The root element of a list, as `open_document`, but that the marker stands for each forbidden character.

    So what one customer typed stops nothing but what it stands in. Whoever reads the list must look for the marker.

    Raises:
        DocumentRefused: as `open_document`; also for a forbidden character in a tag or in an entity's name.
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
    """Raises for what no parser should see."""
    if len(body) > MAX_BYTES:
        raise DocumentRefused(f"a document of {len(body)} bytes; at most {MAX_BYTES} are read")
    if body.count(b"<") + body.count(b"=") > MAX_MARKS:
        raise DocumentRefused(f"a document of too many elements and attributes; at most {MAX_MARKS} are read")
    if not body.strip():
        raise DocumentRefused("an empty document, where XML was expected")
    if _HTML.match(body):
        raise DocumentRefused("an HTML page, where XML was expected")


def _of_this_name(element: Element, root: str) -> Element:
    """The root element, if it is called so, without a DOCTYPE and not too deep."""
    # lxml leaves entities of a DOCTYPE out without a word, so none is let in at all.
    if element.getroottree().docinfo.internalDTD is not None:
        raise DocumentRefused("a document with a DOCTYPE, which Portfolio Manager never sends")
    if _too_deep(element):
        raise DocumentRefused(f"a document nested more than {MAX_DEPTH} deep")
    if local_name(element) != root:
        raise DocumentRefused(f"a <{local_name(element)[:60]}> document, where <{root}> was expected")
    return element


def local_name(element: Element) -> str:
    """The element's name without its namespace: Portfolio Manager uses none, a proxy might add one."""
    # lxml writes {namespace}name. QName does as much, five times as slowly.
    return element.tag.rpartition("}")[2]


def children(element: Element, name: str) -> Iterator[Element]:
    """The element's own children of that name, in document order."""
    return (child for child in element if local_name(child) == name)


def attribute(element: Element, name: str) -> str | None:
    """The attribute's text as it was written, None where absent. One with a prefix is another attribute."""
    value = element.get(name)
    return None if value is None else shown(value)


def where_marked(element: Element) -> str:
    """The first place in the element where the marker stands, for people: `account/accountInfo/organization`."""
    own = local_name(element)
    return next((place for place, text in _texts(element, own) if MARK in text), own)[:_SHOWN]


def _texts(element: Element, place: str) -> Iterator[tuple[str, str]]:
    """Every text in the element, in document order, each with its place."""
    for name, value in element.items():
        yield f"{place}/@{str(name).rpartition('}')[2]}", str(value)
    yield place, element.text or ""
    for child in element:
        yield from _texts(child, f"{place}/{local_name(child)}"[:_SHOWN])
        yield place, child.tail or ""


def own_bytes(element: Element) -> bytes:
    """The element alone, as bytes to be kept and looked at."""
    return etree.tostring(element, encoding="utf-8", with_tail=False)


def parsed(source: bytes, *, encoding: str | None = None) -> Element:
    """The root element of these bytes, in this encoding whatever they declare; also what `own_bytes` has written.

    Raises:
        DocumentRefused: they are not well-formed.
    """
    try:
        return etree.fromstring(source, _parser(encoding))
    except (etree.XMLSyntaxError, ValueError) as error:
        raise DocumentRefused(f"not well-formed XML: {_one_line(error)}") from error


def _parser(encoding: str | None) -> etree.XMLParser:
    """A parser for one document: no entities, no network, no DTD, nothing huge; text in one piece."""
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
    """Whether an element lies deeper than MAX_DEPTH. libxml2 has its own limit, which differs between versions."""
    depth = 0
    for event, _ in etree.iterwalk(root, events=("start", "end")):
        depth += 1 if event == "start" else -1
        if depth > MAX_DEPTH:
            return True
    return False


def _one_line(error: Exception) -> str:
    """libxml2's message, without line breaks and not endless."""
    return " ".join(str(error).split())[:_SHOWN]
