"""Counts in how many stories lists shifted, flapped, lagged, repeated and showed twins, and who acted between pages."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping

from tests.property.customers_acting import What
from tests.property.endings import End, requests
from tests.property.reads import Reads
from tests.property.story import Acted, Moment, Shown, Story, identity

Seen = tuple[bool, bool]
"""Whether it was at stake, and whether it came to something."""


def reads_of_lists(story: Story) -> Iterator[list[Shown]]:
    """The pages of each time that a list was read, the first page first."""
    under_way: dict[tuple[int, str], list[Shown]] = {}
    for page in story.pages:
        which = (page.look, page.kind)
        if page.number == 1 and which in under_way:
            yield under_way.pop(which)
        under_way.setdefault(which, []).append(page)
    yield from under_way.values()


def _odd_on_purpose(story: Story, what: What) -> set[object]:
    """The keys that a list was told to hide, or to repeat."""
    return {
        (effect.kind, effect.id)
        for event in story.events
        if isinstance(event, Acted) and event.what is what
        for effect in event.effects
    }


def _shifted(story: Story) -> Seen:
    """Somebody acts between two pages; what pends all the while stands on none of them, or on two."""
    stake = came = False
    hidden, repeated = _odd_on_purpose(story, What.HIDE), _odd_on_purpose(story, What.REPEAT)
    for pages in reads_of_lists(story):
        changed = len({page.pending for page in pages}) > 1
        stake = stake or changed
        count = Counter(identity(each.tie) for page in pages for each in page.listed)
        for request in frozenset.intersection(*(page.pending for page in pages)) if changed else ():
            key = (request[0].kind, request[0].id)
            came = came or (count[request] == 0 and key not in hidden) or (count[request] > 1 and key not in repeated)
    return stake, came


def _flapped(story: Story) -> Seen:
    """What was shown is missing from a whole read, and shown again."""
    reads = Reads(story)
    missing = again = False
    for request in {each for shown in reads.shown for each in shown}:
        looks = [number for number, shown in enumerate(reads.shown) if request in shown]
        gaps = [look for look in range(looks[0], looks[-1]) if look not in looks and reads.whole(look, request)]
        missing = missing or reads.missed(len(reads.shown) - 1, request) > 0
        again = again or bool(gaps)
    return missing, again


def _lagged(story: Story) -> Seen:
    """What does not pend any more is shown, and it was an answer of ours that ended it."""
    ours = {each.identity for each in requests(story) if each.end is End.OURS}
    lagging = [
        identity(each.tie) for page in story.pages for each in page.listed if identity(each.tie) not in page.pending
    ]
    return bool(lagging), any(request in ours for request in lagging)


def _repeated(story: Story) -> Seen:
    """One request stands twice in one read, on two pages."""
    twice = pages_apart = False
    for pages in reads_of_lists(story):
        count = Counter(identity(each.tie) for page in pages for each in page.listed)
        on = Counter(request for page in pages for request in {identity(each.tie) for each in page.listed})
        twice = twice or max(count.values(), default=0) > 1
        pages_apart = pages_apart or max(on.values(), default=0) > 1
    return twice, pages_apart


def _twins(story: Story) -> Seen:
    """One id stands twice in one read with different content, and one of the two was accepted by us."""
    accepted = {
        each.identity for each in requests(story) if each.end is End.OURS and each.by and each.by.action == "Accept"
    }
    twins = of_ours = False
    for pages in reads_of_lists(story):
        shown: dict[object, list[object]] = {}
        for page in pages:
            for each in page.listed:
                shown.setdefault(each.tie.key, []).append(each)
        for some in shown.values():
            if any(not some[0].same(each) for each in some):
                twins = True
                of_ours = of_ours or any(identity(each.tie) in accepted for each in some)
    return twins, of_ours


def _asked_again(*, old_date: bool) -> Callable[[Story], Seen]:
    def seen(story: Story) -> Seen:
        """What was shown is asked again, and shown again."""
        reads, stake, came = Reads(story), False, False
        before: dict[object, object] = {}
        for request in requests(story):
            earlier = before.get(request.key)
            if earlier is not None and (earlier == request.identity) is old_date:
                stake = True
                came = came or reads.shown_at_all(request)
            before[request.key] = request.identity
        return stake, came

    return seen


def _between_pages(*, staff: bool) -> Callable[[Story], Seen]:
    def seen(story: Story) -> Seen:
        """Somebody acts between two pages, and changes the list that is being read."""
        acts = [
            event
            for event in story.events
            if isinstance(event, Acted) and event.moment is Moment.PAGES and event.by_people and event.by_staff is staff
        ]
        own = any(effect.kind == event.reading for event in acts for effect in event.effects if effect.what == "state")
        return bool(acts), own

    return seen


def _refused_in_doubt(story: Story) -> Seen:
    """An answer is sent again because its fate is unknown, and is refused outright."""
    again = refused = False
    unknown: set[object] = set()
    for _, posted in story.posts:
        request = story.meant(posted)
        again = again or request in unknown
        refused = refused or (request in unknown and posted.refused)
        if posted.lost:
            unknown.add(request)
    return again, refused


def _policy_changed(story: Story) -> Seen:
    changed = story.drawn.later is not None
    return changed, changed and any(
        first.verdict is not second.verdict
        for before, after in zip(story.looks, story.looks[1:], strict=False)
        if before.policy is not after.policy
        for first in before.plan.decisions
        for second in after.plan.decisions
        if first.key == second.key
    )


LISTS: Mapping[str, Callable[[Story], Seen]] = {
    "a list shifts between two pages (one that pends is on none, or on two)": _shifted,
    "a request is missing from a read (and shown again: the list flaps)": _flapped,
    "a list lags (and shows what we answered)": _lagged,
    "a request stands twice in one read (on two pages)": _repeated,
    "an id stands twice with different content (one of them accepted by us)": _twins,
    "a request is asked again with its old date (and shown)": _asked_again(old_date=True),
    "a request is asked again with a new date (and shown)": _asked_again(old_date=False),
    "a customer acts between two pages (on the list that is read)": _between_pages(staff=False),
    "the provider's people act between two pages (on the list that is read)": _between_pages(staff=True),
}
"""Each with what makes the second number. The first must be seen in five of a hundred stories."""

BESIDE_LISTS: Mapping[str, Callable[[Story], Seen]] = {
    "an answer of unknown fate is sent again (and refused outright)": _refused_in_doubt,
    "the policy changes (and with it a verdict)": _policy_changed,
}
"""What is worth knowing beside."""
