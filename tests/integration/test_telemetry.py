"""The operators' port: a real server on loopback, probed and scraped as orchestrators and Prometheus do it."""

from __future__ import annotations

import json
import socket
from dataclasses import replace
from datetime import timedelta

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families
from structlog.testing import capture_logs

from pm_autoaccept.errors import ConfigurationError
from pm_autoaccept.model import (
    Action,
    History,
    Kind,
    NotLearnt,
    Outcome,
    Reason,
    ReasonKind,
    Receipt,
    Shadow,
    Step,
    Verdict,
)
from pm_autoaccept.plan import plan
from pm_autoaccept.policy import load
from pm_autoaccept.portfolio_manager import CallMade, RateLimiter
from pm_autoaccept.telemetry.health import Refusal, Trouble
from pm_autoaccept.telemetry.server import serve_probes
from pm_autoaccept.telemetry.telemetry import Telemetry
from tests.examples import NOW, connection, decided, meter_share, property_share, snapshot
from tests.key_tables import key_table

MINUTE = timedelta(minutes=1)


def policy_of(*rules):
    """A policy that holds everything, by these rules."""
    listed = "".join(f"  - {{id: {rule}, on: [meter], when: always, then: hold}}\n" for rule in rules)
    return load({"policy.yaml": f"version: 1\nrules:\n{listed}".encode()})


def planned(*verdicts, failed=None, **said):
    """What was planned of a connection, a property share and a meter share, as far as verdicts are given."""
    requests = (connection(**said), property_share(11), meter_share(21, 11))[: len(verdicts)]
    decisions = [decided(request, verdict) for request, verdict in zip(requests, verdicts, strict=True)]
    return plan(decisions, snapshot=snapshot(*requests, failed=failed), history=History())


def receipt(outcome, **said):
    """What came of accepting a meter."""
    decision = replace(decided(meter_share(21, 11), Verdict.ACCEPT), **said)
    return Receipt(step=Step(decision=decision, action=Action.ACCEPT), outcome=outcome)


@pytest.fixture
def clock():
    """The hands of a clock that only the test moves."""
    return [NOW]


@pytest.fixture
def telemetry(clock):
    """A process without accounts."""
    return Telemetry(version="1.2.3", now=lambda: clock[0])


@pytest.fixture
def account(telemetry):
    """Its first account."""
    return telemetry.account("prairie", interval=MINUTE)


@pytest.fixture
async def get(telemetry, until_the_end):
    """Ask its port for a path: status, headers, text."""
    host, port = await until_the_end.enter_async_context(serve_probes(telemetry, host="127.0.0.1", port=0))
    session = await until_the_end.enter_async_context(aiohttp.ClientSession())

    async def ask(path, **headers):
        async with session.get(f"http://{host}:{port}{path}", headers=headers) as response:
            return response.status, response.headers, await response.text()

    return ask


@pytest.fixture
def scrape(get):
    """Samples as Prometheus reads them: name → labels without the account's → value."""

    async def ask():
        status, _, text = await get("/metrics")
        assert status == 200
        found = {}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                labels = tuple(sorted((name, value) for name, value in sample.labels.items() if name != "account"))
                found.setdefault(sample.name.removeprefix("pm_autoaccept_"), {})[labels] = sample.value
        return found

    return ask


async def test_an_account_becomes_ready_by_its_first_good_cycle_and_says_on_the_way_what_is_missing(get, account):
    """Lease, sign-in, cycle: each probe says which is still to come."""

    async def why():
        status, headers, text = await get("/readyz")
        assert headers["Content-Type"] == "application/json; charset=utf-8"
        assert headers["Cache-Control"] == "no-store"
        return status, json.loads(text)["accounts"]["prairie"]["why"]

    assert await why() == (503, "this process does not hold its lease yet")
    account.lease_taken()
    assert await why() == (503, "not signed in")
    account.signed_in(RateLimiter(rate=4.0))
    assert await why() == (503, "no good cycle yet")
    account.cycle_finished(planned(), open_intents=2, undecided_in=1, at=NOW)
    assert await why() == (200, "the last good cycle ended at 2026-03-04 12:00:00 UTC")
    assert (await get("/livez"))[0] == 200
    account.crashed()
    assert (await get("/livez"))[0] == 503


