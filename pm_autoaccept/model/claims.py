"""Who else says the same in a custom field: accepted requests and pending ones."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field

from pm_autoaccept.model.requests import CustomField, PendingRequest, RequestKey

ANY = ""
"""Stands in `Claim.unread` where not even the name of a custom field could be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What one request says in its custom fields: one that was accepted, or one that pends.

    Attributes:
        owner: the owner's account id; None where it is not known.
        unread: names of its custom fields whose values could not be read, or are known no more.
        doubt: why it is not sure that this stands there; None where it is.
    """

    key: RequestKey
    owner: int | None
    username: str | None = None
    custom: tuple[CustomField, ...] = ()
    unread: frozenset[str] = frozenset()
    doubt: str | None = None


@dataclass(frozen=True, slots=True)
class Missed:
    """A pending request that one read did not show, from the ledger. It counts as pending until a second misses it too.

    Attributes:
        request: what the ledger knows of it. Custom fields, account, property and meter are left out.
        claim: what it says in its custom fields.
    """

    request: PendingRequest
    claim: Claim


@dataclass(frozen=True, slots=True)
class Claimed:
    """Who has said what in one custom field, cleaned in one way.

    Attributes:
        by_value: cleaned value → the claims to it, those that are sure first.
        unread: the claims of which it is not known what they say there.
        missing: why there may be others; None where all is known.
    """

    by_value: Mapping[str, tuple[Claim, ...]] = field(default_factory=dict)
    unread: tuple[Claim, ...] = ()
    missing: str | None = None


@dataclass(frozen=True, slots=True)
class Claims:
    """What a policy asks about with `taken`: (custom field, how it is cleaned) → who has said what there."""

    of: Mapping[tuple[str, Hashable], Claimed] = field(default_factory=dict)
