"""Removes a connection or a share at a person's request (disconnect, unshare): intent, one POST, outcome.

The client retries a POST that was certainly not processed. If it may have been processed, later reads settle the
outcome.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from pm_autoaccept.errors import AnswerUnknown, NotAuthorised, PortfolioManagerError
from pm_autoaccept.ledger import SqlLedger
from pm_autoaccept.model import Kind, Outcome, Removal
from pm_autoaccept.portfolio_manager import PortfolioManager


async def remove(
    removal: Removal, *, pm: PortfolioManager, ledger: SqlLedger, by: str, now: Callable[[], datetime]
) -> tuple[Outcome, str]:
    """Send a disconnect or unshare and record its outcome.

    Args:
        removal: the connection or share to remove.
        pm: the signed-in client.
        ledger: the ledger, claimed for the account.
        by: the person who removes it.
        now: the clock.

    Returns:
        `done`; `refused` with the service's text; or `open` if nobody knows whether it was processed.

    Raises:
        NotAuthorised: the credentials were refused; the outcome is recorded.
        LedgerError: nothing was sent, or the outcome could not be recorded.
    """
    number = await ledger.record_removal_intent(removal, by=by, at=now())
    refusal: NotAuthorised | None = None
    outcome, text = Outcome.DONE, ""
    try:
        if removal.key.kind is Kind.CONNECTION:
            keep = removal.keep_shares is True
            await pm.disconnect(removal.key.id, keep_shares=keep, note=removal.note)
        else:
            await pm.unshare(removal.key.kind, removal.key.id, removal.note)
    except AnswerUnknown as error:
        outcome, text = Outcome.OPEN, str(error)
    except PortfolioManagerError as error:
        outcome, text = Outcome.REFUSED, str(error)
        refusal = error if isinstance(error, NotAuthorised) else None
    await ledger.record_removal_outcome(number, outcome, text, at=now())
    if refusal is not None:
        raise refusal
    return outcome, text
