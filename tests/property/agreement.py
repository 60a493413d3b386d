"""The judge: from the simulator's log, the world, the decisions and the ledger's rows, what breaks which promise.

It knows nothing of plan: not its steps, not what it kept back. It knows what was decided, what was sent and what came
of it. Each function yields one sentence for each thing that is wrong.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

from pm_autoaccept.model import Action, Decision, Kind, Outcome, RequestKey, Verdict
from pm_autoaccept.record import DecisionRow
from pm_autoaccept.simulator import Effect, State
from tests.property.customers_acting import above
from tests.property.endings import End, Request, interfered, requests, states
from tests.property.story import Posted, Story

UNKNOWN_FATE = {Outcome.OPEN, Outcome.DONE_INFERRED, Outcome.GONE}
"""What the ledger may say of a request to which an answer of ours was lost."""


def nothing_undecided_was_accepted(story: Story) -> Iterator[str]:
    """What an answer of ours accepted, itself or along with it, was decided accept, as it was then (promise 1)."""
    for place, posted in story.posts:
        for effect in states(posted):
            if effect.after != State.ACTIVE:
                continue
            key = RequestKey(Kind(effect.kind), effect.id)
            window = interfered(story, key, look=posted.look, place=place)
            decision = story.looks[posted.look].decision(key)
            if key == posted.key:
                if decision is None or decision.verdict is not Verdict.ACCEPT:
                    yield f"{key} was accepted, and its verdict was {decision and decision.verdict}"
                elif not window and not _is_what_was_decided(decision, posted):
                    yield f"{key} was accepted, and is not what was decided"
            elif not window:
                yield from _carried(story, posted, effect, place)


def _carried(story: Story, posted: Posted, effect: Effect, place: int) -> Iterator[str]:
    """An accept may carry along nothing but an unshared property, and that only in so many words."""
    key = RequestKey(Kind(effect.kind), effect.id)
    decision = story.looks[posted.look].decision(posted.key)
    assert decision is not None
    if key.kind is not Kind.PROPERTY or effect.before == State.PENDING:
        yield f"the accept of {posted.key} carried {key} along, from {effect.before}"
        return
    rule = story.drawn.policy.by_id.get(decision.rule or "")
    if rule is None or not rule.says_none:
        yield f"the accept of {posted.key} shared {key}; {decision.rule} does not say `property.share: none`"
    ours = [each for at, each in story.posts if at < place and each.key == key and states(each)]
    if ours and ours[-1].action is Action.REJECT:
        yield f"the accept of {posted.key} shared {key}, which we had rejected"


def _is_what_was_decided(decision: Decision, posted: Posted) -> bool:
    request, tie = decision.request, posted.ties[decision.key]
    decided = (request.requested_at, request.sender_id, request.access_level, request.custom)
    return decided == (tie.asked_at, tie.sender, tie.access, posted.answers.get(tie.key, ()))


def only_what_was_decided_was_sent(story: Story) -> Iterator[str]:
    """Each answer is its own request's verdict, with its own rule's note, sent at most once to one request."""
    sent: Counter[object] = Counter()
    for _, posted in story.posts:
        decision = story.looks[posted.look].decision(posted.key)
        if decision is None or decision.verdict != posted.action.lower():
            yield f"{posted.action} was sent to {posted.key}, decided {decision and decision.verdict}"
            continue
        rule = story.drawn.policy.by_id.get(decision.rule or "")
        note = f"{decision.rule} on {posted.key.id}" if rule is not None and rule.note else None
        if posted.note != note:
            yield f"{posted.key} was sent the note {posted.note!r} instead of {note!r}"
        sent[posted.key, decision.request.requested_at] += 1
        sent[posted.key, posted.look] += 1
    yield from (f"{what} was answered {count} times" for what, count in sent.items() if count > 1)


def each_reject_had_its_own_note(story: Story) -> Iterator[str]:
    """What fell with a reject of ours was seen before, and was sent its own answer before if it was to be rejected."""
    for request in requests(story):
        posted = request.by
        if request.end is not End.FELL or posted is None:
            continue
        if interfered(story, request.key, look=posted.look, place=request.place):
            continue
        decision = story.looks[posted.look].decision(request.key)
        if decision is None:
            yield f"{request.key} fell with {posted.key} before it was seen"
        elif decision.verdict is Verdict.REJECT and (request.key, request.asked_at) not in story.unprocessed:
            yield f"{request.key} fell with {posted.key} before its own reject was sent"


def ledger_world_and_log_agree(story: Story) -> Iterator[str]:
    """Request by request, the ledger says what the log shows, and the world stands as both say."""
    rows = {(row.key, row.requested_at): row for row in story.rows}
    if len(rows) != len(story.rows):
        yield "the ledger has two rows of one request"
    seen = {(each.key, each.request.requested_at) for look in story.looks for each in look.plan.decisions}
    last = {}
    for request in requests(story):
        identity = (request.key, request.asked_at)
        row = rows.pop(identity, None)
        last[request.key] = request
        if row is not None:
            yield from _claims(story, request, row)
        elif identity in seen:
            yield f"{request.key} was decided, and the ledger has no row of it"
    yield from (f"the ledger has a row of {key}, which nobody asked for at {at}" for key, at in rows)
    for key, request in last.items():
        pends = story.world.ties[key].state is State.PENDING
        if pends is not (request.end is End.PENDING):
            yield f"{key} stands as {story.world.ties[key].state}, and the log says: {request.end}"


def _claims(story: Story, request: Request, row: DecisionRow) -> Iterator[str]:
    """What is wrong with a row, given how the log says that its request ended."""
    allowed = _allowed(story, request)
    if row.outcome not in allowed:
        names = ", ".join(sorted(str(each) for each in allowed))
        by = f" ({request.by.key})" if request.by else ""
        yield f"the row of {row.key} says {row.outcome} instead of {names}; {request.end}{by}"
    if request.end is End.OURS and request.by is not None and row.answer != request.by.action:
        yield f"the row of {row.key} says that {row.answer} was sent, and it was {request.by.action}"
    if request.end is End.FELL and row.outcome is Outcome.FALLEN and row.cause not in _causes(story, request):
        yield f"the row of {row.key} says that it fell with {row.cause}; it fell with {request.by and request.by.key}"
    if row.outcome is Outcome.DONE and Outcome.DONE not in allowed:
        yield f"the row of {row.key} claims that we did it; {request.end}"


def _causes(story: Story, request: Request) -> set[RequestKey | None]:
    """The rejects of ours with which it may be said to have fallen.

    Where a property's reject leaves its meters pending (reference §10.7 is inferred) and its connection's reject
    follows in the same cycle, nobody can tell without reading in between which of the two took the meter.
    """
    by = request.by
    assert by is not None
    causes = {by.key}
    if not story.drawn.world.inferred.property_reject_takes_meters:
        parents = above(story.world, request.key)
        causes |= {each.key for _, each in story.posts if each.look == by.look and each.key in parents and each.effects}
    return set(causes)


def _allowed(story: Story, request: Request) -> set[Outcome | None]:
    """The outcomes that tell the truth about how a request ended."""
    lost = (request.key, request.asked_at) in story.unprocessed
    by_lost = request.by is not None and request.by.lost
    if request.end is End.OURS:
        return set(UNKNOWN_FATE) if by_lost else {Outcome.DONE}
    if request.end is End.PENDING:
        return {Outcome.OPEN} if lost else {None}
    allowed: set[Outcome | None] = set(UNKNOWN_FATE) if lost else set()
    if request.end is End.FELL:
        # Of a reject whose answer was lost nothing is claimed, nor of what fell with it.
        explained = not by_lost or len(_causes(story, request)) > 1
        return allowed | ({Outcome.GONE} if by_lost else set()) | ({Outcome.FALLEN} if explained else set())
    if request.end is End.CUSTOMER and _rejected_above(story, request):
        allowed |= {Outcome.GONE}
    if request.end is End.CUSTOMER and _rejected_above(story, request, in_the_same_cycle=True):
        allowed |= {Outcome.FALLEN}
    if request.end is End.CUSTOMER and (in_its_place := _answered_in_its_place(story, request)) is not None:
        return set(UNKNOWN_FATE) if in_its_place.lost else {Outcome.DONE}
    return allowed | {Outcome.SETTLED_ELSEWHERE}


def _rejected_above(story: Story, request: Request, *, in_the_same_cycle: bool = False) -> bool:
    """Whether we sent a reject of what stands above it before it ended.

    In the same cycle, that is between the same two looks, nobody can tell which of the two ended it.
    """
    parents = set(above(story.world, request.key))
    begins = [look.begun for look in story.looks] + [len(story.events) + 1]
    if parents & {key for key, _ in story.unprocessed} and not in_the_same_cycle:
        return True
    return any(
        posted.key in parents
        and posted.action is Action.REJECT
        and begins[posted.look] <= request.place
        and (not in_the_same_cycle or request.place < begins[posted.look + 1])
        for _, posted in story.posts
    )


def _answered_in_its_place(story: Story, request: Request) -> Posted | None:
    """Our answer to it that met another request: asked with the same id, right before, in the window that is admitted.

    A POST names only the id, so the ledger cannot know.
    """
    for place, posted in story.posts:
        decision = story.looks[posted.look].decision(posted.key)
        meant = decision is not None and (posted.key, decision.request.requested_at) == (request.key, request.asked_at)
        if meant and place > request.place and any(not each.cascade for each in states(posted)):
            return posted
    return None


JUDGES: tuple[Callable[[Story], Iterator[str]], ...] = (
    nothing_undecided_was_accepted,
    only_what_was_decided_was_sent,
    each_reject_had_its_own_note,
    ledger_world_and_log_agree,
)


def wrong(story: Story) -> list[str]:
    """Everything that is wrong with a story."""
    return [f"{judge.__name__}: {what}" for judge in JUDGES for what in judge(story)]


def told(story: Story) -> str:
    """The story in words, for people who must find out why it went wrong."""
    lines = [story.drawn.policy.text]
    for number, look in enumerate(story.looks):
        lines.append(f"look {number}")
        lines += [f"  {each.key} {each.verdict} by {each.rule}" for each in look.plan.decisions]
        lines += [f"  kept back {each.decision.key}: {each.reason.text}" for each in look.plan.kept_back]
        for event in story.events:
            if event.look == number:
                what = f"{event.action} {event.key}" if isinstance(event, Posted) else f"customer {event.moment}"
                changes = ", ".join(f"{each.kind}:{each.id} {each.before} → {each.after}" for each in event.effects)
                lines.append(f"  {what}: {changes or 'nothing'}")
    lines += [f"row {row.key} {row.verdict} {row.answer} {row.outcome} {row.cause or ''}" for row in story.rows]
    return "\n".join(lines)