async def test_an_account_that_never_had_a_policy_is_not_ready_and_says_so(get, account, scrape):
    """It is not begun by any replica, so nobody may take it for one that stands by."""
    account.without_policy()
    status, _, text = await get("/readyz")
    assert status == 503
    assert "the policy is invalid, and there is no previous policy to use" in text
    assert (await scrape())["policy_refused"] == {(): 1}


async def test_a_refused_password_leaves_the_process_alive_and_unready(get, account, scrape):
    """An orchestrator does not restart it, and nobody believes that it works."""
    account.lease_taken()
    account.sign_in_failed(Trouble.NOT_AUTHORISED)
    assert (await get("/livez"))[0] == 200
    status, _, text = await get("/readyz")
    assert status == 503
    assert "refused the username or password" in text
    assert (await scrape())["signed_in"] == {(): 0}


async def test_ages_grow_while_nothing_happens(account, clock, scrape):
    """A daemon that fails cycle after cycle does not show the age that it last saw."""
    account.planned(planned(Verdict.HOLD, requested_at=NOW - timedelta(days=2)))
    account.cycle_finished(planned(), open_intents=2, undecided_in=1, at=NOW)
    clock[0] = NOW + timedelta(hours=1)
    found = await scrape()
    assert found["oldest_pending_age_seconds"] == {(): 49 * 3600}
    assert found["last_good_cycle_timestamp_seconds"] == {(): NOW.timestamp()}


@pytest.mark.parametrize("made", [NOW.replace(tzinfo=None), NOW + timedelta(minutes=1), None])
async def test_a_request_of_no_known_age_has_none(account, scrape, made):
    """A date without an offset, one ahead of our clock, or none at all: 0, and the page is still served."""
    account.planned(planned(Verdict.HOLD, Verdict.HOLD, requested_at=made))
    assert (await scrape())["oldest_pending_age_seconds"] == {(): 0}


async def test_what_pends_is_told_by_kind_and_verdict_zeros_included(account, scrape):
    """Before the first look nothing is told, since nothing is known; afterwards every kind and verdict is."""
    assert "pending_requests" not in await scrape()
    account.planned(planned(Verdict.HOLD, Verdict.ACCEPT, Verdict.ACCEPT))
    found = await scrape()
    assert len(found["pending_requests"]) == 9
    assert {labels for labels, value in found["pending_requests"].items() if value} == {
        (("kind", "connection"), ("verdict", "hold")),
        (("kind", "property"), ("verdict", "accept")),
        (("kind", "meter"), ("verdict", "accept")),
    }
    kept = (("kind", "property"), ("reason", "connection_not_accepted"))
    assert found["kept_back_answers"][kept] == 1
    assert found["oldest_pending_age_seconds"] == {(): 0}
    account.planned(planned())
    assert (await scrape())["kept_back_answers"][kept] == 0


async def test_a_replica_that_stands_by_tells_nothing_that_grows_old(account, scrape, get):
    """The numbers of the replica that lost the lease would stand beside the true ones."""
    account.lease_taken()
    account.signed_in(RateLimiter(rate=4.0))
    account.planned(planned(Verdict.HOLD))
    account.cycle_finished(planned(Verdict.HOLD), open_intents=3, undecided_in=3, at=NOW)
    found = await scrape()
    assert found["lease_held"] == {(): 1}
    assert found["open_intents"] == found["undecided_in"] == {(): 3}
    account.standing_by()
    found = await scrape()
    assert found["lease_held"] == found["signed_in"] == {(): 0}
    gone = {"pending_requests", "kept_back_answers", "open_intents", "undecided_in", "rate_calls_per_second"}
    assert not gone & set(found)
    assert (await get("/readyz"))[0] == 200
    account.lease_in_doubt()
    assert "this process does not hold its lease yet; the ledger cannot be" in (await get("/readyz"))[2]


async def test_answers_are_counted_by_rule_and_outcome_and_what_was_not_sent_is_none(account, scrape):
    """A decision without a rule is counted by why it has none."""
    account.policy_loaded(policy_of("a-rule"), {}, at=NOW)
    for outcome in (Outcome.DONE, Outcome.DONE, Outcome.REFUSED, None):
        account.answered(receipt(outcome))
    account.answered(receipt(Outcome.DONE, rule=None, reason=Reason(ReasonKind.DEFAULT, "because")))
    told = {
        tuple(dict(labels)[name] for name in ("kind", "action", "rule", "outcome")): value
        for labels, value in (await scrape())["answers_total"].items()
    }
    assert told == {
        ("meter", "Accept", "a-rule", "done"): 2,
        ("meter", "Accept", "a-rule", "refused"): 1,
        ("meter", "Accept", "(default)", "done"): 1,
    }


