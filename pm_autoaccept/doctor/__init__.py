"""Tries what can be tried without changing anything, and says of each fault what to do about it.

Of Portfolio Manager only GETs are asked, and the ledger's rows stay as they are.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

from pm_autoaccept.account import passage_to_look
from pm_autoaccept.config import Program, Settings
from pm_autoaccept.cycle import utc_now
from pm_autoaccept.doctor.finding import Finding, State, not_tried, problem
from pm_autoaccept.doctor.ledger import look_at_ledger
from pm_autoaccept.doctor.machine import look_around
from pm_autoaccept.doctor.network import reach
from pm_autoaccept.doctor.policy import load_policy, read_data, who_is_told
from pm_autoaccept.doctor.policy_in_force import look_at_revisions
from pm_autoaccept.doctor.proxies import authorities, ways
from pm_autoaccept.doctor.service import SIGN_IN, ask
from pm_autoaccept.egress.proxy_password import Egress

__all__ = ["Finding", "State", "examine", "settings_refused"]


def settings_refused(fault: str) -> Finding:
    """A fault that keeps an account's settings from being used at all."""
    return problem("settings", fault, "put it right, and try again: what needs it was not tried")


async def examine(program: Program) -> AsyncIterator[Finding]:
    """Every check: of this machine and the ledger first, then of each account."""
    for finding in look_around(program):
        yield finding
    yield authorities()
    async for finding in look_at_ledger(program):
        yield finding
    async with passage_to_look(*program.accounts) as passage:
        for account in program.accounts:
            async for finding in _examine_account(account, Egress(account.proxies, passage)):
                yield replace(finding, account=account.name)


async def _examine_account(settings: Settings, egress: Egress) -> AsyncIterator[Finding]:
    policy, told = load_policy(settings.policy)
    yield told
    if policy is not None:
        told_people = who_is_told(policy, settings.groups)
        if told_people is not None:
            yield told_people
    for way in ways(settings, policy):
        yield way
    if policy is not None:
        async for finding in read_data(policy, settings, egress, now=utc_now()):
            yield finding
    in_force = await look_at_revisions(settings, policy)
    if in_force is not None:
        yield in_force
    reached = await reach(settings.base_url, timeout=settings.timeout.total_seconds(), egress=egress)
    yield reached
    if reached.state is State.PROBLEM:
        yield not_tried(SIGN_IN, "the host cannot be reached")
        return
    async for finding in ask(settings, policy, egress):
        yield finding
