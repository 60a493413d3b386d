"""The Portfolio Manager client: pending lists and facts, accept and reject, disconnect and unshare, GET /account."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from functools import partial
from types import TracebackType
from typing import Self

import aiohttp

from pm_autoaccept import parse
from pm_autoaccept.clock import utc_now
from pm_autoaccept.egress.proxy_password import Egress
from pm_autoaccept.errors import NotSent, Transient
from pm_autoaccept.model import (
    AccountInfo,
    Action,
    CustomField,
    CustomFieldDefinition,
    Fact,
    Kind,
    Notification,
    PendingPage,
    ProviderAccount,
)
from pm_autoaccept.portfolio_manager import services
from pm_autoaccept.portfolio_manager.rate_limit import RateLimiter
from pm_autoaccept.portfolio_manager.request_bodies import sharing_response, terminate_sharing_response
from pm_autoaccept.portfolio_manager.retries import CallMade, NoRefusalStore, RefusalStore, RetryingSender, no_objection
from pm_autoaccept.portfolio_manager.transport import Transport


class PortfolioManager:
    """A session with Portfolio Manager for one provider account. Use it with `async with`.

    The first call of a session is `account()`, alone: it tries the password once. After one 401, every further call
    raises NotAuthorised without being sent, so that a wrong password does not lock the account. Open a new session to
    try again. If the last success is more than a second ago, one read is sent alone and the others wait for its result,
    so that a password that was changed meanwhile is tried once. All calls on one account share one rate limiter.

    Every method that reads raises the errors of `errors.PortfolioManagerError`. Calls that are safe to repeat (TooFast,
    Transient) are tried `attempts` times first.

    Args:
        base_url: EPA's live or test service (docs/protocol.md#environments), or a simulator's.
        rate_limiter: limits calls in flight and calls per second.
        timeout: of each attempt as a whole, in seconds, from the name lookup to the last byte.
        attempts: the maximum number of attempts for one call.
        max_retry_after_s: the longest Retry-After, in seconds, that is waited for. A longer one raises TooFast, and so
            does every call until it is over; those calls are not sent.
        sleep: waits between attempts.
        now: the clock, with an offset. It is compared with a Retry-After date and with the service's clock.
        on_call: called after each attempt at a call.
        refusal_store: keeps each 401 and each Retry-After beyond this session.
        egress: the proxies to use; None connects directly.
        connector: replaces the default aiohttp connector.

    Raises:
        ConfigurationError: credentials must not be sent to this base URL, or Basic authentication cannot carry them.
    """

    def __init__(
        self,
        *,
        base_url: str,
        username: str,
        password: str,
        rate_limiter: RateLimiter,
        timeout: float = 60.0,
        attempts: int = 4,
        max_retry_after_s: float = 60.0,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        now: Callable[[], datetime] = utc_now,
        on_call: Callable[[CallMade], None] = lambda _made: None,
        refusal_store: RefusalStore | None = None,
        egress: Egress | None = None,
        connector: aiohttp.BaseConnector | None = None,
    ) -> None:
        self._transport = Transport(
            base_url=base_url,
            username=username,
            password=password,
            timeout=timeout,
            egress=egress,
            connector=connector,
        )
        self.rate_limiter = rate_limiter
        self._sender = RetryingSender(
            transport=self._transport,
            rate_limiter=rate_limiter,
            attempts=attempts,
            max_retry_after_s=max_retry_after_s,
            sleep=sleep,
            now=now,
            on_call=on_call,
            refusal_store=refusal_store or NoRefusalStore(),
        )

    async def __aenter__(self) -> Self:
        await self._transport.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._transport.__aexit__(kind, error, trace)
        if self.refused:
            # The call that got the 401 may have been cancelled before it was recorded.
            await self._sender.record_refusal()

    def was_idle(self) -> None:
        """Note that no call was sent for a while, so that the next read is sent alone.

        After a second this happens anyway, unless the machine slept meanwhile.
        """
        self._sender.was_idle()

    @property
    def refused(self) -> bool:
        """Whether this session has received a 401."""
        return self._transport.refused

    @property
    def clock(self) -> Fact[timedelta]:
        """The difference between the service's clock and ours: the `Date` of its last reply minus our time."""
        return self._sender.clock

    @property
    def waiting_reason(self) -> str | None:
        """Why no call is sent now: a Retry-After is longer than `max_retry_after_s`. None if calls may be sent."""
        return self._sender.waiting_reason

    # Reads

    async def account(self) -> ProviderAccount:
        """Our own account. Call this first in a session, and alone: it signs in."""
        return await self._sender.get(services.ACCOUNT.call(), parse.parse_account)

    async def pending_page(self, kind: Kind, page: int) -> PendingPage:
        """One page, counted from 1, of up to 20 pending requests."""
        call = services.PENDING[kind].call(page=str(page))
        return await self._sender.get(call, partial(parse.parse_pending_page, kind))

    async def notifications(self, *, clear: bool) -> tuple[Notification, ...]:
        """Unread notifications. `clear` marks them as read: what was not stored by then is lost.

        A call that clears is retried only if it was certainly not processed.
        """
        call = services.NOTIFICATIONS.call(clear=_boolean(clear))
        repeat = NotSent if clear else Transient
        return await self._sender.get(call, parse.parse_notifications, repeat=repeat)

    async def customers(self) -> frozenset[int]:
        """The ids of the accounts that are connected to us."""
        return await self._sender.get(services.CUSTOMERS.call(), parse.parse_customer_list)

    async def customer(self, account_id: int) -> AccountInfo:
        """The account information of a connected customer."""
        return await self._sender.get(services.CUSTOMER.call(account_id), parse.parse_customer)

    async def shared_properties(self, account_id: int) -> frozenset[int]:
        """The ids of the properties that this account shares with us."""
        return await self._sender.get(services.SHARED_PROPERTIES.call(account_id), parse.parse_property_links)

    async def answers_at_connection(self, account_id: int) -> tuple[CustomField, ...]:
        """The custom-field values that this account gave when it connected."""
        return await self._sender.get(services.ANSWERS_AT_CONNECTION.call(account_id), parse.parse_custom_field_values)

    async def custom_fields(self) -> tuple[CustomFieldDefinition, ...]:
        """The custom fields that our account defines, by id and name."""
        return await self._sender.get(services.CUSTOM_FIELDS.call(), parse.parse_custom_field_links)

    async def custom_field(self, id: int) -> CustomFieldDefinition:  # noqa: A002 - Portfolio Manager's own word
        """One custom field that our account defines, in full."""
        return await self._sender.get(services.CUSTOM_FIELD.call(id), partial(parse.parse_custom_field, id=id))

    async def hierarchy(self, kind: Kind, id: int) -> parse.Hierarchy:  # noqa: A002 - Portfolio Manager's own word
        """The owner of a property or meter. The only lookup that also works for a pending share."""
        return await self._sender.get(services.HIERARCHY[kind].call(id), parse.parse_hierarchy)

    # Answers and removals

    def turn(self, *, unless: Callable[[], bool] = lambda: False) -> AbstractAsyncContextManager[bool]:
        """A turn to send one answer: waits for a free place in flight and for the rate, `unless` this returns true.

        What is sent within a turn is sent at once. While there is a `waiting_reason` the turn does not wait, because
        nothing will be sent.
        """
        return self.rate_limiter.turn(unless=lambda: self.waiting_reason is not None or unless())

    async def answer(
        self,
        kind: Kind,
        id: int,  # noqa: A002 - Portfolio Manager's own word
        action: Action,
        note: str | None,
        *,
        blocked_reason: Callable[[], str | None],
        may_repeat: Callable[[], Awaitable[str | None]] = no_objection,
    ) -> None:
        """Accept or reject a pending request. Call it within `async with turn()`.

        The answer is sent once. Only what was certainly not processed (TooFast, NotSent) is sent again.
        `blocked_reason` is called just before each attempt, including the first. If it returns a reason, nothing is
        sent: the last error is raised with that reason as its note, or NotSent if there was none. `may_repeat` is
        called before that, for retries only, and may be slow.

        An attempt ends at most `timeout` seconds after `blocked_reason` was called. That covers all of it, from the
        name lookup to the last byte of the reply.

        Raises:
            NotSent: it was not sent.
            Invalid: the document does not fit EPA's schema, by our own check (not sent) or by theirs.
            AlreadyFulfilled: the request is not pending (any more).
            AnswerUnknown: it may or may not have been processed.
            PortfolioManagerError: another of its kinds, by docs/architecture.md#failures.
        """
        await self._sender.post(
            services.ANSWER[kind],
            id,
            partial(sharing_response, action, note),
            blocked_reason=blocked_reason,
            may_repeat=may_repeat,
        )

    async def disconnect(self, account_id: int, *, keep_shares: bool, note: str | None = None) -> None:
        """End the connection with an account, and without `keep_shares` all shares between us. Takes its own turn.

        Raises:
            PortfolioManagerError: as `answer`.
        """
        # Always sent: left out it would mean false on the wire, and true in EPA's guide (docs/protocol.md#disconnect).
        async with self.turn():
            document = partial(terminate_sharing_response, note)
            await self._sender.post(services.DISCONNECT, account_id, document, keepShares=_boolean(keep_shares))

    async def unshare(self, kind: Kind, id: int, note: str | None = None) -> None:  # noqa: A002 - as above
        """End the share of a property with its meters, or of a meter. Takes its own turn.

        Raises:
            PortfolioManagerError: as `answer`.
        """
        async with self.turn():
            await self._sender.post(services.UNSHARE[kind], id, partial(terminate_sharing_response, note))


def _boolean(value: bool) -> str:  # noqa: FBT001 - one value, turned into another
    """A boolean as the query has it (docs/protocol.md#paths)."""
    return "true" if value else "false"
