"""Claims that a process keeps between cycles: no change is missed, whoever makes it and however transactions commit."""

from __future__ import annotations

from datetime import timedelta

import psycopg
import pytest
from sqlalchemy import delete, func, select, update

from pm_autoaccept.ledger import SqlLedger, claims
from pm_autoaccept.ledger.claims import KeptClaims, prune_changes
from pm_autoaccept.ledger.db.tables import claim_change, intent, request
from pm_autoaccept.ledger.retention import mask
from pm_autoaccept.model import Action, Claim, CustomField, Outcome, ProviderAccount, Receipt, Step
from tests.examples import ALICE, BOB, NOW, connection, decided
from tests.unit.ledger.acting import ACCEPT, REJECT, SERVICE, US, answer, see

NUMBER = (CustomField("Number", "7"),)
FROM_ALICE = connection(ALICE, username="alice", custom=NUMBER)
FROM_BOB = connection(BOB, username="bob", custom=NUMBER, requested_at=NOW)


@pytest.fixture
async def other(ledger_address):
    """The same ledger, opened by another process."""
    made = await SqlLedger.open(ledger_address)
    await made.claim(service=SERVICE, provider=US, at=NOW)
    yield made
    await made.close()


async def looked(ledger: SqlLedger) -> list[tuple[int | None, bool, frozenset[str]]]:
    """What the kept claims say: owner, doubt, unread fields. They are what a process finds that has just started."""
    kept = await ledger.accepted_claims()
    fresh = await ledger.database.read(lambda bound: KeptClaims().look(bound, 1))
    assert list(kept) == list(fresh)
    return [_short(claim) for claim in kept]


def _short(claim: Claim) -> tuple[int | None, bool, frozenset[str]]:
    return claim.owner, claim.doubt is not None, claim.unread


async def test_what_another_process_does_is_seen_at_the_next_look(ledger, other):
    """It accepts, learns the outcome, answers a second request, and masks them all."""
    await see(other, FROM_ALICE, FROM_BOB, minute=0)
    assert await looked(ledger) == []
    await answer(other, FROM_BOB, ACCEPT, minute=0, outcome=Outcome.OPEN)
    assert await looked(ledger) == [(BOB, True, frozenset())]
    done = Receipt(step=Step(decision=decided(FROM_BOB, ACCEPT), action=Action.ACCEPT), outcome=Outcome.DONE)
    await other.record_outcome(1, done, at=NOW)
    assert await looked(ledger) == [(BOB, False, frozenset())]
    await answer(other, FROM_ALICE, ACCEPT, minute=0)
    assert sorted(await looked(ledger)) == sorted([(ALICE, False, frozenset()), (BOB, False, frozenset())])
    await mask(other.database, before=NOW + timedelta(days=1))
    assert {unread for _, _, unread in await looked(ledger)} == {frozenset({"number"})}


async def test_a_claim_that_is_none_any_more_goes(ledger, other):
    """An accept that was refused, and a request that was settled elsewhere and is pending again."""
    await see(other, FROM_ALICE, FROM_BOB, minute=0)
    await answer(other, FROM_ALICE, ACCEPT, minute=0, outcome=Outcome.OPEN)
    assert await looked(ledger) == [(ALICE, True, frozenset())]
    refused = Receipt(step=Step(decision=decided(FROM_ALICE, ACCEPT), action=Action.ACCEPT), outcome=Outcome.REFUSED)
    await other.record_outcome(1, refused, at=NOW)
    assert await looked(ledger) == []
    for minute in (1, 2):
        await see(other, FROM_ALICE, minute=minute)
    assert await looked(ledger) == [(BOB, True, frozenset())]
    await see(other, FROM_ALICE, FROM_BOB, minute=3)
    assert await looked(ledger) == []


async def test_a_reject_and_an_intent_that_was_withdrawn_are_no_claims(ledger, other):
    """Nor do they stay ones."""
    await see(other, FROM_ALICE, FROM_BOB, minute=0)
    await answer(other, FROM_BOB, REJECT, minute=0)
    step = Step(decision=decided(FROM_ALICE, ACCEPT), action=Action.ACCEPT)
    number = await other.record_intent(step, at=NOW)
    assert await looked(ledger) == [(ALICE, True, frozenset())]
    await other.withdraw_intent(number)
    assert await looked(ledger) == []


async def test_claims_of_another_account_are_not_mixed_in(ledger, ledger_address):
    """They share the table of changes."""
    theirs = await SqlLedger.open(ledger_address, name="theirs")
    await theirs.claim(service=SERVICE, provider=ProviderAccount(2, "they"), at=NOW)
    assert await looked(ledger) == []
    await see(theirs, FROM_BOB, minute=0)
    await answer(theirs, FROM_BOB, ACCEPT, minute=0)
    assert await looked(ledger) == []
    assert [_short(claim) for claim in await theirs.accepted_claims()] == [(BOB, False, frozenset())]
    await theirs.close()


