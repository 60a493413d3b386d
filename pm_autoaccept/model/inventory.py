"""Inventory: who is connected, what is shared, whether we decided it, what changed, and removals."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from pm_autoaccept.model.requests import Kind, RequestKey


class Origin(StrEnum):
    """How a connection or share came about: before us, decided by us, or undecided."""

    BEFORE_US = "before_us"
    """It existed when we first looked."""
    DECIDED = "decided"
    """One of our accepts created it, directly or as a known side effect."""
    UNDECIDED = "undecided"
    """None of our answers explains it: somebody accepted it in Portfolio Manager, or another accept included it."""


class FindingKind(StrEnum):
    """The kinds of inventory finding. A closed set; each value is the name of a log event."""

    CAME_IN_UNDECIDED = "came_in_undecided"
    CONNECTION_ENDED = "connection_ended"
    SHARE_ENDED = "share_ended"
    ACCESS_LOWERED = "access_lowered"
    ACCESS_CHANGED = "access_changed"
    OWNER_CHANGED = "owner_changed"
    NOTIFICATION_NOTED = "notification_noted"


@dataclass(frozen=True, slots=True)
class Finding:
    """One change of a connection or share, reported once.

    Attributes:
        key: the connection or share; None if a notification names none.
        text: one sentence for people.
        command: the command that removes it, if it is undecided.
        lowered: whether access to it is now Read Only, if its access has changed.
    """

    kind: FindingKind
    key: RequestKey | None
    text: str
    command: str | None = None
    lowered: bool = False


def removal_command(key: RequestKey, *, account: str | None = None) -> str:
    """The command that removes a connection with all its shares, or one share.

    Names the provider account if the ledger has several.
    """
    whose = f" --account {account}" if account is not None else ""
    if key.kind is Kind.CONNECTION:
        return f"pm-autoaccept account disconnect {key.id} --remove-shares{whose}"
    return f"pm-autoaccept account unshare {key}{whose}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareReads:
    """Whose shares were read longest ago, from the ledger.

    Attributes:
        tried: the known owners whose shares were ever asked for, in the order of the last attempts, oldest first.
        touched: owners whose shares have changed, or may have changed, since they were read.
        sharing: owners with known shares, whether or not they are connected.
    """

    tried: tuple[int, ...] = ()
    touched: frozenset[int] = frozenset()
    sharing: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Removal:
    """A connection or share that a person removes with a command.

    Attributes:
        keep_shares: for connections only: whether to keep the shares. Always sent explicitly.
        note: the text for the customer, 1 to 1,000 characters, or None.
    """

    key: RequestKey
    keep_shares: bool | None = None
    note: str | None = None
