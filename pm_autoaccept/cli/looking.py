"""Looks without sending or recording, and says in words what a plan holds for one request."""

from __future__ import annotations

from dataclasses import dataclass

from pm_autoaccept.account import open_account
from pm_autoaccept.cli.recorded import ledger_exists
from pm_autoaccept.config import Settings
from pm_autoaccept.model import Plan, RequestKey


async def look_only(settings: Settings) -> Plan:
    """Read, decide, plan. The ledger is read if there is one, and neither written nor made."""
    async with open_account(settings, ledger_url=None if ledger_exists(settings.ledger) else "sqlite://") as cycle:
        return await cycle.look(record=False)


@dataclass(frozen=True, slots=True)
class Planned:
    """What a plan holds for one request: `send`, `keep back`, `fall` with its parent, or `nothing`; and a sentence."""

    what: str
    text: str
    needs: tuple[RequestKey, ...] = ()
    falls: tuple[RequestKey, ...] = ()


def planned_of(planned: Plan, key: RequestKey) -> Planned:
    """Say what a plan holds for one request."""
    for step in planned.steps:
        if step.key == key:
            text = f"send {step.action}"
            if step.needs:
                text += f" once {_listed(step.needs)} {'is' if len(step.needs) == 1 else 'are'} done"
            if step.falls:
                text += f"; {_listed(step.falls)} will fall with it"
            return Planned("send", text, step.needs, step.falls)
    for kept in planned.kept_back:
        if kept.decision.key == key:
            return Planned("keep back", f"kept back: {kept.reason.text}")
    for step in planned.steps:
        if key in step.falls:
            return Planned("fall", f"falls with the reject of {step.key}")
    return Planned("nothing", "nothing is sent")


def _listed(keys: tuple[RequestKey, ...]) -> str:
    return ", ".join(str(key) for key in keys)
