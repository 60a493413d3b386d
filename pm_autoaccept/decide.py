"""Decides each pending request by the policy: accept, reject or hold. Pure, total and deterministic.

Connections come first, then properties, then meters, because a meter's rules may test its property's verdict. A request
in doubt is held: its list is incomplete, its id appears with different contents, or its owner is unknown. An answer by
people stands above the policy, once, for the very request that they saw.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from types import MappingProxyType

from pm_autoaccept.model import (
    ANYBODY,
    MAX_CLOCK_SKEW,
    NOT_ASKED_FOR,
    REPLACEMENT_CHARACTER,
    AccountInfo,
    Action,
    Claim,
    Claims,
    CustomField,
    Decision,
    Fact,
    Facts,
    Held,
    HumanAnswer,
    Kind,
    MissedRequest,
    NotLearnt,
    PendingList,
    PendingRequest,
    PropertyShare,
    Reason,
    ReasonKind,
    RequestKey,
    Snapshot,
    SourceUse,
    Verdict,
)
from pm_autoaccept.policy import AcceptedClaims, Policy, Table, collect_claims, name_key


def decide(
    snapshot: Snapshot,
    *,
    policy: Policy,
    tables: Mapping[str, Fact[Table]],
    now: datetime,
    held: Fact[Mapping[RequestKey, Held]] = NOT_ASKED_FOR,
    accepted: Fact[Sequence[Claim]] = NOT_ASKED_FOR,
    missed: Sequence[MissedRequest] = (),
    kept_claims: AcceptedClaims | None = None,
    human_answers: Mapping[RequestKey, HumanAnswer] = MappingProxyType({}),
) -> tuple[Decision, ...]:
    """One decision for each pending request, in the order in which they were decided.

    Args:
        snapshot: the lists and the facts.
        policy: the policy that decides.
        tables: the policy's data tables; a test on a table that is missing here is unknown.
        now: the time of the decision.
        held: which rule has held which pending request since when, from the ledger; others are not held yet.
        accepted: the custom fields of accepted requests, from the ledger; needed only if `policy.needs` says so.
        missed: requests that are pending in the ledger but missing from this read for the first time. They are held.
        kept_claims: the `accepted` of the last cycle by their values, so that only new ones need be read.
        human_answers: answers by people that may be sent now. They stand above the policy, but not above doubt about
            what is pending.
    """
    time = trusted_time(snapshot.clock, now)
    sources = sources_in_use(policy, tables)
    pending = {each.kind: _Pending.of(each, missed) for each in snapshot.lists}
    claims = _claims(policy, pending, accepted, missed, kept_claims)
    common = _CommonFacts(time, _defined(snapshot), claims)
    decisions: list[Decision] = []
    properties: dict[int, Verdict] = {}
    for kind in Kind:
        for request in (*pending[kind].first.values(), *pending[kind].missed.values()):
            doubt = _hold_reason(request, pending[kind])
            if doubt is not None:
                decision = Decision(
                    request=request,
                    verdict=Verdict.HOLD,
                    reason=doubt,
                    policy_digest=policy.digest,
                    sources=sources,
                )
            else:
                since = held if isinstance(held, NotLearnt) else held.get(request.key)
                facts = _facts(request, snapshot, common=common, held=since, pending=pending, properties=properties)
                decision = _judge(policy, request, facts=facts, tables=tables, sources=sources)
            if (answer := human_answers.get(request.key)) is not None and _is_clear(decision):
                decision = _answered(decision, answer)
            decisions.append(decision)
            if kind is Kind.PROPERTY:
                properties[request.id] = decision.verdict
    return tuple(decisions)


def _is_clear(decision: Decision) -> bool:
    """Whether it is certain which request is pending and what an answer to it would carry along."""
    if decision.reason.kind is ReasonKind.NOT_UNDERSTOOD:
        return _unknown_parent(decision.request) is None
    return decision.reason.kind not in _DOUBT_ABOUT_THE_LIST


_DOUBT_ABOUT_THE_LIST = (ReasonKind.LIST_NOT_WHOLE, ReasonKind.MISSED_ONCE, ReasonKind.CONTRADICTORY)


def _answered(decision: Decision, answer: HumanAnswer) -> Decision:
    """The decision that people made, with what the policy found."""
    verdict = Verdict.ACCEPT if answer.action is Action.ACCEPT else Verdict.REJECT
    people = " and ".join(answer.people)
    return replace(
        decision,
        verdict=verdict,
        reason=Reason(ReasonKind.PERSON, f"{verdict.capitalize()}ed by {people}."),
        rule=None,
        note=answer.note,
        # Identifies the note, so that another person's note may follow one that Portfolio Manager refused.
        template=None if answer.note is None else hashlib.sha256(answer.note.encode()).hexdigest(),
        accepts_unshared_property=False,
        tell=None,
        answer_rule=ANYBODY,
        person=answer,
    )


def sources_in_use(policy: Policy, tables: Mapping[str, Fact[Table]]) -> tuple[SourceUse, ...]:
    """The tables that the decisions used, by name, with rows and digest; tables that could not be read are left out."""
    available = [(name, table) for name in sorted(policy.sources) if isinstance(table := tables.get(name), Table)]
    return tuple(SourceUse(name, table.rows, table.digest) for name, table in available)


@dataclass(frozen=True, slots=True)
class _CommonFacts:
    """The facts that are the same for every request."""

    now: Fact[datetime]
    defined: Fact[frozenset[str]]
    claims: Fact[Claims]


@dataclass(frozen=True, slots=True)
class _Pending:
    """A pending list by id.

    Attributes:
        first: the first request of each id.
        contradictory: ids that the list contains with different contents.
        missed: requests that the list does not contain but that still count as pending.
        twins: listed ids whose earlier request is among the missed ones.
    """

    list: PendingList
    first: Mapping[int, PendingRequest]
    contradictory: frozenset[int]
    missed: Mapping[int, PendingRequest]
    twins: frozenset[int]

    @classmethod
    def of(cls, pending: PendingList, missed: Sequence[MissedRequest]) -> _Pending:
        first: dict[int, PendingRequest] = {}
        contradictory = set()
        for request in pending.requests:
            earlier = first.setdefault(request.id, request)
            # The bytes may differ although the content is the same.
            if earlier is not request and replace(earlier, source=b"") != replace(request, source=b""):
                contradictory.add(request.id)
        absent = {each.request.id: each.request for each in missed if each.request.kind is pending.kind}
        unseen = {id_: request for id_, request in absent.items() if id_ not in first}
        return cls(pending, first, frozenset(contradictory), unseen, frozenset(absent.keys() & first.keys()))

    def clear(self, id_: int) -> PendingRequest | None:
        """The pending request with this id, if its content is unambiguous."""
        return None if id_ in self.contradictory or id_ in self.twins else self.first.get(id_)


def _hold_reason(request: PendingRequest, pending: _Pending) -> Reason | None:
    """Why the request is held without asking the policy; None if the policy decides."""
    return _list_doubt(request, pending) or _document_doubt(request)


def _list_doubt(request: PendingRequest, pending: _Pending) -> Reason | None:
    """Why it is uncertain which request is pending under this id; None if it is certain."""
    what = f"{request.kind} {request.id}"
    if request.id in pending.missed:
        text = f"{what} is missing from one read of its list; it counts as pending until a second read also misses it."
        return Reason(ReasonKind.MISSED_ONCE, text)
    if pending.list.failed is not None:
        text = f"The list of pending {request.kind} requests is incomplete: {pending.list.failed}."
        return Reason(ReasonKind.LIST_NOT_WHOLE, text)
    if request.id in pending.contradictory:
        text = (
            f"The list contains {what} twice with different content, and an answer identifies a request only by its id."
        )
        return Reason(ReasonKind.CONTRADICTORY, text)
    if request.id in pending.twins:
        text = (
            f"The earlier request {what} is missing from one read of its list, but the list contains another with the "
            "same id; an answer identifies a request only by its id."
        )
        return Reason(ReasonKind.MISSED_ONCE, text)
    return None


def _document_doubt(request: PendingRequest) -> Reason | None:
    """Why it is uncertain what the request asks for; None if it is certain."""
    if request.garbled is not None:
        return Reason(ReasonKind.NOT_UNDERSTOOD, f"{_garbled(request)}.")
    unknown = _unknown_parent(request)
    if unknown is None:
        return None
    why = request.faults.get(unknown, "the document does not contain it")
    text = f"The {unknown} of {request.kind} {request.id} is unknown: {why}."
    return Reason(ReasonKind.NOT_UNDERSTOOD, text)


def _unknown_parent(request: PendingRequest) -> str | None:
    """The field for the owner or the property, if the document does not say it; every answer depends on both."""
    needed = {"account.id": request.account_id}
    if request.kind is not Kind.CONNECTION:
        needed["property.id"] = request.property_id
    return next((name for name, value in needed.items() if value is None or name in request.faults), None)


def _garbled(request: PendingRequest) -> str:
    return f"The {request.kind} request {request.id} contains a character that XML does not allow, in {request.garbled}"


def _judge(
    policy: Policy,
    request: PendingRequest,
    *,
    facts: Facts,
    tables: Mapping[str, Fact[Table]],
    sources: tuple[SourceUse, ...],
) -> Decision:
    judgement = policy.judge(request, facts, tables)
    return Decision(
        request=request,
        verdict=judgement.verdict,
        reason=judgement.reason,
        rule=judgement.rule,
        evidence=judgement.evidence,
        unknown=judgement.unknown,
        note=judgement.note,
        template=judgement.template,
        policy_digest=policy.digest,
        sources=sources,
        accepts_unshared_property=judgement.accepts_unshared_property,
        tell=judgement.tell,
        answer_rule=judgement.answer,
        facts=facts,
        shadows=judgement.shadows,
    )


def _claims(
    policy: Policy,
    pending: Mapping[Kind, _Pending],
    accepted: Fact[Sequence[Claim]],
    missed: Sequence[MissedRequest],
    kept: AcceptedClaims | None,
) -> Fact[Claims]:
    """The values of all requests in the custom fields that the policy tests with `taken`."""
    tests = policy.taken
    if not tests or isinstance(accepted, NotLearnt):
        return accepted if isinstance(accepted, NotLearnt) else NOT_ASKED_FOR
    unseen = [kind for kind in pending if not pending[kind].list.shows_absence]
    missing = f"the list of pending {unseen[0]} requests is incomplete" if unseen else None
    waiting = (_claim(request, each) for each in pending.values() for request in each.list.requests)
    unseen_once = (each.claim for each in missed)
    return collect_claims(tests, (*waiting, *unseen_once), missing=missing, accepted=accepted, kept=kept)


def _claim(request: PendingRequest, pending: _Pending) -> Claim:
    doubt = "its list contains it twice with different content" if request.id in pending.contradictory else None
    if request.garbled is not None:
        doubt = _garbled(request)
    return Claim(
        key=request.key,
        owner=None if "account.id" in request.faults else request.account_id,
        username=request.username,
        custom=request.custom if request.garbled is None else tuple(_possible(request.custom)),
        unread=frozenset(name_key(name.partition(".")[2]) for name in request.faults if _is_custom(name)),
        doubt=doubt,
    )


def _possible(custom: Iterable[CustomField]) -> Iterator[CustomField]:
    """The fields with each possible value: a lost character may turn into nothing, or into a blank, in `clean`."""
    return (
        replace(each, value=each.value.replace(REPLACEMENT_CHARACTER, lost))
        for each in custom
        for lost in (REPLACEMENT_CHARACTER, "", " ")
    )


def _is_custom(faulty: str) -> bool:
    return faulty.partition(".")[0] == "custom"


def trusted_time(clock: Fact[timedelta], now: datetime) -> Fact[datetime]:
    """The time, if our clock is close enough to Portfolio Manager's to be trusted."""
    if isinstance(clock, NotLearnt):
        return NotLearnt(f"this machine's clock could not be checked against Portfolio Manager's: {clock.why}")
    if abs(clock) > MAX_CLOCK_SKEW:
        seconds = f"{abs(clock).total_seconds():,.0f} seconds"
        return NotLearnt(f"this machine's clock differs from Portfolio Manager's by {seconds}, more than five minutes")
    return now