async def test_rules_that_come_and_go_leave_no_series_behind(account, telemetry, scrape):
    """A hundred policies, each with a rule of its own, and the page is as long as after the first."""
    other = telemetry.account("river", interval=MINUTE)
    other.policy_loaded(policy_of("a-rule"), {}, at=NOW)
    other.answered(receipt(Outcome.DONE))
    for number in range(100):
        account.policy_loaded(policy_of(f"rule-{number}"), {}, at=NOW)
        account.answered(receipt(Outcome.DONE, rule=f"rule-{number}"))
        account.answered(receipt(Outcome.DONE, rule=f"rule-{number - 1}"))
    rules = {dict(labels)["rule"]: value for labels, value in (await scrape())["answers_total"].items()}
    assert rules == {"rule-99": 1, "(removed)": 100, "a-rule": 1}


async def test_one_policy_and_its_data_are_told_with_their_digests(account, scrape):
    """After a reload the old digest is gone; a table that cannot be read has no rows and no digest."""
    first, second = policy_of("one"), policy_of("two")
    account.policy_loaded(first, {}, at=NOW)
    account.policy_refused(Refusal(NOW, 1, "policy.yaml:4:7"))
    assert (await scrape())["policy_refused"] == {(): 1}
    customers = key_table("customers", {"1"}, digest="d1", rows=7)
    account.policy_loaded(
        second, {"customers": customers, "meters": NotLearnt("meters.csv: there are no keys")}, at=NOW
    )
    found = await scrape()
    assert found["policy_refused"] == {(): 0}
    assert found["policy_info"] == {(("digest", second.digest),): 1}
    assert found["data_rows"] == {(("source", "customers"),): 7, (("source", "meters"),): 0}
    assert found["data_info"] == {(("digest", "d1"), ("source", "customers")): 1}


async def test_cycles_are_counted_by_how_they_ended_from_zero(account, scrape):
    """A cycle that could not read a list whole is no good one."""
    account.signed_in(RateLimiter(rate=4.0))
    account.cycle_finished(planned(), open_intents=2, undecided_in=1, at=NOW)
    account.cycle_finished(planned(failed=Kind.METER), open_intents=2, undecided_in=1, at=NOW + MINUTE)
    account.cycle_failed(Trouble.LEDGER_UNAVAILABLE)
    account.cycle_failed(Trouble.CYCLE_FAILED)
    results = {dict(labels)["result"]: value for labels, value in (await scrape())["cycles_total"].items()}
    assert results == {"good": 1, "list_not_whole": 1, "failed": 1, "not_authorised": 0, "ledger_unavailable": 1}
    account.cycle_failed(Trouble.NOT_AUTHORISED)
    found = await scrape()
    assert found["signed_in"] == {(): 0}
    assert found["last_good_cycle_timestamp_seconds"] == {(): NOW.timestamp()}


async def test_calls_are_counted_and_timed(account, scrape):
    """The histogram is by service, the counter by account and result too."""
    account.called(CallMade(service="answer_meter", method="POST", status=200, seconds=0.3))
    account.called(CallMade(service="answer_meter", method="POST", error="AnswerUnknown", seconds=60.2))
    found = await scrape()
    assert found["calls_total"] == {
        (("result", "ok"), ("service", "answer_meter")): 1,
        (("result", "answer_unknown"), ("service", "answer_meter")): 1,
    }
    buckets = {dict(labels)["le"]: value for labels, value in found["call_duration_seconds_bucket"].items()}
    assert (buckets["0.25"], buckets["0.5"], buckets["60.0"], buckets["+Inf"]) == (0, 1, 1, 2)


async def test_the_pace_and_the_process_are_told(account, scrape):
    """A rate without limit is infinite; memory and file handles are there to be watched."""
    assert "rate_calls_per_second" not in await scrape()
    account.signed_in(RateLimiter(rate=4.0))
    account.paused(paused=True)
    found = await scrape()
    assert found["rate_calls_per_second"] == {(): 4}
    assert found["paused"] == {(): 1}
    assert found["build_info"] == {(("version", "1.2.3"),): 1}
    assert found["process_open_fds"][()] > 0
    account.signed_in(RateLimiter(rate=None))
    assert (await scrape())["rate_calls_per_second"] == {(): float("inf")}


