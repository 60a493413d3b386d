"""What the ledger remembers of data sources, and of the policies that were in force; on both databases."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import func, select

from pm_autoaccept.ledger import SqlLedger, source_history
from pm_autoaccept.ledger.db.tables import source_count
from pm_autoaccept.ledger.policy_history import list_revisions
from pm_autoaccept.model import PolicyRevision, SourceHistory, SourceUse
from tests.examples import NOW
from tests.unit.ledger.acting import SERVICE, US

DAY, HOUR = timedelta(days=1), timedelta(hours=1)


async def note(ledger, *rows, at, name="accounts"):
    """Note that the source held so many rows."""
    await ledger.record_sources([SourceUse(name, each, f"digest of {each}") for each in rows], at=at)


async def range_of(ledger, at, name="accounts"):
    """The most and least rows that are remembered."""
    found = (await ledger.source_histories(at=at)).get(name, SourceHistory())
    return found.most, found.least


async def confirm(ledger, rows, at):
    """Somebody takes these contents as good."""
    use = SourceUse("accounts", rows, f"digest of {rows}")
    await ledger.database.run(lambda bound: source_history.confirm_source(bound, ledger.name, use, by="ann", at=at))


async def test_the_most_and_the_least_rows_of_the_last_seven_days_are_remembered(ledger):
    """Older ones are not, but for the last; a source of another name is another one."""
    assert await range_of(ledger, NOW) == (None, None)
    for days, rows in ((0, 900), (1, 100), (2, 120), (3, 110)):
        await note(ledger, rows, at=NOW + days * DAY)
    await note(ledger, 7, at=NOW, name="other")
    assert await range_of(ledger, NOW + 3 * DAY) == (900, 100)
    assert await range_of(ledger, NOW + 7 * DAY + HOUR) == (120, 100)
    assert await range_of(ledger, NOW + 40 * DAY) == (110, 110)
    assert await range_of(ledger, NOW, name="other") == (7, 7)


async def test_contents_that_stay_are_one_row_that_is_noted_again_once_an_hour(ledger):
    """What was good a minute ago was good, however long before it was first read."""
    for minutes in range(0, 24 * 60 * 9, 30):
        await note(ledger, 900, at=NOW + timedelta(minutes=minutes))
    await note(ledger, 100, at=NOW + 9 * DAY)
    assert await range_of(ledger, NOW + 9 * DAY) == (900, 100)
    assert await range_of(ledger, NOW + 17 * DAY) == (100, 100)
    count = await ledger.database.read(lambda bound: bound.execute(select(func.count(source_count.c.id))).scalar())
    assert count == 2


async def test_a_confirmation_begins_the_memory_anew(ledger):
    """Else a table that is rightly smaller would have to be confirmed each day for a week."""
    await note(ledger, 900, at=NOW)
    await confirm(ledger, 100, at=NOW + DAY)
    assert await range_of(ledger, NOW + DAY + HOUR) == (100, 100)
    await note(ledger, 102, at=NOW + 2 * DAY)
    assert await range_of(ledger, NOW + 2 * DAY) == (102, 100)
    assert await range_of(ledger, NOW + 20 * DAY) == (102, 102)
    found = await ledger.source_histories(at=NOW + 20 * DAY)
    assert found["accounts"].confirmed == {"digest of 100": NOW + DAY}


async def test_a_confirmation_is_remembered_of_a_source_that_was_never_good(ledger):
    """It had fewer rows than the policy requires from its first day on."""
    await confirm(ledger, 3, at=NOW)
    assert await range_of(ledger, NOW + 30 * DAY) == (3, 3)


async def test_what_is_remembered_is_the_account_s_own(ledger_address):
    """Two accounts may give the same name to different data, and each is fenced by its own lease."""
    ours = await SqlLedger.open(ledger_address, name="ours")
    await ours.claim(service=SERVICE, provider=US, at=NOW)
    await note(ours, 5, at=NOW)
    theirs = await SqlLedger.open(ledger_address, name="theirs")
    assert await range_of(ours, NOW) == (5, 5)
    assert await range_of(theirs, NOW) == (None, None)
    await ours.close()
    await theirs.close()


async def test_a_policy_is_on_record_once_however_often_the_program_starts(ledger):
    """A revision is a change: what came into force, what was refused meanwhile, and what came back."""
    first = PolicyRevision(digest="a", rules=1, files={"policy.yaml": "0" * 64})
    refused = PolicyRevision(digest="a", rules=1, refused="policy.yaml:3:1: no")
    for minute, revision in enumerate((first, first, refused, refused, first, PolicyRevision(digest="b", rules=2))):
        await ledger.record_policy_revision(revision, at=NOW + timedelta(minutes=minute))
    rows = await ledger.database.read(lambda bound: list(list_revisions(bound)))
    assert [(row.digest, row.refused is None, (row.at - NOW).seconds // 60) for row in rows] == [
        ("a", True, 0),
        ("a", False, 2),
        ("a", True, 4),
        ("b", True, 5),
    ]
    assert rows[0].files == {"policy.yaml": "0" * 64}
    assert await ledger.database.read(lambda bound: list(list_revisions(bound, account="another"))) == []
