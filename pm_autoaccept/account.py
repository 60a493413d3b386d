"""One provider account: loads its active policy with data, and builds its cycle from session, policy and settings."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from pm_autoaccept.clock import utc_now
from pm_autoaccept.config import Settings
from pm_autoaccept.cycle import Cycle, Tables
from pm_autoaccept.data_sources import read_folder
from pm_autoaccept.data_sources.fetch import SourceAccess
from pm_autoaccept.data_sources.refresh import READ_TIMEOUT, SourceRefresher
from pm_autoaccept.egress.proxy_password import Egress, ProxyPasswordGuard
from pm_autoaccept.model import Decision, PolicyRevision, Receipt
from pm_autoaccept.policy import Policy, load_checked
from pm_autoaccept.record import RETRY_WITHIN
from pm_autoaccept.sign_in import Session
from pm_autoaccept.telemetry.events import log_notify_group


@dataclass(frozen=True, slots=True)
class ActivePolicy:
    """The policy in effect, with its tables as read.

    Attributes:
        files: name → SHA-256 of each file of the policy.
        refused: why the policy that is now in the folder was refused; None if this is the one in the folder.
        dated: the date of the contents of each table.
    """

    policy: Policy
    tables: Tables
    files: Mapping[str, str] = field(default_factory=dict)
    refused: str | None = None
    dated: Mapping[str, datetime | None] = field(default_factory=dict)

    @classmethod
    async def load(cls, settings: Settings, proxy_guard: ProxyPasswordGuard | None = None) -> ActivePolicy:
        """Load a policy, run its tests, and read its data once; raises `PolicyRefused` or `ConfigurationError`."""
        loaded = load_policy(settings.policy)
        refresher = SourceRefresher(
            sources=loaded.policy.sources,
            places=data_places(settings, proxy_guard),
            now=utc_now,
            cycle_wait=READ_TIMEOUT,
            logs_reads=False,
        )
        await refresher.start()
        await refresher.close()
        return loaded.with_data(refresher)

    def with_data(self, refresher: SourceRefresher) -> ActivePolicy:
        """The same policy with this data, which the refresher keeps up to date."""
        return replace(self, tables=refresher.tables, dated=refresher.dated)

    @property
    def revision(self) -> PolicyRevision:
        """What the ledger records of it."""
        files = self.files if self.refused is None else {}
        return PolicyRevision(
            digest=self.policy.digest, rules=len(self.policy.rules), refused=self.refused, files=files
        )


def load_policy(folder: Path) -> ActivePolicy:
    """Load a policy folder and run its tests, without its data; raises `PolicyRefused` or `ConfigurationError`."""
    files = read_folder(folder)
    return ActivePolicy(
        load_checked(files), {}, {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    )


def data_places(settings: Settings, proxy_guard: ProxyPasswordGuard | None = None) -> SourceAccess:
    """Where the data of an account's policy may be read from, and through which proxies."""
    return SourceAccess(
        settings.policy, settings.connections, Egress(settings.proxies, proxy_guard or ProxyPasswordGuard())
    )


def build_cycle(
    session: Session,
    settings: Settings,
    active: ActivePolicy,
    *,
    blocked_reason: Callable[[], str | None] = lambda: None,
    on_receipt: Callable[[Receipt], None] = lambda _receipt: None,
    on_decision: Callable[[Decision], None] = log_notify_group,
    on_tables: Callable[[Tables], None] = lambda _tables: None,
    now: Callable[[], datetime] = utc_now,
) -> Cycle:
    """Build the cycle of a signed-in account from its policy and settings.

    Args:
        session: the signed-in session.
        settings: the account's settings.
        active: its policy and data.
        blocked_reason: returns why nothing more may be sent now, or None.
        on_receipt: called with the outcome of each step.
        on_decision: called with each decision that is new or differs from the request's last one.
        on_tables: called in each cycle with the policy's tables; a table that its guard refused is a reason instead.
        now: the clock.
    """
    return Cycle(
        pm=session.pm,
        provider=session.provider,
        ledger=session.ledger,
        policy=active.policy,
        tables=active.tables,
        dated=active.dated,
        mode=settings.mode,
        now=now,
        blocked_reason=blocked_reason,
        pause_file=settings.pause_file,
        on_receipt=on_receipt,
        on_decision=on_decision,
        on_tables=on_tables,
        # A retry must not be sent once reads may already be reconciling the answer.
        repeat_within=min(RETRY_WITHIN, settings.unknown_wait / 2),
    )
