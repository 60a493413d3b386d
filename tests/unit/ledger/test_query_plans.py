"""No statement of a cycle reads a whole table that grows with age, nor all rows of an account.

SQLite chooses its plans without statistics, so those of an empty ledger are those of an old one.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Connection, event
from sqlalchemy.engine import Engine

from pm_autoaccept.ledger import SqlLedger
from pm_autoaccept.ledger.db.tables import metadata
from pm_autoaccept.ledger.notice_rounds import add_digest, add_reminders, digest_wanted
from pm_autoaccept.ledger.outbox import claim_next, count_notices, due_targets, end_notices_of_others, settle
from pm_autoaccept.ledger.outcome_groups import UNSETTLED
from pm_autoaccept.ledger.request_rows import READS_UNTIL_GONE
from pm_autoaccept.ledger.stoppage_notices import add_stoppages
from pm_autoaccept.model import (
    Action,
    CustomField,
    Delivered,
    Kind,
    Limit,
    Mode,
    NoticeTarget,
    Notification,
    Outcome,
    Receipt,
    Removal,
    RequestKey,
    Step,
    TargetKind,
    TryLater,
    Unreadable,
    Verdict,
)
from pm_autoaccept.policy.limits import DEFAULT_LIMITS
from tests.examples import ALICE, BOB, NOW, connection, decided, meter_share, property_share
from tests.unit.ledger.acting import ACCEPT, MINUTE, REJECT, SERVICE, US, answer, read

GROWING = "request|intent|decision|inventory|owner|notification|cascaded_reject|unreadable|notice|human_answer"
_SCAN = re.compile(rf"SCAN (?:{GROWING})\b(?: USING (?:COVERING )?INDEX (\S+))?")
_ALL_OF_AN_ACCOUNT = re.compile(rf"SEARCH (?:{GROWING}) USING .*INDEX (\S+) \(provider_id=\?(?: AND kind=\?)?\)$")

SMALL = {
    "ix_request_open",
    "ix_request_may_still_go_missing",
    "ix_request_end_just_noted",
    "ix_inventory_absent",
    "ix_inventory_undecided",
    "ix_notification_waiting",
    "ix_human_answer_waiting",
    "ix_notice_waiting",
    "ix_notice_dead",
    "ix_notice_stopped",
}
"""Partial indexes, which hold only rows that can still change."""

CURRENT = {"ix_inventory_current", "ix_owner_provider_id_tried_at_account_id"}
"""What is connected and shared now is compared with what a read shows, so its ids are read. Rows are not."""

LOADED_ONCE = "LEFT OUTER JOIN intent ON intent.request_id = request.id AND (intent.outcome NOT IN"
"""All claims, which a process then keeps."""


@contextmanager
def plans() -> Iterator[dict[str, list[str]]]:
    """Collect each statement with its plan."""
    found: dict[str, list[str]] = {}

    def explain(
        connection: Any,
        _cursor: Any,
        statement: str,
        parameters: Any,
        _context: Any,
        many: bool,  # noqa: FBT001 — SQLAlchemy's signature
    ) -> None:
        raw = connection.connection.driver_connection
        if isinstance(raw, sqlite3.Connection) and statement.startswith(("SELECT", "UPDATE", "INSERT", "DELETE")):
            said = parameters[0] if many else parameters
            found[statement] = [line[3] for line in raw.execute(f"EXPLAIN QUERY PLAN {statement}", said)]

    event.listen(Engine, "before_cursor_execute", explain)
    try:
        yield found
    finally:
        event.remove(Engine, "before_cursor_execute", explain)


HOOK = NoticeTarget(name="hook", kind=TargetKind.WEBHOOK, groups=None, time_zone=UTC)
TEAM = NoticeTarget(
    name="team",
    kind=TargetKind.PEOPLE,
    groups=None,
    personal=True,
    digest_hour=7,
    time_zone=UTC,
    remind_after=MINUTE,
    else_tell="managers",
)


async def send(ledger: SqlLedger, *, at: datetime) -> None:
    """Everything that the sender of notices asks a ledger for."""
    await ledger.database.read(lambda connection: due_targets(connection, at=at))
    await ledger.database.read(lambda connection: digest_wanted(connection, TEAM, at=at))
    await ledger.database.run(lambda connection: add_digest(connection, TEAM, at=at))
    await ledger.database.run(lambda connection: add_reminders(connection, ledger.targets, at=at))
    await ledger.database.run(lambda connection: end_notices_of_others(connection, ["hook", "team"], at=at))
    await ledger.database.read(count_notices)
    for over in ((), ("credentials",)):
        stopped = {} if over else {"credentials": "Wrong password."}
        await ledger.database.run(
            lambda connection, stopped=stopped, over=over: add_stoppages(
                connection, ledger.targets, account="", stopped=stopped, over=over, at=at
            )
        )
    for target, result in ((HOOK, Delivered()), (TEAM, TryLater(why="500"))):
        claimed = await ledger.database.run(
            lambda connection, target=target: claim_next(connection, target, at=at + MINUTE, lasts=MINUTE)
        )
        if claimed is not None:
            await ledger.database.run(
                lambda connection, claimed=claimed, result=result: settle(connection, claimed, result, at=at)
            )


async def cycles(ledger: SqlLedger) -> None:
    """Everything that a cycle asks a ledger for, with requests and items in every state."""
    ledger.targets = (HOOK, TEAM)
    said = {"custom": (CustomField("Number", "7"),)}
    shared, below, last = property_share(5, **said), meter_share(50, 5), meter_share(60, 6)
    requests = [connection(ALICE, **said), connection(BOB), shared, below, property_share(6), last]
    limits = [*DEFAULT_LIMITS, Limit(action=Action.ACCEPT, percent=50, period=10 * MINUTE)]
    for minute in range(8):
        listed = requests if minute < 3 else requests[1:2]
        at = NOW + minute * MINUTE
        seen = replace(
            read(*listed, minute=minute, connected=frozenset({ALICE} if minute % 3 else {ALICE, BOB})),
            shared_properties={ALICE: frozenset({5, 6} if minute < 4 else {6}), BOB: frozenset()},
            notifications=tuple(
                Notification(id=number, type=kind, description="", account_id=BOB, property_id=5, created_at=at)
                for number, kind in enumerate(
                    ("DISCONNECT", "UNSHARE", "TRANSFERPROPERTY", "SHAREUPDATE"), start=minute
                )
            ),
        )
        if minute == 1:
            strange = Unreadable(Kind.METER, "no id", b"<x/>")
            seen = replace(seen, meters=replace(seen.meters, unreadable=(strange,)))
        await ledger.owners_with_open_answers()
        await ledger.share_reads()
        await ledger.record_snapshot(seen, at=at)
        await ledger.reconcile(seen, at=at)
        await ledger.history(seen, limits=limits, at=at)
        await ledger.accepted_claims()
        await ledger.count_open_intents()
        await ledger.count_undecided()
        held = replace(decided(last, Verdict.HOLD), tell="team", rule=f"rule-{minute}")
        if minute and last in listed:
            await ledger.record_decisions([held], [], mode=Mode.ENFORCE, at=at)
        await send(ledger, at=at)
        if minute == 0:
            await answer(ledger, requests[0], ACCEPT, minute=minute)
            await answer(ledger, shared, REJECT, minute=minute, falls=(below.key,))
            await answer(ledger, last, ACCEPT, minute=minute)
            await answer(ledger, requests[4], ACCEPT, minute=minute, outcome=Outcome.OPEN)
            step = Step(decision=decided(requests[1], ACCEPT), action=Action.ACCEPT, within=tuple(limits))
            await ledger.record_decisions([step.decision], [], mode=Mode.ENFORCE, at=at)
            refused = Receipt(step=step, outcome=Outcome.REFUSED)
            await ledger.record_outcome(await ledger.record_intent(step, at=at), refused, at=at)
    removed = Removal(RequestKey(Kind.METER, 60), note="By mistake")
    await ledger.record_removal_outcome(
        await ledger.record_removal_intent(removed, by="us", at=NOW), Outcome.DONE, "", at=NOW
    )


@pytest.mark.parametrize("ledger_address", ["sqlite"], indirect=True)
async def test_no_statement_of_a_cycle_reads_all_that_there_ever_was(ledger_address):
    """A statement that does is slower with each year."""
    ledger = await SqlLedger.open(ledger_address)
    await ledger.claim(service=SERVICE, provider=US, at=NOW)
    await ledger.reconcile(read(minute=-5), at=NOW - 5 * MINUTE)  # the first one looks at all accepts so far
    with plans() as found:
        await cycles(ledger)
    await ledger.close()
    assert len(found) > 60
    bad = {
        statement: plan
        for statement, plan in found.items()
        if not (LOADED_ONCE in statement and "json_each" not in statement) and any(_grows(line) for line in plan)
    }
    assert bad == {}


@pytest.mark.parametrize("ledger_address", ["sqlite"], indirect=True)
async def test_the_conditions_of_partial_indexes_are_the_same_everywhere(ledger):
    """In the tables, in the migrations, and in what the rest of the program understands by them."""

    def conditions(bound: Connection) -> dict[str, str]:
        made = bound.exec_driver_sql("SELECT name, sql FROM sqlite_master WHERE sql LIKE '%INDEX%WHERE%'")
        return {name: sql.partition(" WHERE ")[2] for name, sql in made}

    said = {
        str(index.name): str(where)
        for table in metadata.tables.values()
        for index in table.indexes
        if (where := index.dialect_options["sqlite"]["where"]) is not None
    }
    assert await ledger.database.run(conditions) == said
    assert said.keys() > SMALL
    unsettled = ", ".join(f"'{outcome}'" for outcome in UNSETTLED)
    missing = f"(absent_reads < {READS_UNTIL_GONE} OR outcome IS NULL OR outcome IN ({unsettled}))"
    assert said["ix_request_may_still_go_missing"] == missing


def _grows(line: str) -> bool:
    """Whether a step of a plan reads a whole table, or all rows of an account."""
    scanned = _SCAN.match(line)
    whole = _ALL_OF_AN_ACCOUNT.match(line)
    return bool((scanned and scanned[1] not in SMALL) or (whole and whole[1] not in SMALL | CURRENT))
