"""The ledger on a real SQLite file: identity, intents, outcomes, and what reads settle."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import timedelta, timezone
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from pm_autoaccept.errors import AlreadyAnswered, ConfigurationError, LedgerMismatch, LedgerUnavailable
from pm_autoaccept.ledger import SqlLedger
from pm_autoaccept.ledger.tables import metadata
from pm_autoaccept.model import (
    Action,
    CustomField,
    History,
    KeptBack,
    Kind,
    Mode,
    Notification,
    Outcome,
    PendingRequest,
    ProviderAccount,
    Reason,
    ReasonKind,
    Receipt,
    Snapshot,
    Standing,
    Step,
    Verdict,
)
from tests.examples import ALICE, NOW, connection, decided, key, meter_share, property_share, snapshot

MINUTE = timedelta(minutes=1)
FIXTURES = Path(__file__).parents[1] / "fixtures"
SERVICE, US = "http://127.0.0.1/wstest", ProviderAccount(1, "us")
ACCEPT, REJECT, HOLD = Verdict.ACCEPT, Verdict.REJECT, Verdict.HOLD


@pytest.fixture
async def ledger(tmp_path):
    """A ledger in a file, given back at the end."""
    made = await SqlLedger.open(f"sqlite:///{tmp_path / 'ledger.db'}")
    await made.claim(service=SERVICE, provider=US, at=NOW)
    yield made
    await made.close()


def read(*requests: PendingRequest, minute: int, **said: object) -> Snapshot:
    """A snapshot whose lists were read at this minute."""
    made = snapshot(*requests, **said)
    begun = NOW + minute * MINUTE
    times = {"begun": begun, "ended": begun + timedelta(seconds=1)}
    return replace(
        made,
        connections=replace(made.connections, **times),
        properties=replace(made.properties, **times),
        meters=replace(made.meters, **times),
    )


async def see(ledger: SqlLedger, *requests: PendingRequest, minute: int, **said: object) -> History:
    """Record a read of this minute and say how its requests stand."""
    seen = read(*requests, minute=minute, **said)
    at = NOW + minute * MINUTE + timedelta(seconds=2)
    await ledger.see(seen, at=at)
    return await ledger.history(seen, at=at)


async def answer(
    ledger: SqlLedger,
    request: PendingRequest,
    verdict: Verdict,
    *,
    minute: int,
    outcome: Outcome = Outcome.DONE,
    **said,
) -> None:
    """Decide, intend and conclude one answer at this minute."""
    at = NOW + minute * MINUTE + timedelta(seconds=3)
    decision = decided(request, verdict)
    await ledger.decide([decision], [], mode=Mode.ENFORCE, at=at)
    action = Action.ACCEPT if verdict is ACCEPT else Action.REJECT
    step = Step(decision=decision, action=action, falls=said.pop("falls", ()))
    intent = await ledger.intend(step, at=at)
    if outcome is not Outcome.OPEN:
        await ledger.conclude(intent, Receipt(step=step, outcome=outcome, **said), at=at)


async def outcomes(ledger: SqlLedger) -> dict[str, Outcome | None]:
    """Request and time → outcome."""
    return {f"{row.key}/{row.time}": row.outcome for row in await ledger.decisions()}


async def test_an_accept_that_is_done_and_still_listed_is_lag(ledger):
    """It is waited for, never answered again."""
    request = connection()
    assert (await see(ledger, request, minute=0)).standing[request.key] is Standing.UNANSWERED
    await answer(ledger, request, ACCEPT, minute=0)
    assert (await see(ledger, request, minute=1)).standing[request.key] is Standing.ACCEPTED


async def test_a_reject_that_is_done_and_still_listed_is_lag_and_keeps_its_property_s_meters_back(ledger):
    """The ledger says which properties we rejected, until we accept them."""
    request, meter = property_share(11), meter_share(21, 11)
    await see(ledger, request, meter, minute=0)
    await answer(ledger, request, REJECT, minute=0)
    history = await see(ledger, request, meter, minute=1)
    assert history.standing[request.key] is Standing.REJECTED
    assert history.rejected_properties == {11}
    await see(ledger, meter, minute=2)
    await see(ledger, request, meter, minute=3)
    await answer(ledger, request, ACCEPT, minute=3)
    assert (await see(ledger, meter, minute=4)).rejected_properties == frozenset()


async def test_an_answered_request_that_was_absent_and_appears_again_is_the_next_time(ledger):
    """The same question asked again after it was gone is open to be answered."""
    request = connection()
    await see(ledger, request, minute=0)
    await answer(ledger, request, REJECT, minute=0)
    await see(ledger, minute=1)
    assert (await see(ledger, request, minute=2)).standing[request.key] is Standing.UNANSWERED
    await answer(ledger, request, ACCEPT, minute=2)
    assert await outcomes(ledger) == {"connection:410221/1": Outcome.DONE, "connection:410221/2": Outcome.DONE}


@pytest.mark.parametrize(
    "otherwise",
    [
        {"custom": (CustomField("Utility Customer Number", "2"),)},
        {"access_level": "Read"},
        {"sender_id": 7},
        {"requested_at": NOW},
    ],
)
async def test_a_request_that_asks_otherwise_is_another_request(ledger, otherwise):
    """Identity is what was asked, not the id alone."""
    first = property_share(11, access_level="Read Write")
    second = replace(first, **otherwise)
    await see(ledger, first, minute=0)
    await answer(ledger, first, REJECT, minute=0)
    assert (await see(ledger, second, minute=1)).standing[second.key] is Standing.UNANSWERED


async def test_a_request_that_nobody_answered_is_gone_after_two_whole_reads(ledger):
    """One read without it may be a page that shifted; after two it was settled elsewhere, and may come back."""
    request = connection()
    await see(ledger, request, minute=0)
    await ledger.decide([decided(request, HOLD)], [], mode=Mode.ENFORCE, at=NOW)
    await see(ledger, minute=1)
    assert await outcomes(ledger) == {"connection:410221/1": None}
    await see(ledger, minute=2)
    assert await outcomes(ledger) == {"connection:410221/1": Outcome.SETTLED_ELSEWHERE}
    assert (await see(ledger, request, minute=3)).standing[request.key] is Standing.UNANSWERED


async def test_a_request_that_was_missed_once_and_is_seen_again_is_the_same(ledger):
    """Two reads must miss it in a row."""
    request = connection()
    await see(ledger, request, minute=0)
    await ledger.decide([decided(request, HOLD)], [], mode=Mode.ENFORCE, at=NOW)
    for minute in (1, 3, 5):
        await see(ledger, minute=minute)
        await see(ledger, request, minute=minute + 1)
    assert await outcomes(ledger) == {"connection:410221/1": None}


@pytest.mark.parametrize("doubt", [{"failed": Kind.CONNECTION}, {"strange": Kind.CONNECTION}])
async def test_a_list_that_is_not_whole_proves_nothing(ledger, doubt):
    """What is not seen in half a list, or in one with an unreadable element, may pend all the same."""
    request = connection()
    await see(ledger, request, minute=0)
    await ledger.decide([decided(request, HOLD)], [], mode=Mode.ENFORCE, at=NOW)
    for minute in (1, 2, 3):
        await see(ledger, minute=minute, **doubt)
    assert await outcomes(ledger) == {"connection:410221/1": None}


async def test_a_read_that_began_before_the_answer_proves_no_absence(ledger):
    """An old read that comes late must not make an answered request look absent, and so answerable again."""
    request = connection()
    await see(ledger, request, minute=5)
    await answer(ledger, request, ACCEPT, minute=5)
    await see(ledger, minute=5)
    assert (await see(ledger, request, minute=6)).standing[request.key] is Standing.ACCEPTED


async def test_what_falls_with_a_reject_is_recorded_when_it_is_seen_to_be_gone(ledger):
    """The world is asked before the ledger claims it; the cause is named."""
    parent, child = connection(), property_share(11)
    await see(ledger, parent, child, minute=0)
    await ledger.decide([decided(child, HOLD)], [], mode=Mode.ENFORCE, at=NOW)
    await answer(ledger, parent, REJECT, minute=0, falls=(child.key,))
    assert (await outcomes(ledger))["property:11/1"] is None
    await see(ledger, minute=1)
    row = next(row for row in await ledger.decisions() if row.kind is Kind.PROPERTY)
    assert (row.outcome, row.cause) == (Outcome.FALLEN, key("connection", ALICE))


async def test_a_meter_falls_with_its_property_before_their_connection(ledger):
    """The nearest reject is the cause, unless the meter was seen to pend after it."""
    top, parent, child = connection(), property_share(11), meter_share(21, 11)
    for minute, cause in ((0, parent.key), (10, top.key)):
        await see(ledger, top, parent, child, minute=minute)
        await ledger.decide([decided(child, HOLD)], [], mode=Mode.ENFORCE, at=NOW)
        await answer(ledger, parent, REJECT, minute=minute, falls=(child.key,))
        if cause == top.key:
            await see(ledger, top, child, minute=minute + 1)
        await answer(ledger, top, REJECT, minute=minute + 1, falls=(child.key,))
        await see(ledger, minute=minute + 2)
        rows = [row for row in await ledger.decisions() if row.kind is Kind.METER]
        assert (rows[-1].outcome, rows[-1].cause) == (Outcome.FALLEN, cause)


async def test_what_may_fall_and_does_not_stays_open(ledger):
    """Rejecting a property need not take its meters along."""
    parent, child = property_share(11), meter_share(21, 11)
    await see(ledger, parent, child, minute=0)
    await ledger.decide([decided(child, HOLD)], [], mode=Mode.ENFORCE, at=NOW)
    await answer(ledger, parent, REJECT, minute=0, falls=(child.key,))
    assert (await see(ledger, child, minute=1)).standing[child.key] is Standing.UNANSWERED
    assert (await outcomes(ledger))["meter:21/1"] is None


async def test_a_fulfilled_answer_that_a_step_of_ours_explains_is_fallen(ledger):
    """400/-200 to a child of what we rejected is no mystery; to any other it was settled elsewhere."""
    parent, child, other = connection(), property_share(11), property_share(12, 9)
    await see(ledger, parent, child, other, minute=0)
    await answer(ledger, parent, REJECT, minute=0, falls=(child.key,))
    await answer(ledger, child, REJECT, minute=0, outcome=Outcome.SETTLED_ELSEWHERE)
    await answer(ledger, other, REJECT, minute=0, outcome=Outcome.SETTLED_ELSEWHERE)
    found = await outcomes(ledger)
    assert (found["property:11/1"], found["property:12/1"]) == (Outcome.FALLEN, Outcome.SETTLED_ELSEWHERE)
    history = await see(ledger, child, minute=0)
    assert history.standing[child.key] is Standing.SETTLED


@pytest.mark.parametrize(
    ("verdict", "connected", "outcome"),
    [(ACCEPT, True, Outcome.DONE_INFERRED), (ACCEPT, False, Outcome.GONE), (REJECT, True, Outcome.GONE)],
)
async def test_an_answer_of_unknown_fate_is_settled_by_two_whole_reads(ledger, verdict, connected, outcome):
    """The second at least five minutes after the POST; what Portfolio Manager shows decides."""
    request = connection()
    await see(ledger, request, minute=0)
    await answer(ledger, request, verdict, minute=0, outcome=Outcome.OPEN)
    facts = {"connected": frozenset({ALICE} if connected else ())}
    for minute in (1, 3):
        await see(ledger, minute=minute, **facts)
        assert list((await outcomes(ledger)).values()) == [Outcome.OPEN]
    await see(ledger, minute=6, **facts)
    assert list((await outcomes(ledger)).values()) == [outcome]


@pytest.mark.parametrize("shared", [True, False])
async def test_a_property_s_accept_of_unknown_fate_is_settled_by_what_is_shared(ledger, shared):
    """If the property is shared with us, our accept arrived."""
    request = property_share(11)
    await see(ledger, request, minute=0)
    await answer(ledger, request, ACCEPT, minute=0, outcome=Outcome.OPEN)
    for minute in (6, 7):
        await see(ledger, minute=minute, shared_properties={ALICE: frozenset({11} if shared else ())})
    assert list((await outcomes(ledger)).values()) == [Outcome.DONE_INFERRED if shared else Outcome.GONE]


async def test_a_request_with_an_answer_in_doubt_is_not_answered_again_even_if_it_asks_otherwise(ledger):
    """A POST names only the id: the first may still be on its way when the second stands in the list."""
    first = connection()
    second = replace(first, sender_id=7)
    await see(ledger, first, minute=0)
    await answer(ledger, first, ACCEPT, minute=0, outcome=Outcome.OPEN)
    assert (await see(ledger, second, minute=1)).standing[second.key] is Standing.IN_DOUBT
    with pytest.raises(AlreadyAnswered, match="answered already"):
        await answer(ledger, second, ACCEPT, minute=1)


async def test_no_second_intent_is_recorded_for_an_answered_request(ledger):
    """Whatever plan or another process believes, the ledger lets nothing be answered twice."""
    request = connection()
    await see(ledger, request, minute=0)
    await answer(ledger, request, ACCEPT, minute=0)
    with pytest.raises(AlreadyAnswered, match="by another process"):
        await answer(ledger, request, ACCEPT, minute=1)


async def test_an_intent_needs_a_recorded_decision(ledger):
    """Nothing is sent that the ledger could not explain."""
    step = Step(decision=decided(connection(), ACCEPT), action=Action.ACCEPT)
    with pytest.raises(LedgerUnavailable, match="before it was recorded"):
        await ledger.intend(step, at=NOW)
    with pytest.raises(LedgerUnavailable, match="before it was recorded"):
        await ledger.decide([step.decision], [], mode=Mode.ENFORCE, at=NOW)


async def test_a_refused_answer_is_tried_again_only_when_its_time_has_come(ledger):
    """403 waits an hour; a refusal without a time waits for people."""
    for number, hour in ((11, NOW + timedelta(hours=1)), (12, None)):
        request = property_share(number)
        await see(ledger, request, minute=0)
        await answer(ledger, request, ACCEPT, minute=0, outcome=Outcome.REFUSED, text="403", again_after=hour)
        assert (await see(ledger, request, minute=30)).standing[request.key] is Standing.REFUSED
        again = (await see(ledger, request, minute=61)).standing[request.key]
        assert again is (Standing.REFUSED if hour is None else Standing.UNANSWERED)
    await answer(ledger, property_share(11), ACCEPT, minute=61)
    assert (await outcomes(ledger))["property:11/1"] is Outcome.DONE


async def test_a_decision_is_a_new_row_only_when_verdict_rule_or_kind_of_reason_changes(ledger):
    """An age or a digest that changes makes no row."""
    request = connection()
    await see(ledger, request, minute=0)
    hold = decided(request, HOLD)
    back = KeptBack(replace(hold, verdict=ACCEPT), Reason(ReasonKind.IN_DOUBT, "waits"))
    for decisions, kept in (
        ([hold], []),
        ([replace(hold, policy_digest="other")], []),
        ([replace(hold, rule="other")], []),
        ([back.decision], []),
        ([back.decision], [back]),
        ([back.decision], [back]),
    ):
        await ledger.decide(decisions, kept, mode=Mode.OBSERVE, at=NOW)
    rows = await ledger.decisions(every=True)
    assert [(row.verdict, row.rule, row.kept_back) for row in rows] == [
        (HOLD, "a-rule", None),
        (HOLD, "other", None),
        (ACCEPT, "a-rule", None),
        (ACCEPT, "a-rule", ReasonKind.IN_DOUBT),
    ]
    assert len(await ledger.decisions()) == 1


async def test_elements_without_an_id_and_notifications_are_kept_once(ledger, tmp_path):
    """Seen twice, stored once."""
    told = Notification(id=5, type="UNSHARE", description="gone", created_at=NOW)
    for minute in (0, 1):
        await see(ledger, minute=minute, strange=Kind.METER, notifications=(told,))
    with sqlite3.connect(tmp_path / "ledger.db") as database:
        queries = ("SELECT count(*) FROM unreadable", "SELECT count(*) FROM notification")
        counts = [database.execute(query).fetchone() for query in queries]
    database.close()
    assert counts == [(1,), (1,)]


async def test_a_ledger_never_changes_hands(ledger):
    """Another account or another service is told to name another ledger."""
    for _ in range(2):
        await ledger.claim(service=SERVICE, provider=US, at=NOW)
    with pytest.raises(LedgerMismatch, match="is account 1 "):
        await ledger.claim(service="http://127.0.0.1/wstest", provider=ProviderAccount(2, "theirs"), at=NOW)
    with pytest.raises(LedgerMismatch, match="name another ledger"):
        await ledger.claim(service="http://127.0.0.1/ws", provider=US, at=NOW)


async def test_an_account_has_one_name_in_a_ledger(ledger):
    """Answered under two names, a request could be answered twice; two accounts under two names may share a ledger."""
    other = SqlLedger(ledger.database, name="chicago")
    with pytest.raises(LedgerMismatch, match="call it `default`"):
        await other.claim(service=SERVICE, provider=US, at=NOW)
    await other.claim(service=SERVICE, provider=ProviderAccount(2, "chicago"), at=NOW)
    request = connection()
    await see(ledger, request, minute=0)
    await answer(ledger, request, ACCEPT, minute=0)
    assert (await see(other, request, minute=1)).standing[request.key] is Standing.UNANSWERED
    assert [row.account for row in await SqlLedger(ledger.database).decisions()] == ["default"]


async def test_a_ledger_of_a_newer_program_is_refused(tmp_path):
    """An older program must not write what it does not understand."""
    path = tmp_path / "ledger.db"
    await (await SqlLedger.open(f"sqlite:///{path}")).close()
    with sqlite3.connect(path) as database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
    database.close()
    with pytest.raises(LedgerMismatch, match="newer version"):
        await SqlLedger.open(f"sqlite:///{path}")


async def test_what_is_no_ledger_is_refused_with_what_to_do(tmp_path):
    """A file of something else, a folder that does not exist, an address of another kind."""
    (tmp_path / "letter.txt").write_text("Dear Sir or Madam, " * 100)
    with pytest.raises(LedgerUnavailable, match="not a database"):
        await SqlLedger.open(f"sqlite:///{tmp_path / 'letter.txt'}")
    with pytest.raises(LedgerUnavailable, match="does not exist"):
        await SqlLedger.open(f"sqlite:///{tmp_path / 'nowhere' / 'ledger.db'}")
    with pytest.raises(ConfigurationError, match="SQLite or PostgreSQL"):
        await SqlLedger.open("mysql://localhost/ledger")
    with pytest.raises(ConfigurationError, match="write sqlite:///FILE"):
        await SqlLedger.open("ledger.db")


async def test_the_migrations_make_just_the_tables_that_the_program_uses(ledger):
    """Tables and migrations cannot drift apart."""

    def differences(bound):
        return compare_metadata(MigrationContext.configure(bound), metadata)

    assert await ledger.database.run(differences) == []


async def test_commits_are_on_the_disk_when_they_return(ledger):
    """An intent that is not durable would not survive a power cut: WAL with synchronous FULL."""

    def pragmas(bound):
        return [bound.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("journal_mode", "synchronous")]

    assert await ledger.database.run(pragmas) == ["wal", 2]


async def test_the_decision_behind_an_answer_is_on_record_as_it_was_made(ledger):
    """Mode, policy and evidence of what was sent, whatever was decided before or by another process meanwhile."""
    request = connection()
    await see(ledger, request, minute=0)
    earlier = decided(request, ACCEPT, policy_digest="old")
    await ledger.decide([earlier], [], mode=Mode.OBSERVE, at=NOW)
    await ledger.decide([decided(request, REJECT, policy_digest="theirs")], [], mode=Mode.OBSERVE, at=NOW)
    step = Step(decision=decided(request, ACCEPT, policy_digest="ours"), action=Action.ACCEPT)
    intent = await ledger.intend(step, at=NOW)
    await ledger.conclude(intent, Receipt(step=step, outcome=Outcome.DONE), at=NOW)
    await ledger.decide([decided(request, REJECT, policy_digest="later")], [], mode=Mode.ENFORCE, at=NOW)
    (row,) = await ledger.decisions()
    assert (row.verdict, row.mode, row.policy_digest, row.answer) == (ACCEPT, Mode.ENFORCE, "ours", "Accept")
    answers = {row.policy_digest: row.answer for row in await ledger.decisions(every=True)}
    assert answers == {"old": None, "theirs": None, "ours": "Accept", "later": None}


async def test_a_refused_answer_is_known_as_what_was_refused(ledger, monkeypatch):
    """Plan lets another answer through; a newer program may try the same again."""
    request = property_share(11)
    await see(ledger, request, minute=0)
    await answer(ledger, request, ACCEPT, minute=0, outcome=Outcome.REFUSED, text="400/-100")
    history = await see(ledger, request, minute=1)
    assert history.standing[request.key] is Standing.REFUSED
    assert history.sent == {request.key: (Action.ACCEPT, None)}
    monkeypatch.setattr("pm_autoaccept.ledger.reading.__version__", "99.0")
    assert (await see(ledger, request, minute=2)).standing[request.key] is Standing.UNANSWERED


async def test_the_wait_after_a_refusal_doubles_to_a_day(ledger):
    """An hour, two, four, eight, sixteen, then a day each time."""
    request = property_share(11)
    minute = 0
    for hours in (1, 2, 4, 8, 16, 24, 24):
        at = NOW + minute * MINUTE + timedelta(seconds=3)
        await see(ledger, request, minute=minute)
        hour = at + timedelta(hours=1)
        await answer(ledger, request, ACCEPT, minute=minute, outcome=Outcome.REFUSED, text="403", again_after=hour)
        assert (await see(ledger, request, minute=minute + hours * 60 - 1)).standing[request.key] is Standing.REFUSED
        minute += hours * 60 + 1
        assert (await see(ledger, request, minute=minute)).standing[request.key] is Standing.UNANSWERED


async def test_what_falls_is_noted_before_the_reject_leaves(ledger):
    """A kill between the POST and its record leaves the explanation behind; a refused reject takes it back."""
    parent, child = connection(), property_share(11)
    await see(ledger, parent, child, minute=0)
    await ledger.decide([decided(child, HOLD)], [], mode=Mode.ENFORCE, at=NOW)
    await answer(ledger, parent, REJECT, minute=0, outcome=Outcome.OPEN, falls=(child.key,))
    for minute in (1, 2):
        await see(ledger, minute=minute)
    assert (await outcomes(ledger))["property:11/1"] is Outcome.GONE
    again, spared = connection(9), property_share(19, 9)
    await see(ledger, again, spared, minute=10)
    await ledger.decide([decided(spared, HOLD)], [], mode=Mode.ENFORCE, at=NOW)
    await answer(ledger, again, REJECT, minute=10, outcome=Outcome.REFUSED, falls=(spared.key,))
    for minute in (11, 12):
        await see(ledger, again, minute=minute)
    assert (await outcomes(ledger))["property:19/1"] is Outcome.SETTLED_ELSEWHERE


async def test_the_owners_of_properties_in_doubt_are_named(ledger):
    """Poll asks what they share, so that the answer of unknown fate can be settled."""
    first, second = property_share(11), property_share(12, 9)
    await see(ledger, first, second, minute=0)
    await answer(ledger, first, ACCEPT, minute=0, outcome=Outcome.OPEN)
    await answer(ledger, second, ACCEPT, minute=0)
    assert await ledger.owners_in_doubt() == {ALICE}


async def test_the_same_moment_in_another_zone_is_the_same_request(ledger):
    """Portfolio Manager may write an offset otherwise tomorrow; the request is not asked anew by that."""
    first = connection(requested_at=NOW)
    await see(ledger, first, minute=0)
    await answer(ledger, first, ACCEPT, minute=0)
    second = replace(first, requested_at=NOW.astimezone(timezone(timedelta(hours=-5))))
    assert (await see(ledger, second, minute=1)).standing[first.key] is Standing.ACCEPTED


async def test_of_a_request_that_was_asked_twice_the_latest_time_is_told(ledger):
    """A summary counts each pending request once."""
    request = connection()
    for minute in (0, 2):
        await see(ledger, request, minute=minute)
        await answer(ledger, request, REJECT, minute=minute)
        await see(ledger, minute=minute + 1)
    (row,) = await ledger.decisions(keys=[request.key, key("meter", 1)])
    assert row.time == 2


async def test_a_ledger_that_is_only_read_is_not_touched(tmp_path):
    """Not made, not migrated, not locked, not written; a copy in a folder that cannot be written to will do."""
    path = tmp_path / "ledger.db"
    with pytest.raises(LedgerUnavailable):
        await SqlLedger.open(f"sqlite:///{path}", read_only=True)
    path.write_bytes(b"")
    with pytest.raises(LedgerMismatch, match="no ledger"):
        await SqlLedger.open(f"sqlite:///{path}", read_only=True)
    assert path.read_bytes() == b""
    writing = await SqlLedger.open(f"sqlite:///{path}")
    ours = ProviderAccount(1, "ours")
    await writing.claim(service="http://127.0.0.1/wstest", provider=ours, at=NOW)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        reading = await SqlLedger.open(f"sqlite:///{path}", read_only=True)
        assert await reading.decisions() == []
        await reading.belongs_to(service="http://127.0.0.1/wstest", provider=ours)
        with pytest.raises(LedgerMismatch):
            await reading.belongs_to(service="http://127.0.0.1/ws", provider=ours)
    with pytest.raises(LedgerUnavailable, match="readonly"):
        await reading.see(read(connection(), minute=0), at=NOW)
    await reading.close()
    await writing.close()


async def test_a_ledger_in_a_folder_that_cannot_be_written_to_can_be_read(tmp_path, monkeypatch):
    """The auditor's copy on a read-only disk."""
    made = await SqlLedger.open(f"sqlite:///{tmp_path / 'ledger.db'}")
    await made.close()
    access = os.access
    monkeypatch.setattr("os.access", lambda path, mode: path != tmp_path and access(path, mode))
    reading = await SqlLedger.open(f"sqlite:///{tmp_path / 'ledger.db'}", read_only=True)
    assert await reading.decisions() == []
    await reading.close()


