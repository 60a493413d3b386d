"""Nothing that the program asks of its ledger grows with the ledger's age, and nothing grows faster than what pends.

These tests measure no time. They count statements, the instructions that SQLite runs for each, the rows that PostgreSQL
looks at, and the Python functions that are called. What may grow, and why, stands in tables here; whatever stands there
and does not grow fails the test, so that the tables stay short.
"""

from __future__ import annotations

import asyncio
import shutil
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner
from pydantic import SecretStr

from pm_autoaccept.account import ActivePolicy, build_cycle
from pm_autoaccept.cli import cli
from pm_autoaccept.config import Settings
from pm_autoaccept.decide import decide
from pm_autoaccept.ledger import SqlLedger
from pm_autoaccept.model import Mode, PendingRequest
from pm_autoaccept.plan import plan
from pm_autoaccept.policy import load
from pm_autoaccept.sign_in import sign_in
from tests.bench.aged.cycles import write_policy
from tests.bench.aged.ledgers import FIRST_METER, FIRST_OWNER, FIRST_PROPERTY, Aged, make
from tests.bench.aged.service import AgedService
from tests.examples import NOW, connection, meter_share, property_share, snapshot
from tests.statements import Statement, Statements, scans_on_postgresql, scans_on_sqlite, watched

SMALL, LARGE = 4_000, 20_000
"""Requests in a ledger, and in one that is five times as old."""

PENDING = 100

BY_DESIGN: Mapping[str, str] = {
    "inventory.current_ids": "compares all connections with the customers that the service lists in every cycle",
    "reconciliation.share_reads": "lists who shares something, in the order in which they were read",
}
"""What a cycle may read more of, the more customers are connected, whatever the ledger's age; and why."""

FIRST_TIME: Mapping[str, str] = {
    "claims._claims": "a policy with `taken` compares with all that was ever accepted; `run` reads it once",
}
"""What may grow with age, and why."""


@dataclass(slots=True)
class Life:
    """What a ledger was asked from the moment that requests pend until they are answered and gone.

    Attributes:
        laps: how many statements each part of it took.
        asked: all statements of cycles and metrics.
    """

    address: str
    asked: Statements
    laps: dict[str, int] = field(default_factory=dict)


async def _live(address: str, folder: Path, *, requests: int, pending: int) -> Life:
    """Make a ledger with so many requests (0: a new one), and answer what pends."""
    aged = Aged(requests, datetime.now(UTC))
    async with AgedService(aged.connected(), pending) as service:
        if requests:
            await asyncio.to_thread(make, address, aged, service=service.url)
        with watched() as asked:
            life = Life(address, asked)
            await _answer(life, service, folder)
    return life


async def _answer(life: Life, service: AgedService, folder: Path) -> None:
    def lap(name: str) -> None:
        life.laps[name] = life.asked.count - sum(life.laps.values())

    settings = Settings(
        service=service.url,
        username=service.username,
        password=SecretStr(service.password),
        policy=folder / "limited",
        ledger=life.address,
        mode=Mode.ENFORCE,
        in_flight=16,
        rate=None,
    )
    active = await ActivePolicy.load(settings)
    ledger = await SqlLedger.open(life.address)
    try:
        async with sign_in(settings, ledger) as session:
            cycle = build_cycle(session, settings, active)
            await cycle.look()
            lap("begin")
            await cycle.look()
            lap("nothing pending")
            service.shown = "pending"
            await cycle.look()
            lap("new")
            planned = await cycle.look()
            lap("known")
            await cycle.answer(planned)
            lap("answered")
            await cycle.look()
            lap("gone from one read")
            await cycle.look()
            lap("gone")
            service.shown = "answered"
            await cycle.look()
            lap("listed again")
            await ledger.count_open_intents()
            await ledger.count_undecided()
            await ledger.accepted_claims()
            lap("metrics")
    finally:
        await ledger.close()


