"""The `once` command: run one cycle, then print a summary; for cron and for trying things out."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import click

from pm_autoaccept.cli.support import options
from pm_autoaccept.cli.support.help_page import Command

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pm_autoaccept.config import Program, Settings
    from pm_autoaccept.daemon import LeaseHold, Stop
    from pm_autoaccept.ledger import Leases, SqlLedger
    from pm_autoaccept.ledger.leases import LeaseHolder
    from pm_autoaccept.model import Mode, Plan, Receipt
    from pm_autoaccept.record import DecisionRow


@click.command(cls=Command)
@options.account
@options.mode
@options.output
@click.option("--now", is_flag=True, help="Do not wait for reviewers' answers that can still be taken back.")
def once(output: str, *, now: bool, **overrides: Any) -> int:  # noqa: ANN401 — settings given as options; config checks them
    """Run one cycle: read, decide, answer (in mode enforce) and record; then print a summary.

    Waits until reviewers' answers from the last seconds can no longer be taken back, and sends them too.

    The exit code is 0 even if requests are held, and 69 if a pending list is incomplete.
    """
    from pm_autoaccept.cli.support.runner import run_to_end
    from pm_autoaccept.config import load_program

    program = load_program(**overrides)
    return run_to_end(lambda stop: _once(program, stop, now=now, output=output), settings=program.accounts[0])


async def _once(program: Program, stop: Stop, *, now: bool = False, output: str) -> int:
    from pm_autoaccept.daemon import hold_lease, holder_name
    from pm_autoaccept.ledger import Leases, SqlLedger

    settings = program.accounts[0]
    ledger = await SqlLedger.open(
        settings.ledger,
        name=settings.name,
        unknown_wait=settings.unknown_wait,
        first_answer_wait=settings.first_answer_wait,
    )
    ledger.answer_expiry = settings.review_expiry
    ledger.targets = program.routing
    try:
        leases = Leases(ledger.database, holder=holder_name(), ttl=settings.lease)
        held_lease = await leases.take(settings.name)
        if held_lease is None:
            holders = await leases.holders()
            return _print_holder(settings.name, holders.get(settings.name), output=output)
        answer = settings.timeout
        try:
            async with hold_lease(leases, held_lease, ledger, ttl=settings.lease, answer_timeout=answer) as hold:
                await _wait_until_old_enough(ledger, stop)
                if not now:
                    await _wait_for_reviewers(ledger, settings, stop)
                return await _cycle(settings, ledger, stop, hold, output=output)
        finally:
            if program.targets:
                await _send_notices(program, ledger, leases, stop)
    finally:
        await ledger.close()


async def _send_notices(program: Program, ledger: SqlLedger, leases: Leases, stop: Stop) -> None:
    """Send the notices that are due, unless a `run` does. What is gathered for people is sent by the next command."""
    from contextlib import suppress

    from pm_autoaccept.daemon.notice_sender import send_once
    from pm_autoaccept.errors import LedgerError
    from pm_autoaccept.ledger.proxy_passwords import proxy_guard_in_ledger
    from pm_autoaccept.notices.delivery import Delivery

    with suppress(LedgerError):  # they stay in the outbox
        await send_once(
            ledger.database,
            leases,
            targets=ledger.targets,
            deliver=Delivery.of(program, proxy_guard_in_ledger(ledger.database)),
            stop=stop,
            ttl=program.accounts[0].lease,
        )


async def _wait_until_old_enough(ledger: SqlLedger, stop: Stop) -> None:
    """Wait until a new ledger may answer. The lists are read afterwards, because they must be fresh."""
    from pm_autoaccept.cli.output.tables import console

    if wait := ledger.new_for():
        console(stderr=True).print(f"Waiting: {await ledger.pause_reason()}.")
        await stop.wait(wait)


async def _wait_for_reviewers(ledger: SqlLedger, settings: Settings, stop: Stop) -> None:
    """Wait for the answers of people that can be taken back for a few more seconds."""
    from pm_autoaccept.cli.output.tables import console
    from pm_autoaccept.clock import utc_now
    from pm_autoaccept.ledger.human_answers import last_due

    until = utc_now() + settings.review_grace
    due = await ledger.database.read(lambda connection: last_due(connection, settings.name, until=until))
    if due is not None and (wait := due - utc_now()) > timedelta():
        console(stderr=True).print(f"Waiting {wait.total_seconds():.0f} s for answers that can still be taken back.")
        await stop.wait(wait)


def _print_holder(account: str, held: LeaseHolder | None, *, output: str) -> int:
    """Report that another process, usually `run`, holds the account. Exit code 0, so that cron sends no mail."""
    from pm_autoaccept.cli.output.json_rows import print_json
    from pm_autoaccept.cli.output.tables import console

    holder = held.holder if held is not None else "another process"
    if output == "json":
        print_json({"account": account, "held_by": holder})
    else:
        until = f" (lease until {held.until:%H:%M:%S %Z})" if held is not None else ""
        console().print(f"Nothing to do: {holder} already answers account `{account}` with this ledger{until}.")
    return 0


async def _cycle(settings: Settings, ledger: SqlLedger, stop: Stop, hold: LeaseHold, *, output: str) -> int:
    from rich.progress import Progress

    from pm_autoaccept.account import build_cycle, data_places
    from pm_autoaccept.cli.output.tables import console
    from pm_autoaccept.clock import utc_now
    from pm_autoaccept.daemon import PolicyWatch
    from pm_autoaccept.data_sources.refresh import READ_TIMEOUT
    from pm_autoaccept.errors import PmAutoacceptError
    from pm_autoaccept.ledger.proxy_passwords import proxy_guard_in_ledger
    from pm_autoaccept.sign_in import sign_in

    messages = console(stderr=True)
    with Progress(console=messages, transient=True, disable=not messages.is_terminal) as progress:
        bar = progress.add_task("Reading the pending lists", total=None)

        receipts: list[Receipt] = []

        def on_receipt(receipt: Receipt) -> None:
            receipts.append(receipt)
            progress.advance(bar)

        def blocked_reason() -> str | None:
            return stop.blocked_reason() or hold.blocked_reason() or watch.blocked_reason()

        proxy_guard = proxy_guard_in_ledger(ledger.database)
        watch = await PolicyWatch.begin(
            data_places(settings, proxy_guard), now=utc_now, patience=READ_TIMEOUT, tells=False
        )
        policy = watch.active
        async with sign_in(settings, ledger, proxy_guard=proxy_guard, sleep=stop.sleep) as session:
            cycle = build_cycle(session, settings, policy, blocked_reason=blocked_reason, on_receipt=on_receipt)
            await ledger.record_policy_revision(policy.revision, at=cycle.now())
            planned = await stop.unless_stopping(cycle.look())
            if planned is None:
                return 0
            progress.update(bar, description="Answering", total=len(planned.steps))
            failed: PmAutoacceptError | None = None
            try:
                await hold.renew()  # reading and deciding may have taken a while
                await cycle.answer(planned)
            except PmAutoacceptError as error:
                failed = error  # report first what was done until then
            rows = await cycle.ledger.decisions(keys=[decision.key for decision in planned.decisions])
            progress.stop()
            _print_report(planned, receipts, rows, mode=settings.mode, output=output)
            if failed is not None:
                raise failed  # in here, so that a refused password is recorded
    return 69 if planned.not_whole else 0


def _print_report(
    planned: Plan, receipts: list[Receipt], rows: Sequence[DecisionRow], *, mode: Mode, output: str
) -> None:
    from pm_autoaccept.cli.output.json_rows import print_json
    from pm_autoaccept.cli.output.summary import print_summary, summarize
    from pm_autoaccept.cli.output.tables import console
    from pm_autoaccept.cli.support.preview import notices
    from pm_autoaccept.model import Mode

    summary = summarize(rows)
    dropped = [receipt for receipt in receipts if receipt.outcome is None]
    if output == "json":
        print_json(
            {
                "mode": mode,
                "paused": planned.paused,
                "pending": len(planned.decisions),
                "answers_sent": len(receipts) - len(dropped),
                "not_sent": [{"request": receipt.step.key, "why": receipt.text} for receipt in dropped],
                "lists_not_whole": {pending.kind: pending.failed for pending in planned.not_whole},
                "summary": summary,
            }
        )
    else:
        out = console()
        if planned.decisions:
            print_summary(out, summary)
        elif not planned.not_whole:
            out.print("No pending requests.")
        for receipt in dropped:
            out.print(f"{receipt.step.key} was not answered: {receipt.text}")
        if mode is Mode.OBSERVE:
            out.print("Mode observe: nothing was sent. Pass --mode enforce to answer requests.")
    messages = console(stderr=True)
    for notice in notices(planned):
        messages.print(notice)