async def test_a_text_that_is_none_makes_the_ledger_unavailable_not_the_program_crash(ledger):
    """Half a character cannot be written; the error is the ledger's."""
    with pytest.raises(LedgerUnavailable, match="surrogates"):
        await see(ledger, connection(username="\ud800"), minute=0)


async def test_a_ledger_of_the_first_version_is_migrated_with_nothing_lost(tmp_path):
    """Its one account is called `default`; every row is there, and nothing refers to what is not."""
    path = tmp_path / "ledger.db"
    with closing(sqlite3.connect(path)) as database:
        database.executescript((FIXTURES / "ledger-0001.sql").read_text())
    migrated = await SqlLedger.open(f"sqlite:///{path}")
    await migrated.claim(service=SERVICE, provider=US, at=NOW)
    (row,) = await migrated.decisions()
    await migrated.close()
    assert (row.account, row.key, row.outcome, row.attempts) == ("default", key("connection", 7), Outcome.DONE, 1)
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("PRAGMA foreign_key_check").fetchall() == []
        assert database.execute("SELECT provider_id, id FROM notification").fetchall() == [(1, 3)]
        assert database.execute("SELECT provider_id, why FROM unreadable").fetchall() == [(1, "no id")]


async def repeatable(ledger, request, *, minutes: tuple[int, ...]) -> list[Standing]:
    """How an accept of unknown fate stands after reads at these minutes."""
    return [(await see(ledger, request, minute=minute)).standing[request.key] for minute in minutes]


