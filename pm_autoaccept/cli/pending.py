"""`pending`: everything pending, with its verdict and what would be sent. Only reads, in any mode."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from pm_autoaccept.cli.support import options
from pm_autoaccept.cli.support.help_page import Command

if TYPE_CHECKING:
    from pm_autoaccept.config import Settings
    from pm_autoaccept.model import Plan


@click.command(cls=Command)
@click.option("--recorded", is_flag=True, help="Every request in the ledger, by the policy in FOLDER; no network.")
@options.account
@options.output
def pending(output: str, *, recorded: bool, **said: Any) -> int:  # noqa: ANN401 — click hands over the options, config checks them
    """List what pends, what the policy says of it, and what would be sent.

    Nothing is sent, and nothing is recorded but refused passwords.

    With --recorded and another --policy FOLDER: what that policy would have decided of every request in the ledger, as
    of the time of its decision, and where this differs. Facts that the ledger does not have are not learnt.
    """
    if recorded:
        from pm_autoaccept.cli.output.comparison import show_recorded

        whose = {"settings": said["settings"], "account": said["account"]}
        folder = options.policy_folder(said["policy"], **whose)
        return show_recorded(folder, ledger=said["ledger"], output=output, **whose)
    from pm_autoaccept.cli.support.preview import look_only
    from pm_autoaccept.cli.support.runner import read_gently
    from pm_autoaccept.config import load_settings

    settings = load_settings(**said)

    async def read() -> int:
        return _show((await look_only(settings)).plan, settings, output=output)

    return read_gently(read, settings=settings)


def _show(plan: Plan, settings: Settings, *, output: str) -> int:
    from pm_autoaccept.cli.output.json_rows import print_json
    from pm_autoaccept.cli.output.tables import coloured, console, print_table
    from pm_autoaccept.cli.support.preview import notices, planned

    then = planned(plan)
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
                        "plan": then[decision.key],
                    }
                    for decision in plan.decisions
                ],
            }
        )
    else:
        out = console()
        if not plan.decisions and not plan.not_whole:
            out.print("Nothing pends.")
            return 0
        rows = []
        for decision in plan.decisions:
            follows = then[decision.key]
            rows.append(
                (
                    decision.key,
                    decision.request.username or "",
                    coloured(str(decision.verdict)),
                    decision.rule or "",
                    follows.text if follows.what != "nothing" else decision.reason.text,
                )
            )
        print_table(out, ("request", "owner", "verdict", "rule", "what would follow"), rows)
        steps, kept = len(plan.steps), len(plan.kept_back)
        out.print(f"{len(rows)} pending: {steps} would be answered, {kept} kept back, {len(rows) - steps - kept} held.")
    for notice in notices(plan):
        click.echo(notice, err=True)
    return 69 if plan.not_whole else 0