async def test_only_what_has_changed_is_read_again(ledger):
    """The claims that did not change are the same objects."""
    await see(ledger, FROM_ALICE, FROM_BOB, minute=0)
    await answer(ledger, FROM_BOB, ACCEPT, minute=0)
    (before,) = await ledger.accepted_claims()
    await answer(ledger, FROM_ALICE, ACCEPT, minute=1)
    kept = await ledger.accepted_claims()
    assert len(kept) == 2
    assert any(claim is before for claim in kept)


@pytest.mark.parametrize("ledger_address", ["postgresql"], indirect=True)
async def test_a_transaction_that_commits_late_is_seen(ledger, ledger_address):
    """Its number is lower than those of transactions that were seen before it."""
    await see(ledger, FROM_ALICE, FROM_BOB, minute=0)
    await answer(ledger, FROM_BOB, ACCEPT, minute=0, outcome=Outcome.OPEN)
    assert await looked(ledger) == [(BOB, True, frozenset())]
    with psycopg.connect(ledger_address) as late:
        late.execute("UPDATE intent SET outcome = 'done'")
        for minute in (1, 2):
            await see(ledger, FROM_ALICE, FROM_BOB, connection(100 + minute, custom=NUMBER), minute=minute)
            await answer(ledger, connection(100 + minute, custom=NUMBER), ACCEPT, minute=minute)
            assert [doubt for owner, doubt, _ in await looked(ledger) if owner == BOB] == [True]
        late.commit()
    assert [doubt for owner, doubt, _ in await looked(ledger) if owner == BOB] == [False]


async def test_everything_is_loaded_again_if_changes_were_deleted(ledger, other):
    """What this process has not seen yet may be among them."""
    await see(ledger, FROM_ALICE, FROM_BOB, minute=0)
    await answer(ledger, FROM_BOB, ACCEPT, minute=0)
    assert await looked(ledger) == [(BOB, False, frozenset())]
    await answer(other, FROM_ALICE, ACCEPT, minute=1)
    await other.database.run(lambda bound: bound.execute(update(intent).values(outcome=intent.c.outcome)))
    await other.database.run(
        lambda bound: bound.execute(delete(claim_change).where(claim_change.c.tx < _newest(bound)))
    )
    assert len(await looked(ledger)) == 2


def _newest(bound) -> int:
    return bound.execute(select(func.max(claim_change.c.tx))).scalar_one()


async def test_old_changes_are_deleted_and_newer_ones_stay(ledger, monkeypatch):
    """Otherwise the table would grow with every answer."""
    monkeypatch.setattr(claims, "KEPT_TRANSACTIONS", 5)
    await see(ledger, FROM_ALICE, FROM_BOB, minute=0)
    for _ in range(30):
        await ledger.database.run(lambda bound: bound.execute(update(request).values(masked_at=request.c.masked_at)))
        await ledger.database.run(prune_changes)
        await looked(ledger)
    left = await ledger.database.run(
        lambda bound: bound.execute(select(func.count(claim_change.c.tx.distinct()))).scalar()
    )
    assert 1 <= left <= 12


async def test_a_change_that_was_deleted_in_a_quiet_ledger_is_not_missed(ledger, other, monkeypatch):
    """PostgreSQL numbers the transactions of all databases of a server, so the only change may be very old."""
    monkeypatch.setattr(claims, "KEPT_TRANSACTIONS", 5)
    await see(ledger, FROM_ALICE, FROM_BOB, minute=0)
    await answer(ledger, FROM_BOB, ACCEPT, minute=0)
    assert await looked(ledger) == [(BOB, False, frozenset())]
    await answer(other, FROM_ALICE, ACCEPT, minute=1)
    for _ in range(30):
        await other.database.run(_begin_a_transaction)
    await other.database.run(prune_changes)
    assert len(await looked(ledger)) == 2


def _begin_a_transaction(bound) -> None:
    if bound.dialect.name == "postgresql":
        bound.exec_driver_sql("SELECT pg_current_xact_id()")


async def test_a_look_that_fails_halfway_loads_everything_the_next_time(ledger, monkeypatch):
    """What it had read may be incomplete."""
    await see(ledger, FROM_BOB, minute=0)
    assert await looked(ledger) == []
    await answer(ledger, FROM_BOB, ACCEPT, minute=0)
    with monkeypatch.context() as patch:
        patch.setattr(claims, "_claims", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            await ledger.accepted_claims()
    assert await looked(ledger) == [(BOB, False, frozenset())]
