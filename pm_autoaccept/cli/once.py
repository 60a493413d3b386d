"""`once`: one cycle, then a summary."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from pm_autoaccept.cli import options

if TYPE_CHECKING:
    from pm_autoaccept.config import Settings
    from pm_autoaccept.daemon import Stop


@click.command()
@options.account
@options.mode
@options.output
def once(output: str, **said: Any) -> int:  # noqa: ANN401 — click hands over the options, config checks them
    """Run one cycle: read, decide, answer (in `enforce` mode), record; then say what was done.

    Exit code 0 also when requests are held; 69 where a list could not be read to its end.
    """
    from pm_autoaccept.cli.running import run_gently
    from pm_autoaccept.config import load_settings

    settings = load_settings(**said)
    return run_gently(lambda stop: _once(settings, stop, output=output), settings=settings)


async def _once(settings: Settings, stop: Stop, *, output: str) -> int:
    from rich.progress import Progress

    from pm_autoaccept.account import open_account
    from pm_autoaccept.cli.as_json import print_json
    from pm_autoaccept.cli.printing import console
    from pm_autoaccept.cli.summary import print_summary, summarize
    from pm_autoaccept.errors import PmAutoacceptError
    from pm_autoaccept.model import Mode, Receipt

    messages = console(stderr=True)
    with Progress(console=messages, transient=True, disable=not messages.is_terminal) as progress:
        bar = progress.add_task("Reading the pending lists", total=None)

        receipts: list[Receipt] = []

        def tell(receipt: Receipt) -> None:
            receipts.append(receipt)
            progress.advance(bar)

        async with open_account(settings, stop=stop.why, tell=tell, sleep=stop.sleep) as cycle:
            planned = await stop.unless_asked(cycle.look())
            if planned is None:
                return 0
            progress.update(bar, description="Answering", total=len(planned.steps))
            failed: PmAutoacceptError | None = None
            try:
                await cycle.answer(planned)
                if any(step.falls for step in planned.steps):
                    progress.update(bar, description="Reading once more", total=None)
                    await stop.unless_asked(cycle.settle())
            except PmAutoacceptError as error:
                failed = error  # what was done until then is told all the same
            rows = await cycle.ledger.decisions(keys=[decision.key for decision in planned.decisions])
    summary = summarize(rows)
    dropped = [receipt for receipt in receipts if receipt.outcome is None]
    if output == "json":
        print_json(
            {
                "mode": settings.mode,
                "pending": len(planned.decisions),
                "answers_sent": len(receipts) - len(dropped),
                "not_sent": [{"request": receipt.step.key, "why": receipt.text} for receipt in dropped],
                "lists_not_whole": {pending.kind: pending.failed for pending in planned.not_whole},
                "summary": summary,
            }
        )
    else:
        out = console()
        print_summary(out, summary)
        for receipt in dropped:
            out.print(f"{receipt.step.key} was not answered this time: {receipt.text}")
        if settings.mode is Mode.OBSERVE:
            out.print("Mode observe: nothing was sent. Say --mode enforce to answer.")
    for pending in planned.not_whole:
        messages.print(f"The list of pending {pending.kind} requests is not whole: {pending.failed}")
    if failed is not None:
        raise failed
    return 69 if planned.not_whole else 0
