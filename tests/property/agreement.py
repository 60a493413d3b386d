"""The judge: from the simulator's log, the world, the decisions and the ledger's rows, what breaks which promise.

It knows nothing of plan: not its steps, not what it kept back. It knows what was shown, what was decided, what was sent
and what came of it. Each function yields one sentence for each thing that is wrong.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator

from pm_autoaccept.model import Action, Decision, Kind, RequestKey, Verdict
from pm_autoaccept.simulator import Effect, Listed, State
from tests.property.endings import End, ended_since, interfered, requests, states
from tests.property.limits_kept import A_CYCLE, too_many
from tests.property.reads import Reads
from tests.property.rest import nothing_is_held_for_ever
from tests.property.rows_agree import ledger_world_and_log_agree
from tests.property.small_worlds import FIELDS
from tests.property.story import Acted, Identity, Look, Posted, Story, decided, identity, meant


def nothing_undecided_was_accepted(story: Story) -> Iterator[str]:
    """What an answer of ours accepted, itself or along with it, was decided accept, as it was then (promise 1)."""
    reads = Reads(story)
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
                yield from _carried(story, posted, effect, reads=reads, place=place)


def _carried(story: Story, posted: Posted, effect: Effect, *, reads: Reads, place: int) -> Iterator[str]:
    """An accept may carry along nothing but an unshared property, and that only in so many words.

    Nobody can know of a request that no list has shown yet, or that two whole reads have missed.
    """
    key = RequestKey(Kind(effect.kind), effect.id)
    look = story.looks[posted.look]
    decision = look.decision(posted.key)
    assert decision is not None
    if decision.person is not None and str(key) in decision.person.goes_along and effect.before != State.PENDING:
        return  # the reviewer was shown that this would come of it
    if effect.before == State.PENDING and reads.known(posted.look, identity(posted.ties[key])):
        yield f"the accept of {posted.key} carried {key} along, from {effect.before}"
        return
    if key.kind is not Kind.PROPERTY:
        if effect.before != State.PENDING:
            yield f"the accept of {posted.key} carried {key} along, from {effect.before}"
        return
    rule = look.policy.by_id.get(decision.rule or "")
    if rule is None or not rule.says_none:
        yield f"the accept of {posted.key} shared {key}; {decision.rule} does not say `property.share: none`"
    ours = [each for at, each in story.posts if at < place and each.key == key and states(each)]
    if ours and ours[-1].action is Action.REJECT:
        yield f"the accept of {posted.key} shared {key}, which we had rejected"


def _is_what_was_decided(decision: Decision, posted: Posted) -> bool:
    request, tie = decision.request, posted.ties[decision.key]
    decided = (request.requested_at, request.sender_id, request.access_level, request.custom)
    return decided == (tie.asked_at, tie.sender, tie.access, posted.answers.get(tie.key, ()))


def nothing_taken_was_accepted(story: Story) -> Iterator[str]:
    """Where a policy holds what another owner has said too, nothing is accepted that a known request says as well.

    One read that misses it does not end a request; an answer of ours does, and two reads.
    """
    reads = Reads(story)
    for place, posted in story.posts:
        look = story.looks[posted.look]
        wanted = posted.key.kind
        if posted.action is not Action.ACCEPT or not look.policy.holds_twice(wanted) or _by_people(look, posted):
            continue
        if interfered(story, posted.key, look=posted.look, place=place):
            continue
        mine = reads.last(posted.look, meant(look, posted.key))
        if mine is None or (said := _said(mine, wanted)) is None:
            continue
        begun = look.begun
        for other in {each for shown in reads.shown[: posted.look + 1] for each in shown}:
            key = other[0]
            if key.kind is not wanted or story.world.owner_of(key) == story.world.owner_of(posted.key):
                continue
            if _ended_by_us(story, other, before=begun) or not reads.known(posted.look, other):
                continue
            shown = reads.last(posted.look, other)
            if shown is not None and _said(shown, wanted) == said:
                missed = reads.missed(posted.look, other)
                yield f"{posted.key} was accepted, and {key} says {said} too; {missed} reads in a row missed it"


def _by_people(look: Look, posted: Posted) -> bool:
    """Whether people answered it, whatever the policy says and its limits allow."""
    decision = look.decision(posted.key)
    return decision is not None and decision.person is not None


def _said(listed: Listed, kind: Kind) -> str | None:
    return next((each.value for each in listed.values or () if each.name == FIELDS[kind] and each.value), None)


def _ended_by_us(story: Story, request: Identity, *, before: int) -> bool:
    """Whether an answer to it was sent before that was taken, or may have been, or was told that nothing pends."""
    if any(story.meant(posted) == request and not posted.refused and place < before for place, posted in story.posts):
        return True
    return any(each.identity == request and each.by and each.place < before for each in requests(story))


def only_what_was_decided_was_sent(story: Story) -> Iterator[str]:
    """Each answer is its own request's verdict, with its own rule's note; a second attempt keeps the first one's."""
    sent: Counter[object] = Counter()
    earlier: dict[Identity, Posted] = {}
    for _, posted in story.posts:
        look = story.looks[posted.look]
        decision = look.decision(posted.key)
        sent[posted.key, posted.look] += 1
        if decision is None or decision.verdict != posted.action.lower():
            yield f"{posted.action} was sent to {posted.key}, decided {decision and decision.verdict}"
            continue
        note, before = _note(look, decision), earlier.get(story.meant(posted))
        first = {before.note} if before is not None else _notes_that_never_left(story, posted)
        if posted.note != note and posted.note not in first:
            yield f"{posted.key} was sent the note {posted.note!r} instead of {note!r}"
        earlier[story.meant(posted)] = posted
    yield from (f"{what} was answered {count} times" for what, count in sent.items() if count > 1)


