"""Health probes: the status and body of `/livez` (liveness) and `/readyz` (readiness), computed from account health.

The messages are a closed set, so they never contain text from a customer or from Portfolio Manager.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from http import HTTPStatus
from types import MappingProxyType

MAX_MISSED_INTERVALS = 5
"""Readiness fails after this many intervals without a good cycle …"""

MIN_TIME_LIMIT = timedelta(minutes=10)
"""… but not before this time has passed, because a cycle with many answers takes long."""


class LeaseState(StrEnum):
    """Which process holds the lease on an account."""

    NOT_KNOWN = "not_known"
    """Not taken yet, or the ledger is unavailable."""
    HELD = "held"
    """This process."""
    ELSEWHERE = "elsewhere"
    """Another replica; this one is on standby."""


class Trouble(StrEnum):
    """Why an account is not working. A closed set; the log has the details."""

    POLICY_REFUSED = "policy_refused"
    NOT_AUTHORISED = "not_authorised"
    PROXY_NOT_AUTHORISED = "proxy_not_authorised"
    SIGN_IN_FAILED = "sign_in_failed"
    LEDGER_UNAVAILABLE = "ledger_unavailable"
    CYCLE_FAILED = "cycle_failed"
    LIST_NOT_WHOLE = "list_not_whole"


TROUBLE_MESSAGES: Mapping[Trouble, str] = MappingProxyType(
    {
        Trouble.POLICY_REFUSED: "the policy is invalid, and there is no previous policy to use; "
        "run pm-autoaccept check to list the faults",
        Trouble.NOT_AUTHORISED: "Portfolio Manager refused the username or password; correct the password in the "
        "settings. It is retried rarely, so that the account is not locked",
        Trouble.PROXY_NOT_AUTHORISED: "the proxy refused its username or password, so nothing was sent; "
        "correct the password in the settings. It is retried rarely, so that the proxy account is not locked",
        Trouble.SIGN_IN_FAILED: "signing in to Portfolio Manager failed with a temporary error; "
        "it is retried automatically",
        Trouble.LEDGER_UNAVAILABLE: "the ledger cannot be read or written, so nothing is answered; "
        "check its disk or its database",
        Trouble.CYCLE_FAILED: "the last cycle failed; it is retried automatically",
        Trouble.LIST_NOT_WHOLE: "a pending list could not be read in full, so nothing in it is answered; "
        "it is retried automatically",
    }
)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A changed policy that was refused, so the previous policy stays in effect.

    Attributes:
        at: when it was refused.
        faults: how many faults it has; 0 if its files cannot be read.
        first: the place of the first one, for example `policy.yaml:4:7`. The log and `check` show its message.
    """

    at: datetime
    faults: int
    first: str

    def __str__(self) -> str:
        """One sentence. It quotes nothing from the policy."""
        faults = f"{self.faults} fault{'s' if self.faults != 1 else ''}, the first in {self.first}"
        why = faults if self.faults else "its files cannot be read"
        return (
            f"the policy folder was changed, and the new policy was refused at {_format_time(self.at)} ({why}). "
            "The previous policy stays in effect; run pm-autoaccept check to list the faults"
        )


@dataclass(slots=True, kw_only=True)
class AccountHealth:
    """The health of one account: plain data that the daemon keeps up to date.

    Attributes:
        account: its name in the settings.
        interval: the time from the end of one cycle to the next.
        lease: which process holds its lease.
        paused: answering is paused.
        last_good_cycle: when the last good cycle ended: every list read in full, everything decided and recorded.
        trouble: the last problem; None after a good cycle.
        unusable_tables: the names of data sources that cannot be read or violate a guard.
        refusal: set while the policy in the folder is refused.
        crashed: its worker ended without a request to stop.
    """

    account: str
    interval: timedelta
    lease: LeaseState = LeaseState.NOT_KNOWN
    signed_in: bool = False
    paused: bool = False
    last_good_cycle: datetime | None = None
    trouble: Trouble | None = None
    unusable_tables: tuple[str, ...] = ()
    refusal: Refusal | None = None
    crashed: bool = False


@dataclass(frozen=True, slots=True)
class ProbeResponse:
    """The response to a probe: the HTTP status and a body for JSON."""

    status: HTTPStatus
    body: Mapping[str, object]


def liveness(accounts: Collection[AccountHealth]) -> ProbeResponse:
    """`/livez`: 200 while every account worker is running. Any response shows that the event loop is running.

    A restart fixes what this probe finds. It does not fix what only `readiness` finds.
    """
    dead = sorted(each.account for each in accounts if each.crashed)
    body: dict[str, object] = {"live": not dead}
    if dead:
        body["why"] = f"the account worker of {', '.join(dead)} ended unexpectedly; restart this process"
    return ProbeResponse(HTTPStatus.SERVICE_UNAVAILABLE if dead else HTTPStatus.OK, body)


def readiness(accounts: Collection[AccountHealth], *, now: datetime) -> ProbeResponse:
    """`/readyz`: 200 if every account works here or in another replica. The body gives each account's state."""
    states = {each.account: _account_readiness(each, now) for each in sorted(accounts, key=lambda each: each.account)}
    whole = bool(states) and all(is_ready for is_ready, _ in states.values())
    refused = {each.account: {"policy_refused": str(each.refusal)} for each in accounts if each.refusal}
    body: dict[str, object] = {
        "ready": whole,
        "accounts": {
            name: {"ready": is_ready, "why": why} | refused.get(name, {}) for name, (is_ready, why) in states.items()
        },
    }
    if not states:
        body["why"] = "no account has been started yet"
    return ProbeResponse(HTTPStatus.OK if whole else HTTPStatus.SERVICE_UNAVAILABLE, body)


def _account_readiness(health: AccountHealth, now: datetime) -> tuple[bool, str]:
    """Whether one account is ready, and the reason."""
    if health.crashed:
        return False, "its account worker ended unexpectedly; restart this process. The log says what happened"
    if health.lease is LeaseState.ELSEWHERE:
        return True, "another replica holds its lease; this one is on standby"
    why_not = _not_working_reason(health) or no_good_cycle_reason(health, now)
    paused = "answering is paused" if health.paused else None
    trouble = TROUBLE_MESSAGES[health.trouble] if health.trouble else None
    names = ", ".join(health.unusable_tables)
    data = f"requests that need this data are held: {names}; run pm-autoaccept data to see why" if names else None
    refused = str(health.refusal) if health.refusal else None
    last = f"the last good cycle ended at {_format_time(health.last_good_cycle)}" if health.last_good_cycle else None
    return why_not is None, "; ".join(part for part in (why_not or last, paused, trouble, refused, data) if part)


def _not_working_reason(health: AccountHealth) -> str | None:
    if health.lease is LeaseState.NOT_KNOWN:
        return "this process does not hold its lease yet"
    return None if health.signed_in else "not signed in"


def no_good_cycle_reason(health: AccountHealth, now: datetime) -> str | None:
    """Why the last good cycle was too long ago; None if it was not."""
    last = health.last_good_cycle
    if last is None:
        return "no good cycle yet"
    limit = max(MAX_MISSED_INTERVALS * health.interval, MIN_TIME_LIMIT)
    if now - last <= limit:
        return None
    return f"the last good cycle ended at {_format_time(last)}, more than {limit.total_seconds() / 60:g} minutes ago"


def _format_time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S %Z}"
