"""One cycle of the daemon's: look, answer, and tell what came of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import structlog

from pm_autoaccept.cycle import Cycle
from pm_autoaccept.daemon.lease import Hold
from pm_autoaccept.daemon.shutdown import Stop
from pm_autoaccept.model import Kind, Plan, Receipt
from pm_autoaccept.telemetry.account_telemetry import AccountTelemetry

log = structlog.get_logger()


async def look_and_answer(cycle: Cycle, hold: Hold, telemetry: AccountTelemetry, stop: Stop) -> str | None:
    """Do one cycle; says what failed where not one list could be read.

    The lease is renewed before both halves, since either may have kept the loop or the ledger busy for long: the
    answers of a large account must find a lease that lasts.

    Raises:
        PortfolioManagerError, LedgerError: the cycle came to nothing; what it had begun stands in the ledger.
    """
    await hold.renew()
    planned = await stop.unless_asked(cycle.look())
    if planned is None:
        return None
    telemetry.planned(planned)
    telemetry.paused(paused=planned.paused is not None)
    for pending in planned.not_whole:
        log.warning("list_not_whole", kind=pending.kind, error=pending.failed)
    if planned.paused is not None:
        log.warning("answering_paused", why=planned.paused)
    if planned.steps:
        await hold.renew()
    receipts = await cycle.answer(planned)
    open_intents, undecided = await cycle.ledger.count_open_intents(), await cycle.ledger.count_undecided()
    telemetry.cycle_finished(planned, open_intents=open_intents, undecided_in=undecided, at=cycle.now())
    if len(planned.not_whole) == len(Kind):
        return planned.not_whole[0].failed
    _tell_finished(planned, receipts)
    return None


def _tell_finished(planned: Plan, receipts: Sequence[Receipt]) -> None:
    """Log what the cycle did. How many pend is known only where every list was read to its end."""
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
