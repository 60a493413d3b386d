"""What is connected and shared, whether we decided it, and what there is to tell of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from pm_autoaccept.model.requests import Kind, RequestKey


class Origin(StrEnum):
    """How a connection or share came about."""

    BEFORE_US = "before_us"
    """It stood there when we first looked."""
    DECIDED = "decided"
    """An accept of ours brought it, or carried it along knowingly."""
    UNDECIDED = "undecided"
    """No answer of ours explains it: people answered in Portfolio Manager itself, or an answer carried it along."""


class FindingKind(StrEnum):
    """What there is to tell. A closed set; each is the name of a log event."""

    CAME_IN_UNDECIDED = "came_in_undecided"
    CONNECTION_ENDED = "connection_ended"
    SHARE_ENDED = "share_ended"
    ACCESS_LOWERED = "access_lowered"
    ACCESS_CHANGED = "access_changed"
    OWNER_CHANGED = "owner_changed"
    NOTIFICATION_NOTED = "notification_noted"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that changed in what is connected and shared, told once.

    Attributes:
        key: the connection or share; None where a notification names none.
        text: one sentence for people.
        command: the command that removes it, for what came in undecided.
    """

    kind: FindingKind
    key: RequestKey | None
    text: str
    command: str | None = None


def command_that_removes(key: RequestKey, *, account: str | None = None) -> str:
    """What ends a connection with all its shares, or a share; of this provider account, where there are several."""
    whose = f" --account {account}" if account is not None else ""
    if key.kind is Kind.CONNECTION:
        return f"pm-autoaccept account disconnect {key.id} --remove-shares{whose}"
    return f"pm-autoaccept account unshare {key}{whose}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """What the ledger knows of when each owner's shares were read.

    Attributes:
        tried: owner → when the owner's shares were last asked for; an owner without an entry never was.
        touched: owners whose shares must have changed, or may have, since they were read.
        sharing: owners of whom shares are known, connected or not.
    """

    tried: Mapping[int, datetime] = field(default_factory=dict)
    touched: frozenset[int] = frozenset()
    sharing: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Removal:
    """A connection or share that a person ends by a command.

    Attributes:
        keep_shares: connections only: whether the shares stay. It is always said on the wire.
        note: for the customer, 1 to 1,000 characters; None for none.
    """

    key: RequestKey
    keep_shares: bool | None = None
    note: str | None = None