async def test_an_answer_of_unknown_fate_may_be_repeated_after_two_whole_reads(ledger):
    """The second begun at least `unknown_wait` (5 min) after it was sent; a list that is not whole does not count."""
    request = connection()
    await see(ledger, request, minute=0)
    await answer(ledger, request, ACCEPT, minute=0, outcome=Outcome.OPEN)
    doubt, again = Standing.IN_DOUBT, Standing.REPEATABLE
    assert await repeatable(ledger, request, minutes=(1, 2, 4)) == [doubt, doubt, doubt]
    assert await repeatable(ledger, request, minutes=(6,)) == [again]
    broken = read(request, minute=7, failed=Kind.CONNECTION)
    await ledger.see(broken, at=NOW + 7 * MINUTE)
    assert (await ledger.history(broken, at=NOW + 7 * MINUTE)).standing[request.key] is doubt


async def test_one_read_late_enough_is_not_two(ledger):
    """A first read long after the POST may be the lag of one server; the next one decides."""
    request = connection()
    await see(ledger, request, minute=0)
    await answer(ledger, request, ACCEPT, minute=0, outcome=Outcome.OPEN)
    assert await repeatable(ledger, request, minutes=(9, 10)) == [Standing.IN_DOUBT, Standing.REPEATABLE]


