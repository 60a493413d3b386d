"""`once`: one cycle, then a summary."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from pm_autoaccept.cli.support import options
from pm_autoaccept.cli.support.help_page import Command

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pm_autoaccept.config import Settings
    from pm_autoaccept.daemon import Hold, Stop
    from pm_autoaccept.ledger import SqlLedger
    from pm_autoaccept.ledger.leases import LeaseHolder
    from pm_autoaccept.model import Mode, Plan, Receipt
    from pm_autoaccept.record import DecisionRow


@click.command(cls=Command)
@options.account
@options.mode
@options.output
def once(output: str, **said: Any) -> int:  # noqa: ANN401 — click hands over the options, config checks them
    """Run one cycle: read, decide, answer (in `enforce` mode), record; then say what was done.

    Exit code 0 also when requests are held; 69 where a list could not be read to its end.
    """
    from pm_autoaccept.cli.support.runner import run_gently
    from pm_autoaccept.config import load_settings

    settings = load_settings(**said)
    return run_gently(lambda stop: _once(settings, stop, output=output), settings=settings)


async def _once(settings: Settings, stop: Stop, *, output: str) -> int:
    from pm_autoaccept.daemon import holder_name, holding
    from pm_autoaccept.ledger import Leases, SqlLedger

    ledger = await SqlLedger.open(
        settings.ledger,
        name=settings.name,
        unknown_wait=settings.unknown_wait,
        first_answer_wait=settings.first_answer_wait,
    )
    try:
        leases = Leases(ledger.database, holder=holder_name(), ttl=settings.lease)
        held_lease = await leases.take(settings.name)
        if held_lease is None:
            holders = await leases.holders()
            return _held_elsewhere(settings.name, holders.get(settings.name), output=output)
        answer = settings.timeout
        async with holding(leases, held_lease, ledger, ttl=settings.lease, longest_answer=answer) as hold:
            await _wait_while_new(ledger, stop)
            return await _cycle(settings, ledger, stop, hold, output=output)
    finally:
        await ledger.close()


async def _wait_while_new(ledger: SqlLedger, stop: Stop) -> None:
    """Wait until a ledger that was made just now may answer; the reading comes after, since it must be fresh."""
    from pm_autoaccept.cli.output.tables import console

    if wait := ledger.new_for():
        console(stderr=True).print(f"Waiting: {await ledger.pause_reason()}.")
        await stop.wait(wait)


def _held_elsewhere(account: str, held: LeaseHolder | None, *, output: str) -> int:
    """Say that somebody else, `run` as a rule, does the work. That is no failure: cron need not write a letter."""
    from pm_autoaccept.cli.output.json_rows import print_json
    from pm_autoaccept.cli.output.tables import console

    holder = held.holder if held is not None else "another process"
    if output == "json":
        print_json({"account": account, "held_by": holder})
    else:
        until = f", until {held.until:%H:%M:%S %Z} at least" if held is not None else ""
        console().print(f"Nothing was done: {holder} answers account `{account}` with this ledger{until}.")
    return 0


async def _cycle(settings: Settings, ledger: SqlLedger, stop: Stop, hold: Hold, *, output: str) -> int:
    from rich.progress import Progress

    from pm_autoaccept.account import cycle_of, places
    from pm_autoaccept.cli.output.tables import console
    from pm_autoaccept.clock import utc_now
    from pm_autoaccept.daemon import PolicyWatch
    from pm_autoaccept.data_sources.refresh import LONGEST
    from pm_autoaccept.errors import PmAutoacceptError
    from pm_autoaccept.ledger.proxy_passwords import passage_in_ledger
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

        passage = passage_in_ledger(ledger.database)
        watch = await PolicyWatch.begin(places(settings, passage), now=utc_now, patience=LONGEST, tells=False)
        policy = watch.in_force
        async with sign_in(settings, ledger, passage=passage, sleep=stop.sleep) as session:
            cycle = cycle_of(session, settings, policy, blocked_reason=blocked_reason, on_receipt=on_receipt)
            await ledger.record_policy_revision(policy.revision, at=cycle.now())
            planned = await stop.unless_asked(cycle.look())
            if planned is None:
                return 0
            progress.update(bar, description="Answering", total=len(planned.steps))
            failed: PmAutoacceptError | None = None
            try:
                await hold.renew()  # reading and deciding may have taken long
                await cycle.answer(planned)
            except PmAutoacceptError as error:
                failed = error  # what was done until then is told all the same
            rows = await cycle.ledger.decisions(keys=[decision.key for decision in planned.decisions])
            progress.stop()
            _report(planned, receipts, rows, mode=settings.mode, output=output)
            if failed is not None:
                raise failed  # in here, so that a refused password is remembered
    return 69 if planned.not_whole else 0


def _report(planned: Plan, receipts: list[Receipt], rows: Sequence[DecisionRow], *, mode: Mode, output: str) -> None:
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
            out.print("Nothing pends: there was nothing to answer.")
        for receipt in dropped:
            out.print(f"{receipt.step.key} was not answered this time: {receipt.text}")
        if mode is Mode.OBSERVE:
            out.print("Mode observe: nothing was sent. Say --mode enforce to answer.")
    messages = console(stderr=True)
    for notice in notices(planned):
        messages.print(notice)
