"""Policy revisions, and the history of a data source: row counts and confirmed contents."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyRevision:
    """A policy that came into force, or one that was refused while the previous one stayed in force.

    Attributes:
        digest: of the policy in force: the new one, or the previous one if the new one was refused.
        rules: how many rules it has.
        refused: why the new policy was refused; None if it came into force.
        files: name → SHA-256 of each file that came into force, so that an auditor can find the same files in version
            control; empty if it was refused. The texts are not kept, because a policy may contain private data.
    """

    digest: str
    rules: int
    refused: str | None = None
    files: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceHistory:
    """The recorded row counts and confirmations of one data source.

    Attributes:
        most, least: its row counts in the last 7 days, or when it was last good. A confirmation within that time starts
            the count anew. None if it was never good.
        confirmed: digest of the contents that somebody confirmed → when.
    """

    most: int | None = None
    least: int | None = None
    confirmed: Mapping[str, datetime] = field(default_factory=dict)
