"""Self-checks of settings, policy, host, sign-in, clock and ledger; each problem comes with advice.

Nothing is changed: Portfolio Manager receives only GET calls, and the ledger's rows stay as they are.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

from pm_autoaccept.clock import utc_now
from pm_autoaccept.config import Program, Settings
from pm_autoaccept.doctor.finding import Finding, State, not_tried, problem
from pm_autoaccept.doctor.ledger import check_ledger
from pm_autoaccept.doctor.machine import check_machine
from pm_autoaccept.doctor.network import check_connection
from pm_autoaccept.doctor.notices import check_told, send_tests
from pm_autoaccept.doctor.policy import check_data, check_groups, check_policy
from pm_autoaccept.doctor.policy_in_force import check_policy_in_force
from pm_autoaccept.doctor.proxies import check_certificate_authorities, check_proxies
from pm_autoaccept.doctor.service import SIGN_IN, check_service
from pm_autoaccept.egress.proxy_password import Egress
from pm_autoaccept.sign_in import proxy_guard_for_reading

__all__ = ["Finding", "State", "examine", "send_tests", "settings_refused"]


def settings_refused(fault: str) -> Finding:
    """The finding for an invalid setting, which prevents an account from being checked."""
    return problem("settings", fault, "correct the setting and run this command again; the other checks were skipped")


async def examine(program: Program) -> AsyncIterator[Finding]:
    """Run every check: first of this machine and the ledger, then of each account."""
    for finding in check_machine(program):
        yield finding
    yield check_certificate_authorities()
    async for finding in check_ledger(program):
        yield finding
    async with proxy_guard_for_reading(*program.accounts) as proxy_guard:
        for account in program.accounts:
            async for finding in _examine_account(account, program, Egress(account.proxies, proxy_guard)):
                yield replace(finding, account=account.name)


async def _examine_account(settings: Settings, program: Program, egress: Egress) -> AsyncIterator[Finding]:
    policy, loaded = check_policy(settings.policy)
    yield loaded
    if policy is not None:
        groups = check_groups(policy, settings.groups)
        if groups is not None:
            yield groups
        if (told := check_told(policy, program.targets)) is not None:
            yield told
    for finding in check_proxies(settings, policy):
        yield finding
    if policy is not None:
        async for finding in check_data(policy, settings, egress, now=utc_now()):
            yield finding
    in_force = await check_policy_in_force(settings, policy)
    if in_force is not None:
        yield in_force
    connected = await check_connection(settings.base_url, timeout=settings.timeout.total_seconds(), egress=egress)
    yield connected
    if connected.state is State.PROBLEM:
        yield not_tried(SIGN_IN, "the host is unreachable")
        return
    async for finding in check_service(settings, policy, egress):
        yield finding