async def again(ledger, request, verdict, *, minute: int, note: str | None = None) -> tuple[Step, int]:
    """Intend the same answer once more."""
    decision = replace(decided(request, verdict), note=note)
    action = Action.ACCEPT if verdict is ACCEPT else Action.REJECT
    step = Step(decision=decision, action=action, repeats=True)
    return step, await ledger.intend(step, at=NOW + minute * MINUTE)


async def test_a_second_attempt_is_of_the_same_intent_and_waits_longer_for_a_third(ledger):
    """One row says how often it was sent; nobody else can send it at the same time."""
    request = connection()
    await see(ledger, request, minute=0)
    await answer(ledger, request, ACCEPT, minute=0, outcome=Outcome.OPEN)
    await repeatable(ledger, request, minutes=(1, 6))
    with pytest.raises(AlreadyAnswered, match="answered otherwise"):
        await again(ledger, request, REJECT, minute=6)
    with pytest.raises(AlreadyAnswered, match="answered otherwise"):
        await again(ledger, request, ACCEPT, minute=6, note="another")
    await again(ledger, request, ACCEPT, minute=6)
    with pytest.raises(AlreadyAnswered, match="sent again already"):
        await again(ledger, request, ACCEPT, minute=6)
    doubt = Standing.IN_DOUBT
    assert await repeatable(ledger, request, minutes=(7, 12, 15)) == [doubt, doubt, doubt]
    assert await repeatable(ledger, request, minutes=(17,)) == [Standing.REPEATABLE]
    step, intent = await again(ledger, request, ACCEPT, minute=17)
    await ledger.conclude(intent, Receipt(step=step, outcome=Outcome.DONE), at=NOW + 18 * MINUTE)
    (row,) = await ledger.decisions()
    assert (row.outcome, row.attempts) == (Outcome.DONE, 3)


