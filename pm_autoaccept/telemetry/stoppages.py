"""What has stopped in an account, from what its worker reported: the words of the notices `stopped` and `over`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from pm_autoaccept.model import ReasonKind, Stoppage
from pm_autoaccept.telemetry.account_telemetry import AccountTelemetry
from pm_autoaccept.telemetry.health import (
    TROUBLE_MESSAGES,
    AccountHealth,
    LeaseState,
    Trouble,
    no_good_cycle_reason,
)


def stoppages(telemetry: AccountTelemetry, *, since: datetime, now: datetime) -> Mapping[Stoppage, str | None]:
    """What has stopped → one sentence, or None if it certainly has not. What is not known yet is left out.

    Only the process that holds the account's lease knows; for the others, nothing is known.

    Args:
        telemetry: of the account.
        since: since when this process has held the lease.
        now: the time.
    """
    health = telemetry.health
    if health.lease is not LeaseState.HELD:
        return {}
    found: dict[Stoppage, str | None] = {}
    refused = health.trouble in (Trouble.NOT_AUTHORISED, Trouble.PROXY_NOT_AUTHORISED)
    if refused and health.trouble is not None:
        found[Stoppage.CREDENTIALS] = TROUBLE_MESSAGES[health.trouble]
    elif health.signed_in:
        found[Stoppage.CREDENTIALS] = None
    if health.refusal is not None or telemetry.policy_digest:
        found[Stoppage.POLICY_REFUSED] = None if health.refusal is None else str(health.refusal)
    if telemetry.kept_back is not None:
        found[Stoppage.LIMIT_REACHED] = _over_limit(telemetry.kept_back)
    why = _no_good_cycle(health, since, now)
    if not refused and (why is not None or health.last_good_cycle is not None):
        found[Stoppage.NO_GOOD_CYCLE] = why
    if telemetry.checked_tables is not None:
        names = ", ".join(health.unusable_tables)
        text = f"requests that need this data are held: {names}; run pm-autoaccept data to see why"
        found[Stoppage.SOURCE_STALE] = text if names else None
    return found


def _over_limit(kept_back: Mapping[tuple[str, str], int]) -> str | None:
    """How many decided answers wait because of a limit."""
    number = sum(count for (_, reason), count in kept_back.items() if reason == ReasonKind.OVER_LIMIT)
    if not number:
        return None
    return f"{number} decided answer{'s' if number != 1 else ''} not sent, because a limit of the policy is reached"


def _no_good_cycle(health: AccountHealth, since: datetime, now: datetime) -> str | None:
    """Why the last good cycle was too long ago, with the last problem."""
    why = no_good_cycle_reason(replace(health, last_good_cycle=health.last_good_cycle or since), now)
    if why is not None and health.last_good_cycle is None:
        why = f"no good cycle since {since:%Y-%m-%d %H:%M:%S %Z}, when this process took over the account"
    if why is None or health.trouble is None:
        return why
    return f"{why}: {TROUBLE_MESSAGES[health.trouble]}"
