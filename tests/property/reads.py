"""What the lists have shown of each request, look by look: what a ledger must know of it by then."""

from __future__ import annotations

from dataclasses import dataclass, field

from pm_autoaccept.simulator import Listed
from tests.property.endings import Request
from tests.property.story import Identity, Shown, Story, identity

READS_UNTIL_GONE = 2
"""So many whole reads without it, and a request is pending no more as far as anybody can know."""


@dataclass(slots=True)
class Reads:
    """The reads of a story. One look is one read of each list, however often it asked for it."""

    story: Story
    shown: list[dict[Identity, list[Listed]]] = field(init=False)

    def __post_init__(self) -> None:
        self.shown = [{} for _ in self.story.looks]
        for page in self.story.pages:
            for each in page.listed:
                self.shown[page.look].setdefault(identity(each.tie), []).append(each)

    def whole(self, look: int, request: Identity) -> bool:
        """Whether its list was read to its end then. Of a look in which the process died nobody knows."""
        kinds = {pending.kind for pending in self.story.looks[look].plan.not_whole}
        return request[0].kind not in kinds

    def known(self, look: int, request: Identity) -> bool:
        """Whether the ledger must still have it as pending then, if it was not answered.

        It was shown, and since then not missed by two whole reads.
        """
        return self.last(look, request) is not None and self.missed(look, request) < READS_UNTIL_GONE

    def last(self, look: int, request: Identity) -> Listed | None:
        """How it was shown last, up to this look, to a process that lived to record it."""
        for number in range(look, -1, -1):
            if request in self.shown[number] and not self.story.looks[number].died:
                return self.shown[number][request][-1]
        return None

    def missed(self, look: int, request: Identity) -> int:
        """How many whole reads in a row, up to this look, did not show it; 0 where it never was shown."""
        count = 0
        for number in range(look, -1, -1):
            if request in self.shown[number] and not self.story.looks[number].died:
                return count
            count += self.whole(number, request) and request not in self.shown[number]
        return 0

    def ever_gone(self, request: Identity) -> bool:
        """Whether at some time two whole reads in a row did not show it, and an earlier one did, or may have."""
        missed, before = 0, False
        for look, shown in enumerate(self.shown):
            before = before or request in shown
            missed = 0 if request in shown else missed + (before and self.whole(look, request))
            if missed >= READS_UNTIL_GONE:
                return True
        return False

    def lagged(self, request: Identity, *, since: int) -> bool:
        """Whether it was shown on a page that was made after the event at this place."""
        return any(page.place > since and self._on(page, request) for page in self.story.pages)

    @staticmethod
    def _on(page: Shown, request: Identity) -> bool:
        return any(identity(each.tie) == request for each in page.listed)

    def shown_at_all(self, request: Request) -> bool:
        """Whether it was shown between when it was asked this time and its end."""
        return any(
            page.place > request.asked and (request.place < 0 or page.place <= request.place)
            for page in self.story.pages
            if self._on(page, request.identity)
        )
