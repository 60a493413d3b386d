"""Runs one cycle in the daemon: look, answer, and log the result."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import structlog

from pm_autoaccept.cycle import Cycle
from pm_autoaccept.daemon.lease import LeaseHold
from pm_autoaccept.daemon.shutdown import Stop
from pm_autoaccept.model import Kind, Plan, Receipt
from pm_autoaccept.telemetry.account_telemetry import AccountTelemetry

log = structlog.get_logger()


async def run_cycle(cycle: Cycle, lease: LeaseHold, telemetry: AccountTelemetry, stop: Stop) -> str | None:
    """Run one cycle. Returns the error if not a single list could be read, otherwise None.

    The lease is renewed before reading and again before answering, because reading a large account can take long, and
    the answers need a lease that lasts.

    Raises:
        PortfolioManagerError, LedgerError: the cycle failed. What it had begun is in the ledger.
    """
    await lease.renew()
    planned = await stop.unless_stopping(cycle.look())
    if planned is None:
        return None
    telemetry.planned(planned)
    telemetry.paused(paused=planned.paused is not None)
    for pending in planned.not_whole:
        log.warning("list_not_whole", kind=pending.kind, error=pending.failed)
    if planned.paused is not None:
        log.warning("answering_paused", why=planned.paused)
    if planned.steps:
        await lease.renew()
    receipts = await cycle.answer(planned)
    open_intents, undecided = await cycle.ledger.count_open_intents(), await cycle.ledger.count_undecided()
    telemetry.cycle_finished(planned, open_intents=open_intents, undecided_in=undecided, at=cycle.now())
    if len(planned.not_whole) == len(Kind):
        return planned.not_whole[0].failed
    _log_cycle_finished(planned, receipts)
    return None


def _log_cycle_finished(planned: Plan, receipts: Sequence[Receipt]) -> None:
    """Log the result of a cycle. The number of pending requests is only known if every list was read in full."""
    not_whole = [str(each.kind) for each in planned.not_whole]
    pending = len(planned.decisions)
    counts = Counter(str(decision.verdict) for decision in planned.decisions)
    outcomes = Counter(str(receipt.outcome or "dropped") for receipt in receipts)
    log.info(
        "cycle_finished",
        **({"pending_at_least": pending, "lists_not_whole": not_whole} if not_whole else {"pending": pending}),
        kept_back=len(planned.kept_back),
        **{f"decided_{verdict}": count for verdict, count in sorted(counts.items())},
        **{f"answers_{outcome}": count for outcome, count in sorted(outcomes.items())},
    )
