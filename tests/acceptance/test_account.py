"""Ending connections and shares by command: in enforce mode only, asked, said on the wire, on record."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from pm_autoaccept.data_sources import example_policy
from tests.acceptance.processes import Served, run, simulating

ENFORCE = ("--mode", "enforce", "--yes", "--policy", str(example_policy("hold-everything")))


@pytest.fixture
def served():
    """A simulator of this test alone."""
    with simulating("--pending", "40", "--seed", "3") as running:
        yield running


def standing(served: Served, kind: str) -> list[int]:
    """Ids of what is active in the simulator's world."""
    ties = served.switchboard("world")[{"connection": "connections", "property": "properties"}[kind]]
    return [tie["id"] for tie in ties if tie["state"] == "active"]


def removals(folder: Path) -> list[tuple[object, ...]]:
    """What the ledger says of what people ended."""
    with closing(sqlite3.connect(folder / "pm-autoaccept.db")) as database:
        return database.execute(
            "SELECT kind, pm_id, keep_shares, note, outcome, removed_by != '' FROM removal"
        ).fetchall()


def test_a_disconnect_says_both_forms_on_the_wire_and_stands_in_the_ledger(served, tmp_path):
    """Nothing is sent without a form, without enforce, or without a yes."""
    first, second = standing(served, "connection")[:2]
    for arguments, code in (
        (("disconnect", str(first), *ENFORCE), 2),
        (("disconnect", str(first), "--keep-shares", "--yes", *ENFORCE[3:]), 78),
        (("disconnect", str(first), "--keep-shares", *ENFORCE[:2], *ENFORCE[3:]), 2),
    ):
        assert run("account", *arguments, cwd=tmp_path, **served.settings).returncode == code
    assert served.posts() == []
    done = run("account", "disconnect", str(first), "--keep-shares", *ENFORCE, cwd=tmp_path, **served.settings)
    assert done.returncode == 0, done.stderr
    done = run(
        "account",
        "disconnect",
        str(second),
        "--remove-shares",
        "--note",
        "Bye",
        *ENFORCE,
        cwd=tmp_path,
        **served.settings,
    )
    assert done.returncode == 0, done.stderr
    assert [call["path"].partition("?")[2] for call in served.posts()] == ["keepShares=true", "keepShares=false"]
    assert removals(tmp_path) == [
        ("connection", first, 1, None, "done", 1),
        ("connection", second, 0, "Bye", "done", 1),
    ]
    again = run("account", "disconnect", str(first), "--keep-shares", *ENFORCE, cwd=tmp_path, **served.settings)
    assert again.returncode == 1
    assert "not connected" in again.stderr


def test_a_share_whose_fate_is_not_known_is_said_to_be_so(served, tmp_path):
    """It is sent once; the ledger has it open."""
    share = standing(served, "property")[0]
    served.switchboard("faults", {"kind": "reset", "after": True, "service": "unshare_property"})
    done = run("account", "unshare", f"property:{share}", *ENFORCE, cwd=tmp_path, **served.settings)
    assert done.returncode == 69
    assert "not known" in done.stderr
    assert len(served.posts()) == 1
    assert removals(tmp_path) == [("property", share, None, None, "open", 1)]


def test_notifications_are_stored_before_they_are_cleared(served, tmp_path):
    """And listed from the ledger afterwards."""
    gone = standing(served, "connection")[0]
    served.switchboard("act", {"act": "disconnect", "account": gone})
    done = run("account", "notifications", "--clear", *ENFORCE, cwd=tmp_path, **served.settings)
    assert done.returncode == 0, done.stderr
    assert "is lost" in done.stderr
    listed = run("account", "notifications", "--output", "csv", cwd=tmp_path)
    assert f",{gone}," in listed.stdout
    assert "DISCONNECT" in listed.stdout


def test_who_came_in_undecided_is_listed_with_the_command_that_removes_it(served, tmp_path):
    """And `account list` says of everybody how they came in."""
    held = ("--policy", str(example_policy("hold-everything")))
    assert run("once", *held, cwd=tmp_path, **served.settings).returncode == 0
    world = served.switchboard("world")
    pending = next(tie["id"] for tie in world["connections"] if tie["state"] == "pending")
    served.switchboard("act", {"act": "answer_in_pages", "account": pending, "action": "Accept"})
    told = run("once", *held, cwd=tmp_path, **served.settings)
    assert "came_in_undecided" in told.stderr
    listed = run("decisions", "--undecided", cwd=tmp_path)
    assert f"pm-autoaccept account disconnect {pending} --remove-shares" in listed.stdout
    everybody = run("account", "list", cwd=tmp_path).stdout
    assert "before us" in everybody
    assert "not by an answer of ours" in everybody
