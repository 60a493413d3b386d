"""One request, the facts, the policy: one decision. Total and deterministic.

Connections come first, then properties, then meters, because meters may ask about their property's verdict. Whatever
is in doubt is held: a list that is not whole, an id with two contents, a request without its owner.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from pm_autoaccept.model import (
    MAX_CLOCK_SKEW,
    NOT_ASKED_FOR,
    REPLACEMENT_CHARACTER,
    AccountInfo,
    Claim,
    Claims,
    CustomField,
    Decision,
    Fact,
    Facts,
    Held,
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
from pm_autoaccept.policy import Policy, Table, collect, name_key


def decide(
    snapshot: Snapshot,
    *,
    policy: Policy,
    tables: Mapping[str, Fact[Table]],
    now: datetime,
    held: Fact[Mapping[RequestKey, Held]] = NOT_ASKED_FOR,
    accepted: Fact[Sequence[Claim]] = NOT_ASKED_FOR,
    missed: Sequence[MissedRequest] = (),
) -> tuple[Decision, ...]:
    """One decision for each pending request, in the order in which they were decided.

    Args:
        snapshot: the lists and the facts.
        policy: what is asked.
        tables: the policy's data; what depends on a table that is not here is unknown.
        now: the time of the decision.
        held: who holds which of the pending requests since when, by the ledger; what is not among them nobody holds.
        accepted: what accepted requests say in their custom fields, by the ledger; asked for where policy.needs it.
        missed: the requests that the ledger has as pending, and that this read is the first to miss. They are held.
    """
    time = trusted_time(snapshot.clock, now)
    sources = sources_in_use(policy, tables)
    pending = {each.kind: _Pending.of(each, missed) for each in snapshot.lists}
    claims = _claims(policy, pending, accepted, missed)
    known = Facts(now=time, defined=_defined(snapshot), claims=claims)
    decisions: list[Decision] = []
    properties: dict[int, Verdict] = {}
    for kind in Kind:
        for request in (*pending[kind].first.values(), *pending[kind].missed.values()):
            doubt = _doubt(request, pending[kind])
            if doubt is not None:
                decision = Decision(request=request, verdict=Verdict.HOLD, reason=doubt)
            else:
                since = held if isinstance(held, NotLearnt) else held.get(request.key)
                facts = _facts(request, snapshot, known=known, pending=pending, properties=properties)
                facts = replace(facts, held=since)
                decision = _ask(policy, request, facts=facts, tables=tables)
            decisions.append(replace(decision, policy_digest=policy.digest, sources=sources))
            if kind is Kind.PROPERTY:
                properties[request.id] = decision.verdict
    return tuple(decisions)


def sources_in_use(policy: Policy, tables: Mapping[str, Fact[Table]]) -> tuple[SourceUse, ...]:
    """The policy's data as it stands now, by name; what could not be read is not among it."""
    available = [(name, table) for name in sorted(policy.sources) if isinstance(table := tables.get(name), Table)]
    return tuple(SourceUse(name, table.rows, table.digest) for name, table in available)


