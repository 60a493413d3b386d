"""Reads, decides and plans without sending or recording, for `pending` and `explain`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from pm_autoaccept.account import ActivePolicy, build_cycle
from pm_autoaccept.cli.support.session import print_message
from pm_autoaccept.config import Settings
from pm_autoaccept.model import Fact, Plan, ReasonKind, RequestKey
from pm_autoaccept.policy import Policy, Table
from pm_autoaccept.sign_in import proxy_guard_for_reading, sign_in
from pm_autoaccept.sign_in_memory import open_read_only


@dataclass(frozen=True, slots=True)
class Preview:
    """A plan, with the policy and the data that it was made from.

    Attributes:
        tables: the data sources that passed their guards; for each other one, why not.
        dated: the date of each source's contents, if known.
    """

    plan: Plan
    policy: Policy
    tables: Mapping[str, Fact[Table]]
    dated: Mapping[str, datetime | None] = field(default_factory=dict)


async def load_preview(settings: Settings) -> Preview:
    """Read, decide and plan. The ledger, if there is one, is only read, except that it records refused passwords."""
    checked: dict[str, Fact[Table]] = {}
    async with (
        open_read_only(settings, on_warning=print_message) as (ledger, memory),
        proxy_guard_for_reading(settings) as proxy_guard,
    ):
        policy = await ActivePolicy.load(settings, proxy_guard)
        async with sign_in(settings, ledger, records=False, memory=memory, proxy_guard=proxy_guard) as session:
            cycle = build_cycle(session, settings, policy, on_tables=checked.update)
            return Preview(await cycle.look(record=False), policy.policy, checked, policy.dated)


def notices(plan: Plan) -> list[str]:
    """Messages about the plan: answering is paused, clocks differ, a list is incomplete."""
    messages = [f"Answering is paused: {plan.paused}."] if plan.paused is not None else []
    open_intents = sum(each.reason.kind is ReasonKind.IN_DOUBT for each in plan.kept_back)
    if plan.clock_skew is not None and open_intents:
        apart = f"{abs(plan.clock_skew).total_seconds():,.0f} seconds"
        messages.append(
            f"This machine's clock and Portfolio Manager's differ by {apart}. Until they agree, answers with an unknown"
            f" outcome are not sent again; {open_intents} {'is' if open_intents == 1 else 'are'} waiting. Synchronize"
            " this machine's clock with NTP."
        )
    lists = (f"The list of pending {each.kind} requests is incomplete: {each.failed}" for each in plan.not_whole)
    return [*messages, *lists]


@dataclass(frozen=True, slots=True)
class PlannedAnswer:
    """What a plan does with one request: `send`, `keep back`, `fall` with its parent, or `nothing`; and a sentence."""

    what: str
    text: str
    needs: tuple[RequestKey, ...] = ()
    falls: tuple[RequestKey, ...] = ()


def planned_answers(plan: Plan) -> dict[RequestKey, PlannedAnswer]:
    """What a plan does with each request that was decided."""
    found = {decision.key: PlannedAnswer("nothing", "nothing is sent") for decision in plan.decisions}
    for step in plan.steps:
        for key in step.falls:
            found[key] = PlannedAnswer("fall", f"falls with the reject of {step.key}")
    for kept in plan.kept_back:
        found[kept.decision.key] = PlannedAnswer("keep back", f"kept back: {kept.reason.text}")
    for step in plan.steps:
        text = f"send {step.action}"
        if step.needs:
            text += f" once {_listed(step.needs)} {'is' if len(step.needs) == 1 else 'are'} done"
        if step.falls:
            text += f"; {_listed(step.falls)} will fall with it"
        found[step.key] = PlannedAnswer("send", text, step.needs, step.falls)
    return found


def _listed(keys: tuple[RequestKey, ...]) -> str:
    return ", ".join(str(key) for key in keys)
