"""Notices that something has stopped, and that it is over: each once, also across restarts; what the words say."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from pm_autoaccept.daemon.stoppage_watch import StoppageWatch
from pm_autoaccept.ledger import Database
from pm_autoaccept.ledger.outbox import list_notices
from pm_autoaccept.ledger.stoppage_notices import add_stoppages
from pm_autoaccept.model import Mode, NoticeKind, NoticeState, NoticeTarget, Stoppage, TargetKind
from pm_autoaccept.telemetry.health import LeaseState, Refusal, Trouble
from pm_autoaccept.telemetry.stoppages import stoppages
from pm_autoaccept.telemetry.telemetry import Telemetry
from tests.examples import NOW

MINUTE = timedelta(minutes=1)
HOOK = NoticeTarget(name="hook", kind=TargetKind.WEBHOOK, groups=None, time_zone=UTC)
TEAM = NoticeTarget(name="team", kind=TargetKind.PEOPLE, groups=frozenset({"benchmarking"}), time_zone=UTC)


@pytest.fixture
async def database(ledger_address):
    """A database with the ledger's tables."""
    made = await Database.open(ledger_address)
    yield made
    await made.close()


@pytest.fixture
def telemetry():
    """The telemetry of an account that works."""
    made = Telemetry(version="1").account("prairie", interval=MINUTE)
    made.health.lease, made.health.signed_in, made.health.last_good_cycle = LeaseState.HELD, True, NOW
    made.policy_digest, made.kept_back, made.checked_tables = "d", {}, {}
    return made


@dataclass
class Watched:
    """A stoppage watch, its account, and its clock."""

    database: Database
    telemetry: Any
    mode: Mode = Mode.ENFORCE
    at: datetime = NOW
    watch: StoppageWatch = field(init=False)

    def __post_init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """Forget what is not in the ledger."""
        worker: Any = SimpleNamespace(
            account="prairie", telemetry=self.telemetry, settings=SimpleNamespace(mode=self.mode)
        )
        self.watch = StoppageWatch(database=self.database, workers=[worker], targets=(HOOK, TEAM), now=lambda: self.at)

    async def after(self, minutes: float = 0) -> list[tuple[str, str]]:
        """What each target was told by then, in order."""
        self.at += minutes * MINUTE
        await self.watch.check()
        rows = await self.database.read(lambda connection: list(list_notices(connection, target="team")))
        others = await self.database.read(lambda connection: list(list_notices(connection, target="hook")))
        assert [row.event_id for row in rows] == [row.event_id for row in others]
        return [(row.kind, row.body["condition"]) for row in rows]


async def test_it_is_told_once_that_an_account_stopped_and_once_that_it_is_over(database, telemetry) -> None:
    """Whatever the groups of a target are; also after a restart in between."""
    watched = Watched(database, telemetry)
    assert await watched.after() == []
    telemetry.health.trouble, telemetry.health.signed_in = Trouble.NOT_AUTHORISED, False
    stopped = [(NoticeKind.STOPPED, Stoppage.CREDENTIALS)]
    assert await watched.after() == stopped
    assert await watched.after(60) == stopped
    watched.restart()
    assert await watched.after(60) == stopped
    telemetry.health.trouble, telemetry.health.last_good_cycle = None, watched.at
    watched.restart()
    assert await watched.after(1) == stopped
    telemetry.health.signed_in = True
    assert await watched.after() == [*stopped, (NoticeKind.OVER, Stoppage.CREDENTIALS)]
    watched.restart()
    assert await watched.after() == [*stopped, (NoticeKind.OVER, Stoppage.CREDENTIALS)]
    telemetry.health.trouble = Trouble.NOT_AUTHORISED
    assert (await watched.after())[2:] == stopped


