"""Killed at the boundaries of its steps and at random, the program loses nothing and answers nothing twice."""

from __future__ import annotations

from tests.acceptance.processes import simulating
from tests.killing.harness import Killing
from tests.killing.replicas import LEASE, Replicas
from tests.postgresql import postgresql


def test_twenty_kills(tmp_path):
    """20 SIGKILLs, 5 % faults, customers who change their minds: ledger, world and log agree request by request."""
    with simulating("--pending", "120", "--seed", "11") as served:
        killing = Killing(served=served, folder=tmp_path, kills=20, pending=120, seed=11)
        verdict = killing.run()
    print(killing.by_step, dict(verdict.figures))  # noqa: T201 — the closing note quotes it
    assert killing.died == []
    assert sum(killing.killed.values()) == 20
    assert verdict.figures["end: our own answer"] > 30
    assert verdict.answered_twice == []
    assert verdict.lost == []
    assert verdict.denied == []


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
