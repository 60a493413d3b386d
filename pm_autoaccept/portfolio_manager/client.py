"""Everything that is asked of Portfolio Manager and told to it, and which calls are repeated."""

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
from pm_autoaccept.portfolio_manager.rate_limit import Pace
from pm_autoaccept.portfolio_manager.request_bodies import sharing_response, terminate_sharing_response
from pm_autoaccept.portfolio_manager.retries import CallMade, Forgetful, Memory, Sending, nothing_against_it
from pm_autoaccept.portfolio_manager.transport import Connection


class PortfolioManager:
    """Portfolio Manager, as one provider account sees it. Opened and closed by `async with`.

    The first call of a session is `account()`, alone: it tries the password once. After one 401 every further call
    raises NotAuthorised without being sent, so that a wrong password does not lock the account; open a new session
    to try again. Where the last success is more than a second ago, one read leaves alone and the others wait for
    what comes of it: a password that was changed meanwhile is tried once. Calls on one account share one `pace`.

    Every method that reads raises the errors of `errors.PortfolioManagerError`; what is safe to repeat (TooFast,
    Transient) was repeated `attempts` times before.

    Args:
        base_url: EPA's live or test service (docs/protocol.md#environments), or a simulator's.
        pace: how many at once and how fast.
        timeout: of each attempt as a whole, in seconds, from the name's resolution to the last byte.
        attempts: how often a call is tried at most, the first included.
        patience: the longest Retry-After, in seconds, that is waited for; a longer one raises TooFast, and so does
            every call until it is over, unsent.
        sleep: waits between attempts.
        now: the clock, with an offset: for a Retry-After that is a date, and beside the service's own clock.
        on_call: called after each attempt at a call.
        memory: is told of a 401 and of each Retry-After, before anybody else.
        egress: through which proxy calls leave; directly where None.
        connector: aiohttp's, where the default does not do.

    Raises:
        ConfigurationError: the base URL must not be given credentials, or Basic cannot carry them.
    """

    def __init__(
        self,
        *,
        base_url: str,
        username: str,
        password: str,
        pace: Pace,
        timeout: float = 60.0,
        attempts: int = 4,
        patience: float = 60.0,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        now: Callable[[], datetime] = utc_now,
        on_call: Callable[[CallMade], None] = lambda _made: None,
        memory: Memory | None = None,
        egress: Egress | None = None,
        connector: aiohttp.BaseConnector | None = None,
    ) -> None:
        self._connection = Connection(
            base_url=base_url,
            username=username,
            password=password,
            timeout=timeout,
            egress=egress,
            connector=connector,
        )
        self.pace = pace
        self._sending = Sending(
            connection=self._connection,
            pace=pace,
            attempts=attempts,
            patience=patience,
            sleep=sleep,
            now=now,
            on_call=on_call,
            memory=memory or Forgetful(),
        )

    async def __aenter__(self) -> Self:
        await self._connection.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._connection.__aexit__(kind, error, trace)
        if self.refused:
            # Whoever met the 401 may have been given up before it was on record.
            await self._sending.refusal()

    def was_idle(self) -> None:
        """Say that time has passed in which nothing was called, so that the next read leaves alone.

        It is noticed after a second anyway, unless the machine slept meanwhile.
        """
        self._sending.was_idle()

    @property
    def refused(self) -> bool:
        """Whether a 401 has come in this session."""
        return self._connection.refused

    @property
    def clock(self) -> Fact[timedelta]:
        """What the service's clock says beside ours, by its last answer: its `Date` minus our time."""
        return self._sending.clock

    @property
    def resting(self) -> str | None:
        """Why nothing is sent for now: a Retry-After is longer than our patience. None while calls may leave."""
        return self._sending.resting

    # What is read

    async def account(self) -> ProviderAccount:
        """Our own account. To be called first in a session, and alone."""
        return await self._sending.get(services.ACCOUNT.call(), parse.parse_account)

    async def pending_page(self, kind: Kind, page: int) -> PendingPage:
        """One page, counted from 1, of up to 20 pending requests."""
        call = services.PENDING[kind].call(page=str(page))
        return await self._sending.get(call, partial(parse.parse_pending_page, kind))

    async def notifications(self, *, clear: bool) -> tuple[Notification, ...]:
        """Unread notifications. `clear` marks them read: what was not stored by then is lost.

        A call that clears is repeated only if it surely did not clear.
        """
        call = services.NOTIFICATIONS.call(clear=_boolean(clear))
        repeat = NotSent if clear else Transient
        return await self._sending.get(call, parse.parse_notifications, repeat=repeat)

    async def customers(self) -> frozenset[int]:
        """The ids of the accounts that are connected with us."""
        return await self._sending.get(services.CUSTOMERS.call(), parse.parse_customer_list)

    async def customer(self, account_id: int) -> AccountInfo:
        """Who a connected customer is."""
        return await self._sending.get(services.CUSTOMER.call(account_id), parse.parse_customer)

    async def shared_properties(self, account_id: int) -> frozenset[int]:
        """The ids of the properties that this account shares with us."""
        return await self._sending.get(services.SHARED_PROPERTIES.call(account_id), parse.parse_property_links)

    async def answers_at_connection(self, account_id: int) -> tuple[CustomField, ...]:
        """What this account answered when it connected."""
        return await self._sending.get(services.ANSWERS_AT_CONNECTION.call(account_id), parse.parse_custom_field_values)

    async def custom_fields(self) -> tuple[CustomFieldDefinition, ...]:
        """The custom fields that our account defines, by id and name."""
        return await self._sending.get(services.CUSTOM_FIELDS.call(), parse.parse_custom_field_links)

    async def custom_field(self, id: int) -> CustomFieldDefinition:  # noqa: A002 - Portfolio Manager's own word
        """One custom field that our account defines, in full."""
        return await self._sending.get(services.CUSTOM_FIELD.call(id), partial(parse.parse_custom_field, id=id))

    async def hierarchy(self, kind: Kind, id: int) -> parse.Hierarchy:  # noqa: A002 - Portfolio Manager's own word
        """Whose this property or meter is: the one look-up that also works for what is pending."""
        return await self._sending.get(services.HIERARCHY[kind].call(id), parse.parse_hierarchy)

    # What is told

    def turn(self, *, unless: Callable[[], bool] = lambda: False) -> AbstractAsyncContextManager[bool]:
        """Waits for a place in flight and in the rate, which is not waited for where `unless` turns out true.

        What is sent in a turn leaves at once. While `resting` nothing is waited for: then it is not sent.
        """
        return self.pace.turn(unless=lambda: self.resting is not None or unless())

    async def answer(
        self,
        kind: Kind,
        id: int,  # noqa: A002 - Portfolio Manager's own word
        action: Action,
        note: str | None,
        *,
        blocked_reason: Callable[[], str | None],
        may_repeat: Callable[[], Awaitable[str | None]] = nothing_against_it,
    ) -> None:
        """Accept or reject a pending request. Call it within `async with turn()`.

        The answer is sent once. Only what was certainly not processed (TooFast, NotSent) is sent again.
        `blocked_reason` is called just before each attempt, including the first. If it returns a reason, nothing is
        sent: the last error is raised with that reason as its note, or NotSent if there was none. `may_repeat` is
        called before that, for repetitions only; it may take its time.

        An attempt ends at most `timeout` seconds after `blocked_reason` was called. That covers all of it, from the
        name lookup to the last byte of the answer.

        Raises:
            NotSent: it did not leave.
            Invalid: what is to be sent does not fit EPA's schema, by our own check (not sent) or by theirs.
            AlreadyFulfilled: there is nothing pending (any more).
            AnswerUnknown: it may or may not have been processed.
            PortfolioManagerError: another of its kinds, by docs/architecture.md#failures.
        """
        await self._sending.post(
            services.ANSWER[kind],
            id,
            partial(sharing_response, action, note),
            blocked_reason=blocked_reason,
            may_repeat=may_repeat,
        )

    async def disconnect(self, account_id: int, *, keep_shares: bool, note: str | None = None) -> None:
        """Ends the connection with an account; without `keep_shares` also all shares between us. Takes a turn itself.

        Raises:
            PortfolioManagerError: as `answer`.
        """
        # Said always: left out it would mean false on the wire, and true in EPA's guide (docs/protocol.md#disconnect).
        async with self.turn():
            document = partial(terminate_sharing_response, note)
            await self._sending.post(services.DISCONNECT, account_id, document, keepShares=_boolean(keep_shares))

    async def unshare(self, kind: Kind, id: int, note: str | None = None) -> None:  # noqa: A002 - as above
        """Ends the share of a property, its meters included, or of a meter. Takes a turn itself.

        Raises:
            PortfolioManagerError: as `answer`.
        """
        async with self.turn():
            await self._sending.post(services.UNSHARE[kind], id, partial(terminate_sharing_response, note))


def _boolean(value: bool) -> str:  # noqa: FBT001 - one value, turned into another
    """A boolean as the query has it (docs/protocol.md#paths)."""
    return "true" if value else "false"
