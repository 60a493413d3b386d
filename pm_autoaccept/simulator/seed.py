"""Generates a reproducible world from a seed: a utility's customers with a given number of pending requests."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TypeVar

from pm_autoaccept.model import CustomField, Kind, RequestKey
from pm_autoaccept.simulator import buildings, people, story
from pm_autoaccept.simulator.people import Character
from pm_autoaccept.simulator.world import Account, State, Tie, World

T = TypeVar("T")


class Standing(StrEnum):
    """The relation of a customer to the utility when the world begins."""

    ASKS_ALONE = "asks for a connection"
    ASKS_WITH_SHARES = "asks for a connection, and shares pend along with it"
    CONNECTED = "is connected and shares more"
    STRANGER = "is not connected, does not ask, and a consultant forwards shares"


CHARACTERS: tuple[Character, ...] = (
    *[Character.KNOWN] * 24,
    *[Character.UNKNOWN] * 6,
    *[Character.MALFORMED] * 4,
    *[Character.BLANK] * 3,
    *[Character.BLOCKED] * 3,
)
"""Dealt like cards, so that every larger world has its share of each."""

STANDINGS: tuple[Standing, ...] = (
    *[Standing.ASKS_ALONE] * 5,
    *[Standing.ASKS_WITH_SHARES] * 7,
    *[Standing.CONNECTED] * 7,
    Standing.STRANGER,
)


def world_from_seed(*, seed: int, pending: int, now: datetime) -> World:
    """A world with exactly `pending` pending requests. The three arguments fully determine it.

    Raises:
        ValueError: `pending` is negative, or `now` has no time zone.
    """
    if pending < 0:
        raise ValueError(f"pending must be 0 or more, not {pending}")
    if now.tzinfo is None:
        raise ValueError("now must have a time zone, for example UTC")
    return _WorldBuilder(random.Random(seed), pending, now).made()  # noqa: S311 - reproducible dice, no secret


@dataclass(frozen=True, slots=True)
class _Household:
    """One customer and how it makes requests."""

    owner: Account
    sender: int
    asked_at: datetime
    modest: bool
    connected: bool


class _WorldBuilder:
    """Builds a world: random generator, running ids, and how many requests are still to be made."""

    def __init__(self, dice: random.Random, room: int, now: datetime) -> None:
        self._dice = dice
        self._room = room
        self._now = now
        self._ids = {Kind.CONNECTION: 410_220, Kind.PROPERTY: 8_120_044, Kind.METER: 30_511_976}
        self._world = World(
            provider=people.provider(),
            custom_fields=story.CUSTOM_FIELDS,
            terms_url="https://prairie-power.example/terms",
        )

    def made(self) -> World:
        """Add customers until enough requests are pending."""
        long_ago = self._now - timedelta(days=400)
        for account in people.consultants():
            self._world.accounts[account.id] = account
            self._tie(Kind.CONNECTION, account.id, State.ACTIVE, sender=account.id, at=long_ago)
        characters, standings = self._dealt(CHARACTERS), self._dealt(STANDINGS)
        known = self._dealt(story.KNOWN_CUSTOMER_NUMBERS)
        number = blocked = 0
        while self._room > 0:
            number += 1
            character, standing = next(characters), next(standings)
            unwelcome = character in {Character.MALFORMED, Character.BLOCKED}
            if unwelcome:  # rejecting its connection also rejects its shares
                standing = Standing.ASKS_WITH_SHARES
            owner = people.owner(
                self._dice,
                number=number,
                id_=self._next(Kind.CONNECTION),
                character=character,
                blocked_before=blocked,
            )
            blocked += character is Character.BLOCKED
            self._world.accounts[owner.id] = owner
            answer = people.customer_number(self._dice, character=character, known=next(known))
            self._answer(Kind.CONNECTION, owner.id, answer)
            self._settle(owner, standing, modest=unwelcome)
        return self._world

    def _dealt(self, cards: Sequence[T]) -> Iterator[T]:
        while True:
            yield from self._dice.sample(cards, len(cards))

    def _next(self, kind: Kind) -> int:
        self._ids[kind] += self._dice.randrange(1, 9)
        return self._ids[kind]

    def _tie(self, kind: Kind, id_: int, state: State, *, sender: int, at: datetime) -> None:
        access = None if kind is Kind.CONNECTION else buildings.access(self._dice)
        key = RequestKey(kind, id_)
        self._world.add(Tie(key=key, state=state, sender=sender, asked_at=at, access=access))

    def _answer(self, kind: Kind, id_: int, values: tuple[CustomField, ...] | None) -> None:
        if values is not None:
            self._world.answers[RequestKey(kind, id_)] = values

    def _ask(self, kind: Kind, id_: int, *, sender: int, at: datetime) -> None:
        """Add one more pending request, unless there are enough."""
        if self._room > 0:
            self._room -= 1
            self._tie(kind, id_, State.PENDING, sender=sender, at=at)

    def _settle(self, owner: Account, standing: Standing, *, modest: bool) -> None:
        """Add a customer's connection and shares."""
        at = self._now - timedelta(hours=2, seconds=self._dice.randrange(40 * 86_400))
        if standing is Standing.CONNECTED:
            long_ago = at - timedelta(days=self._dice.randrange(30, 900))
            self._tie(Kind.CONNECTION, owner.id, State.ACTIVE, sender=owner.id, at=long_ago)
        elif standing is not Standing.STRANGER:
            self._ask(Kind.CONNECTION, owner.id, sender=owner.id, at=at)
        if standing is Standing.ASKS_ALONE:
            return
        forwarded = standing is Standing.STRANGER or self._dice.random() < 0.25  # noqa: PLR2004 - one in four
        sender = self._consultant() if forwarded else owner.id
        household = _Household(owner, sender, at, modest, standing is Standing.CONNECTED)
        for _ in range(1 if modest else self._dice.choice((1, 1, 1, 2))):
            self._share_property(household)

    def _consultant(self) -> int:
        username = self._dice.choice(story.FORWARDERS)
        return next(account.id for account in self._world.accounts.values() if account.username == username)

    def _share_property(self, household: _Household) -> None:
        forwarders = frozenset({household.sender} - {household.owner.id})
        home = buildings.property_of(
            self._dice, id_=self._next(Kind.PROPERTY), owner=household.owner, forwarders=forwarders, now=self._now
        )
        self._world.properties[home.id] = home
        self._answer(Kind.PROPERTY, home.id, buildings.parcel(self._dice))
        at = household.asked_at + timedelta(minutes=self._dice.randrange(1, 50))
        fate = self._dice.random()
        if household.connected and fate < 0.3:  # noqa: PLR2004 - shared long since; only meters are new
            self._tie(Kind.PROPERTY, home.id, State.ACTIVE, sender=household.sender, at=at - timedelta(days=20))
            self._add_meter(home.id, household, at=at - timedelta(days=20), state=State.ACTIVE)
        elif household.modest or fate < 0.9:  # noqa: PLR2004 - the rest share a meter, but not its property
            self._ask(Kind.PROPERTY, home.id, sender=household.sender, at=at)
        for _ in range(self._dice.choice((0, 1, 1) if household.modest else (0, 1, 1, 2, 3))):
            self._add_meter(home.id, household, at=at + timedelta(minutes=1), state=State.PENDING)

    def _add_meter(self, property_id: int, household: _Household, *, at: datetime, state: State) -> None:
        meter = buildings.meter_of(self._dice, id_=self._next(Kind.METER), property_id=property_id)
        self._world.meters[meter.id] = meter
        self._answer(Kind.METER, meter.id, buildings.service_point(self._dice))
        if state is State.PENDING:
            self._ask(Kind.METER, meter.id, sender=household.sender, at=at)
        else:
            self._tie(Kind.METER, meter.id, state, sender=household.sender, at=at)