@dataclass(frozen=True, slots=True)
class _Pending:
    """A pending list by id: the first request of each, the ids that stand there with two contents, and what it missed.

    Attributes:
        missed: requests that it does not show and that count as pending.
        twins: ids that it shows while an earlier request with the same id is among those it missed.
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
            # Bytes may differ where nothing that was said does.
            if replace(earlier, source=b"") != replace(request, source=b""):
                contradictory.add(request.id)
        absent = {each.request.id: each.request for each in missed if each.request.kind is pending.kind}
        unseen = {id_: request for id_, request in absent.items() if id_ not in first}
        return cls(pending, first, frozenset(contradictory), unseen, frozenset(absent.keys() & first.keys()))

    def clear(self, id_: int) -> PendingRequest | None:
        """The pending request of this id, if what it says is beyond doubt."""
        return None if id_ in self.contradictory or id_ in self.twins else self.first.get(id_)


def _doubt(request: PendingRequest, pending: _Pending) -> Reason | None:
    """Why the policy is not even asked; None if it is."""
    return _doubt_of_the_list(request, pending) or _doubt_of_the_document(request)


def _doubt_of_the_list(request: PendingRequest, pending: _Pending) -> Reason | None:
    """Why it is not sure that just this pends under its id."""
    what = f"{request.kind} {request.id}"
    if request.id in pending.missed:
        text = f"{what} is missing from one read of its list, and counts as pending until a second read misses it too."
        return Reason(ReasonKind.MISSED_ONCE, text)
    if pending.list.failed is not None:
        text = f"The list of pending {request.kind} requests could not be read to its end: {pending.list.failed}."
        return Reason(ReasonKind.LIST_NOT_WHOLE, text)
    if request.id in pending.contradictory:
        text = f"The list names {what} twice with different content, and an answer names only the id."
        return Reason(ReasonKind.CONTRADICTORY, text)
    if request.id in pending.twins:
        text = f"What {what} asked before is missing from one read of its list; an answer names only the id."
        return Reason(ReasonKind.MISSED_ONCE, text)
    return None


def _doubt_of_the_document(request: PendingRequest) -> Reason | None:
    """Why it is not sure what is asked."""
    if request.garbled is not None:
        return Reason(ReasonKind.NOT_UNDERSTOOD, f"{_garbled(request)}.")
    needed = {"account.id": request.account_id}
    if request.kind is not Kind.CONNECTION:
        needed["property.id"] = request.property_id
    for name, value in needed.items():
        if value is None or name in request.faults:
            why = request.faults.get(name, "the document lacks it")
            text = f"The {name} of {request.kind} {request.id} is not known: {why}."
            return Reason(ReasonKind.NOT_UNDERSTOOD, text)
    return None


def _garbled(request: PendingRequest) -> str:
    return f"The {request.kind} request {request.id} has a character that XML forbids, in {request.garbled}"


def _ask(policy: Policy, request: PendingRequest, *, facts: Facts, tables: Mapping[str, Fact[Table]]) -> Decision:
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
        accepts_unshared_property=judgement.accepts_unshared_property,
        tell=judgement.tell,
        facts=facts,
        shadows=judgement.shadows,
    )


def _claims(
    policy: Policy,
    pending: Mapping[Kind, _Pending],
    accepted: Fact[Sequence[Claim]],
    missed: Sequence[MissedRequest],
) -> Fact[Claims]:
    """Who has said what in the custom fields that the policy asks about with `taken`."""
    tests = policy.taken
    if not tests or isinstance(accepted, NotLearnt):
        return accepted if isinstance(accepted, NotLearnt) else NOT_ASKED_FOR
    unseen = [kind for kind in pending if not pending[kind].list.shows_absence]
    missing = f"the list of pending {unseen[0]} requests is not whole" if unseen else None
    waiting = (_claim(request, each) for each in pending.values() for request in each.list.requests)
    unseen_once = (each.claim for each in missed)
    return collect(tests, (*accepted, *waiting, *unseen_once), missing=missing)


def _claim(request: PendingRequest, pending: _Pending) -> Claim:
    doubt = "it stands twice in its list with different content" if request.id in pending.contradictory else None
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
    """The fields with each value that they may have: what was lost of it may be nothing, or a blank, to `clean`."""
    return (
        replace(each, value=each.value.replace(REPLACEMENT_CHARACTER, lost))
        for each in custom
        for lost in (REPLACEMENT_CHARACTER, "", " ")
    )


def _is_custom(faulty: str) -> bool:
    return faulty.partition(".")[0] == "custom"


def trusted_time(apart: Fact[timedelta], now: datetime) -> Fact[datetime]:
    """The time, if our clock and the service's are near enough to each other that ours can be trusted."""
    if isinstance(apart, NotLearnt):
        return NotLearnt(f"whether our clock is right could not be learnt: {apart.why}")
    if abs(apart) > MAX_CLOCK_SKEW:
        seconds = f"{abs(apart).total_seconds():,.0f} seconds"
        return NotLearnt(f"our clock and Portfolio Manager's are {seconds} apart, more than five minutes")
    return now