def _defined(snapshot: Snapshot) -> Fact[frozenset[str]]:
    fields = snapshot.custom_fields
    return fields if isinstance(fields, NotLearnt) else frozenset(name_key(field.name) for field in fields)


def _facts(
    request: PendingRequest,
    snapshot: Snapshot,
    *,
    common: _CommonFacts,
    held: Fact[Held | None],
    pending: Mapping[Kind, _Pending],
    properties: Mapping[int, Verdict],
) -> Facts:
    """The facts about one request. Its document names the owner and, for a meter, the property."""
    owner, connected = request.account_id or 0, snapshot.connected
    connections, shares = pending[Kind.CONNECTION], pending[Kind.PROPERTY]
    of_share, of_meter = request.kind is not Kind.CONNECTION, request.kind is Kind.METER
    return Facts(
        now=common.now,
        held=held,
        connected=connected if isinstance(connected, NotLearnt) else owner in connected,
        account=_account(owner, connections, snapshot) if of_share else NOT_ASKED_FOR,
        defined=common.defined,
        connection_custom=_answers_at_connection(owner, connections, snapshot) if of_share else NOT_ASKED_FOR,
        property_custom=_answers_at_property(request, shares) if of_meter else NOT_ASKED_FOR,
        property_share=_property_share(request, owner, shares=shares, snapshot=snapshot) if of_meter else NOT_ASKED_FOR,
        property_verdict=(
            _property_verdict(request, shares=shares, properties=properties) if of_meter else NOT_ASKED_FOR
        ),
        claims=common.claims,
    )


