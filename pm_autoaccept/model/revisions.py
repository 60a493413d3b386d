"""What the ledger keeps of policies: which was in force from when on, and which was refused and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyRevision:
    """A policy that came into force, or one that was refused while another stayed in force.

    Attributes:
        digest: of the policy in force: the new one, or, where that was refused, the one that stays.
        rules: how many rules it has.
        refused: why the new one is refused; None where it came into force.
        files: name → SHA-256 of each file of what came into force, so that an auditor finds just these among the
            versions that were kept elsewhere; empty where it was refused. Their texts are not kept: a policy may hold
            what is private.
    """

    digest: str
    rules: int
    refused: str | None = None
    files: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """What is remembered of one data source.

    Attributes:
        most, least: rows that it had in the last 7 days, or when it was last good; since somebody confirmed it, if
            somebody did in that time. None where it was never good.
        confirmed: digest of contents that somebody took as good → when.
    """

    most: int | None = None
    least: int | None = None
    confirmed: Mapping[str, datetime] = field(default_factory=dict)
