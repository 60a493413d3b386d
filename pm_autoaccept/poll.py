"""Polls Portfolio Manager: reads pending lists, notifications and the facts that the policy needs into a Snapshot.

Everything is read before anything is answered, since answering shifts the pages (docs/protocol.md#paging).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TypeVar

from pm_autoaccept.errors import NotAuthorised, PortfolioManagerError
from pm_autoaccept.model import (
    AccountInfo,
    CustomField,
    CustomFieldDefinition,
    Fact,
    Kind,
    Need,
    NotLearnt,
    PendingList,
    PendingPage,
    PendingRequest,
    ProviderAccount,
    RequestKey,
    ShareReads,
    Snapshot,
    Unreadable,
)
from pm_autoaccept.portfolio_manager import PortfolioManager
from pm_autoaccept.watch import owners_to_read

T = TypeVar("T")
E = TypeVar("E", bound=PendingRequest | Unreadable)

MAX_PAGES = 5_000
"""A longer list (100,000 requests) is not accepted: a service that always links a next page would never end."""

Clock = Callable[[], datetime]


@dataclass(slots=True)
class Poller:
    """Reads everything that a cycle needs for one provider account. It caches nothing, because facts can change.

    Attributes:
        pm: the signed-in client.
        provider: our own account, from GET /account.
        needs: the facts that the policy uses.
        now: the clock.
    """

    pm: PortfolioManager
    provider: ProviderAccount
    needs: frozenset[Need]
    now: Clock

    async def poll(self, *, in_doubt: frozenset[int] = frozenset(), watched: ShareReads | None = None) -> Snapshot:
        """Read everything once.

        Args:
            in_doubt: owners whose shares must be read, because an answer to them has an unknown outcome.
            watched: when each owner's shares were last read; None if undecided shares are not looked for.

        Raises:
            NotAuthorised: the account's credentials were refused.
        """
        connections, properties, meters, notifications, custom_fields = await asyncio.gather(
            self._read_list(Kind.CONNECTION),
            self._read_list(Kind.PROPERTY),
            self._read_list(Kind.METER),
            self._learn(lambda: self.pm.notifications(clear=False)),
            self._custom_fields(),
        )
        # A property share that arrived while the meters were read is in no list yet. Accepting its meter would
        # accept it too.
        listed = {request.property_id for request in properties.requests}
        if any(request.property_id not in listed for request in meters.requests):
            properties = properties.united(await self._read_list(Kind.PROPERTY))
            listed = {request.property_id for request in properties.requests}
        shares = (*properties.requests, *meters.requests)
        owners = {request.account_id for request in shares if request.account_id is not None}
        connected = await self._learn(self.pm.customers)
        connecting = {request.account_id for request in connections.requests}
        if owners - (frozenset() if isinstance(connected, NotLearnt) else connected) - connecting:
            connections = connections.united(await self._read_list(Kind.CONNECTION))
            connecting = {request.account_id for request in connections.requests}
        orphans = {
            request.account_id
            for request in meters.requests
            if request.account_id is not None and request.property_id not in listed
        }
        watching: frozenset[int] = frozenset()
        if watched is not None:
            known = frozenset() if isinstance(connected, NotLearnt) else connected
            watching = owners_to_read(watched, connected=known, pending=owners)
        shared, answers, accounts = await asyncio.gather(
            self._learn_for_each(orphans | in_doubt | watching, self.pm.shared_properties),
            self._answers_at_connection(owners - connecting),
            self._accounts(owners - connecting),
        )
        return Snapshot(
            provider=self.provider,
            connections=connections,
            properties=properties,
            meters=meters,
            notifications=notifications,
            connected=connected,
            shared_properties=shared,
            answers_at_connection=answers,
            accounts=accounts,
            custom_fields=custom_fields,
            clock=self.pm.clock,
            ended=self.now(),
        )

    async def _read_list(self, kind: Kind) -> PendingList:
        """Read all pages of one list. If a page still fails after its retries, the list is incomplete."""
        begun = self.now()
        pages: list[PendingPage] = []
        again: list[PendingPage] = []
        shown: set[RequestKey | bytes] = set()
        endless: str | None = None
        try:
            async with aclosing(self._read_pages(kind)) as read:
                async for page in read:
                    pages.append(page)
                    if page.leads_nowhere(shown):
                        endless = f"page {len(pages)} links a next page, but shows only requests of earlier pages"
                        break
                    shown |= page.shown
            async for page in self._reread_backwards(kind, () if endless else pages):
                again.append(page)  # noqa: PERF401 — pages read before a failure are kept
        except NotAuthorised:
            raise
        except PortfolioManagerError as error:
            failed: str | None = str(error)
        else:
            too_many = f"it has more than {MAX_PAGES} pages, which is not accepted"
            failed = endless or (too_many if len(pages) >= MAX_PAGES else None)
        return PendingList(
            kind=kind,
            requests=_union([page.requests for page in pages], [page.requests for page in again]),
            unreadable=_union([page.unreadable for page in pages], [page.unreadable for page in again]),
            failed=failed,
            begun=begun,
            ended=self.now(),
        )

    async def _read_pages(self, kind: Kind) -> AsyncGenerator[PendingPage, None]:
        """Yield pages in order until one has no next page. Pages that were fetched beyond it are discarded.

        Pages are fetched ahead by number: as many as have been read already, up to the number in flight. So a long list
        soon uses the full concurrency, and a short list wastes few calls.
        """
        page = await self.pm.pending_page(kind, 1)
        yield page
        number = 1
        ahead: deque[asyncio.Task[PendingPage]] = deque()
        try:
            while page.has_next and number < MAX_PAGES:
                while len(ahead) < min(number, self.pm.rate_limiter.in_flight):
                    wanted = number + len(ahead) + 1
                    read = self.pm.pending_page(kind, wanted)
                    ahead.append(asyncio.create_task(read, name=f"read {kind} page {wanted}"))
                page = await ahead.popleft()
                number += 1
                yield page
        finally:
            for task in ahead:
                task.cancel()
            await asyncio.gather(*ahead, return_exceptions=True)

    async def _reread_backwards(self, kind: Kind, pages: Sequence[PendingPage]) -> AsyncGenerator[PendingPage, None]:
        """Read a list of several pages again, from the last page but one to the first, while pages differ.

        When a request is withdrawn, those behind it move up, and one of them moves from a page that is not read yet to
        a page that was read already. Reading backwards, no removal hides a request as long as the order is stable
        (see docs/protocol.md#list-order). If a page has not changed, the pages before it have not changed either.
        """
        for number in range(len(pages) - 1, 0, -1):
            page = await self.pm.pending_page(kind, number)
            yield page
            first = pages[number - 1]
            if (page.requests, page.unreadable) == (first.requests, first.unreadable):
                return

    async def _learn(self, read: Callable[[], Awaitable[T]]) -> Fact[T]:
        """Read a fact, or return why it could not be read."""
        try:
            return await read()
        except NotAuthorised:
            raise
        except PortfolioManagerError as error:
            return NotLearnt(str(error))

    async def _learn_for_each(self, owners: Iterable[int], read: Callable[[int], Awaitable[T]]) -> dict[int, Fact[T]]:
        """Owner → the fact that was read for it. All owners are read concurrently."""
        asked = sorted(owners)
        facts = await asyncio.gather(*(self._learn(partial(read, owner)) for owner in asked))
        return dict(zip(asked, facts, strict=True))

    async def _custom_fields(self) -> Fact[tuple[CustomFieldDefinition, ...]]:
        if Need.CUSTOM_FIELDS not in self.needs:
            return NotLearnt("the policy does not use it")
        return await self._learn(self.pm.custom_fields)

    async def _answers_at_connection(self, owners: Iterable[int]) -> dict[int, Fact[tuple[CustomField, ...]]]:
        asked = owners if Need.ANSWERS_AT_CONNECTION in self.needs else ()
        return await self._learn_for_each(asked, self.pm.answers_at_connection)

    async def _accounts(self, owners: Iterable[int]) -> dict[int, Fact[AccountInfo]]:
        return await self._learn_for_each(owners if Need.ACCOUNTS in self.needs else (), self.pm.customer)


def _union(pages: Iterable[Sequence[E]], again: Iterable[Sequence[E]]) -> tuple[E, ...]:
    """All elements of the pages, and those that only the second read shows.

    Different content for the same id is kept too: only part of the list was read again, and the first version may still
    be on another page.
    """
    shown = [element for page in pages for element in page]
    sources = {element.source for element in shown}
    return (*shown, *(element for page in again for element in page if element.source not in sources))