def _custom(request: PendingRequest) -> Fact[tuple[CustomField, ...]]:
    if request.garbled is not None:
        return NotLearnt(_garbled(request))
    faulty = next(filter(_is_custom, request.faults), None)
    return request.custom if faulty is None else NotLearnt(f"{request.faults[faulty]} ({request.key})")


def _account(owner: int, connections: _Pending, snapshot: Snapshot) -> Fact[AccountInfo]:
    if owner not in connections.first:
        return snapshot.accounts.get(owner, NotLearnt("the owner's account was not read"))
    connection = connections.clear(owner)
    if connection is None or connection.account_info is None:
        return NotLearnt("the owner's pending connection request does not state it unambiguously")
    if connection.garbled is not None:
        return NotLearnt(_garbled(connection))
    faulty = next((name for name in connection.faults if name.partition(".")[0] == "account"), None)
    return connection.account_info if faulty is None else NotLearnt(f"{connection.faults[faulty]} ({connection.key})")


def _answers_at_connection(owner: int, connections: _Pending, snapshot: Snapshot) -> Fact[tuple[CustomField, ...]]:
    if owner not in connections.first:
        return snapshot.answers_at_connection.get(owner, NotLearnt("the owner's answers at connection were not read"))
    connection = connections.clear(owner)
    if connection is None:
        return NotLearnt("there is more than one version of the owner's connection request")
    return _custom(connection)


def _answers_at_property(request: PendingRequest, shares: _Pending) -> Fact[tuple[CustomField, ...]]:
    share = shares.clear(request.property_id or 0)
    return NotLearnt("the share of its property is not pending") if share is None else _custom(share)


def _property_share(
    request: PendingRequest, owner: int, *, shares: _Pending, snapshot: Snapshot
) -> Fact[PropertyShare]:
    if request.property_id in shares.first or request.property_id in shares.missed:
        return PropertyShare.PENDING
    if not shares.list.shows_absence:
        return NotLearnt("the list of pending property shares is incomplete")
    shared = snapshot.shared_properties.get(owner, NotLearnt("the owner's shared properties were not read"))
    if isinstance(shared, NotLearnt):
        return shared
    return PropertyShare.SHARED if request.property_id in shared else PropertyShare.NONE


def _property_verdict(
    request: PendingRequest, *, shares: _Pending, properties: Mapping[int, Verdict]
) -> Fact[Verdict | None]:
    verdict = properties.get(request.property_id or 0)
    known = shares.list.shows_absence if verdict is None else shares.list.whole
    return verdict if known else NotLearnt("the list of pending property shares is incomplete")
