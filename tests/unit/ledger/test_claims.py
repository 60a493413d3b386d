"""What customers said in requests that were accepted, as policies with `taken` ask."""

from __future__ import annotations

from datetime import timedelta

import pytest

from pm_autoaccept.ledger.retention import mask
from pm_autoaccept.model import CustomField, Kind, Outcome, RequestKey
from tests.examples import ALICE, BOB, NOW, connection, property_share
from tests.unit.ledger.acting import ACCEPT, REJECT, answer, read, see

NUMBER = (CustomField("Number", "7"),)


@pytest.mark.parametrize(
    ("verdict", "outcome", "doubted"),
    [
        (ACCEPT, Outcome.DONE, False),
        (ACCEPT, Outcome.OPEN, True),
        (ACCEPT, Outcome.SETTLED_ELSEWHERE, True),
        (ACCEPT, Outcome.REFUSED, None),
        (REJECT, Outcome.DONE, None),
        (REJECT, Outcome.OPEN, None),
    ],
)
async def test_what_was_accepted(ledger, verdict, outcome, doubted):
    """An accept that is done stands, one of unknown fate may; nothing else is a claim."""
    asked = connection(BOB, username="bob", custom=NUMBER)
    await see(ledger, asked, connection(ALICE, custom=NUMBER), minute=0)
    await answer(ledger, asked, verdict, minute=0, outcome=outcome)
    claims = await ledger.accepted_claims()
    assert [(each.key, each.owner, each.username, each.custom, each.doubt is not None) for each in claims] == (
        [] if doubted is None else [(asked.key, BOB, "bob", NUMBER, doubted)]
    )


async def test_what_people_answered_elsewhere(ledger):
    """What pends no more, and was answered by nobody here, may have been accepted on Portfolio Manager's pages."""
    asked = connection(BOB, username="bob", custom=NUMBER)
    await see(ledger, asked, minute=0)
    for minute in (1, 2):
        await see(ledger, minute=minute)
    (claim,) = await ledger.accepted_claims()
    assert (claim.key, claim.custom) == (asked.key, NUMBER)
    assert claim.doubt is not None
    assert "answered elsewhere" in claim.doubt


async def test_requests_without_custom_fields_claim_nothing(ledger):
    """They are not even brought."""
    asked = property_share(5)
    await see(ledger, asked, minute=0)
    await answer(ledger, asked, ACCEPT, minute=0)
    assert await ledger.accepted_claims() == ()


async def test_what_was_masked_is_known_no_more(ledger):
    """Of masked rows the names of the fields stay, so that nobody takes what they said for free."""
    asked = connection(BOB, custom=(CustomField("NUMBER ", "7"),))
    await see(ledger, asked, minute=0)
    await answer(ledger, asked, ACCEPT, minute=0)
    await mask(ledger.database, before=NOW + timedelta(days=1))
    (claim,) = await ledger.accepted_claims()
    assert (claim.key, claim.custom, claim.unread) == (RequestKey(Kind.CONNECTION, BOB), (), {"number"})


async def test_what_is_private_is_not_known(ledger):
    """A digest is no value: whoever asks for it once it is private no more must not take it for free."""
    request = connection(custom=(CustomField("Key", "s3cret"), CustomField("Parcel", "R-1")))
    await ledger.record_snapshot(read(request, minute=0), at=NOW, private=frozenset({"key"}))
    await answer(ledger, request, ACCEPT, minute=0)
    (claim,) = await ledger.accepted_claims()
    assert (claim.unread, claim.custom) == ({"key"}, (CustomField("Parcel", "R-1"),))
