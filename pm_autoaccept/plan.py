"""Plans the answers of a cycle: their order, and which are kept back because they would cascade to other requests.

Portfolio Manager cascades (docs/protocol.md#cascades): accepting a share of an owner who is not connected accepts the
connection; accepting a meter accepts the pending share of its property, or shares an unshared property read-only;
rejecting a connection rejects its shares; rejecting a property may reject its pending meters too.

Accepts therefore go down the tree (connection, property, meter), each only after those above it are done. Rejects go up
it, leaf first, so that each request gets its own note. Each cascade has its check in `BEFORE_ACCEPT` or
`BEFORE_REJECT`, and a test shows that removing any one of them breaks promise 1.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TypeAlias

from pm_autoaccept.cascades import Consequence, parents
from pm_autoaccept.limits import keep_within
from pm_autoaccept.model import (
    Action,
    AnswerState,
    Decision,
    Fact,
    History,
    HumanAnswer,
    KeptBack,
    Kind,
    NotLearnt,
    Plan,
    Reason,
    ReasonKind,
    RequestKey,
    Snapshot,
    Step,
    Verdict,
    VoidedAnswer,
)

MAX_LIST_AGE = timedelta(minutes=5)
"""The maximum age of a list when an answer is sent, unless reading took longer than half of this."""

_ALREADY_SENT: Mapping[AnswerState, tuple[ReasonKind, str]] = {
    AnswerState.ACCEPTED: (ReasonKind.ANSWERED, "already accepted; Portfolio Manager still lists the request"),
    AnswerState.REJECTED: (ReasonKind.ANSWERED, "already rejected; Portfolio Manager still lists the request"),
    AnswerState.SETTLED: (ReasonKind.ANSWERED, "already answered elsewhere; Portfolio Manager still lists the request"),
    AnswerState.IN_DOUBT: (ReasonKind.IN_DOUBT, "an answer was sent, but its outcome is still unknown"),
    AnswerState.REFUSED: (ReasonKind.REFUSED, "Portfolio Manager refused this answer; see `decisions`"),
}

_LISTED_AGAIN = (
    ReasonKind.LISTED_AGAIN,
    "answered more than an hour ago, but Portfolio Manager still lists it or lists it again; a person must review it",
)

_ANSWERED = (AnswerState.ACCEPTED, AnswerState.REJECTED, AnswerState.SETTLED)
"""It was answered; the list lags."""

_UNKNOWN = (AnswerState.IN_DOUBT, AnswerState.REPEATABLE)
"""An answer was sent, and its outcome is unknown."""


@dataclass(frozen=True, slots=True)
class _PlanState:
    """What checks may use: all decisions, the snapshot, the ledger's history, and the steps planned so far."""

    snapshot: Snapshot
    history: History
    decisions: Mapping[RequestKey, Decision]
    children: Mapping[RequestKey, Sequence[Decision]]
    steps: dict[RequestKey, Step] = field(default_factory=dict)

    def standing(self, key: RequestKey) -> AnswerState:
        return self.history.answer_states.get(key, AnswerState.UNANSWERED)


_CheckResult: TypeAlias = Reason | tuple[RequestKey, ...]
"""The reason why a step is kept back, or the steps that must be done before it."""

Check: TypeAlias = Callable[[Decision, _PlanState], _CheckResult]


def plan(decisions: Iterable[Decision], *, snapshot: Snapshot, history: History) -> Plan:
    """Plan one cycle: which answers are sent, in which order, and which are kept back and why.

    Args:
        decisions: one for each pending request.
        snapshot: the snapshot that the decisions were made from.
        history: what the ledger knows of the pending requests.
    """
    by_key = {decision.key: decision for decision in decisions}
    state = _PlanState(snapshot, history, by_key, _children(by_key.values()))
    kept_back: list[KeptBack] = []
    voided: list[VoidedAnswer] = []
    for decision in _in_order(by_key.values()):
        reason = _add_step(decision, state)
        if reason is not None:
            kept_back.append(KeptBack(decision, reason))
        if decision.person is not None and reason is not None and reason.kind is ReasonKind.ANSWER_VOID:
            voided.append(_voided(decision, decision.person, reason))
    steps, late = keep_within(state.steps, history.limit_usage, at=snapshot.ended)
    return Plan(
        decisions=tuple(by_key.values()),
        steps=steps,
        kept_back=(*kept_back, *late),
        fresh_from=max(pending.ended for pending in snapshot.lists),
        fresh_until=_fresh_until(snapshot),
        not_whole=tuple(pending for pending in snapshot.lists if not pending.whole),
        clock_skew=snapshot.clock_skew,
        voided=tuple(voided),
    )


