"""`review`: what is held for people; and what people did in Portfolio Manager's own pages, as auditors read it."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from dataclasses import replace
from datetime import timedelta

import pytest
from click.testing import CliRunner, Result

from pm_autoaccept.cli import cli
from pm_autoaccept.ledger import SqlLedger
from pm_autoaccept.model import KeptBack, Mode, Outcome, Reason, ReasonKind
from tests.examples import ALICE, BOB, NOW, connection, decided, meter_share, property_share
from tests.unit.ledger.acting import ACCEPT, HOLD, MINUTE, SERVICE, US, answer, read

KEY = "property:11"


@pytest.fixture
def address(tmp_path):
    """Where the ledger is."""
    return f"sqlite:///{tmp_path / 'ledger.db'}"


@pytest.fixture
def fill(address):
    """Let something happen to a new ledger."""

    def run(happen) -> None:
        async def work() -> None:
            ledger = await SqlLedger.open(address, name="oak")
            await ledger.claim(service=SERVICE, provider=US, at=NOW)
            await happen(ledger)
            await ledger.close()

        asyncio.run(work())

    return run


@pytest.fixture
def say(address):
    """Give a command on the ledger."""

    def run(*words: str) -> Result:
        return CliRunner().invoke(cli, [*words, "--ledger", address], standalone_mode=True)

    return run


async def watch(ledger: SqlLedger, *requests, minute: int, **said) -> None:
    """Record a read and compare it with what was decided."""
    seen, at = read(*requests, minute=minute, **said), NOW + minute * MINUTE + timedelta(seconds=2)
    await ledger.record_snapshot(seen, at=at)
    await ledger.reconcile(seen, at=at)


async def website(ledger: SqlLedger) -> None:
    """Two properties and a meter are held; people accept the first property and the meter, and reject the other."""
    asked = [property_share(11), property_share(12), meter_share(21, 11)]
    both = {"connected": frozenset({ALICE}), "shared_properties": {ALICE: frozenset()}}
    await watch(ledger, *asked, minute=0, **both)
    await ledger.record_decisions([decided(each, HOLD) for each in asked], [], mode=Mode.ENFORCE, at=NOW)
    for minute in (1, 2):
        await watch(ledger, minute=minute, **both | {"shared_properties": {ALICE: frozenset({11})}})


def test_what_is_held_is_listed_by_rule_and_for_how_long(fill, say, monkeypatch):
    """Without the service's password; also what is kept back until a person looks. The oldest first."""
    missed, twice = connection(BOB, username="bob"), property_share(12)

    async def happen(ledger: SqlLedger) -> None:
        asked = [property_share(11), twice, missed, meter_share(21, 11), connection(ALICE)]
        await watch(ledger, *asked, minute=0)
        kept = KeptBack(decided(twice, ACCEPT), Reason(ReasonKind.VERDICT_CHANGED, "another answer was sent before"))
        waits = KeptBack(decided(asked[3], ACCEPT), Reason(ReasonKind.PROPERTY_NOT_ACCEPTED, "it waits"))
        held = [replace(decided(each, HOLD), rule=rule) for each, rule in ((asked[0], "wait"), (missed, None))]
        await ledger.record_decisions([*held, kept.decision, waits.decision], [kept, waits], mode=Mode.ENFORCE, at=NOW)
        await answer(ledger, asked[4], ACCEPT, minute=0)
        await watch(ledger, *(each for each in asked if each is not missed), minute=1)

    fill(happen)
    monkeypatch.setattr("pm_autoaccept.clock.utc_now", lambda: NOW + timedelta(days=2, hours=3, minutes=5))
    text = say("review")
    assert text.exit_code == 0
    assert "3 requests are held for review." in text.output
    assert "2d 3h" in text.output
    rows = json.loads(say("review", "--output", "json").output)
    assert {row["request"]: (row["rule"], row["reason"], row["missed"]) for row in rows} == {
        KEY: ("wait", "rule", False),
        f"connection:{BOB}": (None, "rule", True),
        "property:12": ("a-rule", "verdict_changed", False),
    }
    table = {row["request"]: row for row in csv.DictReader(io.StringIO(say("review", "--output", "csv").output))}
    assert (table[KEY]["account"], table[KEY]["rule"]) == ("oak", "wait")


