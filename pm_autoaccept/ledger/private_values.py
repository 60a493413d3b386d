"""Keeps of what nobody may see a keyed digest: which custom fields those are, the policy says with `private`.

The key is in the ledger. Whoever has no more than an export can do nothing with a digest; whoever has the whole ledger
can try values against it. What identifies a request is made from what was really asked, so that it stays the same
request when a field becomes private.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass, field

from pm_autoaccept.errors import DocumentRefused
from pm_autoaccept.model import CustomField
from pm_autoaccept.parse import replace_answers
from pm_autoaccept.policy.cleaning import fold
from pm_autoaccept.policy.evaluation.custom_answers import name_key

DIGEST = "digest:"
"""What stands for a private value begins so."""


@dataclass(frozen=True, slots=True)
class Hiding:
    """Which custom fields are private (by `name_key`), and the key of the digests that stand for their values."""

    names: frozenset[str] = frozenset()
    key: bytes = field(default=b"", repr=False)

    def answers(self, custom: Iterable[CustomField]) -> list[list[str]]:
        """The names and values of custom fields as they are kept."""
        return [[each.name, self._instead(each.name, each.value) or each.value] for each in custom]

    def source(self, source: bytes) -> bytes:
        """The bytes of a request as they are kept; none where nobody can be sure that nothing private is in them."""
        if not self.names:
            return source
        try:
            return replace_answers(source, self._instead)
        except DocumentRefused:
            return b""

    def _instead(self, name: str, value: str) -> str | None:
        """What is kept instead of a value; None where that may be kept. What stands under no name at all may not."""
        wanted = name_key(name)
        if (wanted and wanted not in self.names) or not self.names or not fold(value):
            return None
        return DIGEST + hmac.new(self.key, fold(value).encode(), hashlib.sha256).hexdigest()[:32]
