"""Names and what customers typed go for good; what an audit and the rules of identity need stays."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select

from pm_autoaccept.ledger import SqlLedger
from pm_autoaccept.ledger.db.tables import metadata
from pm_autoaccept.ledger.retention import MASKED, apply_retention, count_maskable, mask
from pm_autoaccept.model import (
    Action,
    AnswerState,
    CustomField,
    Evidence,
    Kind,
    Mode,
    Notification,
    Outcome,
    ProviderAccount,
    Reason,
    ReasonKind,
    Receipt,
    Removal,
    RequestKey,
    Step,
    Truth,
    Unreadable,
    Verdict,
)
from tests.examples import BOB, NOW, connection, decided, pending_list, snapshot

DAY = timedelta(days=1)
SECRETS = ("Ines", "Okafor", "ines@riverside.example", "503-555-0142", "77 Dock Road", "0041-typed", "riverside_props")
SOURCE = (
    b"<account><accountId>410221</accountId><username>riverside_props</username><accountInfo><firstName>Ines</firstName>"
    b"<lastName>Okafor</lastName><email>ines@riverside.example</email><phone>503-555-0142</phone>"
    b'<address address1="77 Dock Road"/></accountInfo></account>'
)
ASKED = connection(
    username="riverside_props",
    sender_username="riverside_props",
    custom=(CustomField("Utility Customer Number", "0041-typed"),),
    source=SOURCE,
)
NOTE = "Dear Ines Okafor, 0041-typed is not ours; call 503-555-0142."


@pytest.fixture
async def ledger(ledger_address):
    """A ledger with one rejected request that is full of names, and with everything else that may hold them."""
    made = await SqlLedger.open(ledger_address)
    await made.claim(service="http://127.0.0.1/wstest", provider=ProviderAccount(1, "us"), at=NOW)
    said = Notification(
        id=1, type="DISCONNECT", description="You are disconnected from Ines Okafor.", username="riverside_props"
    )
    seen = snapshot(ASKED, notifications=(said,))
    strange = Unreadable(Kind.METER, "'Okafor' is no id", SOURCE)
    seen = replace(seen, meters=pending_list(Kind.METER, unreadable=(strange,)))
    await made.record_snapshot(seen, at=NOW)
    decision = decided(
        ASKED,
        Verdict.REJECT,
        note=NOTE,
        evidence=(
            Evidence("account.email", "present", "ines@riverside.example", Truth.TRUE),
            Evidence("custom.Utility Customer Number", "in customers", "0041-typed", Truth.FALSE),
            Evidence("account.address.state", "OR", "OR", Truth.TRUE),
        ),
    )
    doubted = replace(decision, reason=Reason(ReasonKind.UNKNOWN, "account.phone: '503-555-0142' is strange."))
    await made.record_decisions([doubted], [], mode=Mode.ENFORCE, at=NOW)
    step = Step(decision=decision, action=Action.REJECT)
    number = await made.record_intent(step, at=NOW)
    await made.record_outcome(number, Receipt(step=step, outcome=Outcome.DONE), at=NOW)
    removal = Removal(RequestKey(Kind.METER, 7), note="Sorry, Ines.")
    number = await made.record_removal_intent(removal, by="operator", at=NOW)
    await made.record_removal_outcome(number, Outcome.DONE, "", at=NOW)
    yield made
    await made.close()


async def everything(ledger: SqlLedger) -> str:
    """All that stands in the tables, as text."""
    return await ledger.database.run(
        lambda connection: repr([connection.execute(select(table)).all() for table in metadata.sorted_tables])
    )


async def test_nothing_that_names_people_is_left_in_any_table(ledger):
    """Requests, decisions, answers, notifications, unreadable elements, removals."""
    before = await everything(ledger)
    assert all(secret in before for secret in SECRETS)
    assert (
        await ledger.database.read(lambda connection: count_maskable(connection, before=NOW + DAY, account=None)) == 4
    )
    done = await mask(ledger.database, before=NOW + DAY)
    assert (done.requests, done.others, done.erased) == (1, 3, ledger.database.is_sqlite)
    after = await everything(ledger)
    assert [secret for secret in SECRETS if secret in after] == []
    assert (await mask(ledger.database, before=NOW + DAY)).requests == 0


async def test_not_one_byte_of_it_is_left_in_the_file_or_its_log(ledger, tmp_path):
    """What SQLite frees it does not erase, and its log keeps old pages."""
    if not ledger.database.is_sqlite:
        pytest.skip("about SQLite files only; there is nothing to test on PostgreSQL")
    # Some builds of SQLite overwrite what they free; most do not.
    await ledger.database.run(lambda connection: connection.exec_driver_sql("PRAGMA secure_delete = OFF").all())
    other = connection(BOB, username="bob", source=SOURCE * 40)
    await ledger.record_snapshot(snapshot(other), at=NOW)
    files = [tmp_path / "ledger.db", tmp_path / "ledger.db-wal"]
    assert b"Okafor" in b"".join(file.read_bytes() for file in files)
    await mask(ledger.database, before=NOW + DAY)
    left = b"".join(file.read_bytes() for file in files if file.exists())
    assert [secret for secret in SECRETS if secret.encode() in left] == []


async def test_while_somebody_reads_the_file_it_is_said_that_it_is_not_erased_yet(ledger, tmp_path):
    """And it is tried again."""
    if not ledger.database.is_sqlite:
        pytest.skip("about SQLite files only; there is nothing to test on PostgreSQL")
    with closing(sqlite3.connect(tmp_path / "ledger.db", isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM request").fetchone()
        assert not (await mask(ledger.database, before=NOW + DAY)).erased
    assert (await mask(ledger.database, before=NOW + DAY)).erased


async def test_what_an_audit_needs_stays(ledger):
    """Who by number, when, by which rule of which policy, what was answered, what came of it; names of fields."""
    await mask(ledger.database, before=NOW + DAY)
    (row,) = await ledger.decisions()
    assert (row.key, row.account_id, row.verdict, row.rule) == (ASKED.key, ASKED.account_id, Verdict.REJECT, "a-rule")
    assert (row.answer, row.outcome, row.answered_at, row.note) == ("Reject", Outcome.DONE, NOW, MASKED)
    assert list(row.custom) == [("Utility Customer Number", MASKED)]
    assert [each.found for each in row.evidence] == [MASKED, MASKED, "OR"]
    (doubted, _) = await ledger.decisions(every=True)
    assert (doubted.reason, doubted.reason_text) == (ReasonKind.UNKNOWN, MASKED)


async def test_a_masked_request_is_still_known_when_it_pends_again(ledger):
    """Its identity is a digest of what was asked."""
    await mask(ledger.database, before=NOW + DAY)
    seen = snapshot(ASKED)
    await ledger.record_snapshot(seen, at=NOW + 2 * DAY)
    assert (await ledger.history(seen, at=NOW + 2 * DAY)).answer_states[ASKED.key] is AnswerState.REJECTED


async def test_what_is_younger_or_of_unknown_fate_stays_as_it_is(ledger):
    """An open intent is settled by its own answer, word for word."""
    other = connection(BOB, username="bob")
    await ledger.record_snapshot(snapshot(ASKED, other), at=NOW + timedelta(hours=1))
    step = Step(decision=decided(other, Verdict.REJECT, note="Dear bob"), action=Action.REJECT)
    await ledger.record_intent(step, at=NOW + timedelta(hours=1))
    assert (await mask(ledger.database, before=NOW)).requests == 0
    assert (await mask(ledger.database, before=NOW + DAY)).requests == 1
    assert "Dear bob" in await everything(ledger)


async def test_the_setting_masks_once_a_day_and_only_its_own_account(ledger):
    """For the daemon: without the setting never, with it at most once a day."""
    database, at = ledger.database, NOW + 400 * DAY
    assert await apply_retention(database, None, account="default", at=at) is None
    other = await apply_retention(database, 399 * DAY, account="another", at=at)
    assert other is not None
    assert other.requests == 0
    first = await apply_retention(database, 399 * DAY, account="default", at=at)
    assert first is not None
    assert first.requests == 1
    assert await apply_retention(database, 399 * DAY, account="default", at=at + DAY / 2) is None
    assert await apply_retention(database, 399 * DAY, account="default", at=at + DAY) is not None
