"""Checks the targets of notices: that somebody hears of each group, and, if asked, that a test reaches each target."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping

from pm_autoaccept.clock import utc_now
from pm_autoaccept.config import Program, Target
from pm_autoaccept.doctor.finding import Finding, ok, problem, warning
from pm_autoaccept.ledger.notices import new_event_id
from pm_autoaccept.model import Dead, Delivered, NoticeKind, Outgoing, TryLater
from pm_autoaccept.notices.delivery import Delivery
from pm_autoaccept.policy import Policy
from pm_autoaccept.sign_in import proxy_guard_for_reading


def check_told(policy: Policy, targets: Mapping[str, Target]) -> Finding | None:
    """Check that a target gets the notices of each group that the policy notifies; None if it notifies none."""
    check = "notices"
    if not policy.told:
        return None
    unheard = sorted(
        group for group in policy.told if not any(target.routing.gets(group) for target in targets.values())
    )
    if unheard:
        return warning(
            check,
            f"no target gets notices for {', '.join(unheard)}: the ledger records them, and nobody is notified",
            "add a target for these groups to `targets` in the settings file",
        )
    return ok(check, f"targets: {', '.join(targets)}")


async def send_tests(program: Program) -> AsyncIterator[Finding]:
    """Send a test to each target, and tell what came back."""
    if not program.targets:
        yield warning("notify", "the settings name no targets", "add `targets` to the settings file")
        return
    async with proxy_guard_for_reading(*program.accounts) as proxy_guard:
        deliver = Delivery.of(program, proxy_guard)
        for name, target in program.targets.items():
            test = Outgoing(
                event_id=new_event_id(),
                created_at=utc_now(),
                kind=NoticeKind.TEST,
                account="",
                body={"text": "`pm-autoaccept doctor --notify` sent this."},
            )
            result = await deliver(target.routing, test)
            yield _finding(f"notify {name}", f"{target.shown}: ", result)


def _finding(check: str, where: str, result: Delivered | TryLater | Dead) -> Finding:
    if isinstance(result, Delivered):
        return ok(check, f"{where}{result.answer}")
    return problem(check, f"{where}{result.why}", "correct the target's address or secret, or its receiver")
