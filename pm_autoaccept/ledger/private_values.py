"""Private custom fields (`private` in the policy): stores a keyed digest (HMAC) instead of the value.

The key is in the ledger. Someone who has only an export can do nothing with a digest; someone who has the whole ledger
can test values against it. A request's own digest is made from the original values, so it stays the same request when
a field becomes private.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass, field

from pm_autoaccept.errors import DocumentRefused
from pm_autoaccept.model import CustomField, ReasonKind
from pm_autoaccept.parse import replace_answers
from pm_autoaccept.policy.cleaning import fold
from pm_autoaccept.policy.evaluation.custom_answers import name_key

DIGEST_PREFIX = "digest:"
"""The prefix of a digest stored instead of a private value."""


QUOTING = (ReasonKind.UNKNOWN, ReasonKind.NOT_UNDERSTOOD)
"""Reasons of decisions whose text may quote a customer's document."""


@dataclass(frozen=True, slots=True)
class PrivateFields:
    """The names of the private custom fields (by `name_key`), and the key for the digests of their values."""

    names: frozenset[str] = frozenset()
    key: bytes = field(default=b"", repr=False)

    def answers(self, custom: Iterable[CustomField]) -> list[list[str]]:
        """The names and values of custom fields as they are stored."""
        return [[each.name, self._instead(each.name, each.value) or each.value] for each in custom]

    def source(self, source: bytes) -> bytes:
        """The bytes of a request as they are stored; empty if they may contain private values."""
        if not self.names:
            return source
        try:
            return replace_answers(source, self._instead)
        except DocumentRefused:
            return b""

    def _instead(self, name: str, value: str) -> str | None:
        """The digest to store instead of a value; None if the value may be stored. A value without a name may not."""
        wanted = name_key(name)
        if (wanted and wanted not in self.names) or not self.names or not fold(value):
            return None
        return DIGEST_PREFIX + hmac.new(self.key, fold(value).encode(), hashlib.sha256).hexdigest()[:32]
