"""Every request that a ledger remembers, judged by another policy: what it would have decided otherwise.

Each is judged as of the time of its decision. The facts are what the ledger has of that time; what it does not have is
not learnt, so that a rule which asks for it holds.
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
    Memory,
    NotLearnt,
    PropertyShare,
    ReasonKind,
    Recalled,
    RequestKey,
    Verdict,
)
from pm_autoaccept.policy import Judgement, Policy, Table, name_key

_DOUBT_OF_THE_TIME = (ReasonKind.LIST_NOT_WHOLE, ReasonKind.CONTRADICTORY)
"""Reasons that no policy would have changed, and that a single request does not show."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejudged:
    """One request with what was decided of it, and what the other policy says; `why_not` where it was not asked."""

    recalled: Recalled
    judgement: Judgement | None = None
    why_not: str = ""

    @property
    def verdict(self) -> Verdict:
        """By the other policy; what it was not asked about stays as it was."""
        return self.recalled.verdict if self.judgement is None else self.judgement.verdict


def rejudge(memory: Memory, *, policy: Policy, tables: Mapping[str, Fact[Table]]) -> Iterator[Rejudged]:
    """Each request, connections first, then properties, then meters, which may ask about their property's verdict."""
    past = _Past(memory, policy)
    properties: dict[tuple[str, RequestKey], list[Rejudged]] = defaultdict(list)
    for kind in Kind:
        for each in memory.requests:
            if each.key.kind is kind:
                judged = _rejudge(each, past, properties, policy=policy, tables=tables)
                if kind is Kind.PROPERTY:
                    properties[each.account, each.key].append(judged)
                yield judged


def _rejudge(
    each: Recalled,
    past: _Past,
    properties: Mapping[tuple[str, RequestKey], list[Rejudged]],
    *,
    policy: Policy,
    tables: Mapping[str, Fact[Table]],
) -> Rejudged:
    request = each.request
    if request is None:
        return Rejudged(recalled=each, why_not="what was asked is masked")
    if each.reason in _DOUBT_OF_THE_TIME:
        return Rejudged(recalled=each, why_not="it was in doubt whatever the policy: see its reason on record")
    if request.account_id is None or (request.kind is not Kind.CONNECTION and request.property_id is None):
        return Rejudged(recalled=each, why_not="its document does not say whose it is")
    if request.garbled is not None:
        return Rejudged(recalled=each, why_not=f"it has a character that XML forbids, in {request.garbled}")
    facts = past.facts(each, request.account_id)
    if request.kind is Kind.METER:
        key = RequestKey(Kind.PROPERTY, request.property_id or 0)
        share = past.share(each, key)
        waiting = [one for one in properties.get((each.account, key), ()) if one.recalled.pended_at(each.decided_at)]
        unknown = share if isinstance(share, NotLearnt) else None
        facts = replace(
            facts,
            property_share=share,
            property_verdict=unknown or (waiting[-1].verdict if waiting else None),
            property_custom=past.answers(waiting[-1].recalled if waiting else None, "its property's share"),
        )
    return Rejudged(recalled=each, judgement=policy.judge(request, facts, tables))


class _Past:
    """What the ledger remembers of any moment."""

    def __init__(self, memory: Memory, policy: Policy) -> None:
        self._memory = memory
        self._asked = {name_key(name.rpartition("custom.")[2]) for name in policy.fields if "custom." in name}
        self._requests: dict[tuple[str, RequestKey], list[Recalled]] = defaultdict(list)
        self._defined: dict[str, set[str]] = defaultdict(set)
        for each in memory.requests:
            self._requests[each.account, each.key].append(each)
            if each.request is not None:
                self._defined[each.account].update(custom.name for custom in each.request.custom)

    def facts(self, each: Recalled, owner: int) -> Facts:
        """What is known of a request beyond itself, but for a meter's property."""
        moment, connection = each.decided_at, RequestKey(Kind.CONNECTION, owner)
        asked = self._last(each.account, connection, moment)
        connected: Fact[bool] = self._memory.stood(each.account, connection, moment)
        if not connected and (asked is None or not asked.pended_at(moment)):
            connected = NotLearnt("the ledger does not say whether the owner was connected then")
        facts = Facts(
            now=moment,
            held=each.held,
            connected=connected,
            # A field that anybody was asked for is one of ours; of others nobody can say.
            defined=frozenset(self._defined[each.account]),
            claims=NotLearnt("what others had said at that time is not looked for in the ledger"),
        )
        if each.key.kind is Kind.CONNECTION:
            return facts
        return replace(facts, account=_account(asked), connection_custom=self.answers(asked, "a connection request"))

    def share(self, each: Recalled, key: RequestKey) -> Fact[PropertyShare]:
        """How a meter's property stood."""
        if any(one.pended_at(each.decided_at) for one in self._requests.get((each.account, key), ())):
            return PropertyShare.PENDING
        if self._memory.stood(each.account, key, each.decided_at):
            return PropertyShare.SHARED
        return NotLearnt("the ledger does not say how its property stood then")

    def answers(self, asked: Recalled | None, what: str) -> Fact[tuple[CustomField, ...]]:
        """The custom fields of another request; one of which only a digest is known matters where it is asked."""
        if asked is None or asked.request is None or asked.request.garbled is not None:
            return NotLearnt(f"the ledger does not have {what} of that time")
        if any(name_key(name) in self._asked for name in asked.hidden):
            return NotLearnt("it was private, and the ledger has only a digest of it")
        return tuple(custom for custom in asked.request.custom if custom.name not in asked.hidden)

    def _last(self, account: str, key: RequestKey, moment: datetime) -> Recalled | None:
        """The last request of this key that had been seen then."""
        seen = [each for each in self._requests.get((account, key), ()) if each.first_seen <= moment]
        return max(seen, key=lambda each: each.first_seen, default=None)


def _account(asked: Recalled | None) -> Fact[AccountInfo]:
    request = None if asked is None else asked.request
    info = None if request is None or request.garbled is not None else request.account_info
    return info or NotLearnt("the ledger does not have the owner's connection request of that time")
