"""Killed at the boundaries of its steps and at random, the program loses nothing and answers nothing twice."""

from __future__ import annotations

import pytest

from tests.acceptance.processes import simulating
from tests.killing.harness import Killing
from tests.killing.replicas import LEASE, Replicas
from tests.postgresql import postgresql


@pytest.mark.parametrize(
    ("kills", "pending"), [pytest.param(5, 50, id="short"), pytest.param(20, 120, id="long", marks=pytest.mark.long)]
)
def test_kills(tmp_path, kills, pending):
    """SIGKILLs, 5 % faults, customers who change their minds: ledger, world and log agree request by request."""
    with simulating("--pending", str(pending), "--seed", "11") as served:
        killing = Killing(served=served, folder=tmp_path, kills=kills, pending=pending, seed=11)
        verdict = killing.run()
    print(killing.by_step, dict(verdict.figures))  # noqa: T201 — the closing note quotes it
    assert killing.died == []
    assert sum(killing.killed.values()) == kills
    assert verdict.figures["end: our own answer"] > pending / 4
    assert verdict.answered_twice == []
    assert verdict.lost == []
    assert verdict.denied == []


@pytest.mark.long
def test_three_replicas(tmp_path):
    """Three replicas on one PostgreSQL, two killed, one stopped for longer than a lease, one cut off: likewise."""
    with postgresql() as server:
        replicas = Replicas(
            folder=tmp_path, uri=server.database(), accounts=4, pending=30, kills=2, freezes=1, cuts=1, seed=7
        )
        verdicts = replicas.run()
    print(replicas.takeovers)  # noqa: T201 — likewise
    assert replicas.died == []
    assert (replicas.done["kill"], replicas.done["freeze"], replicas.done["cut"]) == (2, 1, 1)
    assert sum(verdict.figures["end: our own answer"] for verdict in verdicts.values()) > 60
    assert [what for verdict in verdicts.values() for what in verdict.wrong] == []
    assert replicas.takeovers["takeovers"] > 0
    assert replicas.takeovers["min"] < 2 * LEASE
