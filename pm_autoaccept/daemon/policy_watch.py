"""The policy in force, and the files that it was loaded from, to notice when they change."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import structlog

from pm_autoaccept.account import PolicyInForce
from pm_autoaccept.errors import ConfigurationError, PolicyRefused

log = structlog.get_logger()

_Files: TypeAlias = tuple[tuple[str, int, int], ...]


@dataclass(slots=True)
class PolicyWatch:
    """The policy in force, and the files that it was loaded from, to notice when they change.

    Attributes:
        refused: the folder holds a policy with faults now.
    """

    folder: Path
    in_force: PolicyInForce
    _seen: _Files | None
    refused: bool = False

    @classmethod
    def begin(cls, folder: Path) -> PolicyWatch:
        """Load the policy; raises `PolicyRefused` or `ConfigurationError`."""
        # Looked at before they are read: what changes in between is noticed as a change.
        seen = _files(folder)
        return cls(folder, PolicyInForce.load(folder), seen)

    def why_not(self) -> str | None:
        """Say why nothing more may be answered by the policy in force; None while its files are as they were read."""
        files = _files(self.folder)
        return "the policy's files have changed" if files not in (None, self._seen) else None

    def changed(self) -> bool:
        """Take over a changed policy, and say whether there is one. One with faults never replaces one without."""
        files = _files(self.folder)
        if files is None or files == self._seen:
            return False
        self._seen = files
        self.refused = True
        try:
            self.in_force = PolicyInForce.load(self.folder)
        except (PolicyRefused, ConfigurationError) as error:
            log.error("policy_refused", error=str(error), in_force=self.in_force.policy.digest)  # noqa: TRY400 — its text says all; a traceback would not help
            return False
        self.refused = False
        log.info("policy_loaded", digest=self.in_force.policy.digest, rules=len(self.in_force.policy.rules))
        return True


def _files(folder: Path) -> _Files | None:
    """What a policy folder holds: names, sizes and times. None while it changes under our eyes: look again later."""
    try:
        return tuple(_looks(path) for path in sorted(folder.rglob("*")))
    except OSError:
        return None


def _looks(path: Path) -> tuple[str, int, int]:
    """A file's name, size and time; of a link to nowhere, which may stand there for ever, the link's own."""
    try:
        seen = path.stat()
    except FileNotFoundError:
        seen = path.lstat()
    return str(path), seen.st_size, seen.st_mtime_ns