async def test_a_second_attempt_that_finds_the_request_fulfilled_claims_nothing(ledger):
    """The first attempt may have done it: it stays open until reads say what Portfolio Manager shows."""
    request = connection()
    await see(ledger, request, minute=0)
    await answer(ledger, request, ACCEPT, minute=0, outcome=Outcome.OPEN)
    await repeatable(ledger, request, minutes=(1, 6))
    step, intent = await again(ledger, request, ACCEPT, minute=6)
    receipt = Receipt(step=step, outcome=Outcome.SETTLED_ELSEWHERE)
    await ledger.conclude(intent, receipt, at=NOW + 6 * MINUTE)
    assert (await ledger.decisions())[0].outcome is Outcome.OPEN
    for minute in (7, 12):
        await see(ledger, minute=minute, connected=frozenset({request.id}))
    assert (await ledger.decisions())[0].outcome is Outcome.DONE_INFERRED


async def test_what_was_settled_meanwhile_is_known_better_only_by_who_did_it(ledger):
    """An outcome that comes late: done is the truth; a refusal says nothing of what reads have shown."""
    request = connection()
    await see(ledger, request, minute=0)
    await answer(ledger, request, ACCEPT, minute=0, outcome=Outcome.OPEN)
    for minute in (1, 6):
        await see(ledger, minute=minute)
    step = Step(decision=decided(request, ACCEPT), action=Action.ACCEPT)
    for outcome, kept in ((Outcome.REFUSED, Outcome.GONE), (Outcome.DONE, Outcome.DONE)):
        await ledger.conclude(1, Receipt(step=step, outcome=outcome), at=NOW + 7 * MINUTE)
        assert (await ledger.decisions())[0].outcome is kept