async def test_prometheus_own_format_is_spoken_and_nothing_else_is_served(get, account):
    """OpenMetrics where it is asked for; other paths and methods are none of ours."""
    status, headers, text = await get("/metrics", Accept="application/openmetrics-text; version=1.0.0")
    assert (status, headers["Content-Type"].partition(";")[0]) == (200, "application/openmetrics-text")
    assert text.endswith("# EOF\n")
    assert (await get("/"))[0] == 404
    assert account.name == "prairie"


async def test_an_address_in_use_is_an_error_that_says_what_to_do(telemetry):
    """Two daemons on one machine need two ports."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigurationError, match="set PM_AUTOACCEPT_LISTEN to another HOST:PORT"):
            async with serve_probes(telemetry, host="127.0.0.1", port=port):
                pass


async def test_what_is_told_and_what_is_only_tried_is_counted_by_rule(account, scrape):
    """Each decision once; when a rule goes, so do its series."""
    account.policy_loaded(policy_of("waits", "tried"), {}, at=NOW)
    held = decided(meter_share(21, 11), Verdict.HOLD)
    shadows = (Shadow("tried", Verdict.ACCEPT),)
    account.decided(replace(held, rule="waits", tell="tenant-forms", shadows=shadows))
    account.decided(replace(held, rule="waits"))
    found = await scrape()
    assert found["notify_decisions_total"] == {(("group", "tenant-forms"), ("rule", "waits")): 1}
    assert found["shadow_decisions_total"] == {(("kind", "meter"), ("rule", "tried"), ("verdict", "accept")): 1}
    account.policy_loaded(policy_of("waits"), {}, at=NOW)
    found = await scrape()
    assert "shadow_decisions_total" not in found
    assert len(found["notify_decisions_total"]) == 1


async def test_data_are_told_with_their_age_and_whether_they_are_good(account, scrape):
    """A table that breaks a guard has rows, and is not good; a replica that stands by says nothing of it."""
    known, meters = key_table("known", {"1"}, rows=7), key_table("meters", {"1"}, rows=2)
    dated = {"known": NOW - MINUTE, "meters": None}
    account.policy_loaded(policy_of("one"), {"known": known, "meters": meters}, at=NOW, dated=dated)
    assert "data_good" not in await scrape()
    for broken in (NotLearnt("it has 2 rows"), NotLearnt("it has 2 rows"), meters):
        account.tables_checked({"known": known, "meters": broken})
        found = await scrape()
        good = 0 if isinstance(broken, NotLearnt) else 1
        assert found["data_good"] == {(("source", "known"),): 1, (("source", "meters"),): good}
        assert found["data_rows"] == {(("source", "known"),): 7, (("source", "meters"),): 2}
        assert found["data_age_seconds"] == {(("source", "known"),): 60}
        assert account.health.unusable_tables == (() if good else ("meters",))
    account.standing_by()
    assert "data_good" not in await scrape()


def test_a_group_that_the_settings_do_not_name_is_warned_of_once(telemetry):
    """A misspelt group would never be told; the same policy with newer tables says nothing new."""
    account = telemetry.account("prairie", interval=MINUTE, groups=("tenant-forms",))
    rules = "".join(
        f"  - {{id: r{number}, on: [meter], when: always, then: hold, tell: {group}}}\n"
        for number, group in enumerate(("tenant-forms", "tenant-form"))
    )
    policy = load({"policy.yaml": f"version: 1\nrules:\n{rules}".encode()})
    with capture_logs() as logs:
        account.policy_loaded(policy, {}, at=NOW)
        account.policy_loaded(policy, {}, at=NOW)
    assert [(log["event"], log["group"]) for log in logs] == [("notify_group_unknown", "tenant-form")]


def test_clocks_that_are_apart_are_told_while_an_answer_waits_for_them(account):
    """With how far, and how many wait; where none does there is nothing to tell."""
    apart = replace(planned(), clock_skew=timedelta(seconds=-360))
    with capture_logs() as logs:
        account.cycle_finished(apart, open_intents=0, undecided_in=0, at=NOW)
        account.cycle_finished(apart, open_intents=2, undecided_in=0, at=NOW)
        account.cycle_finished(planned(), open_intents=2, undecided_in=0, at=NOW)
    assert logs == [{"event": "clocks_apart", "log_level": "warning", "seconds": -360, "open_intents": 2}]
