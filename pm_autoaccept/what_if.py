"""What-if: judges every recorded request by another policy and shows what would have been decided differently.

Each request is judged as of the time of its decision, with the facts that the ledger has from that time. Facts that it
does not have are not learnt, so a rule that needs one holds the request.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
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
    RecordedHistory,
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
    memory: RecordedHistory, *, policy: Policy, tables: Mapping[str, Fact[Table]]
) -> Iterator[WhatIfResult]:
    """Judge each recorded request: connections, properties, then meters, which may test their property's verdict."""
    past = _Past(memory, policy)
    properties: dict[tuple[str, RequestKey], list[WhatIfResult]] = defaultdict(list)
    for kind in Kind:
        for each in memory.requests:
            if each.key.kind is kind:
                judged = _rejudge(each, past, properties, policy=policy, tables=tables)
                if kind is Kind.PROPERTY:
                    properties[each.account, each.key].append(judged)
                yield judged


def _rejudge(
    each: RecordedRequest,
    past: _Past,
    properties: Mapping[tuple[str, RequestKey], list[WhatIfResult]],
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
        share = past.share(each, key)
        waiting = [
            one for one in properties.get((each.account, key), ()) if one.recorded.was_pending_at(each.decided_at)
        ]
        unknown = share if isinstance(share, NotLearnt) else None
        facts = replace(
            facts,
            property_share=share,
            property_verdict=unknown or (waiting[-1].verdict if waiting else None),
            property_custom=past.answers(waiting[-1].recorded if waiting else None, "property share"),
        )
    return WhatIfResult(recorded=each, judgement=policy.judge(request, facts, tables))


class _Past:
    """The facts that the ledger recorded at any moment."""

    def __init__(self, memory: RecordedHistory, policy: Policy) -> None:
        self._memory = memory
        self._asked = {name_key(name.rpartition("custom.")[2]) for name in policy.fields if "custom." in name}
        self._requests: dict[tuple[str, RequestKey], list[RecordedRequest]] = defaultdict(list)
        self._defined: dict[str, set[str]] = defaultdict(set)
        for each in memory.requests:
            self._requests[each.account, each.key].append(each)
            if each.request is not None:
                self._defined[each.account].update(custom.name for custom in each.request.custom)

    def facts(self, each: RecordedRequest, owner: int) -> Facts:
        """The facts about a request beyond its own content, without those about a meter's property."""
        moment, connection = each.decided_at, RequestKey(Kind.CONNECTION, owner)
        asked = self._last(each.account, connection, moment)
        connected: Fact[bool] = self._memory.existed_at(each.account, connection, moment)
        if not connected and (asked is None or not asked.was_pending_at(moment)):
            connected = NotLearnt("the ledger does not show whether the owner was connected then")
        facts = Facts(
            now=moment,
            held=each.held,
            connected=connected,
            # A field that any request contains is one of ours. About other fields nothing is known.
            defined=frozenset(self._defined[each.account]),
            claims=NotLearnt("the ledger is not searched for what others had entered by then"),
        )
        if each.key.kind is Kind.CONNECTION:
            return facts
        return replace(facts, account=_account(asked), connection_custom=self.answers(asked, "connection request"))

    def share(self, each: RecordedRequest, key: RequestKey) -> Fact[PropertyShare]:
        """Whether a meter's property was shared, pending or neither."""
        if any(one.was_pending_at(each.decided_at) for one in self._requests.get((each.account, key), ())):
            return PropertyShare.PENDING
        if self._memory.existed_at(each.account, key, each.decided_at):
            return PropertyShare.SHARED
        return NotLearnt("the ledger does not show whether its property was shared then")

    def answers(self, asked: RecordedRequest | None, what: str) -> Fact[tuple[CustomField, ...]]:
        """The custom fields of another request. A private one is unknown, which matters only if the policy tests it."""
        if asked is None or asked.request is None or asked.request.garbled is not None:
            return NotLearnt(f"the ledger has no {what} from that time")
        if any(name_key(name) in self._asked for name in asked.hidden):
            return NotLearnt("the field was private, so the ledger has only a digest of its value")
        return tuple(custom for custom in asked.request.custom if custom.name not in asked.hidden)

    def _last(self, account: str, key: RequestKey, moment: datetime) -> RecordedRequest | None:
        """The last request with this key that had been seen by then."""
        seen = [each for each in self._requests.get((account, key), ()) if each.first_seen <= moment]
        return max(seen, key=lambda each: each.first_seen, default=None)


def _account(asked: RecordedRequest | None) -> Fact[AccountInfo]:
    request = None if asked is None else asked.request
    info = None if request is None or request.garbled is not None else request.account_info
    return info or NotLearnt("the ledger has no connection request of the owner from that time")
