"""Durable intents and outcomes per second: the ledger's group commit beside one commit each through plain sqlite3.

    python -m tests.bench.group_commit [--answers 500] [--rounds 7] [--in-flight 16] [--folder /var/tmp]

Both leave the same rows, in files on the same disk, with WAL and synchronous FULL, and both check before they write
that the request is not answered yet. They take turns within one run, so that a busy machine slows both; what counts is
the median of the ratios of neighbours. Say a folder on the disk that is asked about: one in memory shows no flushes.
"""

from __future__ import annotations

import argparse
import asyncio
import sqlite3
import statistics
import time
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from pm_autoaccept import __version__
from pm_autoaccept.ledger import SqlLedger
from pm_autoaccept.model import Action, Mode, Outcome, ProviderAccount, Receipt, Step, Verdict
from tests.examples import NOW, connection, decided, snapshot


async def prepare(path: Path, answers: int) -> list[Step]:
    """A ledger in which so many requests pend and are decided, and the steps that answer them."""
    ledger = await _open(path)
    requests = [connection(1000 + number) for number in range(answers)]
    await ledger.record_snapshot(snapshot(*requests), at=NOW)
    decisions = [decided(request, Verdict.ACCEPT) for request in requests]
    appended = await ledger.record_decisions(decisions, [], mode=Mode.ENFORCE, at=NOW)
    await ledger.close()
    return [Step(decision=made, action=Action.ACCEPT, decision_number=number) for made, number in appended]


async def _open(path: Path) -> SqlLedger:
    ledger = await SqlLedger.open(f"sqlite:///{path}")
    await ledger.claim(service="http://127.0.0.1/wstest", provider=ProviderAccount(1, "us"), at=NOW)
    return ledger


async def by_group_commit(path: Path, steps: list[Step], in_flight: int) -> float:
    """Seconds for an intent and an outcome each, so many answers in flight."""
    ledger = await _open(path)
    turn = asyncio.Semaphore(in_flight)

    async def answer(step: Step) -> None:
        async with turn:
            intent = await ledger.record_intent(step, at=NOW)
            await ledger.record_outcome(intent, Receipt(step=step, outcome=Outcome.DONE), at=NOW)

    begun = time.perf_counter()
    await asyncio.gather(*(answer(step) for step in steps))
    took = time.perf_counter() - begun
    await ledger.close()
    return took


def one_by_one(path: Path, steps: list[Step]) -> float:
    """Seconds for the same rows by plain sqlite3, a commit for each intent and for each outcome."""
    moment = NOW.strftime("%Y-%m-%d %H:%M:%S.%f")
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
            database.execute(f"PRAGMA {pragma}")
        begun = time.perf_counter()
        for step in steps:
            database.execute("BEGIN IMMEDIATE")
            request, outcome = database.execute(
                "SELECT id, outcome FROM request WHERE provider_id = 1 AND kind = ? AND pm_id = ?",
                (step.key.kind, step.key.id),
            ).fetchone()
            assert outcome is None
            (decision,) = database.execute("SELECT max(id) FROM decision WHERE request_id = ?", (request,)).fetchone()
            intent = database.execute(
                "INSERT INTO intent (provider_id, request_id, decision_id, action, note, program, intended_at, "
                "attempts, sent_at, outcome, outcome_text) VALUES (1, ?, ?, ?, NULL, ?, ?, 1, ?, 'open', '')",
                (request, decision, step.action, __version__, moment, moment),
            ).lastrowid
            database.execute(
                "UPDATE request SET outcome = 'open', outcome_at = ?, present_reads = 0 WHERE id = ?",
                (moment, request),
            )
            database.execute("COMMIT")
            database.execute("BEGIN IMMEDIATE")
            database.execute(
                "UPDATE intent SET outcome = 'done', outcome_at = ?, outcome_text = '' WHERE id = ?", (moment, intent)
            )
            database.execute(
                "UPDATE request SET outcome = 'done', outcome_at = ?, outcome_text = '', retry_not_before = NULL "
                "WHERE id = ?",
                (moment, request),
            )
            database.execute("COMMIT")
        return time.perf_counter() - begun


def rows(path: Path) -> list[tuple[object, ...]]:
    """What both must have left."""
    with closing(sqlite3.connect(path)) as database:
        return database.execute(
            "SELECT r.pm_id, r.outcome, r.outcome_at, r.outcome_text, i.decision_id, i.action, i.program, "
            "i.intended_at, i.attempts, i.sent_at, i.outcome, i.outcome_at, i.outcome_text "
            "FROM request r JOIN intent i ON i.request_id = r.id ORDER BY r.pm_id"
        ).fetchall()


def measure(folder: Path, *, answers: int, rounds: int, in_flight: int) -> None:
    """Take turns, and print each round and the medians."""
    ratios, ours, plain = [], [], []
    for number in range(rounds):
        here = folder / f"{number}"
        here.mkdir()
        steps = asyncio.run(prepare(here / "ours.db", answers))
        (here / "plain.db").write_bytes((here / "ours.db").read_bytes())
        turns = [
            lambda: asyncio.run(by_group_commit(here / "ours.db", steps, in_flight)),  # noqa: B023 — called in this round
            lambda: one_by_one(here / "plain.db", steps),  # noqa: B023 — likewise
        ]
        took = [0.0, 0.0]
        for turn in (0, 1) if number % 2 else (1, 0):
            took[turn] = turns[turn]()
        assert rows(here / "ours.db") == rows(here / "plain.db")
        group, single = (2 * answers / seconds for seconds in took)
        ours.append(group)
        plain.append(single)
        ratios.append(group / single)
        told = f"group commit {group:8.0f}/s   one by one {single:8.0f}/s   ratio {group / single:5.2f}"
        click.echo(f"round {number + 1}: {told}")
    click.echo(
        f"median of {rounds}, {in_flight} in flight: group commit {statistics.median(ours):.0f}/s, "
        f"one by one {statistics.median(plain):.0f}/s, ratio {statistics.median(ratios):.2f}"
    )


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--answers", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--in-flight", type=int, default=16)
    parser.add_argument("--folder", type=Path, default=Path("/var/tmp"))  # noqa: S108 — on a disk, unlike /tmp
    said = parser.parse_args()
    with TemporaryDirectory(dir=said.folder) as folder:
        measure(Path(folder), answers=said.answers, rounds=said.rounds, in_flight=said.in_flight)


if __name__ == "__main__":
    main()
