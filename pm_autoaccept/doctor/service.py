"""Checks Portfolio Manager for one account: sign-in, clock difference, pending lists, notifications, custom fields."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from datetime import timedelta
from functools import partial
from typing import TypeVar

from pm_autoaccept.config import Settings
from pm_autoaccept.doctor.finding import Finding, not_tried, ok, problem, warning
from pm_autoaccept.doctor.ledger import check_owner, sign_in_memory
from pm_autoaccept.egress.proxy_password import Egress
from pm_autoaccept.errors import (
    ConfigurationError,
    LedgerError,
    NotAuthorised,
    NotOurs,
    PortfolioManagerError,
    ProxyNotAuthorised,
    Redirected,
    TooFast,
)
from pm_autoaccept.ledger import SqlLedger
from pm_autoaccept.model import (
    MAX_CLOCK_SKEW,
    CustomFieldDefinition,
    Kind,
    Notification,
    NotLearnt,
    PendingPage,
    ProviderAccount,
)
from pm_autoaccept.policy import Policy
from pm_autoaccept.policy.evaluation.custom_answers import name_key
from pm_autoaccept.policy.fields import CUSTOM
from pm_autoaccept.policy.messages import perhaps
from pm_autoaccept.portfolio_manager import Pace, PortfolioManager
from pm_autoaccept.sign_in import get_own_account
from pm_autoaccept.sign_in_memory import Memory

T = TypeVar("T")

MAX_CLOCK_DRIFT = timedelta(seconds=30)
"""Clocks that NTP synchronizes differ by less."""

SIGN_IN = "sign-in"
LISTS = {
    "pending connections": Kind.CONNECTION,
    "pending properties": Kind.PROPERTY,
    "pending meters": Kind.METER,
}

PROXY_ADVICE = "check the proxy's username and password; further attempts may lock its account"

_ADVICE: dict[type[PortfolioManagerError], str] = {
    ProxyNotAuthorised: PROXY_ADVICE,
    NotAuthorised: "check username and password, and that they are for this service: test and live have separate "
    "accounts. They were tried once; further attempts may lock the account",
    NotOurs: "check the service's address, and that the account has web services access",
    TooFast: "wait a while: another program may be using this account at the same time",
    Redirected: "check the service's address: credentials are never sent to the target of a redirect",
}
_NOT_TRIED = (
    "check username and password: others are tried at once, but these only rarely, because Portfolio Manager may lock "
    "the account"
)
_OTHERWISE = "try again in a few minutes; `run` retries automatically"


async def check_service(settings: Settings, policy: Policy | None, egress: Egress) -> AsyncIterator[Finding]:
    """Sign in with one GET /account, then read a sample of everything that a cycle reads. Notifications stay unread."""
    messages: list[str] = []
    async with AsyncExitStack() as stack:
        try:
            ledger, memory = await stack.enter_async_context(sign_in_memory(settings, tell=messages.append))
            client = PortfolioManager(
                base_url=settings.base_url,
                username=settings.username,
                password=settings.password.get_secret_value(),
                pace=Pace(in_flight=settings.in_flight, rate=settings.rate),
                timeout=settings.timeout.total_seconds(),
                attempts=1,
                memory=memory,
                egress=egress,
            )
        except ConfigurationError as error:
            yield problem(SIGN_IN, str(error), "correct the setting")
            return
        except LedgerError as error:
            yield not_tried(SIGN_IN, f"a refused password could not be recorded: {error}")
            for untried in _not_signed_in():
                yield untried
            return
        async with client as pm:
            async for finding in _check_signed_in(settings, policy, pm, ledger, memory):
                yield finding
        for text in dict.fromkeys(messages):
            yield warning(
                "refused passwords",
                text,
                "until this is repaired, do not repeat the command with an uncertain password",
            )


async def _check_signed_in(
    settings: Settings, policy: Policy | None, pm: PortfolioManager, ledger: SqlLedger | None, memory: Memory
) -> AsyncIterator[Finding]:
    provider = await _signed_in(pm, memory)
    if isinstance(provider, Finding):
        yield provider
        for untried in _not_signed_in():
            yield untried
        return
    yield ok(SIGN_IN, f"account {provider.id} ({provider.username}) on {settings.service_shown}")
    if ledger is not None:
        yield await check_owner(settings, ledger, provider)
    yield _searchable(provider)
    yield _clock(pm)
    for check, kind in LISTS.items():
        yield await _read_check(check, partial(pm.pending_page, kind, 1), _page)
    yield await _read_check("notifications", partial(pm.notifications, clear=False), _notifications)
    yield await _custom_fields(pm, policy)


def _not_signed_in() -> Iterator[Finding]:
    for check in ("account searchable", "clock", *LISTS, "notifications", "custom fields"):
        yield not_tried(check, "not signed in")


async def _signed_in(pm: PortfolioManager, memory: Memory) -> ProviderAccount | Finding:
    """Our own account, or the finding that sign-in failed."""
    try:
        return await get_own_account(pm, memory)
    except NotAuthorised as error:
        if error.status is None:
            return problem(SIGN_IN, error.text, _NOT_TRIED)
        return _failed(SIGN_IN, error)
    except PortfolioManagerError as error:
        return _failed(SIGN_IN, error)
    except LedgerError as error:
        return not_tried(SIGN_IN, str(error))


def _failed(check: str, error: PortfolioManagerError) -> Finding:
    advice = next((text for kind, text in _ADVICE.items() if isinstance(error, kind)), _OTHERWISE)
    return problem(check, str(error), advice)


async def _read_check(check: str, read: Callable[[], Awaitable[T]], report: Callable[[str, T], Finding]) -> Finding:
    """The finding about what was read, or about the failed call."""
    try:
        return report(check, await read())
    except PortfolioManagerError as error:
        return _failed(check, error)


def _page(check: str, page: PendingPage) -> Finding:
    number = len(page.requests) + len(page.unreadable)
    found = f"{number} on the first page" + (", and more pages follow" if page.has_next else "")
    if page.unreadable:
        return warning(
            check,
            f"{found}; {len(page.unreadable)} of them cannot be parsed: {page.unreadable[0].why}",
            "answer them in Portfolio Manager, and report them to the maintainers of this program",
        )
    return ok(check, found)


def _notifications(check: str, found: tuple[Notification, ...]) -> Finding:
    return ok(check, f"{len(found)} unread")


def _searchable(provider: ProviderAccount) -> Finding:
    check = "account searchable"
    if provider.searchable is None:
        return warning(
            check, "the account does not say whether customers can find it", "see Portfolio Manager's account settings"
        )
    if not provider.searchable:
        return warning(
            check,
            "customers cannot find this account, so nobody can request a connection",
            "in Portfolio Manager's account settings, make this account searchable",
        )
    return ok(check, "customers can find this account")


def _clock(pm: PortfolioManager) -> Finding:
    check = "clock"
    difference = pm.clock
    if isinstance(difference, NotLearnt):
        return warning(check, difference.why, "check this machine's clock")
    seconds = difference.total_seconds()
    behind = "behind" if seconds > 0 else "ahead of"
    found = f"this machine's clock is {abs(seconds):.0f} s {behind} Portfolio Manager's"
    if abs(difference) > MAX_CLOCK_SKEW:
        return problem(
            check, found, "synchronize this machine's clock with NTP: until then, rules on dates and ages hold requests"
        )
    if abs(difference) > MAX_CLOCK_DRIFT:
        return warning(check, found, "synchronize this machine's clock with NTP")
    return ok(check, found)


async def _custom_fields(pm: PortfolioManager, policy: Policy | None) -> Finding:
    check = "custom fields"
    if policy is None:
        return not_tried(check, "the policy does not load")
    wanted = {
        field.removeprefix(prefix): field
        for field in sorted(policy.fields)
        for prefix in CUSTOM
        if field.startswith(prefix)
    }
    if not wanted:
        return ok(check, "the policy uses none")
    return await _read_check(check, pm.custom_fields, lambda check, defined: _compared(check, wanted, defined))


def _compared(check: str, wanted: dict[str, str], defined: tuple[CustomFieldDefinition, ...]) -> Finding:
    names = [definition.name for definition in defined]
    known = {name_key(name) for name in names}
    missing = [f"`{field}`{perhaps(name, names)}" for name, field in wanted.items() if name_key(name) not in known]
    if missing:
        have = ", ".join(names) or "none"
        return problem(
            check,
            f"the account does not define {', '.join(missing)}; it defines {have}",
            "use the account's own names in the policy, or define the fields in Portfolio Manager: rules on undefined "
            "fields hold every request",
        )
    return ok(check, f"the account defines every field that the policy uses: {', '.join(wanted)}")
