"""Reads, answers and outcomes of a ledger, each as short as the test that tells of it wants it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from pm_autoaccept.ledger import SqlLedger
from pm_autoaccept.model import (
    Action,
    History,
    Mode,
    Outcome,
    PendingRequest,
    ProviderAccount,
    Receipt,
    Snapshot,
    Step,
    Verdict,
)
from tests.examples import NOW, decided, snapshot

MINUTE = timedelta(minutes=1)
SERVICE, US = "http://127.0.0.1/wstest", ProviderAccount(1, "us")
ACCEPT, REJECT, HOLD = Verdict.ACCEPT, Verdict.REJECT, Verdict.HOLD


def read(*requests: PendingRequest, minute: float, **said: object) -> Snapshot:
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


async def see(ledger: SqlLedger, *requests: PendingRequest, minute: float, **said: object) -> History:
    """Record a read of this minute and say how its requests stand."""
    seen = read(*requests, minute=minute, **said)
    at = NOW + minute * MINUTE + timedelta(seconds=2)
    await ledger.record_snapshot(seen, at=at)
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
    await ledger.record_decisions([decision], [], mode=Mode.ENFORCE, at=at)
    action = Action.ACCEPT if verdict is ACCEPT else Action.REJECT
    step = Step(decision=decision, action=action, falls=said.pop("falls", ()))
    intent = await ledger.record_intent(step, at=at)
    if outcome is not Outcome.OPEN:
        await ledger.record_outcome(intent, Receipt(step=step, outcome=outcome, **said), at=at)


async def outcomes(ledger: SqlLedger) -> dict[str, Outcome | None]:
    """Request and time → outcome."""
    return {f"{row.key}/{row.time}": row.outcome for row in await ledger.decisions()}
