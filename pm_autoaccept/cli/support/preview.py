"""Looks without sending or recording, and says in words what a plan holds for one request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from pm_autoaccept.account import PolicyInForce, cycle_of
from pm_autoaccept.cli.support.session import say
from pm_autoaccept.config import Settings
from pm_autoaccept.model import Fact, Plan, ReasonKind, RequestKey
from pm_autoaccept.policy import Policy, Table
from pm_autoaccept.sign_in import passage_to_look, sign_in
from pm_autoaccept.sign_in_memory import only_reading


@dataclass(frozen=True, slots=True)
class Looked:
    """A plan, and the policy and the data by which it was made.

    Attributes:
        tables: those that are good; why not, of each other.
        dated: when their contents are from, where somebody says.
    """

    plan: Plan
    policy: Policy
    tables: Mapping[str, Fact[Table]]
    dated: Mapping[str, datetime | None] = field(default_factory=dict)


async def look_only(settings: Settings) -> Looked:
    """Read, decide, plan. The ledger is read if there is one; only how signing in ended is written into it."""
    checked: dict[str, Fact[Table]] = {}
    async with (
        only_reading(settings, tell=say) as (ledger, memory),
        passage_to_look(settings) as passage,
    ):
        in_force = await PolicyInForce.load(settings, passage)
        async with sign_in(settings, ledger, records=False, memory=memory, passage=passage) as session:
            cycle = cycle_of(session, settings, in_force, on_tables=checked.update)
            return Looked(await cycle.look(record=False), in_force.policy, checked, in_force.dated)


def notices(plan: Plan) -> list[str]:
    """What people must know beside the plan itself: a pause, clocks that do not agree, a list that is not whole."""
    paused = [f"Nothing is answered now: {plan.paused}."] if plan.paused is not None else []
    open_intents = sum(each.reason.kind is ReasonKind.IN_DOUBT for each in plan.kept_back)
    if plan.clock_skew is not None and open_intents:
        apart = f"{abs(plan.clock_skew).total_seconds():,.0f} seconds"
        paused.append(
            f"Our clock and Portfolio Manager's are {apart} apart. No answer of unknown fate is sent again until they"
            f" agree, and {open_intents} {'waits' if open_intents == 1 else 'wait'}. Set this machine's clock by NTP."
        )
    lists = (f"The list of pending {each.kind} requests is not whole: {each.failed}" for each in plan.not_whole)
    return [*paused, *lists]


@dataclass(frozen=True, slots=True)
class Planned:
    """What a plan holds for one request: `send`, `keep back`, `fall` with its parent, or `nothing`; and a sentence."""

    what: str
    text: str
    needs: tuple[RequestKey, ...] = ()
    falls: tuple[RequestKey, ...] = ()


def planned(plan: Plan) -> dict[RequestKey, Planned]:
    """What a plan holds for each request that it decided."""
    found = {decision.key: Planned("nothing", "nothing is sent") for decision in plan.decisions}
    for step in plan.steps:
        for key in step.falls:
            found[key] = Planned("fall", f"falls with the reject of {step.key}")
    for kept in plan.kept_back:
        found[kept.decision.key] = Planned("keep back", f"kept back: {kept.reason.text}")
    for step in plan.steps:
        text = f"send {step.action}"
        if step.needs:
            text += f" once {_listed(step.needs)} {'is' if len(step.needs) == 1 else 'are'} done"
        if step.falls:
            text += f"; {_listed(step.falls)} will fall with it"
        found[step.key] = Planned("send", text, step.needs, step.falls)
    return found


def _listed(keys: tuple[RequestKey, ...]) -> str:
    return ", ".join(str(key) for key in keys)
