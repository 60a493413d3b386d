"""The brakes in the ledger: what counts for limits, what lifts them, who pauses, and since when a rule holds."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from pm_autoaccept.errors import ConfigurationError, OverLimit, Paused
from pm_autoaccept.ledger import SqlLedger, pauses
from pm_autoaccept.model import (
    Action,
    Held,
    Limit,
    LimitUsage,
    Mode,
    Outcome,
    PendingRequest,
    ProviderAccount,
    Reason,
    ReasonKind,
    Receipt,
    RequestKey,
    Step,
    Verdict,
)
from tests.examples import ALICE, BOB, NOW, connection, decided, meter_share, property_share, snapshot

SERVICE, US, THEM = "http://127.0.0.1/wstest", ProviderAccount(1, "us"), ProviderAccount(2, "them")
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
ACCEPT, REJECT, HOLD = Verdict.ACCEPT, Verdict.REJECT, Verdict.HOLD
ACCEPTS = Limit(action=Action.ACCEPT, at_most=2, period=HOUR)
REJECTS = Limit(action=Action.REJECT, at_most=3, period=DAY)
SHARE = Limit(action=Action.REJECT, percent=Decimal(10), period=DAY)


@pytest.fixture
async def ledger(ledger_address):
    """A ledger claimed for one account."""
    made = await SqlLedger.open(ledger_address)
    await made.claim(service=SERVICE, provider=US, at=NOW)
    yield made
    await made.close()


async def answer(
    ledger: SqlLedger,
    request: PendingRequest,
    verdict: Verdict,
    *others: PendingRequest,
    at: datetime,
    outcome: Outcome | None = Outcome.DONE,
    within: tuple[Limit, ...] = (),
) -> None:
    """See a request and those that fall with it, decide, intend and conclude its answer."""
    await ledger.record_snapshot(snapshot(request, *others), at=at)
    decisions = [decided(request, verdict), *(decided(each, HOLD) for each in others)]
    await ledger.record_decisions(decisions, [], mode=Mode.ENFORCE, at=at)
    action = Action.ACCEPT if verdict is ACCEPT else Action.REJECT
    step = Step(decision=decisions[0], action=action, falls=tuple(each.key for each in others), within=within)
    intent = await ledger.record_intent(step, at=at)
    if outcome is not None:
        await ledger.record_outcome(intent, Receipt(step=step, outcome=outcome), at=at)


async def counted(ledger: SqlLedger, *limits: Limit, at: datetime) -> list[tuple[int, int]]:
    """For each limit what counts for it, of how many; limits that are lifted are not among them."""
    return [(tally.count, tally.of) for tally in await tallies(ledger, *limits, at=at)]


async def tallies(ledger: SqlLedger, *limits: Limit, at: datetime) -> tuple[LimitUsage, ...]:
    """What the ledger says of these limits."""
    return (await ledger.history(snapshot(), limits=limits, at=at)).limit_usage


async def test_answers_count_for_their_period_by_action_whatever_became_of_them(ledger):
    """Done, refused, of unknown fate: each intent counts until it is as old as the period."""
    await answer(ledger, connection(1), ACCEPT, at=NOW)
    await answer(ledger, connection(2), ACCEPT, at=NOW + 10 * MINUTE, outcome=None)
    await answer(ledger, connection(3), REJECT, at=NOW + 20 * MINUTE, outcome=Outcome.REFUSED)
    at = NOW + HOUR - MINUTE
    assert await counted(ledger, ACCEPTS, REJECTS, at=at) == [(2, 3), (1, 3)]
    assert await counted(ledger, ACCEPTS, REJECTS, at=NOW + HOUR) == [(1, 2), (1, 3)]


async def test_room_comes_when_the_oldest_of_the_newest_answers_is_as_old_as_the_period(ledger):
    """Where more than the limit count, as after it was made tighter, it takes longer."""
    for number in range(3):
        await answer(ledger, connection(number + 1), ACCEPT, at=NOW + number * MINUTE)
    at = NOW + 30 * MINUTE
    (loose, tight, none, share) = await tallies(
        ledger, replace(ACCEPTS, at_most=9), ACCEPTS, replace(ACCEPTS, at_most=0), SHARE, at=at
    )
    assert loose.frees_from == NOW
    assert tight.frees_from == NOW + MINUTE
    assert none.frees_from is None
    assert (share.count, share.of, share.frees_from) == (0, 3, None)


async def test_what_fell_or_may_fall_with_a_reject_counts_as_a_reject(ledger):
    """Until it is known that the reject was not processed."""
    children = property_share(11), meter_share(21, 11)
    await answer(ledger, connection(), REJECT, *children, at=NOW, outcome=None)
    assert await counted(ledger, REJECTS, at=NOW + MINUTE) == [(3, 3)]
    await answer(ledger, connection(BOB), REJECT, property_share(12, BOB), at=NOW, outcome=Outcome.REFUSED)
    assert await counted(ledger, REJECTS, at=NOW + MINUTE) == [(4, 4)]


async def test_a_child_that_did_not_fall_and_got_its_own_answer_counts_once(ledger):
    """Whether a property's reject takes its meters is not confirmed: a spared one is answered by itself."""
    meter = meter_share(21, 11)
    await answer(ledger, property_share(11), REJECT, meter, at=NOW)
    assert await counted(ledger, REJECTS, at=NOW + MINUTE) == [(2, 2)]
    await answer(ledger, meter, REJECT, at=NOW + MINUTE)
    assert await counted(ledger, REJECTS, at=NOW + 2 * MINUTE) == [(2, 2)]


