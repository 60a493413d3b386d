"""The judge finds what it is there to find, in logs and rows made by hand."""

from __future__ import annotations

from typing import Any

import pytest

from tests.killing.judge import judge

ASKED = "2026-03-04T12:00:00+00:00"
BEFORE = {"connections": [{"id": 7, "state": "pending", "asked_at": ASKED}], "properties": [], "meters": []}


def call(number: int, service: str | None, path: str, *, to: str | None = None, **said: Any) -> dict[str, Any]:
    """A call of the log; `to` is what became of connection 7 by it."""
    effect = {"kind": "connection", "id": 7, "what": "state", "from": "pending", "to": to, "cascade": False}
    made = {
        "number": number,
        "processed": number,
        "at": f"2026-03-04T12:00:{number:02}+00:00",
        "method": "GET" if service is None or service.startswith("list") else "POST",
        "service": service,
        "path": path,
        "status": 200,
        "error": None,
        "fault": None,
        "effect": [effect] if to else [],
    }
    return made | said


def row(**said: Any) -> dict[str, Any]:
    """The ledger's row of connection 7: decided accept, not answered."""
    made = {"kind": "connection", "id": 7, "requested_at": ASKED, "verdict": "accept", "rule": "all", "kept_back": None}
    return made | {"answer": None, "outcome": None, "cause": None} | said


LIST = call(1, "list_pending_connections", "/wstest/connect/account/pending/list?page=1")
ACCEPTED = call(2, "answer_connection", "/wstest/connect/account/7", to="active")
UNHEARD = call(2, "answer_connection", "/wstest/connect/account/7")
WITHDRAWN = call(2, None, "withdraw", to="ended", method="ACT")
DONE = row(answer="Accept", outcome="done")


@pytest.mark.parametrize(
    ("log", "rows"),
    [
        ([LIST], [row(verdict="hold")]),
        ([LIST], [row(kept_back="connection_first")]),
        ([LIST, ACCEPTED], [DONE]),
        ([LIST, ACCEPTED], [row(answer="Accept", outcome="gone")]),
        ([LIST, WITHDRAWN], [row(outcome="settled_elsewhere")]),
    ],
)
def test_what_agrees(log, rows):
    """Nothing is wrong where the ledger says no more than the log."""
    assert judge(before=BEFORE, log=log, rows=rows).wrong == []


@pytest.mark.parametrize(
    ("log", "rows", "wrong"),
    [
        ([LIST], [], "lost"),
        ([LIST], [row()], "lost"),
        ([LIST, UNHEARD], [row(answer="Accept", outcome="open")], "lost"),
        ([LIST, UNHEARD], [DONE], "lost"),
        ([LIST, ACCEPTED], [], "denied"),
        ([LIST, ACCEPTED], [row()], "denied"),
        ([LIST, ACCEPTED], [row(answer="Reject", outcome="done")], "denied"),
        ([LIST, ACCEPTED], [row(answer="Accept", outcome="done", verdict="hold")], "denied"),
        ([LIST, ACCEPTED], [row(answer="Accept", outcome="settled_elsewhere")], "denied"),
        ([LIST, ACCEPTED], [DONE, row(requested_at="2026-03-04T11:00:00+00:00")], "denied"),
        ([LIST, ACCEPTED], [DONE, DONE], "denied"),
        ([LIST, WITHDRAWN], [DONE], "denied"),
        ([LIST, WITHDRAWN], [row()], "denied"),
        ([LIST, ACCEPTED, ACCEPTED | {"number": 3, "processed": None}], [DONE], "answered_twice"),
    ],
)
def test_what_does_not(log, rows, wrong):
    """Each kind of wrong is found where it is, and nothing else."""
    verdict = judge(before=BEFORE, log=log, rows=rows)
    assert getattr(verdict, wrong)
    assert verdict.wrong == getattr(verdict, wrong)


def test_an_answer_may_meet_what_was_asked_in_the_window():
    """Taken back and asked again after the list, with the same id: an answer meets the new one; nobody could know."""
    again = call(3, None, "connect", to="pending", method="ACT")
    again["effect"][0]["from"] = "ended"
    met = ACCEPTED | {"number": 4, "processed": 4}
    verdict = judge(before=BEFORE, log=[LIST, WITHDRAWN, again, met], rows=[DONE])
    assert verdict.wrong == []
    assert verdict.figures["an answer met what was asked in the window"] == 1
    later = LIST | {"number": 4}
    verdict = judge(before=BEFORE, log=[LIST, WITHDRAWN, again, later, met | {"number": 5}], rows=[DONE])
    assert len(verdict.denied) == 2


def test_sent_twice_is_counted():
    """A second answer to one request is a figure, one after a 429 is not."""
    first = UNHEARD | {"status": 500, "processed": None}
    second = ACCEPTED | {"number": 3}
    assert judge(before=BEFORE, log=[LIST, first, second], rows=[DONE]).figures["sent twice"] == 1
    too_fast = first | {"status": 429}
    assert judge(before=BEFORE, log=[LIST, too_fast, second], rows=[DONE]).figures["sent twice"] == 0
