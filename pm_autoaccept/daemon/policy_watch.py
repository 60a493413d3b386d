"""The policy in force and its data, and the files that they were read from, to notice when they change."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Self

import structlog

from pm_autoaccept.account import PolicyInForce, load_policy
from pm_autoaccept.data_sources.fetch import Places
from pm_autoaccept.data_sources.file_stamps import Looks, documents_seen, look_again, look_at_policy, settled
from pm_autoaccept.data_sources.refresh import PATIENCE, Keeper
from pm_autoaccept.data_sources.threads import apart
from pm_autoaccept.errors import ConfigurationError, PolicyRefused
from pm_autoaccept.telemetry.health import Refusal

log = structlog.get_logger()

LOOKS_EVERY = timedelta(seconds=1)
"""How often files are looked at between two cycles, so that held requests are judged again as soon as one changes."""

_TRIES = 3


@dataclass(slots=True, kw_only=True)
class PolicyWatch:
    """The policy in force and its data, and the files that they were read from, to notice when they change.

    Attributes:
        places: the policy's folder, and where its data may be.
        now: the clock.
        in_force: the policy, with its tables as they are now.
        refusal: the folder's present policy is refused; None where it is in force.
        stirred: set when something has changed that a cycle should begin for.
    """

    places: Places
    now: Callable[[], datetime]
    in_force: PolicyInForce
    refusal: Refusal | None = None
    stirred: asyncio.Event = field(default_factory=asyncio.Event)
    _seen: Looks
    _keeper: Keeper

    @classmethod
    async def begin(
        cls, places: Places, *, now: Callable[[], datetime], patience: timedelta = PATIENCE, tells: bool = True
    ) -> Self:
        """Load the policy and read its data; raises `PolicyRefused` or `ConfigurationError`.

        Args:
            places: the policy's folder, and where its data may be.
            now: the clock.
            patience: how long data that take long to read are waited for.
            tells: whether it is logged that data were read.
        """
        # Looked at before they are read: what changes in between is noticed as a change.
        seen = look_at_policy(places.folder)
        loaded = await _load_apart(places.folder)
        keeper = Keeper(sources=loaded.policy.sources, places=places, now=now, patience=patience, tells=tells)
        await keeper.begin()
        in_force = loaded.with_data(keeper)
        return cls(places=places, now=now, in_force=in_force, stirred=keeper.stirred, _seen=seen, _keeper=keeper)

    @property
    def folder(self) -> Path:
        """The policy's."""
        return self.places.folder

    def blocked_reason(self) -> str | None:
        """Say why nothing more may be answered by the policy in force; None while its files are as they were read.

        Asked before each answer, since looking at a few files is quick beside sending one. An event of the file system
        would come later than the change itself, and an answer could leave in between.
        """
        if look_again(self.folder, documents_seen(self._seen)) != self._seen:
            return "the policy's files have changed"
        return self._keeper.blocked_reason()

    async def changed(self) -> bool:
        """Take over what has changed, and say whether there is another policy. A bad one never replaces a good one."""
        replaced = look_at_policy(self.folder) != self._seen and await self._load()
        if not replaced:
            await self._keeper.catch_up()
        self.stirred.clear()  # whatever has come by now, the cycle that begins now judges by
        return replaced

    async def keep(self) -> None:
        """Look again and again, until cancelled; `stirred` is set when a cycle should begin."""
        while True:
            await asyncio.sleep(LOOKS_EVERY.total_seconds())
            if look_at_policy(self.folder) != self._seen:
                self.stirred.set()
            else:
                self._keeper.look()

    def move(self, places: Places) -> None:
        """Look for data elsewhere, or on another way, from the next reading on."""
        self.places = self._keeper.places = places

    async def close(self) -> None:
        """Wait for no data any more."""
        await self._keeper.close()

    async def _load(self) -> bool:
        for _ in range(_TRIES):
            await settled(lambda: look_at_policy(self.folder), now=self.now)
            seen = look_at_policy(self.folder)
            try:
                loaded = await _load_apart(self.folder)
            except (PolicyRefused, ConfigurationError) as error:
                if look_at_policy(self.folder) == seen:
                    self._refuse(error, seen)
                    return False
                continue
            # Else some files may have been read before the change and some after it.
            if look_at_policy(self.folder) == seen:
                return await self._take_over(loaded, seen)
        return False

    def _refuse(self, error: PolicyRefused | ConfigurationError, seen: Looks) -> None:
        faults = error.faults if isinstance(error, PolicyRefused) else ()
        self._seen, self.refusal = seen, Refusal(self.now(), len(faults), faults[0].where if faults else "")
        # Without the lines themselves: what goes on record stays there, and a policy may hold what is private.
        why = "\n".join(f"{fault.where}: {fault.message}" for fault in faults) or str(error)
        self.in_force = replace(self.in_force, refused=why)
        log.error("policy_refused", error=str(error), in_force=self.in_force.policy.digest)

    async def _take_over(self, loaded: PolicyInForce, seen: Looks) -> bool:
        self._seen, self.refusal = seen, None
        if loaded.revision == self.in_force.revision:
            return False
        before = self._keeper
        self._keeper = Keeper(sources=loaded.policy.sources, places=self.places, now=self.now, stirred=self.stirred)
        await self._keeper.begin(before)
        await before.close()
        self.in_force = loaded.with_data(self._keeper)
        log.info("policy_loaded", digest=loaded.policy.digest, rules=len(loaded.policy.rules))
        return True


async def _load_apart(folder: Path) -> PolicyInForce:
    """Load a policy folder on a thread of its own; raises `PolicyRefused` or `ConfigurationError`, and nothing else.

    No policy file, whatever the program makes of it, ends the work on this account or on another.
    """
    try:
        return await apart(lambda: load_policy(folder), name="load the policy")
    except (PolicyRefused, ConfigurationError):
        raise
    except Exception as error:
        log.exception("policy_not_loaded", folder=str(folder))
        # Without the error's own words, which may quote the policy: this goes on record.
        why = f"a fault of the program ({type(error).__name__}), which the log tells in full"
        raise ConfigurationError(f"{folder} cannot be loaded: {why}; undo the last change, and report it") from error