def _in_order(decisions: Iterable[Decision]) -> list[Decision]:
    """Rejects up the tree, then accepts down the tree, oldest request first."""
    depth = {Kind.CONNECTION: 0, Kind.PROPERTY: 1, Kind.METER: 2}

    def place(decision: Decision) -> tuple[int, int, float, int]:
        request = decision.request
        up_or_down = -depth[request.kind] if decision.verdict is Verdict.REJECT else depth[request.kind]
        asked = request.requested_at.timestamp() if request.requested_at else 0.0
        return (int(decision.verdict is not Verdict.REJECT), up_or_down, asked, request.id)

    return sorted((each for each in decisions if each.verdict is not Verdict.HOLD), key=place)


def _add_step(decision: Decision, state: _PlanState) -> Reason | None:
    """Add the decision's step to the plan, or return the reason why it is kept back."""
    accept = decision.verdict is Verdict.ACCEPT
    action = Action.ACCEPT if accept else Action.REJECT
    standing = state.standing(decision.key)
    if (reason := _earlier_answer_reason(decision, action, state)) is not None:
        return reason
    if standing is AnswerState.REPEATABLE:
        decision = replace(decision, note=state.history.sent[decision.key].note)
    if (more := _more_than_shown(decision, action, state)) is not None:
        return more
    needs: list[RequestKey] = []
    for check in BEFORE_ACCEPT if accept else BEFORE_REJECT:
        needed = check(decision, state)
        if isinstance(needed, Reason):
            return needed
        needs.extend(needed)
    state.steps[decision.key] = Step(
        decision=decision,
        action=action,
        repeats=standing is AnswerState.REPEATABLE,
        needs=tuple(needs),
        falls=() if accept else _cascaded(decision.key, state),
    )
    return None


def _earlier_answer_reason(decision: Decision, action: Action, state: _PlanState) -> Reason | None:
    """Why an earlier answer prevents sending one now; None if there was none, or if it may be sent again."""
    standing, before = state.standing(decision.key), state.history.sent.get(decision.key)
    if standing in _UNKNOWN and before is not None and before.action is not action:
        text = "a different answer was sent earlier and its outcome is unknown, but the policy now decides otherwise"
        return Reason(ReasonKind.VERDICT_CHANGED, f"{text}; a person must review it")
    # After a refusal for good, a person may answer again; a refusal with a retry time also holds for a person.
    changed = before is not None and (
        before.changed(decision) or (decision.person is not None and before.awaits is not None)
    )
    if standing in _ALREADY_SENT and not (standing is AnswerState.REFUSED and changed):
        return Reason(*(_LISTED_AGAIN if decision.key in state.history.overdue else _ALREADY_SENT[standing]))
    if standing is not AnswerState.REPEATABLE:
        return None
    if (apart := state.snapshot.clock_skew) is not None:
        how_far = f"this machine's clock differs from Portfolio Manager's by {abs(apart).total_seconds():,.0f} seconds"
        text = f"the outcome of our answer is unknown, and no answer is sent again while {how_far}"
        return Reason(ReasonKind.IN_DOUBT, text)
    if before is None or not (changed or before.awaits is None):
        text = "the outcome of our answer is unknown, and Portfolio Manager refused it when it was sent again"
        return Reason(ReasonKind.REFUSED, f"{text}; a person must review it")
    return None


def _more_than_shown(decision: Decision, action: Action, state: _PlanState) -> Reason | None:
    """Why an answer by people must not be sent: it would do more than they were shown. None if it would not.

    What the policy or people decided for a request of its own does not go along. What could not be learnt is left to
    the checks, which keep the answer back.
    """
    if decision.person is None:
        return None
    for each in _goes_along(decision, action, state):
        if str(each) not in decision.person.goes_along:
            verb = "accept" if action is Action.ACCEPT else "reject"
            text = f"the reviewer was not shown that this would also {verb} {each.key}, so the answer is void"
            return Reason(ReasonKind.ANSWER_VOID, text, each.key)
    return None


