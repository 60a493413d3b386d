"""The judge of the ledger: its rows say what the log shows, and the world stands as both say (promise 3)."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from pm_autoaccept.model import Action, Outcome, ReasonKind, RequestKey
from pm_autoaccept.record import DecisionRow
from pm_autoaccept.simulator import State
from tests.property.customers_acting import above
from tests.property.endings import End, Request, ended_since, requests, states
from tests.property.reads import Reads
from tests.property.story import Identity, Posted, Story, decided

UNKNOWN_FATE = {Outcome.OPEN, Outcome.DONE_INFERRED, Outcome.GONE}
"""What the ledger may say of a request to which an answer of ours was lost."""


def ledger_world_and_log_agree(story: Story) -> Iterator[str]:
    """Request by request, the ledger says what the log shows, and the world stands as both say.

    What is asked again with its old createdDate is the same request: it has one row, or several, and each tells the
    truth about one of the times that it was asked.
    """
    reads = Reads(story)
    rows: dict[Identity, list[DecisionRow]] = defaultdict(list)
    for row in sorted(story.rows, key=lambda row: row.request):
        rows[row.key, row.sender_id, row.requested_at].append(row)
    asked: dict[Identity, list[Request]] = defaultdict(list)
    last: dict[RequestKey, Request] = {}
    for request in requests(story):
        asked[request.identity].append(request)
        last[request.key] = request
    # While a read misses a request, its last decision stays in effect and no other is recorded. It may have none, where
    # the process that first saw it died before deciding.
    shown = (
        each for look in story.looks for each in look.plan.decisions if each.reason.kind is not ReasonKind.MISSED_ONCE
    )
    seen = {decided(each) for each in shown}
    for identity, times in asked.items():
        if identity in rows:
            yield from _tells_the_truth(story, times, rows[identity], reads=reads)
        elif identity in seen:
            yield f"{identity[0]} was decided, and the ledger has no row of it"
    yield from (f"the ledger has a row of {key}, which nobody asked for at {at}" for key, _, at in rows.keys() - asked)
    for key, request in last.items():
        pends = story.world.ties[key].state is State.PENDING
        if pends is not (request.end is End.PENDING):
            yield f"{key} stands as {story.world.ties[key].state}, and the log says: {request.end}"


def _tells_the_truth(
    story: Story, times: Sequence[Request], rows: Sequence[DecisionRow], *, reads: Reads
) -> Iterator[str]:
    """What is wrong with the rows of one request, given how it ended each time that it was asked."""
    key = times[0].key
    may_seem_asked_again = reads.ever_gone(times[0].identity) or any(
        _ended_and_lags(story, each, reads) for each in times
    )
    if len(rows) > 1 and len(times) == 1 and not may_seem_asked_again:
        yield f"the ledger has {len(rows)} rows of {key}, which was asked once and was always listed"
    ever = set().union(*(_allowed(story, each, reads) for each in times))
    now = _allowed(story, times[-1], reads)
    if may_seem_asked_again:
        ever |= {Outcome.SETTLED_ELSEWHERE, Outcome.GONE}
    if _ended_and_lags(story, times[-1], reads):
        now |= {Outcome.SETTLED_ELSEWHERE, Outcome.GONE}
    if len(times) > 1 and (_may_be_ours(story, times) or not reads.shown_at_all(times[-1])):
        now = ever  # that it was asked again cannot be known, or counts as lag
    for row, allowed in zip(rows, [*[ever] * (len(rows) - 1), now], strict=True):
        if row.outcome not in allowed:
            names = ", ".join(sorted(str(each) for each in allowed))
            ends = "; ".join(f"{each.end}{f' ({each.by.key})' if each.by else ''}" for each in times)
            yield f"the row of {key} says {row.outcome} instead of {names}; {ends}"
    yield from _ours([each for each in times if _was_meant(story, each)], rows)
    causes = set().union(*(_causes(story, each) for each in times))
    for row in rows:
        if row.outcome is Outcome.FALLEN and row.cause not in causes and any(each.end is End.FELL for each in times):
            yield f"the row of {key} says that it fell with {row.cause}, not with {', '.join(map(str, causes))}"


def _may_be_ours(story: Story, times: Sequence[Request]) -> bool:
    """Whether an answer of ours took effect before it was asked for the last time, or may have."""
    return any(each.end is End.OURS for each in times[:-1]) or times[0].identity in story.unprocessed


def _ours(times: Sequence[Request], rows: Sequence[DecisionRow]) -> Iterator[str]:
    """What is wrong with the rows that claim that we did it, and with what we did."""
    if not times:
        return
    known = Counter(str(each.by.action) for each in times if each.end is End.OURS and each.by and not each.by.lost)
    claimed = Counter(str(row.answer) for row in rows if row.outcome is Outcome.DONE)
    for action in Action:
        if known[action] > claimed[action]:
            yield f"{times[0].key} was answered {action}, and no row says so"
    sent = Counter(str(each.by.action) for each in times if each.end is End.OURS and each.by)
    lost = [row for row in rows if row.outcome in UNKNOWN_FATE and row.answer is not None]
    for row in lost:
        if sent and row.answer not in sent:
            yield f"the row of {row.key} says that {row.answer} was sent, and it was {', '.join(sent)}"


def _ended_and_lags(story: Story, request: Request, reads: Reads) -> bool:
    """Whether what we accepted, or may have, has ended since, and its list shows it still.

    It cannot be told from the next time.
    """
    if request.identity in story.unprocessed:
        return any(ended_since(story, key, 0) for key in (request.key, *above(story.world, request.key)))
    accepted = request.end is End.OURS and request.by is not None and request.by.action is Action.ACCEPT
    ended = accepted and ended_since(story, request.key, request.place)
    return ended and reads.lagged(request.identity, since=request.place)


def _was_meant(story: Story, request: Request) -> bool:
    """Whether the answer that ended it was an answer to just this request."""
    return request.by is None or request.end is not End.OURS or story.meant(request.by) == request.identity


def _causes(story: Story, request: Request) -> set[RequestKey | None]:
    """The rejects of ours with which it may be said to have fallen.

    Where a property's reject leaves its meters pending (see docs/protocol.md#property-reject) and its connection's
    reject follows in the same cycle, nobody can tell without reading in between which of the two took the meter.
    """
    by = request.by
    if by is None or request.end is not End.FELL:
        return set()
    causes: set[RequestKey | None] = {by.key}
    if not story.drawn.world.inferred.property_reject_takes_meters:
        parents = above(story.world, request.key)
        causes |= {each.key for _, each in story.posts if each.look == by.look and each.key in parents and each.effects}
    return causes


def _allowed(story: Story, request: Request, reads: Reads) -> set[Outcome | None]:
    """The outcomes that tell the truth about how a request ended."""
    lost = request.identity in story.unprocessed
    by_lost = request.by is not None and request.by.lost
    lagged = request.end is not End.PENDING and reads.lagged(request.identity, since=request.place)
    if request.end in {End.OURS, End.PENDING}:
        return _allowed_of_ours(story, request) if request.end is End.OURS else _allowed_now(story, request, reads)
    allowed: set[Outcome | None] = set(UNKNOWN_FATE) if lost else set()
    if request.end is End.FELL:
        # Of a reject whose answer was lost nothing is claimed, nor of what fell with it.
        explained = not by_lost or len(_causes(story, request)) > 1
        allowed |= {Outcome.GONE} if by_lost or lagged else set()
        allowed |= {Outcome.FALLEN} if explained else set()
        if request.by is not None and not reads.known(request.by.look, request.identity):
            allowed |= {Outcome.SETTLED_ELSEWHERE}
        return allowed
    if request.end is End.OTHERS and _rejected_above(story, request, reads):
        allowed |= {Outcome.GONE}
    if request.end is End.OTHERS and _rejected_above(story, request, reads, in_the_same_cycle=True):
        allowed |= {Outcome.FALLEN}
    if request.end is End.OTHERS and (in_its_place := _answered_in_its_place(story, request)) is not None:
        return set(UNKNOWN_FATE) if in_its_place.lost else {Outcome.DONE}
    return allowed if lost else allowed | {Outcome.SETTLED_ELSEWHERE}


def _allowed_of_ours(story: Story, request: Request) -> set[Outcome | None]:
    """Of what our own answer ended. One that came in the place of another is shown once more by a list that lags."""
    if not _was_meant(story, request):
        return {Outcome.SETTLED_ELSEWHERE, Outcome.GONE, Outcome.FALLEN, None}
    return set(UNKNOWN_FATE) if request.by is not None and request.by.lost else {Outcome.DONE}


def _allowed_now(story: Story, request: Request, reads: Reads) -> set[Outcome | None]:
    """Of what pends still."""
    if request.identity in story.unprocessed:
        return set(UNKNOWN_FATE) if reads.ever_gone(request.identity) else {Outcome.OPEN}
    refused = any(posted.refused and story.meant(posted) == request.identity for _, posted in story.posts)
    return {None, Outcome.REFUSED} if refused else {None}


def _rejected_above(story: Story, request: Request, reads: Reads, *, in_the_same_cycle: bool = False) -> bool:
    """Whether we sent a reject of what stands above it before it ended, or while its list still showed it.

    In the same cycle, that is between the same two looks, nobody can tell which of the two ended it.
    """
    parents = set(above(story.world, request.key))
    begins = [look.begun for look in story.looks] + [len(story.events) + 1]
    if parents & {key for key, _, _ in story.unprocessed} and not in_the_same_cycle:
        return True
    return any(
        posted.key in parents
        and posted.action is Action.REJECT
        and posted.processed
        and (
            (
                begins[posted.look] <= request.place
                and (not in_the_same_cycle or request.place < begins[posted.look + 1])
            )
            or (request.place < place and reads.known(posted.look, request.identity))
        )
        for place, posted in story.posts
    )


def _answered_in_its_place(story: Story, request: Request) -> Posted | None:
    """Our answer to it that met another request: asked with the same id, right before, in the window that is admitted.

    A POST names only the id, so the ledger cannot know.
    """
    for place, posted in story.posts:
        if (
            story.meant(posted) == request.identity
            and place > request.place
            and any(not each.cascade for each in states(posted))
        ):
            return posted
    return None
