"""What the probes say of accounts, in every state that they can be in."""

from __future__ import annotations

from datetime import timedelta

import pytest

from pm_autoaccept.telemetry.health import (
    TROUBLE_MESSAGES,
    AccountHealth,
    LeaseState,
    Refusal,
    Trouble,
    liveness,
    readiness,
)


@pytest.fixture
def health(now):
    """An account that works well, but for what is said."""

    def make(name="prairie", **but):
        well = {"lease": LeaseState.HELD, "signed_in": True, "last_good_cycle": now}
        return AccountHealth(account=name, interval=timedelta(seconds=60), **well | but)

    return make


def test_a_process_lives_while_no_account_s_task_has_ended(health):
    """What a restart does not cure is no reason to restart."""
    in_trouble = [health(signed_in=False, trouble=trouble) for trouble in Trouble]
    assert (liveness([]).status, liveness(in_trouble).status) == (200, 200)
    dead = liveness([health(), health("river", crashed=True)])
    assert (dead.status, dead.body["live"]) == (503, False)
    assert "river" in dead.body["why"]
    assert "prairie" not in dead.body["why"]


def test_a_process_that_has_begun_no_account_is_not_ready(now):
    """Nothing to complain of is not the same as being ready."""
    assert readiness([], now=now).status == 503


@pytest.mark.parametrize(
    ("but", "says"),
    [
        ({}, "the last good cycle ended at 2026-03-04 12:00:00 UTC"),
        ({"paused": True}, "the last good cycle ended at 2026-03-04 12:00:00 UTC; answering is paused"),
        (
            {"lease": LeaseState.ELSEWHERE, "signed_in": False, "last_good_cycle": None},
            "another replica holds its lease; this one is on standby",
        ),
    ],
)
def test_an_account_is_ready_where_it_is_looked_after_here_or_elsewhere(health, now, but, says):
    """A replica that stands by is as ready as the one that works; a pause is no fault."""
    told = readiness([health(**but)], now=now)
    assert (told.status, told.body) == (200, {"ready": True, "accounts": {"prairie": {"ready": True, "why": says}}})


@pytest.mark.parametrize(
    ("but", "says"),
    [
        ({"crashed": True}, "its account worker ended unexpectedly"),
        ({"lease": LeaseState.NOT_KNOWN}, "this process does not hold its lease yet"),
        ({"signed_in": False}, "not signed in"),
        ({"last_good_cycle": None}, "no good cycle yet"),
    ],
)
def test_an_account_that_nobody_looks_after_is_not_ready_and_says_why(health, now, but, says):
    """One such account makes the process unready, and the others still say how they are."""
    told = readiness([health(), health("river", **but)], now=now)
    assert told.status == 503
    accounts = told.body["accounts"]
    assert accounts["prairie"]["ready"]
    assert not accounts["river"]["ready"]
    assert accounts["river"]["why"].startswith(says)


@pytest.mark.parametrize(("interval", "limit"), [(60, 10), (600, 50)])
def test_a_good_cycle_may_be_as_old_as_five_intervals_or_ten_minutes(health, now, interval, limit):
    """Just young enough is ready, a second more is not."""
    account = health(last_good_cycle=now - timedelta(minutes=limit))
    account.interval = timedelta(seconds=interval)
    assert readiness([account], now=now).status == 200
    told = readiness([account], now=now + timedelta(seconds=1))
    assert told.status == 503
    assert f"more than {limit} minutes ago" in told.body["accounts"]["prairie"]["why"]


@pytest.mark.parametrize("trouble", Trouble)
def test_each_trouble_is_said_in_a_sentence(health, now, trouble):
    """Whoever reads the probe knows what is wrong and whether there is something to do."""
    told = readiness([health(signed_in=False, trouble=trouble)], now=now)
    assert told.body["accounts"]["prairie"]["why"] == f"not signed in; {TROUBLE_MESSAGES[trouble]}"


def test_a_policy_that_was_refused_is_told_and_the_account_stays_ready(health, now):
    """The policy before it answers on; what the faults quote of the policy stands in the log alone."""
    told = readiness([health(refusal=Refusal(now, 2, "policy.yaml:4:7")), health("river")], now=now)
    assert told.status == 200
    accounts = told.body["accounts"]
    said = "refused at 2026-03-04 12:00:00 UTC (2 faults, the first in policy.yaml:4:7). The previous policy stays"
    assert said in accounts["prairie"]["policy_refused"]
    assert said in accounts["prairie"]["why"]
    assert "policy_refused" not in accounts["river"]
    assert "(its files cannot be read)" in str(Refusal(now, 0, ""))


def test_data_that_are_not_good_are_named_and_the_account_stays_ready(health, now):
    """Everything else is answered; why they are not good stands elsewhere."""
    told = readiness([health(unusable_tables=("known", "meters"))], now=now)
    assert told.status == 200
    assert (
        "requests that need this data are held: known, meters; run pm-autoaccept data to see why"
        in told.body["accounts"]["prairie"]["why"]
    )