def _note(look: Look, decision: Decision) -> str | None:
    """What the rule that decided says to the customer, or the person who answered."""
    if decision.person is not None:
        return decision.person.note
    rule = look.policy.by_id.get(decision.rule or "")
    return f"{decision.rule} on {decision.key.id}" if rule is not None and rule.note else None


def _notes_that_never_left(story: Story, posted: Posted) -> set[str | None]:
    """With which notes it may have been intended by a process that died before they left."""
    request = story.meant(posted)
    if request not in story.never_left:
        return set()
    looks = [look for look in story.looks[: posted.look] if look.died]
    return {_note(look, each) for look in looks for each in look.plan.decisions if decided(each) == request}


def nothing_was_answered_twice(story: Story) -> Iterator[str]:
    """What an answer of ours took effect on, or may have, is not answered again, nor ever otherwise (promise 3).

    It is the next time only where what we accepted has ended since. An answer of unknown fate may be sent once more,
    word for word.
    """
    before: dict[Identity, list[tuple[int, Posted]]] = defaultdict(list)
    for place, posted in story.posts:
        request = story.meant(posted)
        for earlier_place, earlier in before[request]:
            if earlier.refused or (earlier.settled and not earlier.unread):
                continue
            if earlier.action is Action.ACCEPT and ended_since(story, posted.key, earlier_place, place):
                continue
            if not earlier.lost:
                yield f"{posted.key} was answered {posted.action}, and our {earlier.action} was done before"
            elif (earlier.action, earlier.note) != (posted.action, posted.note):
                yield f"{posted.key} was answered {posted.action}, and our {earlier.action} may have been done before"
        before[request].append((place, posted))


def each_reject_had_its_own_note(story: Story) -> Iterator[str]:
    """What fell with a reject of ours was seen then, and was sent its own answer before if it was to be rejected.

    A reject waits while a request below it is missed once: it may be sent its own note in the next cycle.
    """
    reads = Reads(story)
    for request in requests(story):
        posted = request.by
        if request.end is not End.FELL or posted is None:
            continue
        if interfered(story, request.key, look=posted.look, place=request.place):
            continue
        decision = story.looks[posted.look].decision(request.key)
        if not reads.known(posted.look, request.identity):
            continue
        if missed := reads.missed(posted.look, request.identity):
            yield f"{request.key} fell with {posted.key}, and {missed} reads had missed it"
        elif decision is None:
            yield f"{request.key} fell with {posted.key} before it was seen"
        elif decision.verdict is Verdict.REJECT and not _was_sent_before(story, request.identity, request.place):
            yield f"{request.key} fell with {posted.key} before its own reject was sent"


