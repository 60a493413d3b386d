"""Brings a `Snapshot`: the three pending lists and the notifications, each whole or not, and the facts a policy needs.

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

MOST_PAGES = 5_000
"""A list of more pages (100,000 requests) is not believed: a service that always says "next page" would never end."""

Clock = Callable[[], datetime]


@dataclass(slots=True)
class Poller:
    """Reads one provider account. It remembers nothing: what an owner answered may be another answer tomorrow.

    Attributes:
        pm: the signed-in client.
        provider: who we are, from GET /account.
        needs: the facts that the policy asks for.
        now: the clock.
    """

    pm: PortfolioManager
    provider: ProviderAccount
    needs: frozenset[Need]
    now: Clock

    async def poll(self, *, in_doubt: frozenset[int] = frozenset(), watched: ShareReads | None = None) -> Snapshot:
        """Read everything once.

        Args:
            in_doubt: owners of whom it must be known what they share, since an answer to them is of unknown fate.
            watched: whose shares were read when; None where nobody watches what came in undecided.

        Raises:
            NotAuthorised: the account's credentials are refused; nothing else is asked of it.
        """
        connections, properties, meters, notifications, custom_fields = await asyncio.gather(
            self._list(Kind.CONNECTION),
            self._list(Kind.PROPERTY),
            self._list(Kind.METER),
            self._learn(lambda: self.pm.notifications(clear=False)),
            self._custom_fields(),
        )
        # A property share that came while the meters were read stands in no list yet; its meter's accept would
        # carry it along.
        listed = {request.property_id for request in properties.requests}
        if any(request.property_id not in listed for request in meters.requests):
            properties = properties.united(await self._list(Kind.PROPERTY))
            listed = {request.property_id for request in properties.requests}
        shares = (*properties.requests, *meters.requests)
        owners = {request.account_id for request in shares if request.account_id is not None}
        connected = await self._learn(self.pm.customers)
        connecting = {request.account_id for request in connections.requests}
        if owners - (frozenset() if isinstance(connected, NotLearnt) else connected) - connecting:
            connections = connections.united(await self._list(Kind.CONNECTION))
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
            self._of_each(orphans | in_doubt | watching, self.pm.shared_properties),
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

    async def _list(self, kind: Kind) -> PendingList:
        """Read one list to its end. A page that stays failed makes it not whole."""
        begun = self.now()
        pages: list[PendingPage] = []
        again: list[PendingPage] = []
        shown: set[RequestKey | bytes] = set()
        endless: str | None = None
        try:
            async with aclosing(self._pages(kind)) as read:
                async for page in read:
                    pages.append(page)
                    if page.leads_nowhere(shown):
                        endless = f"page {len(pages)} names a next one, and shows only what those before it showed"
                        break
                    shown |= page.shown
            async for page in self._backwards(kind, () if endless else pages):
                again.append(page)  # noqa: PERF401 — what was read before a page failed is kept
        except NotAuthorised:
            raise
        except PortfolioManagerError as error:
            failed: str | None = str(error)
        else:
            too_many = f"it has more than {MOST_PAGES} pages, which is not believed"
            failed = endless or (too_many if len(pages) >= MOST_PAGES else None)
        return PendingList(
            kind=kind,
            requests=_every([page.requests for page in pages], [page.requests for page in again]),
            unreadable=_every([page.unreadable for page in pages], [page.unreadable for page in again]),
            failed=failed,
            begun=begun,
            ended=self.now(),
        )

    async def _pages(self, kind: Kind) -> AsyncGenerator[PendingPage, None]:
        """Yield pages in order until one has no next; those fetched beyond it are thrown away unread.

        As many are asked for ahead, since the page number is ours to name, as have been read, and never more than may
        be in flight: a long list is read at full width after a few pages, and a short one asks for few in vain.
        """
        page = await self.pm.pending_page(kind, 1)
        yield page
        number = 1
        ahead: deque[asyncio.Task[PendingPage]] = deque()
        try:
            while page.has_next and number < MOST_PAGES:
                while len(ahead) < min(number, self.pm.pace.in_flight):
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

    async def _backwards(self, kind: Kind, pages: Sequence[PendingPage]) -> AsyncGenerator[PendingPage, None]:
        """Read a list of several pages again, from the last page but one to the first, while pages differ.

        When a request is taken back, those behind it move up, and one of them moves from a page that is still to be
        read to one that was read already. Read backwards, no removal hides anything as long as the order is stable
        (that it is, nobody says: docs/protocol.md#list-order). Nothing has moved on the pages before one that is as it
        was.
        """
        for number in range(len(pages) - 1, 0, -1):
            page = await self.pm.pending_page(kind, number)
            yield page
            first = pages[number - 1]
            if (page.requests, page.unreadable) == (first.requests, first.unreadable):
                return

    async def _learn(self, read: Callable[[], Awaitable[T]]) -> Fact[T]:
        """Learn a fact, or why it could not be learnt."""
        try:
            return await read()
        except NotAuthorised:
            raise
        except PortfolioManagerError as error:
            return NotLearnt(str(error))

    async def _of_each(self, owners: Iterable[int], read: Callable[[int], Awaitable[T]]) -> dict[int, Fact[T]]:
        """Owner → what was read of it, all owners side by side."""
        asked = sorted(owners)
        facts = await asyncio.gather(*(self._learn(partial(read, owner)) for owner in asked))
        return dict(zip(asked, facts, strict=True))

    async def _custom_fields(self) -> Fact[tuple[CustomFieldDefinition, ...]]:
        if Need.CUSTOM_FIELDS not in self.needs:
            return NotLearnt("the policy does not ask for it")
        return await self._learn(self.pm.custom_fields)

    async def _answers_at_connection(self, owners: Iterable[int]) -> dict[int, Fact[tuple[CustomField, ...]]]:
        asked = owners if Need.ANSWERS_AT_CONNECTION in self.needs else ()
        return await self._of_each(asked, self.pm.answers_at_connection)

    async def _accounts(self, owners: Iterable[int]) -> dict[int, Fact[AccountInfo]]:
        return await self._of_each(owners if Need.ACCOUNTS in self.needs else (), self.pm.customer)


def _every(pages: Iterable[Sequence[E]], again: Iterable[Sequence[E]]) -> tuple[E, ...]:
    """All elements of the pages, and what only those pages show that were read again.

    Other content under an id is kept beside the first: only a part of the list was read again, and the first may stand
    on another page still.
    """
    shown = [element for page in pages for element in page]
    sources = {element.source for element in shown}
    return (*shown, *(element for page in again for element in page if element.source not in sources))
