"""Policy reload: watches the policy folder and data files while the daemon runs, and replaces a changed policy."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Self

import structlog

from pm_autoaccept.account import ActivePolicy, load_policy
from pm_autoaccept.data_sources.fetch import SourceAccess
from pm_autoaccept.data_sources.file_stamps import (
    FileStamps,
    known_policy_stamps,
    policy_stamps,
    stamped_documents,
    wait_until_settled,
)
from pm_autoaccept.data_sources.refresh import CYCLE_WAIT, SourceRefresher
from pm_autoaccept.data_sources.threads import run_in_thread
from pm_autoaccept.errors import ConfigurationError, PolicyRefused
from pm_autoaccept.telemetry.health import Refusal

log = structlog.get_logger()

FILE_CHECK_INTERVAL = timedelta(seconds=1)
"""How often files are checked between cycles, so that held requests are decided again soon after a change."""

_MAX_LOAD_ATTEMPTS = 3


@dataclass(slots=True, kw_only=True)
class PolicyWatch:
    """The policy in effect with its data, and the state of its files, to detect changes.

    Attributes:
        places: the policy folder, and where its data may be.
        now: the clock.
        active: the policy in effect, with its current tables.
        refusal: why the policy that is now in the folder was refused; None if it is in effect.
        stirred: set when a change should start a cycle.
    """

    places: SourceAccess
    now: Callable[[], datetime]
    active: ActivePolicy
    refusal: Refusal | None = None
    stirred: asyncio.Event = field(default_factory=asyncio.Event)
    _seen: FileStamps
    _refresher: SourceRefresher

    @classmethod
    async def begin(
        cls, places: SourceAccess, *, now: Callable[[], datetime], patience: timedelta = CYCLE_WAIT, tells: bool = True
    ) -> Self:
        """Load the policy and read its data; raises `PolicyRefused` or `ConfigurationError`.

        Args:
            places: the policy folder, and where its data may be.
            now: the clock.
            patience: how long to wait for slow data sources.
            tells: whether to log that data was read.
        """
        # File stamps are taken before reading, so that a change in between is detected.
        seen = policy_stamps(places.folder)
        loaded = await _load_in_thread(places.folder)
        refresher = SourceRefresher(
            sources=loaded.policy.sources, places=places, now=now, cycle_wait=patience, logs_reads=tells
        )
        await refresher.start()
        active = loaded.with_data(refresher)
        return cls(places=places, now=now, active=active, stirred=refresher.updated, _seen=seen, _refresher=refresher)

    @property
    def folder(self) -> Path:
        """The policy folder."""
        return self.places.folder

    def blocked_reason(self) -> str | None:
        """Why the policy in effect must not answer any more, or None while its files are unchanged.

        Called before each answer, because checking a few files is fast compared with sending one. A file-system event
        would arrive after the change itself, and an answer could be sent in between.
        """
        if known_policy_stamps(self.folder, stamped_documents(self._seen)) != self._seen:
            return "the policy's files have changed"
        return self._refresher.changed_reason()

    async def apply_changes(self) -> bool:
        """Load what has changed. Returns whether the policy was replaced; one with faults never replaces it."""
        replaced = policy_stamps(self.folder) != self._seen and await self._load()
        if not replaced:
            await self._refresher.refresh()
        self.stirred.clear()  # the cycle that begins now uses everything loaded so far
        return replaced

    async def poll_files(self) -> None:
        """Check the files periodically until cancelled. Sets `stirred` when a cycle should begin."""
        while True:
            await asyncio.sleep(FILE_CHECK_INTERVAL.total_seconds())
            if policy_stamps(self.folder) != self._seen:
                self.stirred.set()
            else:
                self._refresher.start_due_reads()

    def replace_places(self, places: SourceAccess) -> None:
        """Change where data is read from, or through which proxy, from the next read on."""
        self.places = self._refresher.places = places

    async def close(self) -> None:
        """Stop waiting for data."""
        await self._refresher.close()

    async def _load(self) -> bool:
        for _ in range(_MAX_LOAD_ATTEMPTS):
            await wait_until_settled(lambda: policy_stamps(self.folder), now=self.now)
            seen = policy_stamps(self.folder)
            try:
                loaded = await _load_in_thread(self.folder)
            except (PolicyRefused, ConfigurationError) as error:
                if policy_stamps(self.folder) == seen:
                    self._refuse(error, seen)
                    return False
                continue
            # Otherwise some files may have been read before the change and some after it.
            if policy_stamps(self.folder) == seen:
                return await self._take_over(loaded, seen)
        return False

    def _refuse(self, error: PolicyRefused | ConfigurationError, seen: FileStamps) -> None:
        faults = error.faults if isinstance(error, PolicyRefused) else ()
        self._seen, self.refusal = seen, Refusal(self.now(), len(faults), faults[0].where if faults else "")
        # Without the lines themselves: the ledger keeps this text, and a policy may contain private data.
        why = "\n".join(f"{fault.where}: {fault.message}" for fault in faults) or str(error)
        self.active = replace(self.active, refused=why)
        log.error("policy_refused", error=str(error), in_force=self.active.policy.digest)

    async def _take_over(self, loaded: ActivePolicy, seen: FileStamps) -> bool:
        self._seen, self.refusal = seen, None
        if loaded.revision == self.active.revision:
            return False
        before = self._refresher
        self._refresher = SourceRefresher(
            sources=loaded.policy.sources, places=self.places, now=self.now, updated=self.stirred
        )
        await self._refresher.start(before)
        await before.close()
        self.active = loaded.with_data(self._refresher)
        log.info("policy_loaded", digest=loaded.policy.digest, rules=len(loaded.policy.rules))
        return True


async def _load_in_thread(folder: Path) -> ActivePolicy:
    """Load a policy folder in a thread; raises only `PolicyRefused` or `ConfigurationError`.

    So no policy file can end the work on an account, even if it causes an internal error.
    """
    try:
        return await run_in_thread(lambda: load_policy(folder), name="load the policy")
    except (PolicyRefused, ConfigurationError):
        raise
    except Exception as error:
        log.exception("policy_not_loaded", folder=str(folder))
        # Without the text of the error, which may quote the policy, because the ledger keeps this message.
        why = f"internal error ({type(error).__name__}), see the log"
        raise ConfigurationError(
            f"{folder} cannot be loaded: {why}; undo the last change and report the error"
        ) from error
