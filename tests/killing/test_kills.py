"""Killed at the boundaries of its steps and at random, the program loses nothing and answers nothing twice."""

from __future__ import annotations

from tests.acceptance.processes import simulating
from tests.killing.harness import Killing


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