@pytest.fixture(scope="module")
def policies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The policies of the bench, which accept most of what pends."""
    folder = tmp_path_factory.mktemp("policies")
    write_policy(folder, 2 * PENDING)
    return folder


@pytest.fixture(scope="module")
def live(policies: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Life]]:
    """Live with a SQLite ledger; each is made once."""
    folder, lives = tmp_path_factory.mktemp("aged"), {}

    def once(*, requests: int, pending: int = PENDING) -> Life:
        if (requests, pending) not in lives:
            address = f"sqlite:///{folder / f'{requests}-{pending}.db'}"
            lives[requests, pending] = asyncio.run(_live(address, policies, requests=requests, pending=pending))
        return lives[requests, pending]

    yield once
    shutil.rmtree(folder)


def test_on_sqlite_no_statement_of_a_cycle_works_more_in_an_older_ledger(live) -> None:
    """SQLite runs as many instructions for it in a ledger that is five times as old."""
    grown = set(_grown(live(requests=SMALL).asked, live(requests=LARGE).asked))

    assert grown == {*BY_DESIGN, *FIRST_TIME}


def test_on_sqlite_no_statement_of_a_cycle_reads_a_table_from_end_to_end(live) -> None:
    """SQLite finds every row by an index."""
    life = live(requests=LARGE)

    assert scans_on_sqlite(life.address.removeprefix("sqlite:///"), life.asked) == {}


def test_on_postgresql_no_statement_looks_at_all_rows(policies, postgres) -> None:
    """PostgreSQL finds every row by an index, by its first plan and by the one it keeps."""
    life = asyncio.run(_live(postgres.database(), policies, requests=LARGE, pending=PENDING))

    # A tenth of the requests, and less than half of the customers.
    read = scans_on_postgresql(life.address, life.asked, rows=LARGE // 10)
    others = _told(life, COMMANDS.keys() - READ_ALL)
    told = {name: scans_on_postgresql(life.address, asked, rows=LARGE // 10) for name, asked in others.items()}

    assert set(read) == {*BY_DESIGN, *FIRST_TIME}, read
    assert {name for name, places in told.items() if places} == set(), told


def _grown(small: Statements, large: Statements) -> Iterator[str]:
    """The places whose statements work more in the ledger that is five times as large."""
    for key, statement in large.by_text.items():
        before = small.by_text.get(key, Statement("", times=1))
        if statement.steps_each > 2 * before.steps_each + 2_500:
            yield statement.place


def test_as_many_statements_are_sent_in_an_older_ledger(live) -> None:
    """A cycle asks as often, however old the ledger is."""
    small, large = live(requests=SMALL).laps, live(requests=LARGE).laps

    # How many answers one transaction records depends on the moment.
    loose = {"answered": 2 * PENDING}
    assert {name for name in small if abs(large[name] - small[name]) > loose.get(name, 20)} == set()


STATEMENTS_PER_REQUEST: Mapping[str, float] = {
    # A transaction records what waits. At worst that is one intent, or one outcome.
    "answered": 6,
    # Each is written once: that it is gone; meters, which no list shows, as shares.
    "gone from one read": 3,
    "gone": 1.5,
    # The shares of each owner who is new are read for the first time.
    "listed again": 0.5,
}
"""How many more statements one more request may need, in each part of its life. Elsewhere it is none."""


def test_what_pends_is_asked_for_in_batches(live) -> None:
    """One request more is not one statement more, except where each row gets values of its own."""
    once, twice = live(requests=0).laps, live(requests=0, pending=2 * PENDING).laps

    more = {name: (twice[name] - once[name]) / PENDING for name in once}

    assert {name: each for name, each in more.items() if each > STATEMENTS_PER_REQUEST.get(name, 0.05)} == {}


COMMANDS: Mapping[str, str] = {
    "one request": f"decisions meter:{FIRST_METER + 10}",
    "list": "decisions --output csv",
    "accepted": "decisions --accepted --output csv",
    "since": "decisions --since 7d",
    "rule": "decisions --rule blocked",
    "owner": f"decisions --owner {FIRST_OWNER + 5}",
    "undecided": "decisions --undecided",
    "policies": "decisions --policies",
    "inventory": "account list --output csv",
    "notifications": "account notifications --output csv",
    "review": "review",
    "acknowledge": f"review acknowledge property:{FIRST_PROPERTY + 7} --why phone",
    "pause": "pause --why bench",
    "resume": "resume",
}
"""The commands that read only the ledger."""

READ_ALL: Mapping[str, str] = {
    "list": "it lists every request that was ever made",
    "accepted": "it lists every request that was ever accepted",
    "since": "an auditor's search, which no index serves: each would cost every answer of every cycle",
    "rule": "likewise; and it looks whether any decision was ever made by this rule",
    "owner": "likewise",
    "undecided": "it goes through all who are connected and their shares, and looks for their names",
    "inventory": "it lists all who are connected and their shares",
    "notifications": "it lists every notification that ever arrived",
}
"""The commands that may read more of an older ledger, and why. All others cost the same however old it is."""


def _told(life: Life, names: Iterable[str]) -> dict[str, Statements]:
    """What these commands ask of the ledger."""
    asked = {}
    for name in names:
        with watched() as statements:
            result = CliRunner().invoke(cli, COMMANDS[name].split(), env={"PM_AUTOACCEPT_LEDGER": life.address})
        assert result.exit_code == 0, (name, result.output[-500:], result.exception)
        asked[name] = statements
    return asked


def test_on_sqlite_commands_that_ask_for_one_thing_work_as_much_in_an_older_ledger(live) -> None:
    """They answer at once, however old the ledger is."""
    assert _grown_commands(live, COMMANDS.keys() - READ_ALL) == set()


@pytest.mark.long
def test_on_sqlite_commands_that_list_or_search_everything_are_named_with_the_reason(live) -> None:
    """The table is no longer than it must be."""
    assert _grown_commands(live, READ_ALL) == READ_ALL.keys()


def _grown_commands(live: Callable[..., Life], names: Iterable[str]) -> set[str]:
    small, large = _told(live(requests=SMALL), names), _told(live(requests=LARGE), names)
    return {name for name in names if any(_grown(small[name], large[name]))}


CALLS_PER_REQUEST: Mapping[str, int] = {
    "record what a read showed": 80,
    "load what is known": 170,
    "decide": 140,
    "plan": 140,
    "record decisions": 170,
    "record the same again": 115,
    "load it again": 170,
    "record the same decisions": 180,
}
"""How many functions may be called for one more request that pends: half as many again as in 0.1.0."""

POLICY = b"""\
version: 1
limits: {accept: none, reject: none}
rules:
  - id: customers
    on: [connection, property, meter]
    when: {account.username: {starts_with: customer}}
    then: accept
    note: Hello
