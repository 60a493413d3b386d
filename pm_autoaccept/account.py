"""One provider account: the policy in force with its data, and the cycle of a signed-in account."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from pm_autoaccept.clock import utc_now
from pm_autoaccept.config import Settings
from pm_autoaccept.cycle import Cycle
from pm_autoaccept.data_sources import read_folder
from pm_autoaccept.data_sources.fetch import Places
from pm_autoaccept.data_sources.refresh import LONGEST, Keeper
from pm_autoaccept.egress.proxy_password import Egress, Passage
from pm_autoaccept.model import Decision, Fact, PolicyRevision, Receipt
from pm_autoaccept.policy import Policy, Table, load_checked
from pm_autoaccept.record import RETRY_WITHIN
from pm_autoaccept.sign_in import Session
from pm_autoaccept.telemetry.events import log_told


@dataclass(frozen=True, slots=True)
class PolicyInForce:
    """A policy that has no faults, with its tables as they were read.

    Attributes:
        files: name → SHA-256 of each file that it was loaded from.
        refused: why the folder's present policy has not taken its place; None where this is the present one.
        dated: when the contents of each table are from.
    """

    policy: Policy
    tables: Mapping[str, Fact[Table]]
    files: Mapping[str, str] = field(default_factory=dict)
    refused: str | None = None
    dated: Mapping[str, datetime | None] = field(default_factory=dict)

    @classmethod
    async def load(cls, settings: Settings, passage: Passage | None = None) -> PolicyInForce:
        """Load an account's policy, try its tests, read its data once; raises `PolicyRefused`, `ConfigurationError`."""
        loaded = load_policy(settings.policy)
        keeper = Keeper(
            sources=loaded.policy.sources,
            places=places(settings, passage),
            now=utc_now,
            patience=LONGEST,
            tells=False,
        )
        await keeper.begin()
        await keeper.close()
        return loaded.with_data(keeper)

    def with_data(self, keeper: Keeper) -> PolicyInForce:
        """The same policy with these data, as they are now and later."""
        return replace(self, tables=keeper.tables, dated=keeper.dated)

    @property
    def revision(self) -> PolicyRevision:
        """What the ledger keeps of it."""
        files = self.files if self.refused is None else {}
        return PolicyRevision(
            digest=self.policy.digest, rules=len(self.policy.rules), refused=self.refused, files=files
        )


def load_policy(folder: Path) -> PolicyInForce:
    """Load a policy folder and try its tests, without its data; raises `PolicyRefused` or `ConfigurationError`."""
    files = read_folder(folder)
    return PolicyInForce(
        load_checked(files), {}, {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    )


def places(settings: Settings, passage: Passage | None = None) -> Places:
    """Where the data of an account's policy may be, and how addresses are reached."""
    return Places(settings.policy, settings.connections, Egress(settings.proxies, passage or Passage()))


def cycle_of(
    session: Session,
    settings: Settings,
    in_force: PolicyInForce,
    *,
    blocked_reason: Callable[[], str | None] = lambda: None,
    on_receipt: Callable[[Receipt], None] = lambda _receipt: None,
    on_decision: Callable[[Decision], None] = log_told,
    on_tables: Callable[[Mapping[str, Fact[Table]]], None] = lambda _tables: None,
    now: Callable[[], datetime] = utc_now,
) -> Cycle:
    """One signed-in account's cycle, by its policy and its settings.

    Args:
        session: the account, signed in.
        settings: the account's.
        in_force: its policy and data.
        blocked_reason: says why nothing more may be sent now, or None.
        on_receipt: called with the outcome of each step.
        on_decision: called with each decision that is new or differs from the request's last one.
        on_tables: called in each cycle with the policy's tables; a table that its guard refused is a reason instead.
        now: the clock.
    """
    return Cycle(
        pm=session.pm,
        provider=session.provider,
        ledger=session.ledger,
        policy=in_force.policy,
        tables=in_force.tables,
        dated=in_force.dated,
        mode=settings.mode,
        now=now,
        blocked_reason=blocked_reason,
        pause_file=settings.pause_file,
        on_receipt=on_receipt,
        on_decision=on_decision,
        on_tables=on_tables,
        # A repetition must not leave when reads may already be settling what became of the answer.
        repeat_within=min(RETRY_WITHIN, settings.unknown_wait / 2),
    )