def _was_sent_before(story: Story, request: Identity, place: int) -> bool:
    sent = any(story.meant(posted) == request for at, posted in story.posts if at < place)
    return sent or request in story.never_left


def limits_were_kept(story: Story) -> Iterator[str]:
    """No period holds more accepts or rejects that the world took of us than a limit allows, cascades included.

    What somebody did in the window, and what nobody can know of, is not reckoned.
    """
    reads = Reads(story)
    taken = []
    for place, posted in story.posts:
        if _by_people(story.looks[posted.look], posted):
            continue
        for effect in states(posted):
            key = RequestKey(Kind(effect.kind), effect.id)
            window = interfered(story, key, look=posted.look, place=place)
            own = key == posted.key
            known = own or (key in posted.ties and reads.known(posted.look, identity(posted.ties[key])))
            if effect.before == State.PENDING and known and not window:
                taken.append((Action.ACCEPT if effect.after == State.ACTIVE else Action.REJECT, posted.call.at))
    yield from too_many(taken, story.drawn.limits, within=A_CYCLE)


def no_cycle_failed(story: Story) -> Iterator[str]:
    """The ledger never refuses what the program asks of it: a cycle that fails answers nobody."""
    yield from story.failures


JUDGES: tuple[Callable[[Story], Iterator[str]], ...] = (
    nothing_undecided_was_accepted,
    nothing_taken_was_accepted,
    only_what_was_decided_was_sent,
    nothing_was_answered_twice,
    each_reject_had_its_own_note,
    limits_were_kept,
    no_cycle_failed,
    ledger_world_and_log_agree,
    nothing_is_held_for_ever,
)


def wrong(story: Story) -> list[str]:
    """Everything that is wrong with a story."""
    return [f"{judge.__name__}: {what}" for judge in JUDGES for what in judge(story)]


def told(story: Story) -> str:
    """The story in words, for people who must find out why it went wrong."""
    drawn = story.drawn
    lines = [str(drawn.world.inferred), drawn.policy.text, *map(str, drawn.limits), f"fails: {drawn.failed}"]
    if drawn.later is not None:
        lines.append(f"from cycle {drawn.later[0]} on:\n{drawn.later[1].text}")
    for number, look in enumerate(story.looks):
        lines.append(f"look {number}{' (quiet)' if look.quiet else ''}")
        for page in story.pages:
            if page.look == number:
                ids = ", ".join(f"{each.tie.key.id} of {each.tie.asked_at:%d.%m. %H:%M:%S}" for each in page.listed)
                lines.append(f"  at {page.place}, {page.kind} page {page.number}: {ids}")
        lines += [f"  {each.key} {each.verdict} by {each.rule}: {each.reason.text}" for each in look.plan.decisions]
        lines += [f"  kept back {each.decision.key}: {each.reason.text}" for each in look.plan.kept_back]
        for place, event in enumerate(story.events):
            if event.look == number:
                lines.append(f"  event {place}: {_told(event)}")
    for row in story.rows:
        lines.append(
            f"row {row.request} {row.key} {row.requested_at} {row.verdict} {row.answer} {row.outcome} {row.cause or ''}"
        )
    return "\n".join(lines)


def _told(event: Acted | Posted) -> str:
    if isinstance(event, Posted):
        came = event.call.status if event.processed else f"{event.call.status}, not processed"
        what = f"{event.action} {event.key} → {came}{' (lost)' if event.lost else ''}"
    else:
        what = f"{event.what} {event.moment}"
    changes = ", ".join(f"{each.kind}:{each.id} {each.before} → {each.after}" for each in event.effects)
    return f"{what}: {changes or 'nothing'}"