def _defined(snapshot: Snapshot) -> Fact[frozenset[str]]:
    fields = snapshot.custom_fields
    return fields if isinstance(fields, NotLearnt) else frozenset(name_key(field.name) for field in fields)


def _facts(
    request: PendingRequest,
    snapshot: Snapshot,
    *,
    known: Facts,
    pending: Mapping[Kind, _Pending],
    properties: Mapping[int, Verdict],
) -> Facts:
    """What the snapshot says about one request beyond the request itself. Its owner and property are known.

    `known` is what holds for every request.
    """
    owner = request.account_id or 0
    connected = snapshot.connected
    facts = replace(known, connected=connected if isinstance(connected, NotLearnt) else owner in connected)
    if request.kind is Kind.CONNECTION:
        return facts
    connection = pending[Kind.CONNECTION]
    facts = replace(
        facts,
        account=_account(owner, connection, snapshot),
        connection_custom=_answers_at_connection(owner, connection, snapshot),
    )
    if request.kind is Kind.PROPERTY:
        return facts
    shares = pending[Kind.PROPERTY]
    share = shares.clear(request.property_id or 0)
    return replace(
        facts,
        property_custom=NotLearnt("its property's share is not pending") if share is None else _custom(share),
        property_share=_property_share(request, owner, shares=shares, snapshot=snapshot),
        property_verdict=_property_verdict(request, shares=shares, properties=properties),
    )


def _custom(request: PendingRequest) -> Fact[tuple[CustomField, ...]]:
    if request.garbled is not None:
        return NotLearnt(_garbled(request))
    faulty = next(filter(_is_custom, request.faults), None)
    return request.custom if faulty is None else NotLearnt(f"{request.faults[faulty]} ({request.key})")


def _account(owner: int, connections: _Pending, snapshot: Snapshot) -> Fact[AccountInfo]:
    if owner not in connections.first:
        return snapshot.accounts.get(owner, NotLearnt("nobody was asked who the owner is"))
    connection = connections.clear(owner)
    if connection is None or connection.account_info is None:
        return NotLearnt("the owner's pending connection request does not say it clearly")
    if connection.garbled is not None:
        return NotLearnt(_garbled(connection))
    faulty = next((name for name in connection.faults if name.partition(".")[0] == "account"), None)
    return connection.account_info if faulty is None else NotLearnt(f"{connection.faults[faulty]} ({connection.key})")


def _answers_at_connection(owner: int, connections: _Pending, snapshot: Snapshot) -> Fact[tuple[CustomField, ...]]:
    if owner not in connections.first:
        return snapshot.answers_at_connection.get(owner, NotLearnt("nobody was asked what the owner answered"))
    connection = connections.clear(owner)
    if connection is None:
        return NotLearnt("the owner's pending connection request stands twice with different content")
    return _custom(connection)


def _property_share(
    request: PendingRequest, owner: int, *, shares: _Pending, snapshot: Snapshot
) -> Fact[PropertyShare]:
    if request.property_id in shares.first or request.property_id in shares.missed:
        return PropertyShare.PENDING
    if not shares.list.shows_absence:
        return NotLearnt("the list of pending property shares is not whole")
    shared = snapshot.shared_properties.get(owner, NotLearnt("nobody was asked what the owner shares"))
    if isinstance(shared, NotLearnt):
        return shared
    return PropertyShare.SHARED if request.property_id in shared else PropertyShare.NONE


def _property_verdict(
    request: PendingRequest, *, shares: _Pending, properties: Mapping[int, Verdict]
) -> Fact[Verdict | None]:
    verdict = properties.get(request.property_id or 0)
    known = shares.list.shows_absence if verdict is None else shares.list.whole
    return verdict if known else NotLearnt("the list of pending property shares is not whole")