async def test_counts_hold_over_restarts_and_are_each_account_s_own(ledger, ledger_address):
    """A new process on the same ledger counts what the last one sent, and not what another account was sent."""
    await answer(ledger, connection(1), ACCEPT, at=NOW)
    again, other = await SqlLedger.open(ledger_address), await SqlLedger.open(ledger_address, name="other")
    await again.claim(service=SERVICE, provider=US, at=NOW)
    await other.claim(service=SERVICE, provider=THEM, at=NOW)
    assert await counted(again, ACCEPTS, at=NOW + MINUTE) == [(1, 1)]
    assert await counted(other, ACCEPTS, at=NOW + MINUTE) == [(0, 0)]
    await again.close()
    await other.close()


async def test_an_account_that_the_ledger_does_not_know_yet_has_all_its_room(ledger_address):
    """As `pending` sees it before the first `run`."""
    fresh = await SqlLedger.open(ledger_address)
    assert await tallies(fresh, ACCEPTS, at=NOW) == (LimitUsage(limit=ACCEPTS),)
    await fresh.close()


async def test_an_intent_that_would_pass_a_limit_is_refused_though_plan_found_room(ledger):
    """Another process may have answered since: the ledger counts again in the very transaction, and undoes it."""
    await answer(ledger, connection(1), ACCEPT, at=NOW, within=(ACCEPTS, REJECTS))
    await answer(ledger, connection(2), ACCEPT, at=NOW, within=(ACCEPTS,))
    with pytest.raises(OverLimit, match="a limit of Accepts is reached"):
        await answer(ledger, connection(3), ACCEPT, at=NOW + MINUTE, within=(ACCEPTS,))
    assert await counted(ledger, ACCEPTS, at=NOW + MINUTE) == [(2, 2)]
    assert [row.outcome for row in await ledger.decisions()] == [Outcome.DONE, Outcome.DONE, None]
    with pytest.raises(OverLimit):
        await answer(
            ledger, connection(5), REJECT, *(property_share(n, 5) for n in (51, 52, 53)), at=NOW, within=(REJECTS,)
        )
    assert await counted(ledger, REJECTS, at=NOW + MINUTE) == [(0, 2)]


async def test_a_lifted_limit_is_no_limit_until_then(ledger):
    """For one account or for all, for one action only, and what was sent meanwhile counts when it is over."""
    await answer(ledger, connection(1), ACCEPT, at=NOW)
    lift = pauses.lift_limit
    until = NOW + 10 * MINUTE
    await ledger.database.run(lambda it: lift(it, "default", Action.ACCEPT, until=until, by="ada", at=NOW))
    assert await counted(ledger, ACCEPTS, REJECTS, at=NOW + 9 * MINUTE) == [(0, 1)]
    assert await counted(ledger, ACCEPTS, REJECTS, at=until) == [(1, 1), (0, 1)]
    await ledger.database.run(lambda it: lift(it, None, Action.REJECT, until=until, by="ada", at=NOW))
    assert await counted(ledger, ACCEPTS, REJECTS, at=NOW + MINUTE) == []


