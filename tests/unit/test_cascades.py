"""cascades: what else an answer does, from the pending requests and what is there already."""

from __future__ import annotations

import pytest

from pm_autoaccept.cascades import Consequence, PendingTie, PendingTree
from pm_autoaccept.model import Action, NotLearnt
from tests.examples import key

OAK, HOUSE, METER = key("connection", 42), key("property", 88), key("meter", 12)
CONNECTION = PendingTie(OAK, "c", 42, None)
SHARE = PendingTie(HOUSE, "p", 42, 88)
METER_SHARE = PendingTie(METER, "m", 42, 88)


def also(tie: PendingTie, action: Action, *pending: PendingTie, **there: object) -> list[str]:
    """What this answer also does, as it is recorded."""
    known = {OAK: there.get("connected", False), HOUSE: there.get("shared", False)}
    return [str(each) for each in PendingTree.of(pending).consequences(tie, action, there=known)]


@pytest.mark.parametrize(
    ("pending", "there", "expected"),
    [
        ((), {}, ["connection:42", "property:88"]),
        ((), {"connected": True}, ["property:88"]),
        ((), {"connected": True, "shared": True}, []),
        ((), {"connected": NotLearnt("500"), "shared": NotLearnt("500")}, ["connection:42", "property:88"]),
        ((CONNECTION, SHARE), {}, ["connection:42 c", "property:88 p"]),
        ((CONNECTION, SHARE), {"connected": True, "shared": True}, ["connection:42 c", "property:88 p"]),
        ((SHARE, SHARE._replace(digest="q")), {"connected": True}, ["property:88 p", "property:88 q"]),
    ],
    ids=["nothing there", "connected", "shared", "not learnt", "pending", "pending counts first", "twice"],
)
def test_what_an_accept_of_a_meter_also_accepts(pending, there, expected):
    """Its owner's connection and its property, unless they are there already; pending ones by their content."""
    assert also(METER_SHARE, Action.ACCEPT, METER_SHARE, *pending, **there) == expected


def test_an_accept_of_a_connection_accepts_nothing_else():
    """Neither do shares below it go along, nor does a meter without an owner connect anybody."""
    assert also(CONNECTION, Action.ACCEPT, CONNECTION, SHARE) == []
    assert also(METER_SHARE._replace(owner=None, property_id=None), Action.ACCEPT) == []


def test_a_reject_rejects_all_that_is_pending_below():
    """A connection's shares and meters, a property's meters, in order; a meter's reject nothing."""
    pending = (METER_SHARE, SHARE, CONNECTION, PendingTie(key("property", 7), "x", 43, 7))
    assert also(CONNECTION, Action.REJECT, *pending) == ["meter:12 m", "property:88 p"]
    assert also(SHARE, Action.REJECT, *pending) == ["meter:12 m"]
    assert also(METER_SHARE, Action.REJECT, *pending) == []


def test_a_consequence_without_a_digest_is_not_pending():
    """Its recorded form says so."""
    assert str(Consequence(OAK)) == "connection:42"
