"""What a cycle costs with one ledger: each phase, each method of the ledger and each number that a metric reports.

It runs in a fresh process for each ledger, and calls what `run` and `once` call. Whatever the ledger asks of its
database is counted as it leaves SQLAlchemy.
"""

from __future__ import annotations

import asyncio
import resource
import statistics
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from pydantic import SecretStr
from sqlalchemy import Engine, event

from pm_autoaccept.account import ActivePolicy, build_cycle
from pm_autoaccept.config import Settings
from pm_autoaccept.cycle import Cycle
from pm_autoaccept.ledger import SqlLedger
from pm_autoaccept.model import Kind, Mode, PendingList, Plan, Snapshot
from pm_autoaccept.policy.limits import DEFAULT_LIMITS
from pm_autoaccept.sign_in import Session, sign_in
from tests.bench.aged.ledgers import PROVIDER
from tests.bench.aged.service import Service

R = TypeVar("R")

POLICY = """\
version: 1
{limits}
data:
  customers: {{csv: customers.csv, key: username}}
rules:
  - id: blocked
    on: connection
    when:
      account.username: {{in: [newcomer_1, newcomer_2, newcomer_3, newcomer_4, newcomer_5]}}
    then: reject
    note: We cannot exchange data with this account.
  - id: customers
    on: [connection, property, meter]
    when:
      account.username: {{in: customers}}
    then: accept
    note: Welcome! We matched your account.
"""
"""Without `limits`, the default limits apply. One newcomer in ten is no customer, and is held."""

METHODS = (
    "owners_with_open_answers",
    "share_reads",
    "record_snapshot",
    "reconcile",
    "source_histories",
    "history",
    "pause_reason",
    "record_sources",
    "record_decisions",
)
"""What a look asks of the ledger, in its order."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds by the clock, seconds of processor time of all threads, and statements."""

    wall: float
    cpu: float
    statements: int


@dataclass(slots=True)
class Costs:
    """The costs of each thing that was measured, several times where it can be repeated."""

    made: dict[str, list[Cost]] = field(default_factory=lambda: defaultdict(list))
    statements: int = 0

    def median(self) -> dict[str, Cost]:
        """The median of each."""
        return {
            name: Cost(
                wall=statistics.median(each.wall for each in costs),
                cpu=statistics.median(each.cpu for each in costs),
                statements=int(statistics.median(each.statements for each in costs)),
            )
            for name, costs in self.made.items()
        }

    async def of(self, name: str, work: Awaitable[R]) -> R:
        """Measure one thing. Nothing else runs in this process."""
        wall, cpu, statements = time.perf_counter(), time.process_time(), self.statements
        result = await work
        spent = Cost(time.perf_counter() - wall, time.process_time() - cpu, self.statements - statements)
        self.made[name].append(spent)
        return result


@contextmanager
def counting(costs: Costs) -> Iterator[None]:
    """Count every statement of this process."""

    def count(*_: object) -> None:
        costs.statements += 1

    event.listen(Engine, "before_cursor_execute", count)
    try:
        yield
    finally:
        event.remove(Engine, "before_cursor_execute", count)


def write_policy(folder: Path, pending: int) -> None:
    """Two policies: with the default limits, and without any."""
    customers = "".join(f"newcomer_{number}\n" for number in range(pending // 4) if number % 10)
    for name, limits in (("limited", ""), ("unlimited", "limits: {accept: none, reject: none}")):
        (folder / name).mkdir()
        (folder / name / "policy.yaml").write_text(POLICY.format(limits=limits))
        (folder / name / "customers.csv").write_text(f"username\n{customers}")


def measure(url: str, service: Service, folder: Path, repeats: int) -> dict[str, object]:
    """Measure all, in this process. The ledger is changed: the pending requests are recorded and answered."""
    costs = Costs()
    with counting(costs):
        asyncio.run(_measure(url, service, folder, repeats, costs))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"costs": costs.median(), "peak_mb": peak}


async def _measure(url: str, service: Service, folder: Path, repeats: int, costs: Costs) -> None:
    settings = Settings(
        service=service.url,
        username=service.username,
        password=SecretStr(service.password),
        policy=folder / "limited",
        ledger=url,
        mode=Mode.ENFORCE,
        in_flight=16,
        rate=None,
    )
    limited = await ActivePolicy.load(settings)
    unlimited = await ActivePolicy.load(settings.model_copy(update={"policy": folder / "unlimited"}))
    ledger = await SqlLedger.open(url)
    during = ""
    for name in METHODS:
        work = getattr(ledger, name)

        async def timed(*args: Any, name: str = name, work: Callable[..., Awaitable[Any]] = work, **named: Any) -> Any:
            return await costs.of(f"{during}: {name}", work(*args, **named))

        setattr(ledger, name, timed)
    try:
        async with sign_in(settings, ledger) as session:
            cycle = build_cycle(session, settings, limited)
            service.show("nothing")
            during = "first look"
            await costs.of(during, cycle.look())
            during = "nothing pending"
            for _ in range(repeats):
                await costs.of(during, _cycle(cycle, session))
            await _ask(ledger, costs, repeats)
            service.show("pending")
            during = "new pending"
            await costs.of(during, cycle.look())
            during = "known pending"
            for _ in range(repeats):
                planned = await costs.of(during, cycle.look())
            during = "answers within the default limits"
            await costs.of(during, cycle.answer(planned))
            cycle.replace_policy(unlimited.policy, unlimited.tables, unlimited.dated)
            during = "look before all answers"
            planned = await costs.of(during, cycle.look())
            during = "answers without limits"
            await costs.of(during, cycle.answer(planned))
            service.show("answered")
            during = "answered but listed"
            for _ in range(repeats):
                await costs.of(during, cycle.look())
    finally:
        await ledger.close()


async def _cycle(cycle: Cycle, session: Session) -> Plan:
    """A whole cycle as `run` makes it."""
    planned = await cycle.look()
    await cycle.answer(planned)
    await session.ledger.count_open_intents()
    await session.ledger.count_undecided()
    return planned


async def _ask(ledger: SqlLedger, costs: Costs, repeats: int) -> None:
    """What else a cycle or a metric asks."""
    now = datetime.now(UTC)
    nothing = Snapshot(
        provider=PROVIDER,
        **{
            name: PendingList(kind=kind, begun=now, ended=now)
            for name, kind in (
                ("connections", Kind.CONNECTION),
                ("properties", Kind.PROPERTY),
                ("meters", Kind.METER),
            )
        },
        connected=frozenset(),
        ended=now,
    )
    history = SqlLedger.history
    for _ in range(repeats):
        await costs.of("history of nothing, no limits", history(ledger, nothing, at=now))
        for limit in DEFAULT_LIMITS:
            counting = history(ledger, nothing, limits=(limit,), at=now)
            await costs.of(f"history of nothing, limit on {limit.action.lower()}s", counting)
        await costs.of("metric: open intents", ledger.count_open_intents())
        await costs.of("metric: undecided", ledger.count_undecided())
    # A process asks for claims again and again, and may keep what it was told.
    await costs.of("claims, the first time", ledger.accepted_claims())
    for _ in range(repeats):
        await costs.of("claims, again", ledger.accepted_claims())