def test_nothing_held_is_said(fill, say):
    """And an account that the ledger does not know."""

    async def nothing(_: SqlLedger) -> None:
        """Nothing happens."""

    fill(nothing)
    assert say("review").output.strip() == "0 requests are held for review."
    assert "unknown account `elm` in the ledger" in say("review", "--account", "elm").output


def test_what_people_did_elsewhere_stands_beside_the_outcome(fill, say):
    """A read shows the share, or does not though its owner was read; no read shows meters."""
    fill(website)
    rows = json.loads(say("decisions", "--output", "json").output)
    assert {(row["request"], row["outcome"], row["elsewhere"]) for row in rows} == {
        (KEY, "settled_elsewhere", "accepted"),
        ("property:12", "settled_elsewhere", "not accepted (rejected or withdrawn)"),
        ("meter:21", "settled_elsewhere", "not known"),
    }
    assert "settled elsewhere: accepted" in say("decisions").output


def test_what_came_in_undecided_is_acknowledged_once(fill, say, address):
    """It leaves list and gauge, and who said so, when and why is on record."""
    fill(website)
    assert KEY in say("decisions", "--undecided").output
    assert undecided(address) == 1
    done = say("review", "acknowledge", KEY, "--why", "accepted by phone")
    assert (done.exit_code, f"Acknowledged {KEY}" in done.output) == (0, True)
    assert "0 undecided connections and shares" in say("decisions", "--undecided").output
    assert undecided(address) == 0
    (row,) = json.loads(say("account", "list", "--output", "json").output)[-1:]
    assert (row["what"], row["acknowledged_why"], bool(row["acknowledged_by"])) == (KEY, "accepted by phone", True)
    again = say("review", "acknowledge", KEY, "--why", "again")
    assert again.exit_code != 0
    assert "already acknowledged by" in str(again.exception or again.output)


@pytest.mark.parametrize(
    ("key", "why", "text"),
    [
        ("property:12", "why not", "is not an undecided connection or share"),
        ("11", "why not", "invalid request key"),
        (KEY, "  ", "--why is empty; give a reason"),
    ],
)
def test_what_cannot_be_acknowledged_says_why(fill, say, key, why, text):
    """Nothing is recorded."""
    fill(website)
    result = say("review", "acknowledge", key, "--why", why)
    assert result.exit_code != 0
    assert text in f"{result.output} {result.exception}"
    assert KEY in say("decisions", "--undecided").output


def undecided(address: str) -> int:
    """What the gauge counts."""

    async def count() -> int:
        ledger = await SqlLedger.open(address, name="oak")
        await ledger.check_account(service=SERVICE, provider=US)
        try:
            return await ledger.count_undecided()
        finally:
            await ledger.close()

    return asyncio.run(count())


def test_every_decision_shows_what_came_of_its_own_answer(fill, say):
    """A request that was held and then accepted was not accepted by the first decision."""
    request = connection()

    async def happen(ledger: SqlLedger) -> None:
        await watch(ledger, request, minute=0)
        await ledger.record_decisions([decided(request, HOLD)], [], mode=Mode.ENFORCE, at=NOW)
        await answer(ledger, request, ACCEPT, minute=1, outcome=Outcome.REFUSED, text="no")
        await answer(ledger, request, ACCEPT, minute=2)

    fill(happen)
    rows = json.loads(say("decisions", "--every", "--output", "json").output)
    assert [(row["verdict"], row["outcome"]) for row in rows] == [("hold", None), ("accept", "done")]
    (last,) = json.loads(say("decisions", "--output", "json").output)
    assert last["outcome"] == "done"