def _goes_along(decision: Decision, action: Action, state: _PlanState) -> Iterator[Consequence]:
    """What this answer would do beyond its own request and the steps planned so far."""
    for key in _parents(decision) if action is Action.ACCEPT else _cascaded(decision.key, state):
        if key in state.decisions:
            if key not in state.steps and state.standing(key) not in _ANSWERED:
                yield Consequence(key, state.decisions[key].request.content_digest)
        elif _is_there(key, decision.request.account_id, state.snapshot) is False:
            yield Consequence(key)


def _is_there(key: RequestKey, owner: int | None, snapshot: Snapshot) -> Fact[bool]:
    """Whether a connection or a share that is not pending exists already."""
    if key.kind is Kind.PROPERTY:
        return _is_shared(key, owner, snapshot)
    return snapshot.connected if isinstance(snapshot.connected, NotLearnt) else key.id in snapshot.connected


def _was_shown(decision: Decision, key: RequestKey) -> bool:
    """Whether people answered and were shown that this also creates a connection or a share that nobody asked for."""
    return decision.person is not None and str(Consequence(key)) in decision.person.goes_along


def _voided(decision: Decision, answer: HumanAnswer, reason: Reason) -> VoidedAnswer:
    return VoidedAnswer(
        number=answer.number, key=decision.key, action=answer.action, people=answer.people, why=reason.text
    )


def _accept_of_parent(parent: RequestKey, state: _PlanState, *, otherwise: ReasonKind, what: str) -> _CheckResult:
    """Whether a pending parent is already accepted, or by a step of this plan; otherwise why the child is kept back.

    It counts as already accepted only if everything listed under its id is certainly the request that we accepted. An
    element without a readable id could be another request, and so could one that is listed long after our accept.
    """
    if state.standing(parent) is AnswerState.ACCEPTED:
        lists = {pending.kind: pending for pending in state.snapshot.lists}
        if lists[parent.kind].shows_absence and parent not in state.history.overdue:
            return ()
        text = f"we accepted {what} {parent.id}, but the list may now show a different request with this id"
        return Reason(otherwise, text, parent)
    if parent in state.steps and state.steps[parent].action is Action.ACCEPT:
        return (parent,)
    verdict = state.decisions[parent].verdict
    if verdict is Verdict.REJECT:
        return Reason(
            ReasonKind.PARENT_REJECTED, f"{what} {parent.id} is being rejected, which also rejects this request", parent
        )
    status = "is held for review" if verdict is Verdict.HOLD else "is itself kept back"
    if state.decisions[parent].reason.kind is ReasonKind.MISSED_ONCE:
        status = "is missing from one read of its list"
    return Reason(otherwise, f"accepting this would also accept {what} {parent.id}, which {status}", parent)


def connection_comes_first(decision: Decision, state: _PlanState) -> _CheckResult:
    """Accepting a share of an owner who is not connected accepts the connection (docs/protocol.md#cascades)."""
    owner = decision.request.account_id
    if decision.request.kind is Kind.CONNECTION or owner is None:
        return ()
    kind = ReasonKind.CONNECTION_NOT_ACCEPTED
    connection = RequestKey(Kind.CONNECTION, owner)
    if connection in state.decisions:
        return _accept_of_parent(connection, state, otherwise=kind, what="the connection of account")
    connected = state.snapshot.connected
    if isinstance(connected, NotLearnt):
        return Reason(kind, f"it is unknown whether account {owner} is connected: {connected.why}", connection)
    if owner in connected or _was_shown(decision, connection):
        return ()
    text = f"account {owner} is not connected and has no pending connection request; accepting this would connect it"
    return Reason(kind, text, connection)


def pending_property_comes_first(decision: Decision, state: _PlanState) -> _CheckResult:
    """Accepting a meter accepts the pending share of its property (docs/protocol.md#cascades)."""
    key = _property_of(decision)
    if key is None or key not in state.decisions:
        return ()
    return _accept_of_parent(key, state, otherwise=ReasonKind.PROPERTY_NOT_ACCEPTED, what="the share of property")


