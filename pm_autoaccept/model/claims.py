"""Claims: what accepted and pending requests say in custom fields, for the `taken` operator."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field

from pm_autoaccept.model.requests import CustomField, PendingRequest, RequestKey

ANY_FIELD = ""
"""The name in `Claim.unread` of a custom field whose name could not be read either."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What one accepted or pending request says in its custom fields.

    Attributes:
        owner: the owner's account id; None if it is unknown.
        unread: names of the custom fields whose values could not be read or are no longer known.
        doubt: why the claim is uncertain; None if it is certain.
    """

    key: RequestKey
    owner: int | None
    username: str | None = None
    custom: tuple[CustomField, ...] = ()
    unread: frozenset[str] = frozenset()
    doubt: str | None = None


@dataclass(frozen=True, slots=True)
class MissedRequest:
    """A request that is pending in the ledger but missing from one read. It stays pending until a second misses it.

    Attributes:
        request: what the ledger knows about it, without custom fields, account, property and meter.
        claim: what it says in its custom fields.
    """

    request: PendingRequest
    claim: Claim


@dataclass(frozen=True, slots=True)
class FieldClaims:
    """All claims to one custom field, with its values cleaned in one way.

    Attributes:
        by_value: cleaned value → the claims to it, certain ones first.
        unread: the claims whose value in this field is unknown.
        missing: why there may be other claims; None if all are known.
    """

    by_value: Mapping[str, tuple[Claim, ...]] = field(default_factory=dict)
    unread: tuple[Claim, ...] = ()
    missing: str | None = None


@dataclass(frozen=True, slots=True)
class Claims:
    """The claims that a policy's `taken` tests need: (custom field, how it is cleaned) → claims."""

    of: Mapping[tuple[str, Hashable], FieldClaims] = field(default_factory=dict)
