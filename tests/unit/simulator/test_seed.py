"""Worlds from a seed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from pm_autoaccept.model import Kind, RequestKey
from pm_autoaccept.simulator import State, World, story, world_from_seed
from pm_autoaccept.simulator.switchboard import shown_world

NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)


def made(seed: int = 7, pending: int = 1000) -> World:
    """A world of this seed and size."""
    return world_from_seed(seed=seed, pending=pending, now=NOW)


def number_of(world: World, owner: int) -> str:
    """The owner's customer number as the utility reads it: digits only."""
    answers = world.answers.get(RequestKey(Kind.CONNECTION, owner), ())
    return "".join(each for answer in answers for each in answer.value if each.isascii() and each.isdigit())


def blocked(world: World, owner: int) -> bool:
    """Whether the owner writes from the blocked domain."""
    return (world.account(owner).info.email or "").endswith(f"@{story.BLOCKED_EMAIL_DOMAIN}")


def welcome(world: World, owner: int) -> bool:
    """Whether a utility would let the owner in."""
    return number_of(world, owner) in story.KNOWN_CUSTOMER_NUMBERS and not blocked(world, owner)


def rejected(world: World, owner: int) -> bool:
    """Whether a utility would reject the owner."""
    return blocked(world, owner) or (
        number_of(world, owner) not in story.KNOWN_CUSTOMER_NUMBERS and any_malformed(world, owner)
    )


def any_malformed(world: World, owner: int) -> bool:
    """Whether the owner typed no customer number at all."""
    answers = world.answers.get(RequestKey(Kind.CONNECTION, owner), ())
    return any(answer.value in story.MALFORMED_NUMBERS for answer in answers)


def test_seed_alone_determines_the_world() -> None:
    """The same seed, size and time make the same world; another seed makes another."""
    assert made(7) == made(7)
    assert shown_world(made(7)) == shown_world(made(7))
    assert shown_world(made(7)) != shown_world(made(8))


@pytest.mark.parametrize("pending", [0, 1, 2, 3, 5, 20, 21, 200, 1000])
def test_pending_is_exact(pending: int) -> None:
    """Exactly as many requests pend as were asked for, whatever the seed."""
    for seed in range(5):
        assert sum(made(seed, pending).pending().values()) == pending


@pytest.mark.parametrize("seed", [7, *range(100, 112)])
def test_every_story_occurs_often(seed: int) -> None:
    """Among 1,000 requests each hard case occurs at least 40 times."""
    world = made(seed)
    meters = list(world.having(Kind.METER, State.PENDING))
    shares = [*world.having(Kind.PROPERTY, State.PENDING), *meters]
    kept_back = [
        tie
        for tie in meters
        if world.state(Kind.PROPERTY, world.property_of(tie.key).id) is State.PENDING
        and not welcome(world, world.owner_of(tie.key))
    ]
    unconnected = [tie for tie in shares if world.state(Kind.CONNECTION, world.owner_of(tie.key)) is State.PENDING]
    forwarded = [tie for tie in shares if tie.sender != world.owner_of(tie.key)]
    with_children = [
        tie
        for tie in world.having(Kind.CONNECTION, State.PENDING)
        if rejected(world, tie.key.id) and any(world.shares_of_owner(tie.key.id, State.PENDING))
    ]
    counts = {
        "kept back": len(kept_back),
        "unconnected": len(unconnected),
        "forwarded": len(forwarded),
        "with children": len(with_children),
    }
    assert min(counts.values()) >= 40, counts


def test_rarer_stories_occur_too() -> None:
    """A demo of 200 requests shows each kind of customer, property and meter."""
    world = made(7, 200)
    meters = [world.meters[tie.key.id] for tie in world.having(Kind.METER, State.PENDING)]
    homes = {world.state(Kind.PROPERTY, meter.property_id) for meter in meters}
    assert homes == {State.NONE, State.PENDING, State.ACTIVE}
    assert {meter.category for meter in meters} == {"energy", "waste"}
    assert {meter.type for meter in meters} >= {"Natural Gas", "Electric"}
    assert any(meter.type.startswith("Municipally") for meter in meters)
    assert {tie.access for tie in world.having(Kind.PROPERTY, State.PENDING)} == {"Read", "Read Write"}
    assert {account.info.address.country for account in world.accounts.values()} == {"US", "CA"}
    assert {home.floor_area_units for home in world.properties.values()} == {"Square Feet", "Square Meters"}
    assert {account.username for account in world.accounts.values()} >= {*story.BLOCKED_USERNAMES, *story.CONSULTANTS}
    owners = {world.state(Kind.CONNECTION, world.property_of(RequestKey(Kind.METER, m.id)).owner) for m in meters}
    assert owners == {State.NONE, State.PENDING, State.ACTIVE}
    values = {answer.value for answers in world.answers.values() for answer in answers}
    assert any("–" in value for value in values)  # noqa: RUF001 - the long dash is meant
    assert "" in values


def test_usernames_and_requests_are_of_the_past_and_unique() -> None:
    """No two accounts share a username, and nothing was asked for in the future."""
    world = made(3)
    assert len({account.username for account in world.accounts.values()}) == len(world.accounts)
    assert all(tie.asked_at < NOW for tie in world.ties.values())


def test_known_numbers_are_400_ten_digit_numbers_with_leading_zeros() -> None:
    """The numbers that the utility's table holds do not depend on anything."""
    assert len(set(story.KNOWN_CUSTOMER_NUMBERS)) == 400
    assert all(len(number) == 10 and number.isdigit() for number in story.KNOWN_CUSTOMER_NUMBERS)
    assert story.KNOWN_CUSTOMER_NUMBERS[:2] == ("0041001234", "0041009153")


def test_another_offset_is_the_same_moment() -> None:
    """Only the moment counts, not the offset in which it is told."""
    elsewhere = NOW.astimezone(timezone(timedelta(hours=9)))
    assert world_from_seed(seed=1, pending=30, now=elsewhere) == made(1, 30)


@pytest.mark.parametrize(("pending", "now"), [(-1, NOW), (1, NOW.replace(tzinfo=None))])
def test_nonsense_is_refused(pending: int, now: datetime) -> None:
    """A negative size and a time without offset are refused with what to do."""
    with pytest.raises(ValueError, match="must"):
        world_from_seed(seed=1, pending=pending, now=now)