async def test_a_policy_that_is_corrected_soon_is_told_to_nobody(database, telemetry) -> None:
    """People edit files: five minutes are theirs."""
    watched = Watched(database, telemetry)
    telemetry.health.last_good_cycle = NOW + 60 * MINUTE
    for _ in range(2):
        telemetry.health.refusal = Refusal(at=watched.at, faults=1, first="policy.yaml:1:1")
        assert await watched.after() == []
        assert await watched.after(4) == []
        telemetry.health.refusal = None
        assert await watched.after() == []
    telemetry.health.refusal = Refusal(at=watched.at, faults=1, first="policy.yaml:1:1")
    assert await watched.after() == []
    assert await watched.after(5) == [(NoticeKind.STOPPED, Stoppage.POLICY_REFUSED)]
    telemetry.health.refusal = None
    assert (await watched.after())[1:] == [(NoticeKind.OVER, Stoppage.POLICY_REFUSED)]


async def test_a_process_without_the_lease_tells_nothing(database, telemetry) -> None:
    """It does not know what the holder finds."""
    telemetry.health.lease, telemetry.health.trouble = LeaseState.ELSEWHERE, Trouble.NOT_AUTHORISED
    assert await Watched(database, telemetry).after(60) == []


async def test_in_observe_mode_it_is_recorded_and_not_delivered(database, telemetry) -> None:
    """As everything else."""
    telemetry.health.trouble = Trouble.NOT_AUTHORISED
    watched = Watched(database, telemetry, mode=Mode.OBSERVE)
    assert len(await watched.after()) == 1
    rows = await database.read(lambda connection: list(list_notices(connection)))
    assert {row.state for row in rows} == {NoticeState.OBSERVED}


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ({}, {}),
        ({"kept_back": {("connection", "over_limit"): 2, ("meter", "refused"): 9}}, {Stoppage.LIMIT_REACHED: "2 dec"}),
        ({"kept_back": None, "checked_tables": None}, {}),
        ({"unusable_tables": ("customers",)}, {Stoppage.SOURCE_STALE: "customers"}),
        ({"last_good_cycle": NOW - 11 * MINUTE}, {Stoppage.NO_GOOD_CYCLE: "the last good cycle ended at"}),
        ({"last_good_cycle": None}, {Stoppage.NO_GOOD_CYCLE: "no good cycle since"}),
        (
            {"last_good_cycle": None, "trouble": Trouble.CYCLE_FAILED},
            {Stoppage.NO_GOOD_CYCLE: "the last cycle failed"},
        ),
        ({"last_good_cycle": None, "trouble": Trouble.PROXY_NOT_AUTHORISED}, {Stoppage.CREDENTIALS: "the proxy"}),
    ],
)
def test_what_has_stopped_is_said_in_words(telemetry, said: dict[str, Any], found: dict[Stoppage, str]) -> None:
    """What is not known is neither stopped nor over."""
    for name, value in said.items():
        setattr(telemetry.health if hasattr(telemetry.health, name) else telemetry, name, value)
    shown = stoppages(telemetry, since=NOW - 20 * MINUTE, now=NOW)
    stopped = {which: text for which, text in shown.items() if text is not None}
    assert stopped.keys() == found.keys()
    assert all(part in stopped[which] for which, part in found.items())
    if said.get("kept_back", {}) is None:
        assert {Stoppage.LIMIT_REACHED, Stoppage.SOURCE_STALE}.isdisjoint(shown)


async def test_two_processes_that_find_the_same_tell_it_once(database) -> None:
    """Both write the same key; the notice that it is over repeats what had stopped."""

    async def tell(*, over: bool = False) -> int:
        said: dict[str, Any] = {"stopped": {} if over else {"credentials": "Wrong password."}, "over": []}
        if over:
            said["over"] = ["credentials"]
        return await database.run(
            lambda connection: add_stoppages(connection, (HOOK, TEAM), account="a", at=NOW, **said)
        )

    assert [await tell(over=True), await tell(), await tell(), await tell(over=True), await tell(over=True)] == [
        *(0, 2, 0, 2, 0)
    ]
    *_, last = await database.read(lambda connection: list(list_notices(connection)))
    assert (last.kind, last.body) == (NoticeKind.OVER, {"condition": "credentials", "what": "Wrong password."})
