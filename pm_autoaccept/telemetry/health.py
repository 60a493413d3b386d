"""What `/livez` and `/readyz` say: pure functions from what the daemon knows of its accounts to a status and a body.

The sentences are a closed set: nothing that a customer or Portfolio Manager wrote can stand in them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from http import HTTPStatus
from types import MappingProxyType

MAX_MISSED_INTERVALS = 5
"""So many intervals without a good cycle are too many …"""

MIN_TIME_LIMIT = timedelta(minutes=10)
"""… but never sooner than this, since a cycle that answers much is long."""


class LeaseState(StrEnum):
    """Who does an account's work."""

    NOT_KNOWN = "not_known"
    """Not tried yet, or the ledger cannot be reached."""
    HELD = "held"
    """This process."""
    ELSEWHERE = "elsewhere"
    """Another replica; this one stands by."""


class Trouble(StrEnum):
    """What an account is in trouble with. A closed set; the log has the details."""

    POLICY_REFUSED = "policy_refused"
    NOT_AUTHORISED = "not_authorised"
    PROXY_NOT_AUTHORISED = "proxy_not_authorised"
    SIGN_IN_FAILED = "sign_in_failed"
    LEDGER_UNAVAILABLE = "ledger_unavailable"
    CYCLE_FAILED = "cycle_failed"
    LIST_NOT_WHOLE = "list_not_whole"


TROUBLE_MESSAGES: Mapping[Trouble, str] = MappingProxyType(
    {
        Trouble.POLICY_REFUSED: "its policy folder holds no policy without faults; pm-autoaccept check lists them",
        Trouble.NOT_AUTHORISED: "Portfolio Manager refused the username or the password; put the right password where "
        "the settings say, it is tried again rarely so that the account does not lock",
        Trouble.PROXY_NOT_AUTHORISED: "the proxy refused its username or password, so nothing was sent; put the right "
        "password where the settings say, it is tried again rarely so that the proxy's account does not lock",
        Trouble.SIGN_IN_FAILED: "signing in to Portfolio Manager failed in passing; it is tried again by itself",
        Trouble.LEDGER_UNAVAILABLE: "the ledger cannot be read or written, and nothing is answered without it; "
        "look at its disk or its database",
        Trouble.CYCLE_FAILED: "the last cycle failed; it is tried again by itself",
        Trouble.LIST_NOT_WHOLE: "a pending list could not be read to its end, and nothing in it is answered; "
        "it is tried again by itself",
    }
)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A changed policy that was refused, so that the one before it stays in force.

    Attributes:
        at: when.
        faults: how many it has; 0 where its files cannot be read.
        first: where the first one stands, as `policy.yaml:4:7`; what it says, the log and `check` tell.
    """

    at: datetime
    faults: int
    first: str

    def __str__(self) -> str:
        """One sentence, which quotes nothing of the policy."""
        faults = f"{self.faults} fault{'s' if self.faults != 1 else ''}, the first in {self.first}"
        why = faults if self.faults else "its files cannot be read"
        return (
            f"its policy folder was changed and refused at {_format_time(self.at)} ({why}), and the policy before it "
            "stays in force; pm-autoaccept check lists the faults"
        )


@dataclass(slots=True, kw_only=True)
class AccountHealth:
    """What the daemon last knew of one account. Plain data that the daemon keeps up to date.

    Attributes:
        account: the settings' name for it.
        interval: from one cycle's end to the next.
        lease: who does its work.
        paused: nothing is answered, because somebody said `pause`.
        last_good_cycle: when the last cycle ended that read every list whole, decided and recorded.
        trouble: what went wrong last; None since a cycle was good.
        unusable_tables: the names of data sources that cannot be read, or break a guard.
        refusal: the policy folder's present contents are refused.
        crashed: its task has ended, which only stopping may bring about.
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
    """What a probe is told: the HTTP status, and a body to be written as JSON."""

    status: HTTPStatus
    body: Mapping[str, object]


def liveness(accounts: Collection[AccountHealth]) -> ProbeResponse:
    """200 while every account's task lives; that the loop turns is seen by there being an answer at all.

    A restart cures what this finds; it does not cure what only `readiness` finds.
    """
    dead = sorted(each.account for each in accounts if each.crashed)
    body: dict[str, object] = {"live": not dead}
    if dead:
        body["why"] = f"the work on {', '.join(dead)} has ended without being asked to; restart this process"
    return ProbeResponse(HTTPStatus.SERVICE_UNAVAILABLE if dead else HTTPStatus.OK, body)


def readiness(accounts: Collection[AccountHealth], *, now: datetime) -> ProbeResponse:
    """200 when every account is either looked after here, or by another replica; the body says each account's state."""
    told = {each.account: _account_readiness(each, now) for each in sorted(accounts, key=lambda each: each.account)}
    whole = bool(told) and all(is_ready for is_ready, _ in told.values())
    refused = {each.account: {"policy_refused": str(each.refusal)} for each in accounts if each.refusal}
    body: dict[str, object] = {
        "ready": whole,
        "accounts": {
            name: {"ready": is_ready, "why": why} | refused.get(name, {}) for name, (is_ready, why) in told.items()
        },
    }
    if not told:
        body["why"] = "no account has been begun yet"
    return ProbeResponse(HTTPStatus.OK if whole else HTTPStatus.SERVICE_UNAVAILABLE, body)


def _account_readiness(health: AccountHealth, now: datetime) -> tuple[bool, str]:
    """Whether one account is ready, and why or why not."""
    if health.crashed:
        return False, "its task has ended without being asked to; restart this process, the log says what happened"
    if health.lease is LeaseState.ELSEWHERE:
        return True, "another replica holds its lease and does its work; this one stands by"
    why_not = _not_working_reason(health) or _no_good_cycle_reason(health, now)
    paused = "it is paused, nothing is answered" if health.paused else None
    trouble = TROUBLE_MESSAGES[health.trouble] if health.trouble else None
    names = ", ".join(health.unusable_tables)
    data = f"what needs these data is held: {names}; pm-autoaccept data says why" if names else None
    refused = str(health.refusal) if health.refusal else None
    last = f"the last good cycle ended at {_format_time(health.last_good_cycle)}" if health.last_good_cycle else None
    return why_not is None, "; ".join(part for part in (why_not or last, paused, trouble, refused, data) if part)


def _not_working_reason(health: AccountHealth) -> str | None:
    if health.lease is LeaseState.NOT_KNOWN:
        return "its lease has not been taken yet"
    return None if health.signed_in else "it is not signed in"


def _no_good_cycle_reason(health: AccountHealth, now: datetime) -> str | None:
    last = health.last_good_cycle
    if last is None:
        return "no cycle has come to a good end yet"
    limit = max(MAX_MISSED_INTERVALS * health.interval, MIN_TIME_LIMIT)
    if now - last <= limit:
        return None
    return f"the last good cycle ended at {_format_time(last)}, more than {limit.total_seconds() / 60:g} minutes ago"


def _format_time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S %Z}"
