"""The `pending` command: list pending requests with verdicts and planned answers; read-only in any mode."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from pm_autoaccept.cli.support import options
from pm_autoaccept.cli.support.help_page import Command

if TYPE_CHECKING:
    from pm_autoaccept.config import Settings
    from pm_autoaccept.model import Plan


@click.command(cls=Command)
@click.option("--recorded", is_flag=True, help="Evaluate --policy FOLDER for every request in the ledger; no network.")
@options.account
@options.output
def pending(output: str, *, recorded: bool, **overrides: Any) -> int:  # noqa: ANN401 — settings given as options; config checks them
    """List the pending requests, each with its verdict and what would be sent.

    Nothing is sent, and only refused passwords are recorded.

    With --recorded and another --policy FOLDER: list what that policy would have decided about every request in the
    ledger, as of the time of its decision, and where this differs. Facts that the ledger does not have are unknown.
    """
    if recorded:
        from pm_autoaccept.cli.output.comparison import show_recorded

        account = {"settings": overrides["settings"], "account": overrides["account"]}
        folder = options.policy_folder(overrides["policy"], **account)
        return show_recorded(folder, ledger=overrides["ledger"], output=output, **account)
    from pm_autoaccept.cli.support.preview import load_preview
    from pm_autoaccept.cli.support.runner import run_reading
    from pm_autoaccept.config import load_settings

    settings = load_settings(**overrides)

    async def read() -> int:
        return _show((await load_preview(settings)).plan, settings, output=output)

    return run_reading(read, settings=settings)


def _show(plan: Plan, settings: Settings, *, output: str) -> int:
    from pm_autoaccept.cli.output.json_rows import print_json
    from pm_autoaccept.cli.output.tables import colored, console, print_table
    from pm_autoaccept.cli.support.preview import notices, planned_answers

    planned = planned_answers(plan)
    if output == "json":
        print_json(
            {
                "service": settings.service_shown,
                "paused": plan.paused,
                "lists_not_whole": {each.kind: each.failed for each in plan.not_whole},
                "requests": [
                    {
                        "request": decision.key,
                        "kind": decision.request.kind,
                        "id": decision.request.id,
                        "owner_id": decision.request.account_id,
                        "owner_username": decision.request.username,
                        "property_id": decision.request.property_id,
                        "verdict": decision.verdict,
                        "rule": decision.rule,
                        "reason": decision.reason,
                        "note": decision.note,
                        "plan": planned[decision.key],
                    }
                    for decision in plan.decisions
                ],
            }
        )
    else:
        out = console()
        if not plan.decisions and not plan.not_whole:
            out.print("No pending requests.")
            return 0
        rows = []
        for decision in plan.decisions:
            answer = planned[decision.key]
            rows.append(
                (
                    decision.key,
                    decision.request.username or "",
                    colored(str(decision.verdict)),
                    decision.rule or "",
                    answer.text if answer.what != "nothing" else decision.reason.text,
                )
            )
        print_table(out, ("request", "owner", "verdict", "rule", "planned"), rows)
        steps, kept = len(plan.steps), len(plan.kept_back)
        out.print(f"{len(rows)} pending: {steps} would be answered, {kept} kept back, {len(rows) - steps - kept} held.")
    for notice in notices(plan):
        click.echo(notice, err=True)
    return 69 if plan.not_whole else 0
