"""One provider account: its policy loaded, its ledger open, and the client signed in, ready for cycles."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from pm_autoaccept.config import Settings
from pm_autoaccept.cycle import Cycle, utc_now
from pm_autoaccept.data_sources import read_folder
from pm_autoaccept.data_sources.fetch import Places
from pm_autoaccept.data_sources.refresh import LONGEST, Keeper
from pm_autoaccept.egress.proxy_password import Egress, Passage
from pm_autoaccept.ledger import SqlLedger
from pm_autoaccept.ledger.elapsed_time import OF_THIS_PROCESS
from pm_autoaccept.ledger.proxy_passwords import recorded, recorded_beside
from pm_autoaccept.model import Decision, Fact, PolicyRevision, Receipt
from pm_autoaccept.policy import Policy, Table, load_checked
from pm_autoaccept.portfolio_manager import CallMade, Pace, PortfolioManager
from pm_autoaccept.record import REPEAT_WITHIN
from pm_autoaccept.sign_in import Memory, credential, ledger_is_there, sign_in
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


@asynccontextmanager
async def passage_to_look(*accounts: Settings) -> AsyncIterator[Passage]:
    """What is known of proxies' passwords, for what only reads its ledger: of them it writes all the same."""
    ledger = accounts[0].ledger
    if ledger_is_there(ledger) and any(account.proxies.may_sign_in for account in accounts):
        async with recorded_beside(ledger) as passage:
            yield passage
    else:
        yield Passage()


@asynccontextmanager
async def open_account(
    settings: Settings,
    *,
    ledger: SqlLedger,
    records: bool = True,
    memory: Memory | None = None,
    in_force: PolicyInForce | None = None,
    passage: Passage | None = None,
    pace: Pace | None = None,
    stop: Callable[[], str | None] = lambda: None,
    tell: Callable[[Receipt], None] = lambda _receipt: None,
    told: Callable[[CallMade], None] = lambda _made: None,
    decided: Callable[[Decision], None] = log_told,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    now: Callable[[], datetime] = utc_now,
) -> AsyncIterator[Cycle]:
    """Open everything that one account's cycles work with, and sign in: one GET /account, alone.

    Args:
        settings: the account's.
        ledger: where its work is recorded; it stays open.
        records: whether the ledger is written; else it is only read, and need not be claimed yet.
        memory: where it is remembered how signing in ended; in that ledger where None.
        in_force: the policy; loaded from the settings' folder where None.
        passage: what is known of proxies' passwords; what the ledger remembers where None.
        pace: at which calls leave; a new one by the settings where None.
        stop: says why nothing more may be sent, None while it may.
        tell: called with what came of each step.
        told: called with each attempt at a call.
        decided: called with each decision that is new, or differs from the request's last one.
        sleep: waits so many seconds before a call is repeated.
        now: the clock.

    Raises:
        PolicyRefused, ConfigurationError: the policy folder has faults.
        LedgerError: the ledger cannot be used, or belongs to another account.
        PortfolioManagerError: signing in failed, `NotAuthorised` where the password is wrong, or was refused so lately
            that it is not tried.
    """
    async with AsyncExitStack() as stack:
        if passage is None and records:
            passage = recorded(ledger.database, now=now)
        elif passage is None:
            passage = await stack.enter_async_context(passage_to_look(settings))
        judging = in_force or await PolicyInForce.load(settings, passage)
        memory = memory or Memory(credential=credential(settings, ledger.database), now=now)
        if now is utc_now:
            ledger.clocks = OF_THIS_PROCESS
        pm = await stack.enter_async_context(
            PortfolioManager(
                base_url=settings.base_url,
                username=settings.username,
                password=settings.password.get_secret_value(),
                pace=pace or Pace(in_flight=settings.in_flight, rate=settings.rate),
                timeout=settings.timeout.total_seconds(),
                sleep=sleep,
                now=now,
                told=told,
                memory=memory,
                egress=Egress(settings.proxies, passage),
            )
        )
        provider = await sign_in(pm, memory)
        if records:
            await ledger.claim(service=settings.base_url, provider=provider, at=now())
        else:
            await ledger.belongs_to(service=settings.base_url, provider=provider)
        yield Cycle(
            pm=pm,
            provider=provider,
            ledger=ledger,
            policy=judging.policy,
            tables=judging.tables,
            dated=judging.dated,
            mode=settings.mode,
            now=now,
            stop=stop,
            pause_file=settings.pause_file,
            tell=tell,
            tell_decided=decided,
            # A repetition must not leave when reads may already be settling what became of the answer.
            repeat_within=min(REPEAT_WITHIN, settings.unknown_wait / 2),
        )