"""


def test_a_request_more_is_not_much_more_work() -> None:
    """No part of a look calls many more functions for each request than it did."""
    asyncio.run(_calls(40))  # what is compiled or cached once
    once, twice = asyncio.run(_calls(200)), asyncio.run(_calls(400))

    more = {name: (twice[name] - once[name]) / 200 for name in once}

    assert {name: each for name, each in more.items() if each > CALLS_PER_REQUEST[name]} == {}


async def _calls(pending: int) -> dict[str, int]:
    """How many functions each part of a look calls, in Python and in C."""
    shown = snapshot(*(each for owner in range(pending // 4) for each in _asked_by(owner)))
    policy, called, made = load({"policy.yaml": POLICY}), 0, {}

    def count(_frame: object, event: str, _argument: object) -> None:
        nonlocal called
        called += event in {"call", "c_call"}

    def lap(name: str) -> None:
        nonlocal called
        made[name], called = called, 0

    threading.setprofile(count)  # for the threads of the ledger
    try:
        ledger = await SqlLedger.open("sqlite://")
        await ledger.claim(service="http://127.0.0.1/wstest", provider=shown.provider, at=NOW)
        sys.setprofile(count)
        called = 0
        for names in (tuple(CALLS_PER_REQUEST)[:5], tuple(CALLS_PER_REQUEST)[5:]):
            recorded, loaded, *judged, decided_ = names
            await ledger.record_snapshot(shown, at=NOW)
            lap(recorded)
            history = await ledger.history(shown, at=NOW)
            lap(loaded)
            if judged:
                decisions = decide(shown, policy=policy, tables={}, now=NOW, held=history.held)
                lap("decide")
                planned = plan(decisions, snapshot=shown, history=history)
                lap("plan")
            await ledger.record_decisions(planned.decisions, planned.kept_back, mode=Mode.ENFORCE, at=NOW)
            lap(decided_)
    finally:
        sys.setprofile(None)
        threading.setprofile(None)  # type: ignore[arg-type] # it may be
    await ledger.close()
    return made


def _asked_by(owner: int) -> Iterator[PendingRequest]:
    """The four requests of one owner."""
    named = {"username": f"customer_{owner}"}
    number, share = 1_000 + owner, 5_000 + owner
    yield connection(number, **named)
    yield property_share(share, number, **named)
    yield meter_share(90_000 + 2 * owner, of=share, owner=number, **named)
    yield meter_share(90_001 + 2 * owner, of=share, owner=number, **named)
