"""Bends a document without breaking it: bytes changed blindly are hardly ever well-formed, and show only that."""

from __future__ import annotations

import random
from collections.abc import Callable
from copy import deepcopy

from lxml import etree

from pm_autoaccept.parse.forbidden_characters import MARK, marked

TEXTS = ("", " ", "0", "-1", "9223372036854775808", "1e9", "true", "Read", "2026-02-30", "2026-03-04T25:00:00Z",
         "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59.9999999-14:00", "Square Meters", "next page", "\u00a0",
         "\u0661", "/customer/7?x", "/building/0", "Ok", "\ud7ff", "x" * 300)  # fmt: skip
NAMES = ("account", "property", "meter", "accountId", "propertyId", "meterId", "id", "username", "accessLevel", "value",
         "customFieldList", "customField", "accountInfo", "propertyInfo", "meterInfo", "wasteMeterInfo", "shareAudit",
         "connectionAudit", "createdDate", "createdByAccountId", "grossFloorArea", "address", "links", "link", "errors",
         "error", "notification", "notificationId", "pendingList", "response", "hierarchy", "customer")  # fmt: skip
FORBIDDEN = (b"\x0b", b"\x00", b"\x1f", b"\xef\xbf\xbe", b"\xef\xbf\xbf", b"\xed\xa0\x80", b"&#11;", b"&#x0B;", b"&#0;",
             b"&#xD800;", b"&#x110000;", MARK.encode(), b"<!--\x0b-->", b"<?x \x0b?>",
             b"<![CDATA[\x0b&#11;]]>")  # fmt: skip
"""What no text may hold, in the forms that a document may have it in."""
ATTRIBUTES = ("id", "name", "status", "units", "required", "link", "linkDescription", "errorNumber", "city", "x")


def bent(data: bytes, dice: random.Random) -> bytes | None:
    """The document with one to four things changed in its tree; None where there is no tree."""
    try:
        root = _tree(data)
    except (etree.XMLSyntaxError, ValueError):
        return None
    for _ in range(dice.randint(1, 4)):
        dice.choice(WAYS)(root, dice)
    changed = etree.tostring(root, encoding="utf-8")
    return _spoilt(changed, dice) if dice.random() < 0.3 else changed


def _tree(data: bytes) -> etree._Element:
    parser = etree.XMLParser(resolve_entities=False, no_network=True, encoding="utf-8")
    try:
        return etree.fromstring(data, etree.XMLParser(resolve_entities=False, no_network=True))
    except (etree.XMLSyntaxError, ValueError):
        # What was spoilt before is bent on, with the marker in it.
        return etree.fromstring(marked(data) or data, parser)


def _spoilt(data: bytes, dice: random.Random) -> bytes:
    """The document with a forbidden character behind one of its tags, or anywhere."""
    ends = [place for place, byte in enumerate(data, 1) if byte == ord(">")]
    place = dice.choice(ends) if dice.random() < 0.8 else dice.randint(0, len(data))
    return data[:place] + dice.choice(FORBIDDEN) + data[place:]


def _any(root: etree._Element, dice: random.Random) -> etree._Element:
    return dice.choice(list(root.iter(etree.Element)))


def _copy(root: etree._Element, dice: random.Random) -> None:
    _any(root, dice).insert(0, deepcopy(_any(root, dice)))


def _leave_out(root: etree._Element, dice: random.Random) -> None:
    out = _any(root, dice)
    if (parent := out.getparent()) is not None:
        parent.remove(out)


def _say(root: etree._Element, dice: random.Random) -> None:
    _any(root, dice).text = dice.choice(TEXTS)


def _name(root: etree._Element, dice: random.Random) -> None:
    _any(root, dice).tag = dice.choice(NAMES)


def _add(root: etree._Element, dice: random.Random) -> None:
    etree.SubElement(_any(root, dice), dice.choice(NAMES)).text = dice.choice(TEXTS)


def _attribute(root: etree._Element, dice: random.Random) -> None:
    _any(root, dice).set(dice.choice(ATTRIBUTES), dice.choice(TEXTS))


def _deeper(root: etree._Element, dice: random.Random) -> None:
    node = _any(root, dice)
    for _ in range(dice.choice((1, 30, 260))):
        node = etree.SubElement(node, "x")


WAYS: tuple[Callable[[etree._Element, random.Random], None], ...] = (
    _copy, _leave_out, _say, _say, _name, _add, _attribute, _deeper,
)  # fmt: skip
