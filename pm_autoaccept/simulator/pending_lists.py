"""What the pending lists show: what pends, and what an odd list adds or leaves out (docs/protocol.md#paging)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from pm_autoaccept.model import Kind, RequestKey
from pm_autoaccept.simulator.unconfirmed import Inferred
from pm_autoaccept.simulator.world import Listed, State, Tie, World


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list, and whether there are more behind it."""

    listed: Sequence[Listed]
    more: bool


class Lists:
    """The lists of a world. What pends is ordered anew only after a change, not for each page."""

    def __init__(self) -> None:
        self._known: dict[Kind, tuple[int, list[RequestKey]]] = {}

    def page(self, world: World, kind: Kind, number: int, *, inferred: Inferred, now: datetime) -> Page:
        """A page of the list of this kind, as it is now; 1 is the first."""
        begin = (number - 1) * inferred.page_size
        end = begin + inferred.page_size
        waiting = self._waiting(world, kind, inferred)
        if not (world.hidden or world.repeated or (world.left and inferred.lag)):
            shown = [Listed(world.ties[key], world.answers.get(key)) for key in waiting[begin:end]]
            return Page(shown, more=end < len(waiting))
        odd = _odd(world, kind, waiting, inferred=inferred, now=now)
        return Page(odd[begin:end], more=end < len(odd))

    def _waiting(self, world: World, kind: Kind, inferred: Inferred) -> list[RequestKey]:
        changes, waiting = self._known.get(kind, (None, []))
        if changes != world.changes:
            pending = [Listed(tie, None) for tie in world.having(kind, State.PENDING)]
            waiting = [each.tie.key for each in _ordered(pending, inferred)]
            self._known[kind] = world.changes, waiting
        if kind is not Kind.CONNECTION and not inferred.forwarded_shares_listed_when_unconnected:
            return [key for key in waiting if world.connected(world.owner_of(key))]
        return waiting


def _odd(world: World, kind: Kind, waiting: Sequence[RequestKey], *, inferred: Inferred, now: datetime) -> list[Listed]:
    """The list with what lags, without what is hidden, and with what stands there twice."""
    listed = [Listed(world.ties[key], world.answers.get(key)) for key in waiting]
    since = now - timedelta(seconds=inferred.lag)
    lagging = [left.listed for key, left in world.left.items() if key.kind is kind and left.at > since]
    listed += [each for each in lagging if not any(each.same(other) for other in listed)]
    shown = _ordered([each for each in listed if world.hidden.get(each.tie.key, now) <= now], inferred)
    for again in [each for each in shown if world.repeated.get(each.tie.key, now) > now]:
        shown.insert(shown.index(again) + inferred.page_size, again)
    return shown


def _ordered(listed: Sequence[Listed], inferred: Inferred) -> list[Listed]:
    def place(each: Listed) -> tuple[datetime, int] | tuple[int, datetime]:
        tie: Tie = each.tie
        return (tie.key.id, tie.asked_at) if inferred.order == "by_id" else (tie.asked_at, tie.key.id)

    return sorted(listed, key=place, reverse=inferred.order == "newest_first")
