"""Ends a connection or a share because a person says so: an intent before the POST, and what came of it after.

It is sent once. What surely was not processed is sent again by the client; of what may have been processed later reads
say what became of it.
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
    """Send it and record it.

    Args:
        removal: what ends.
        pm: the signed-in client.
        ledger: claimed for the account.
        by: who says so.
        now: the clock.

    Returns:
        `done`; `refused` with the service's text; or `open` where it is not known whether it was processed.

    Raises:
        NotAuthorised: the credentials were refused; that is recorded.
        LedgerError: nothing was sent, or what came of it could not be recorded.
    """
    number = await ledger.intend_removal(removal, by=by, at=now())
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
    await ledger.conclude_removal(number, outcome, text, at=now())
    if refusal is not None:
        raise refusal
    return outcome, text
