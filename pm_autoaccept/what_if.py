"""What-if: judges every recorded request by another policy and shows what would have been decided differently.

Each request is judged as of the time of its decision, with the facts that the ledger has from that time. Facts that it
does not have are not learnt, so a rule that needs one holds the request.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from pm_autoaccept.model import (
    AccountInfo,
    CustomField,
    Fact,
    Facts,
    Kind,
    NotLearnt,
    PropertyShare,
    ReasonKind,
    RecordedBatch,
    RecordedRequest,
    RequestKey,
    Verdict,
)
from pm_autoaccept.policy import Judgement, Policy, Table, name_key

_UNAFFECTED_BY_POLICY = (ReasonKind.LIST_NOT_WHOLE, ReasonKind.CONTRADICTORY)
"""Reasons that do not depend on the policy and cannot be seen from a single request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WhatIfResult:
    """One recorded request, its decision, and what the other policy decides; or the reason why it was not judged."""

    recorded: RecordedRequest
    judgement: Judgement | None = None
    not_judged_reason: str = ""

    @property
    def verdict(self) -> Verdict:
        """The other policy's verdict, or the recorded verdict if the request was not judged."""
        return self.recorded.verdict if self.judgement is None else self.judgement.verdict


def judge_recorded(
    batches: Iterable[RecordedBatch],
    *,
    defined: Mapping[str, frozenset[str]],
    policy: Policy,
    tables: Mapping[str, Fact[Table]],
) -> Iterator[WhatIfResult]:
    """Judge each recorded request. Only one batch is in memory at a time.

    Args:
        batches: connections first, then properties, then meters, which may test their property's verdict.
        defined: account → the names of its custom fields.
        policy: the other policy.
        tables: its data.
    """
    verdicts: dict[int, Verdict] = {}  # of the property requests, by number
    for batch in batches:
        past = _Past(batch, defined, policy)
        for each in batch.requests:
            judged = _rejudge(each, past, verdicts, policy=policy, tables=tables)
            if each.key.kind is Kind.PROPERTY:
                verdicts[each.number] = judged.verdict
            yield judged


def _rejudge(
    each: RecordedRequest,
    past: _Past,
    verdicts: Mapping[int, Verdict],
    *,
    policy: Policy,
    tables: Mapping[str, Fact[Table]],
) -> WhatIfResult:
    request = each.request
    if request is None:
        return WhatIfResult(recorded=each, not_judged_reason="its content is masked")
    if each.reason in _UNAFFECTED_BY_POLICY:
        return WhatIfResult(recorded=each, not_judged_reason="it was held whatever the policy; see its recorded reason")
    if request.account_id is None or (request.kind is not Kind.CONNECTION and request.property_id is None):
        return WhatIfResult(recorded=each, not_judged_reason="its document does not name the owner or the property")
    if request.garbled is not None:
        return WhatIfResult(
            recorded=each, not_judged_reason=f"it contains a character that XML forbids, in {request.garbled}"
        )
    facts = past.facts(each, request.account_id)
    if request.kind is Kind.METER:
        key = RequestKey(Kind.PROPERTY, request.property_id or 0)
        share, waiting = past.share(each, key), past.pending(each, key)
        unknown = share if isinstance(share, NotLearnt) else None
        facts = replace(
            facts,
            property_share=share,
            property_verdict=unknown or (None if waiting is None else verdicts[waiting.number]),
            property_custom=past.answers(waiting, "property share"),
        )
    return WhatIfResult(recorded=each, judgement=policy.judge(request, facts, tables))


class _Past:
    """The facts that the ledger recorded at any moment about the owners and properties of a batch."""

    def __init__(self, batch: RecordedBatch, defined: Mapping[str, frozenset[str]], policy: Policy) -> None:
        self._batch = batch
        # A field that any request contains is one of ours. About other fields nothing is known.
        self._defined = defined
        self._asked = {name_key(name.rpartition("custom.")[2]) for name in policy.fields if "custom." in name}

    def facts(self, each: RecordedRequest, owner: int) -> Facts:
        """The facts about a request beyond its own content, without those about a meter's property."""
        moment, connection = each.decided_at, RequestKey(Kind.CONNECTION, owner)
        asked = self._last(each.account, connection, moment)
        connected: Fact[bool] = self._batch.existed_at(each.account, connection, moment)
        if not connected and (asked is None or not asked.was_pending_at(moment)):
            connected = NotLearnt("the ledger does not show whether the owner was connected then")
        facts = Facts(
            now=moment,
            held=each.held,
            connected=connected,
            defined=self._defined.get(each.account, frozenset()),
            claims=NotLearnt("the ledger is not searched for what others had entered by then"),
        )
        if each.key.kind is Kind.CONNECTION:
            return facts
        return replace(facts, account=_account(asked), connection_custom=self.answers(asked, "connection request"))

    def share(self, each: RecordedRequest, key: RequestKey) -> Fact[PropertyShare]:
        """Whether a meter's property was shared, pending or neither."""
        if self.pending(each, key) is not None:
            return PropertyShare.PENDING
        if self._batch.existed_at(each.account, key, each.decided_at):
            return PropertyShare.SHARED
        return NotLearnt("the ledger does not show whether its property was shared then")

    def pending(self, each: RecordedRequest, key: RequestKey) -> RecordedRequest | None:
        """The request for a meter's property that was pending then; None if there was none."""
        found = self._batch.related.get((each.account, key), ())
        return next((one for one in reversed(found) if one.was_pending_at(each.decided_at)), None)

    def answers(self, asked: RecordedRequest | None, what: str) -> Fact[tuple[CustomField, ...]]:
        """The custom fields of another request. A private one is unknown, which matters only if the policy tests it."""
        if asked is None or asked.request is None or asked.request.garbled is not None:
            return NotLearnt(f"the ledger has no {what} from that time")
        if any(name_key(name) in self._asked for name in asked.hidden):
            return NotLearnt("the field was private, so the ledger has only a digest of its value")
        return tuple(custom for custom in asked.request.custom if custom.name not in asked.hidden)

    def _last(self, account: str, key: RequestKey, moment: datetime) -> RecordedRequest | None:
        """The last request with this key that had been seen by then."""
        seen = [each for each in self._batch.related.get((account, key), ()) if each.first_seen <= moment]
        return max(seen, key=lambda each: each.first_seen, default=None)


def _account(asked: RecordedRequest | None) -> Fact[AccountInfo]:
    request = None if asked is None else asked.request
    info = None if request is None or request.garbled is not None else request.account_info
    return info or NotLearnt("the ledger has no connection request of the owner from that time")