async def test_a_lift_for_another_account_lifts_nothing_here(ledger, ledger_address):
    """Each account has its own limits."""
    other = await SqlLedger.open(ledger_address, name="other")
    await other.claim(service=SERVICE, provider=THEM, at=NOW)
    await other.close()
    await ledger.database.run(
        lambda it: pauses.lift_limit(it, "other", Action.ACCEPT, until=NOW + HOUR, by="ada", at=NOW)
    )
    assert await counted(ledger, ACCEPTS, at=NOW) == [(0, 0)]


@pytest.mark.parametrize("name", [None, "default"])
async def test_while_an_account_is_paused_no_intent_is_recorded(ledger, name):
    """So nothing is sent: an intent comes before each answer."""
    await answer(ledger, connection(1), ACCEPT, at=NOW)
    assert await ledger.database.run(lambda it: pauses.add_pause(it, name, by="ada", why="new table", at=NOW))
    assert not await ledger.database.run(lambda it: pauses.add_pause(it, name, by="bob", why="", at=NOW))
    whom = "all accounts" if name is None else "account default"
    assert await ledger.pause_reason() == f"ada paused {whom} at 2026-03-04 12:00 UTC: new table"
    with pytest.raises(Paused, match="ada paused"):
        await answer(ledger, connection(2), ACCEPT, at=NOW)
    assert await counted(ledger, ACCEPTS, at=NOW) == [(1, 1)]
    assert await ledger.database.run(lambda it: pauses.end_pause(it, name, by="bob", at=NOW))
    assert not await ledger.database.run(lambda it: pauses.end_pause(it, name, by="bob", at=NOW))
    assert await ledger.pause_reason() is None
    await answer(ledger, connection(2), ACCEPT, at=NOW)


async def test_another_account_s_pause_stops_only_that_account(ledger, ledger_address):
    """And what is paused for all is not resumed by resuming one."""
    other = await SqlLedger.open(ledger_address, name="other")
    await other.claim(service=SERVICE, provider=THEM, at=NOW)
    await ledger.database.run(lambda it: pauses.add_pause(it, "other", by="ada", why="", at=NOW))
    assert await other.pause_reason() == "ada paused account other at 2026-03-04 12:00 UTC"
    assert await ledger.pause_reason() is None
    await ledger.database.run(lambda it: pauses.add_pause(it, None, by="ada", why="", at=NOW))
    await ledger.database.run(lambda it: pauses.end_pause(it, "other", by="ada", at=NOW))
    assert (
        await other.pause_reason() == await ledger.pause_reason() == "ada paused all accounts at 2026-03-04 12:00 UTC"
    )
    await other.close()


async def test_a_name_that_the_ledger_does_not_know_is_refused(ledger, tmp_path):
    """A brake that stops nobody must not look like one that does."""
    with pytest.raises(ConfigurationError, match="knows no account `defualt`; it knows default"):
        await ledger.database.run(lambda it: pauses.add_pause(it, "defualt", by="ada", why="", at=NOW))
    with pytest.raises(ConfigurationError, match="knows no account"):
        await ledger.database.run(lambda it: pauses.end_pause(it, "defualt", by="ada", at=NOW))
    empty = await SqlLedger.open(f"sqlite:///{tmp_path / 'empty.db'}")
    with pytest.raises(ConfigurationError, match="the ledger has no accounts yet"):
        await empty.database.run(lambda it: pauses.lift_limit(it, "x", Action.ACCEPT, until=NOW, by="ada", at=NOW))
    await empty.close()


BY_RULE, BY_DEFAULT = Reason(ReasonKind.RULE, "because"), Reason(ReasonKind.DEFAULT, "none is true")
IN_DOUBT, EXPIRED = Reason(ReasonKind.UNKNOWN, "table gone"), Reason(ReasonKind.EXPIRED, "long enough")


