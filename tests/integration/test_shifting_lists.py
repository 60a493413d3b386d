"""Lists that shift while they are read, flap, lag and show twins: what one read misses still pends.

Everything goes through the real client, the real simulator and a real ledger; customers act between two pages.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest

from pm_autoaccept.cycle import Cycle
from pm_autoaccept.ledger import SqlLedger
from pm_autoaccept.model import Kind, Mode, Plan, RequestKey
from pm_autoaccept.policy import load
from pm_autoaccept.simulator import Call, Fault, FaultKind, Simulator, State, load_world

CONNECTIONS, PROPERTIES = "/connect/account/pending/list?page=2", "/share/property/pending/list?page=2"
LIMITS = "limits: {accept: none, reject: none}\n"
CONNECTED = "connection: active"


def connecting(number: int, *, value: str | None = None) -> str:
    """A customer who asks for a connection, the lower the number, the earlier."""
    custom = f", custom: {{V: {value}}}" if value else ""
    return f"- {{username: c{number}, id: {1000 + number}, connection: pending, asked_at: {asked(number)}{custom}}}"


def asked(number: int) -> str:
    """A moment that is later for a higher number."""
    return f"2026-03-01T09:{number:02}:00-05:00"


def world(*customers: str) -> bytes:
    """A world of these customers, whose provider asks for one custom field."""
    provider = "provider: {custom_fields: [{name: V, when_to_prompt: Once}]}"
    return "\n".join([provider, "customers:", *customers]).encode()


@dataclass
class Scene:
    """A provider who looks and answers, over a simulator whose customers act between the calls."""

    simulator: Simulator
    cycle: Cycle
    clock: list[datetime]
    _acts: list[tuple[str, int, Callable[[], object]]] = field(default_factory=list)

    def at(self, path: str, act: Callable[[], object], *, nth: int = 1) -> None:
        """Let something happen right before a path is asked for the nth time from now on."""
        self._acts.append((path, self._calls(path) + nth, act))

    def before(self, call: Call) -> None:
        """Let happen what is to happen right before this call."""
        for path, nth, act in self._acts:
            if call.path.endswith(path) and self._calls(path) == nth:
                act()

    def _calls(self, path: str) -> int:
        return sum(call.path.endswith(path) for call in self.simulator.log.calls)

    async def look(self, *, minutes: int = 1) -> Plan:
        """Look once, so many minutes later."""
        self.clock[0] += timedelta(minutes=minutes)
        return await self.cycle.look()

    async def turn(self, *, minutes: int = 1) -> Plan:
        """Look and answer once, so many minutes later."""
        planned = await self.look(minutes=minutes)
        await self.cycle.answer(planned)
        return planned

    def state(self, kind: str, number: int) -> State:
        """How a connection or share stands in Portfolio Manager."""
        return self.simulator.world.state(Kind(kind), number)

    @property
    def posted(self) -> list[str]:
        """What was answered, and how."""
        return [
            f"{call.path.partition('/wstest/')[2]} {'Accept' if b'Accept' in call.body else 'Reject'}"
            for call in self.simulator.log.calls
            if call.method == "POST"
        ]


@pytest.fixture
async def scene(simulate, sign_in, now):
    """Make a scene over a world as text, by a policy as text."""
    ledger = await SqlLedger.open("sqlite://")

    async def make(text: bytes, rules: str) -> Scene:
        clock = [now]

        def tick() -> datetime:
            clock[0] += timedelta(milliseconds=1)
            return clock[0]

        simulator = await simulate(load_world(text, now=now), clock=lambda: clock[0])
        pm = await sign_in(simulator, now=lambda: clock[0])
        provider = await pm.account()
        await ledger.claim(service=simulator.url, provider=provider, at=now)
        cycle = Cycle(
            pm=pm,
            provider=provider,
            ledger=ledger,
            policy=load({"policy.yaml": f"version: 1\nrules:\n{rules}\n".encode()}),
            tables={},
            mode=Mode.ENFORCE,
            now=tick,
        )
        made = Scene(simulator, cycle, clock)
        simulator.before_processing = made.before
        return made

    yield make
    await ledger.close()


def why(planned: Plan) -> dict[str, str]:
    """Request → the kind of reason for its verdict."""
    return {str(each.key): str(each.reason.kind) for each in planned.decisions}


TAKEN = (
    "- {id: twice, on: connection, then: hold, when: {custom.V: {taken: true}}}\n"
    "- {id: known, on: connection, then: accept, when: {custom.V: {starts_with: A}}}\n" + LIMITS
)


@pytest.mark.parametrize("withdrawn", [1, 9, 20])
async def test_a_taken_value_stays_taken_when_its_other_request_is_on_no_page(scene, withdrawn):
    """The 21st request moves to page 1 while page 2 is on its way; the third must not be accepted by that."""
    customers = [connecting(number, value="A1" if number in {3, 21} else None) for number in range(1, 22)]
    it = await scene(world(*customers), TAKEN)
    await it.turn()
    it.at(CONNECTIONS, lambda: it.simulator.act("withdraw", account=1000 + withdrawn))
    await it.turn()
    assert it.state("connection", 1003) is State.PENDING, "the third was accepted although the 21st has the same value"
    assert it.posted == []


async def test_a_request_that_was_never_seen_before_is_on_no_page_and_is_found(scene):
    """Also in the very first cycle: a list of several pages is read again from its end, where it has moved."""
    customers = [connecting(number, value="A1" if number in {3, 21} else None) for number in range(1, 22)]
    it = await scene(world(*customers), TAKEN)
    it.at(CONNECTIONS, lambda: it.simulator.act("withdraw", account=1009))
    planned = await it.turn()
    assert it.posted == [], "the third was accepted although the 21st has the same value"
    assert RequestKey(Kind.CONNECTION, 1021) in {each.key for each in planned.decisions}


async def test_a_list_that_has_not_moved_is_not_read_twice(scene):
    """One page more tells that nothing has moved; a list of one page costs nothing."""
    it = await scene(world(*map(connecting, range(1, 60))), "- {id: a, on: connection, then: hold, when: always}\n")
    await it.look()
    pages = [call.path for call in it.simulator.log.calls if "/connect/account/pending/list" in call.path]
    numbers = [int(path.rpartition("=")[2]) for path in pages]
    # What was asked for ahead, beyond the end, is thrown away unread.
    assert sorted(number for number in numbers if number <= 3) == [1, 2, 2, 3]


def sharing(*, connection: str, count: int, meters: str = "", orphan: str = "") -> str:
    """An owner who shares so many properties, the lower the number, the earlier; the last has these meters.

    The meter `orphan` is of a property that is not shared.
    """
    shares = [
        f"{{id: {2000 + number}, name: P{number}, share: pending, asked_at: {asked(number)}"
        + (f", meters: [{meters}]}}" if number == count else "}")
        for number in range(1, count + 1)
    ]
    listed = ", ".join([*shares, f"{{id: 2900, name: Q, meters: [{orphan}]}}"])
    return f"- {{username: owner, id: 900, connection: {connection}, properties: [{listed}]}}"


METER, ORPHAN = "{id: 3001, name: M, share: pending}", "{id: 3900, name: N, share: pending}"
UNSHARED = "- {id: meters, on: meter, then: accept, when: {property.share: none}}\n" + LIMITS


async def test_a_meter_does_not_carry_a_share_along_that_the_second_read_of_its_list_does_not_show(scene):
    """The list of shares was read once with the share and once without: one cycle is one read, and both are united."""
    it = await scene(world(sharing(connection="active", count=21, meters=METER, orphan=ORPHAN)), UNSHARED)
    it.at(PROPERTIES, lambda: it.simulator.act("withdraw", property=2001), nth=2)
    await it.turn()
    assert it.state("property", 2021) is State.PENDING, "the meter's accept carried the share of its property along"
    assert it.posted == ["share/meter/3900 Accept"]


def rejecting(limit: str) -> str:
    """Reject connections and properties, within a limit."""
    return (
        "- {id: no, on: [connection, property], then: reject, when: always, note: Sorry.}\n"
        f"limits: {{accept: none, reject: {limit}}}\n"
    )


async def test_a_parent_s_reject_takes_nothing_along_that_one_read_does_not_show(scene):
    """Each share gets its own note and counts for the limit; else it would fall without a cause on record."""
    share = f"{{id: 1999, name: P, share: pending, asked_at: {asked(0)}}}"
    other = f"- {{username: other, id: 901, connection: active, properties: [{share}]}}"
    it = await scene(world(other, sharing(connection="pending", count=20)), rejecting("0 per 1d"))
    await it.turn()
    it.cycle.replace_policy(load({"policy.yaml": f"version: 1\nrules:\n{rejecting('21 per 1d')}".encode()}), {})
    it.at(PROPERTIES, lambda: it.simulator.act("withdraw", property=1999))
    await it.turn()
    fell = [effect.id for call in it.simulator.log.calls for effect in call.effects if effect.cascade]
    assert fell == [], "a share was taken along without its own note"


async def test_what_one_read_misses_is_told(scene):
    """`pending` and `explain` show the plan; the ledger keeps what was decided, and the second read ends it."""
    it = await scene(world(connecting(1), connecting(2)), "- {id: a, on: connection, then: hold, when: always}\n")
    await it.look()
    it.simulator.act("withdraw", account=1002)
    for record in (False, False, True):
        planned = await it.cycle.look(record=record)
        assert why(planned) == {"connection:1001": "rule", "connection:1002": "missed_once"}, record
    (told,) = [each for each in planned.decisions if each.reason.kind == "missed_once"]
    assert "missing from one read" in told.reason.text
    assert why(await it.look()) == {"connection:1001": "rule"}
    rows = {str(row.key): (row.rule, row.outcome) for row in await it.cycle.ledger.decisions()}
    assert rows == {"connection:1001": ("a", None), "connection:1002": ("a", "settled_elsewhere")}


def hide(it: Scene, **which: int) -> None:
    """Let a list not show what pends for a minute and a half: one read misses it."""
    it.simulator.act("hide", **which, seconds=90)


async def test_a_flap_changes_nothing(scene):
    """A reject waits for the child that one read misses, and goes out when the list shows it again."""
    it = await scene(world(sharing(connection="pending", count=2)), rejecting("none"))
    await it.look()
    hide(it, property=2002)
    planned = await it.turn()
    assert it.posted == ["share/property/2001 Reject"]
    (kept,) = planned.kept_back
    assert (str(kept.decision.key), kept.reason.kind, str(kept.reason.other)) == (
        "connection:900",
        "missed_once",
        "property:2002",
    )
    await it.turn(minutes=2)
    assert it.posted[1:] == ["share/property/2002 Reject", "connect/account/900 Reject"]


async def test_a_parent_that_one_read_misses_keeps_its_child_back(scene):
    """A meter's accept would carry along the share that is held and not shown."""
    it = await scene(world(sharing(connection="active", count=1, meters=METER, orphan=ORPHAN)), UNSHARED)
    await it.look()
    hide(it, property=2001)
    planned = await it.turn()
    assert why(planned)["property:2001"] == "missed_once"
    assert it.posted == ["share/meter/3900 Accept"]
    assert it.state("property", 2001) is State.PENDING


async def test_what_fell_is_on_record_after_two_reads(scene):
    """A share that one read misses after its owner's reject may pend still."""
    rules = "- {id: no, on: connection, then: reject, when: always, note: Sorry.}\n" + LIMITS
    it = await scene(world(sharing(connection="pending", count=1)), rules)
    await it.turn()
    outcomes = []
    for _ in range(2):
        await it.look()
        rows = {str(row.key): row for row in await it.cycle.ledger.decisions()}
        outcomes.append(rows["property:2001"].outcome)
    assert outcomes == [None, "fallen"]
    assert str(rows["property:2001"].cause) == "connection:900"


async def test_a_list_that_fails_forgets_nothing(scene):
    """What it does not show pends still, and the cycle goes on."""
    it = await scene(world(*map(connecting, range(1, 25))), "- {id: a, on: connection, then: hold, when: always}\n")
    await it.look()
    it.simulator.faults.add(Fault(kind=FaultKind.STATUS, status=403, service="list_pending_connections"))
    planned = await it.look()
    assert set(why(planned).values()) == {"missed_once"}
    assert len(planned.decisions) == 24
    it.simulator.faults.clear()
    assert set(why(await it.look()).values()) == {"rule"}