def property_is_shared(decision: Decision, state: _PlanState) -> _CheckResult:
    """Accepting a meter shares its property read-only if that is not shared or pending (docs/protocol.md#cascades)."""
    key = _property_of(decision)
    if key is None or key in state.decisions:
        return ()
    shared = _is_shared(key, decision.request.account_id, state.snapshot)
    if isinstance(shared, NotLearnt):
        text = f"it is unknown whether property {key.id} is shared with us: {shared.why}"
    elif shared or _was_shown(decision, key):
        return ()
    elif key.id in state.history.rejected_properties:
        text = f"we rejected property {key.id}; accepting this would share it read-only"
    elif decision.accepts_unshared_property:
        return ()
    else:
        text = f"property {key.id} is not shared with us; accepting this would share it read-only"
    return Reason(ReasonKind.PROPERTY_NOT_SHARED, text, key)


def _is_shared(key: RequestKey, owner: int | None, snapshot: Snapshot) -> Fact[bool]:
    """Whether a property that is not pending is shared with us."""
    if not snapshot.properties.shows_absence:
        return NotLearnt("the list of pending property shares is incomplete")
    if owner is None:
        return NotLearnt("the document does not name the owner")
    shared = snapshot.shared_properties.get(owner, NotLearnt(f"the properties of account {owner} were not read"))
    return shared if isinstance(shared, NotLearnt) else key.id in shared


def children_are_known(decision: Decision, state: _PlanState) -> _CheckResult:
    """A reject takes the pending requests below it along, so they must all be known (docs/protocol.md#cascades)."""
    lists = state.snapshot.lists
    below = {Kind.CONNECTION: lists[1:], Kind.PROPERTY: lists[2:], Kind.METER: ()}[decision.request.kind]
    for pending in below:
        if not pending.shows_absence:
            text = f"rejecting this would also reject its pending {pending.kind} shares; the list of them is incomplete"
            return Reason(ReasonKind.LIST_NOT_WHOLE, text)
    return ()


def children_are_rejected_first(decision: Decision, state: _PlanState) -> _CheckResult:
    """Rejects go leaf first, so that each request gets its own note before its parent's reject cascades to it."""
    children = state.children.get(decision.key, ())
    for child in children:
        if state.standing(child.key) in _UNKNOWN and child.key not in state.steps:
            return Reason(ReasonKind.IN_DOUBT, f"the outcome of our answer to {child.key} is still unknown", child.key)
        if child.reason.kind is ReasonKind.MISSED_ONCE:
            text = f"{child.key} is missing from one read of its list; if still pending, it must get its own note first"
            return Reason(ReasonKind.MISSED_ONCE, text, child.key)
    return tuple(child.key for child in children if child.key in state.steps)


BEFORE_ACCEPT: tuple[Check, ...] = (connection_comes_first, pending_property_comes_first, property_is_shared)
BEFORE_REJECT: tuple[Check, ...] = (children_are_known, children_are_rejected_first)


def _cascaded(key: RequestKey, state: _PlanState) -> tuple[RequestKey, ...]:
    """The pending requests below a reject that have no reject of their own: the cascade will or may reject them."""
    return tuple(child.key for child in state.children.get(key, ()) if child.key not in state.steps)


def _children(decisions: Iterable[Decision]) -> Mapping[RequestKey, Sequence[Decision]]:
    """Parent → the pending requests below it: a connection's shares, a property's meters."""
    children: dict[RequestKey, list[Decision]] = defaultdict(list)
    for decision in decisions:
        for parent in _parents(decision):
            children[parent].append(decision)
    return children


def _parents(decision: Decision) -> tuple[RequestKey, ...]:
    """The connection and the property share above a request, as far as the document names them."""
    request = decision.request
    return parents(request.kind, request.account_id, request.property_id)


def _property_of(decision: Decision) -> RequestKey | None:
    """The property share above a meter share; None for other kinds, or if the document does not name it."""
    request = decision.request
    if request.kind is not Kind.METER or request.property_id is None:
        return None
    return RequestKey(Kind.PROPERTY, request.property_id)


def _fresh_until(snapshot: Snapshot) -> datetime:
    """When the lists become too old to answer from: after five minutes, or twice the time that reading them took."""
    begun = min(pending.begun for pending in snapshot.lists)
    return begun + max(MAX_LIST_AGE, 2 * (snapshot.ended - begun))