class Waiting:
    """One request that is decided again and again."""

    def __init__(self, ledger: SqlLedger) -> None:
        self._ledger = ledger
        self._seen = snapshot(connection())

    async def decide(self, hour: int, reason: Reason, rule: str | None = "waits", **said: object) -> Held | None:
        """Decide at this hour, and say who holds it then."""
        at = NOW + hour * HOUR
        await self._ledger.record_snapshot(self._seen, at=at)
        mode = said.pop("mode", Mode.ENFORCE)
        verdict = said.pop("verdict", REJECT if reason is EXPIRED else HOLD)
        made = replace(decided(connection(), verdict), reason=reason, rule=rule)
        await self._ledger.record_decisions([made], [], mode=mode, at=at)
        return await self.held(hour)

    async def held(self, hour: int) -> Held | None:
        """Who holds it at this hour."""
        history = await self._ledger.history(self._seen, at=NOW + hour * HOUR)
        return history.held.get(RequestKey(connection().kind, ALICE))


@pytest.fixture
def waiting(ledger):
    """A pending request."""
    return Waiting(ledger)


async def test_a_rule_holds_since_it_was_first_recorded_in_enforce_mode(waiting):
    """Observing starts no clock; what it finds running goes on."""
    assert await waiting.decide(0, BY_RULE, mode=Mode.OBSERVE) is None
    assert await waiting.decide(1, BY_RULE) == Held("waits", NOW + HOUR)
    assert await waiting.decide(5, BY_RULE) == Held("waits", NOW + HOUR)
    assert await waiting.decide(6, BY_RULE, mode=Mode.OBSERVE) == Held("waits", NOW + HOUR)


@pytest.mark.parametrize("mode", Mode)
async def test_another_rule_another_clock(waiting, mode):
    """A rule that holds it now has not held it for as long as the one before."""
    await waiting.decide(0, BY_RULE)
    since = Held("other", NOW + HOUR) if mode is Mode.ENFORCE else None
    assert await waiting.decide(1, BY_RULE, "other", mode=mode) == since
    assert await waiting.decide(2, BY_DEFAULT, None) == Held(None, NOW + 2 * HOUR)
    assert await waiting.decide(3, BY_DEFAULT, None) == Held(None, NOW + 2 * HOUR)
    assert await waiting.decide(4, BY_RULE, verdict=ACCEPT) is None
    assert await waiting.decide(5, BY_RULE) == Held("waits", NOW + 5 * HOUR)


async def test_time_in_doubt_does_not_count(waiting):
    """While a table is gone nobody can say that the rule was true: the beginning is that much later."""
    await waiting.decide(0, BY_RULE)
    assert await waiting.decide(4, IN_DOUBT) == Held("waits", NOW)
    assert await waiting.held(6) == Held("waits", NOW + 2 * HOUR)
    assert await waiting.decide(6, IN_DOUBT) == Held("waits", NOW + 2 * HOUR)
    assert await waiting.decide(7, IN_DOUBT, "earlier-rule") == Held("waits", NOW + 3 * HOUR)
    assert await waiting.held(9) == Held("waits", NOW + 5 * HOUR)
    assert await waiting.decide(9, BY_RULE) == Held("waits", NOW + 5 * HOUR)
    assert await waiting.held(12) == Held("waits", NOW + 5 * HOUR)


async def test_an_expired_hold_stays_expired_until_it_is_answered(waiting):
    """A reject that a limit keeps back is decided again in the next cycle, by the same clock."""
    await waiting.decide(0, BY_RULE)
    assert await waiting.decide(30, EXPIRED) == Held("waits", NOW)
    assert await waiting.decide(31, EXPIRED) == Held("waits", NOW)
    assert await waiting.decide(32, BY_RULE) == Held("waits", NOW)


async def test_doubt_that_comes_first_starts_no_clock(waiting):
    """It was never known that the rule is true."""
    assert await waiting.decide(0, IN_DOUBT) is None
    assert await waiting.decide(1, BY_RULE) == Held("waits", NOW + HOUR)


async def test_the_next_time_is_held_anew(ledger, waiting):
    """What was answered, gone, and asked again has not been held yet."""
    await waiting.decide(0, BY_RULE)
    await answer(ledger, connection(), REJECT, at=NOW + HOUR)
    gone, again = snapshot(), snapshot(connection())
    later = {"begun": NOW + 2 * HOUR, "ended": NOW + 2 * HOUR}
    await ledger.record_snapshot(replace(gone, connections=replace(gone.connections, **later)), at=NOW + 2 * HOUR)
    assert (await ledger.history(again, at=NOW + 3 * HOUR)).held == {}
    await ledger.record_snapshot(again, at=NOW + 3 * HOUR)
    assert (await ledger.history(again, at=NOW + 3 * HOUR)).held == {}
