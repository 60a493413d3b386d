"""Bends a document without breaking it: bytes changed blindly are hardly ever well-formed, and show only that."""

from __future__ import annotations

import random
from collections.abc import Callable
from copy import deepcopy

from lxml import etree

TEXTS = ("", " ", "0", "-1", "9223372036854775808", "1e9", "true", "Read", "2026-02-30", "2026-03-04T25:00:00Z",
         "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59.9999999-14:00", "Square Meters", "next page", "\u00a0",
         "\u0661", "/customer/7?x", "/building/0", "Ok", "\ud7ff", "x" * 300)  # fmt: skip
NAMES = ("account", "property", "meter", "accountId", "propertyId", "meterId", "id", "username", "accessLevel", "value",
         "customFieldList", "customField", "accountInfo", "propertyInfo", "meterInfo", "wasteMeterInfo", "shareAudit",
         "connectionAudit", "createdDate", "createdByAccountId", "grossFloorArea", "address", "links", "link", "errors",
         "error", "notification", "notificationId", "pendingList", "response", "hierarchy", "customer")  # fmt: skip
ATTRIBUTES = ("id", "name", "status", "units", "required", "link", "linkDescription", "errorNumber", "city", "x")


def bent(data: bytes, dice: random.Random) -> bytes | None:
    """The document with one to four things changed in its tree; None where there is no tree."""
    try:
        root = etree.fromstring(data, etree.XMLParser(resolve_entities=False, no_network=True))
    except (etree.XMLSyntaxError, ValueError):
        return None
    for _ in range(dice.randint(1, 4)):
        dice.choice(WAYS)(root, dice)
    return etree.tostring(root)


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
