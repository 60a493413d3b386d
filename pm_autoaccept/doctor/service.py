"""Checks of Portfolio Manager as one account sees it: signed in once, then only read. Notifications stay unread."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from datetime import timedelta
from functools import partial
from typing import TypeVar

from pm_autoaccept.config import Settings
from pm_autoaccept.doctor.finding import Finding, not_tried, ok, problem, warning
from pm_autoaccept.doctor.ledger import owner, remembering
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
    FURTHEST_APART,
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
from pm_autoaccept.sign_in import Memory, sign_in

T = TypeVar("T")

CLOCKS_DRIFT = timedelta(seconds=30)
"""Clocks that are kept by NTP are nearer to each other."""

SIGN_IN = "sign-in"
LISTS = {
    "pending connections": Kind.CONNECTION,
    "pending properties": Kind.PROPERTY,
    "pending meters": Kind.METER,
}

PROXY_ADVICE = "see that the proxy's username and password are right; further tries may lock its account"

_ADVICE: dict[type[PortfolioManagerError], str] = {
    ProxyNotAuthorised: PROXY_ADVICE,
    NotAuthorised: "see that username and password are right, and are those of this service: test and live have "
    "separate accounts. It was tried once; further tries may lock the account",
    NotOurs: "see that the service's address is right, and that the account has web-services access",
    TooFast: "wait a while: something else may be using this account at the same time",
    Redirected: "see that the service's address is right: credentials are never sent where a redirect leads",
}
_NOT_TRIED = (
    "see that username and password are right: other ones are tried at once, these ones rarely, since Portfolio "
    "Manager may lock the account"
)
_ELSE = "try again in a few minutes; `run` does so by itself"


async def ask(settings: Settings, policy: Policy | None, egress: Egress) -> AsyncIterator[Finding]:
    """Sign in with one GET /account, and read a little of everything that a cycle reads."""
    told: list[str] = []
    async with AsyncExitStack() as stack:
        try:
            ledger, memory = await stack.enter_async_context(remembering(settings, tell=told.append))
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
            yield problem(SIGN_IN, str(error), "put the setting right")
            return
        except LedgerError as error:
            yield not_tried(SIGN_IN, f"a refused password could not be remembered: {error}")
            for untried in _not_signed_in():
                yield untried
            return
        async with client as pm:
            async for finding in _ask(settings, policy, pm, ledger, memory):
                yield finding
        for text in dict.fromkeys(told):
            yield warning(
                "refused passwords", text, "until that is mended, do not repeat this with a doubtful password"
            )


async def _ask(
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
        yield await owner(settings, ledger, provider)
    yield _searchable(provider)
    yield _clock(pm)
    for check, kind in LISTS.items():
        yield await _reading(check, partial(pm.pending_page, kind, 1), _page)
    yield await _reading("notifications", partial(pm.notifications, clear=False), _notifications)
    yield await _custom_fields(pm, policy)


def _not_signed_in() -> Iterator[Finding]:
    for check in ("account searchable", "clock", *LISTS, "notifications", "custom fields"):
        yield not_tried(check, "not signed in")


async def _signed_in(pm: PortfolioManager, memory: Memory) -> ProviderAccount | Finding:
    """Our own account, or why we were not let in."""
    try:
        return await sign_in(pm, memory)
    except NotAuthorised as error:
        if error.status is None:
            return problem(SIGN_IN, error.text, _NOT_TRIED)
        return _failed(SIGN_IN, error)
    except PortfolioManagerError as error:
        return _failed(SIGN_IN, error)
    except LedgerError as error:
        return not_tried(SIGN_IN, str(error))


def _failed(check: str, error: PortfolioManagerError) -> Finding:
    advice = next((said for kind, said in _ADVICE.items() if isinstance(error, kind)), _ELSE)
    return problem(check, str(error), advice)


async def _reading(check: str, read: Callable[[], Awaitable[T]], tell: Callable[[str, T], Finding]) -> Finding:
    """What was read, or why it could not be."""
    try:
        return tell(check, await read())
    except PortfolioManagerError as error:
        return _failed(check, error)


def _page(check: str, page: PendingPage) -> Finding:
    number = len(page.requests) + len(page.unreadable)
    found = f"{number} on the first page" + (", and more on the next" if page.has_next else "")
    if page.unreadable:
        return warning(
            check,
            f"{found}; {len(page.unreadable)} of them cannot be read: {page.unreadable[0].why}",
            "answer them by hand in Portfolio Manager, and report them to this program's makers",
        )
    return ok(check, found)


def _notifications(check: str, found: tuple[Notification, ...]) -> Finding:
    return ok(check, f"{len(found)} unread")


def _searchable(provider: ProviderAccount) -> Finding:
    check = "account searchable"
    if provider.searchable is None:
        return warning(check, "the account does not say", "see in Portfolio Manager's account settings")
    if not provider.searchable:
        return warning(
            check,
            "customers cannot find this account, so nobody can ask it for a connection",
            "in Portfolio Manager's account settings, let others search for this account",
        )
    return ok(check, "customers can find this account")


def _clock(pm: PortfolioManager) -> Finding:
    check = "clock"
    difference = pm.clock
    if isinstance(difference, NotLearnt):
        return warning(check, difference.why, "see that this machine's clock is right")
    seconds = difference.total_seconds()
    behind = "behind" if seconds > 0 else "ahead of"
    found = f"this machine is {abs(seconds):.0f} s {behind} Portfolio Manager's"
    if abs(difference) > FURTHEST_APART:
        return problem(check, found, "set this machine's clock by NTP: rules on dates and ages hold until then")
    if abs(difference) > CLOCKS_DRIFT:
        return warning(check, found, "set this machine's clock by NTP")
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
        return ok(check, "the policy asks for none")
    return await _reading(check, pm.custom_fields, lambda check, defined: _compared(check, wanted, defined))


def _compared(check: str, wanted: dict[str, str], defined: tuple[CustomFieldDefinition, ...]) -> Finding:
    names = [definition.name for definition in defined]
    known = {name_key(name) for name in names}
    missing = [f"`{field}`{perhaps(name, names)}" for name, field in wanted.items() if name_key(name) not in known]
    if missing:
        have = ", ".join(names) or "none"
        return problem(
            check,
            f"the account does not define {', '.join(missing)}; it defines {have}",
            "write the names into the policy as the account has them, or define them in Portfolio Manager: rules on "
            "others hold every request",
        )
    return ok(check, f"the account defines {', '.join(wanted)}, as the policy asks")
