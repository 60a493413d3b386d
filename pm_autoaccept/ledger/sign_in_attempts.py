"""Sign-in attempts: records results so that a wrong password (401) is retried rarely, across restarts and replicas.

Also records until when a Retry-After asked the account to rest, because a restart is no reason to call earlier.

Portfolio Manager locks an account after an unpublished number of wrong passwords. So each attempt is recorded before it
is sent. A refused credential waits 15 minutes, then an hour, doubling up to a day; a different credential may be tried
at once. If the result of an attempt was not recorded, because the process was killed, it counts as refused. The first
such attempt of a credential that was accepted before does not count.

Commands run by people and monitors use a row of their own to try a credential that was accepted and not refused since.
If a `doctor` is killed again and again because Portfolio Manager hangs, only such commands must wait, never `run`.

Of a credential, only a salted digest is stored. It is deliberately slow to compute, so whoever steals a ledger cannot
test many passwords against it.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, delete, select, update

from pm_autoaccept.ledger.db.database import Database
from pm_autoaccept.ledger.db.queries import insert
from pm_autoaccept.ledger.db.tables import sign_in as sign_in_table

FIRST_REFUSAL_WAIT, SECOND_REFUSAL_WAIT, MAX_REFUSAL_WAIT = timedelta(minutes=15), timedelta(hours=1), timedelta(days=1)
"""The wait after the first refusal, after the second, and the upper limit of the doubling."""

FORGET_AFTER = timedelta(days=30)
"""How long after its last attempt a credential is deleted from the ledger."""

MAX_REST = timedelta(days=1)
"""The longest Retry-After that is respected. A longer rest was written before the clock was set back."""

ATTEMPT_TIME = timedelta(seconds=10)
"""How long an attempt without a result may still be under way. After that its process probably ended."""

COST = 2**14
"""What a digest costs to make, by scrypt: doubling it doubles the time for each password that a thief tries."""

_SALT_ALONE = b""
"""The credential of the row with an account's salt. Replicas must agree on one salt before any of them signs in."""

_NEVER = {"trying": False, "taken_before": False, "refusals": 0}


@dataclass(slots=True, kw_only=True)
class SignInAttempts:
    """The sign-in attempts of one account's credential, and when it may be tried.

    Attributes:
        database: the ledger's.
        name: the account's name in the settings.
        service: the base URL.
        username: the account's username.
        password: kept in memory only, never in the ledger.
        aside: whether a command of a person or monitor, not the daemon, tries it.
        waits_for_another: whether the last `trying` was refused because another attempt, begun a moment ago, has no
            result yet. It is then worth asking again soon.
    """

    database: Database
    name: str
    service: str
    username: str
    password: str = field(repr=False)
    aside: bool = False
    waits_for_another: bool = field(default=False, init=False)
    _digest: bytes | None = field(default=None, init=False, repr=False)
    _tried: bytes | None = field(default=None, init=False, repr=False)

    async def may_try(self, *, at: datetime) -> datetime | None:
        """When this credential may be tried; None if it may be tried now. Reads only."""
        row = await self._known_row()
        return None if row is None else _until(row, at=at)

    async def is_good(self) -> bool:
        """Whether this credential was accepted and not refused since. Reads only."""
        return _is_good(await self._known_row())

    async def resting(self, *, at: datetime) -> timedelta:
        """How much longer Portfolio Manager asked this account not to call it. Reads only."""
        until = await self.database.read(lambda connection: _rest_of(connection, self.name))
        rest = timedelta() if until is None else until - at
        return rest if timedelta() < rest <= MAX_REST else timedelta()

    async def rests(self, rest: timedelta, *, at: datetime) -> None:
        """Record that Portfolio Manager asked this account not to call it for this long (Retry-After)."""

        def record(connection: Connection) -> None:
            _salt(connection, self.name, at=at)
            known, until = _rest_of(connection, self.name), at + min(rest, MAX_REST)
            if known is None or not at < known <= at + MAX_REST or known < until:
                _set(connection, self.name, _SALT_ALONE, rest_until=until)

        await self.database.run(record)

    async def trying(self, *, at: datetime) -> datetime | None:
        """Record durably that it is tried now and return None; or record nothing and return when it may be tried.

        If several callers ask at once, one may try. The others get a time to wait for, which applies if the credential
        is refused. If it is accepted they need not wait, so a waiting caller should ask again from time to time.
        A command does not try it while another's attempt may still be under way (see `waits_for_another`).
        """
        digest = await self._known(at)

        def record(connection: Connection) -> datetime | None:
            until = _not_before(connection, self.name, digest, at=at)
            self._tried = digest
            if until is None and self.aside and _is_good(_row(connection, self.name, digest)):
                self._tried = _aside(digest)
                until = _not_before(connection, self.name, self._tried, at=at)
            under_way = _is_under_way(_row(connection, self.name, self._tried), at=at)
            self.waits_for_another = self.aside and under_way
            if until is None and self.waits_for_another:
                until = at + ATTEMPT_TIME
            if until is None:
                _try(connection, self.name, self._tried, at=at, taken_before=self._tried != digest)
            return until

        return await self.database.run(record)

    async def taken(self, *, at: datetime) -> None:
        """Record that it was accepted, and forget earlier refusals."""
        digest = await self._known(at)

        def record(connection: Connection) -> None:
            taken = {"tried_at": at, "taken_before": True, "refusals": 0, "not_before": None}
            _set(connection, self.name, digest, trying=False, **taken)
            _forget_aside(connection, self.name, digest)

        await self.database.run(record)

    async def refused(self, *, at: datetime) -> datetime:
        """Record a 401; returns when the same credential may be tried again."""
        digest = await self._known(at)

        def record(connection: Connection) -> datetime:
            row = _row(connection, self.name, digest)
            refusals = (0 if row is None else row.refusals) + 1
            until = at + wait_after(refusals)
            _set(connection, self.name, digest, trying=False, tried_at=at, refusals=refusals, not_before=until)
            _forget_aside(connection, self.name, digest)
            return until

        return await self.database.run(record)

    async def failed(self, *, at: datetime) -> None:
        """Record that the attempt got no response, or neither yes nor no. It does not count."""
        tried = self._tried or await self._known(at)
        await self.database.run(lambda connection: _set(connection, self.name, tried, trying=False))

    async def given_up(self, *, at: datetime) -> None:
        """Record that the attempt was abandoned. It does not count if the credential was accepted before.

        Otherwise restarts while Portfolio Manager hangs would delay a good password longer and longer.
        """
        tried = self._tried or await self._known(at)

        def record(connection: Connection) -> None:
            row = _row(connection, self.name, tried)
            if row is not None and row.taken_before:
                _set(connection, self.name, tried, trying=False)

        await self.database.run(record)

    async def _known_row(self) -> Row[Any] | None:
        salt = await self.database.read(lambda connection: _salt_of(connection, self.name))
        if salt is None:
            return None
        digest = await self._slowly_once(salt)
        return await self.database.read(lambda connection: _row(connection, self.name, digest, lock=False))

    async def _known(self, at: datetime) -> bytes:
        """The digest of this credential with the salt that all replicas share."""
        if self._digest is not None:
            return self._digest
        return await self._slowly_once(await self.database.run(lambda connection: _salt(connection, self.name, at=at)))

    async def _slowly_once(self, salt: bytes) -> bytes:
        if self._digest is None:
            self._digest = await asyncio.to_thread(self._slowly, salt)
        return self._digest

    def _slowly(self, salt: bytes) -> bytes:
        what = f"{self.service}\0{self.username}\0{self.password}".encode()
        return hashlib.scrypt(what, salt=salt, n=COST, r=8, p=1)


def wait_after(refusals: int) -> timedelta:
    """How long a credential waits after this many refusals in a row; zero after none."""
    if refusals <= 0:
        return timedelta()
    if refusals == 1:
        return FIRST_REFUSAL_WAIT
    doubled: timedelta = SECOND_REFUSAL_WAIT * 2 ** min(refusals - 2, 10)
    return min(doubled, MAX_REFUSAL_WAIT)


def _salt(connection: Connection, name: str, *, at: datetime) -> bytes:
    fresh = {"credential": _SALT_ALONE, "salt": secrets.token_bytes(16), "tried_at": at}
    connection.execute(insert(connection, sign_in_table).values(name=name, **_NEVER, **fresh).on_conflict_do_nothing())
    forgotten = sign_in_table.c.credential != _SALT_ALONE, sign_in_table.c.tried_at < at - FORGET_AFTER
    connection.execute(delete(sign_in_table).where(sign_in_table.c.name == name, *forgotten))
    first = select(sign_in_table.c.salt).where(*_is(name, _SALT_ALONE)).with_for_update()
    salt: bytes = connection.execute(first).scalar_one()
    return salt


def key_for(connection: Connection, name: str, purpose: str, *, at: datetime) -> bytes:
    """An account's HMAC key for digests of one purpose. It never changes and is the same for all replicas."""
    salt = _salt_of(connection, name) or _salt(connection, name, at=at)
    return hmac.new(salt, purpose.encode(), hashlib.sha256).digest()


def _salt_of(connection: Connection, name: str) -> bytes | None:
    """An account's salt; None if nobody has signed in yet."""
    first = select(sign_in_table.c.salt).where(*_is(name, _SALT_ALONE))
    salt: bytes | None = connection.execute(first).scalar_one_or_none()
    return salt


def _rest_of(connection: Connection, name: str) -> datetime | None:
    rest = select(sign_in_table.c.rest_until).where(*_is(name, _SALT_ALONE))
    until: datetime | None = connection.execute(rest).scalar_one_or_none()
    return until


def _row(connection: Connection, name: str, digest: bytes, *, lock: bool = True) -> Row[Any] | None:
    """The row of a credential. With `lock`, other transactions for this account wait until this one ends."""
    rows = select(sign_in_table).where(sign_in_table.c.name == name).order_by(sign_in_table.c.credential)
    for row in connection.execute(rows.with_for_update() if lock else rows).all():
        if hmac.compare_digest(row.credential, digest):
            return row
    return None


def _not_before(connection: Connection, name: str, digest: bytes, *, at: datetime) -> datetime | None:
    """When a credential may be tried; None if it may be tried now."""
    row = _row(connection, name, digest)
    if row is None:
        return None
    until = _until(row, at=at)
    if until is not None and row.tried_at > at:
        _set(connection, name, digest, tried_at=at, not_before=until)
    return until


def _until(row: Row[Any], *, at: datetime) -> datetime | None:
    """When the credential of this row may be tried; None if it may be tried now."""
    # An unfinished attempt counts as a refusal, except the first one of a credential that was accepted before.
    wait = wait_after(row.refusals + (1 if row.trying and not row.taken_before else 0))
    until: datetime | None = row.tried_at + wait if row.trying else row.not_before
    if row.tried_at > at and until is not None:
        # The clock was set back: it waits no longer than if it had been tried now.
        until = at + wait
    return until if until is not None and until > at else None


def _try(connection: Connection, name: str, digest: bytes, *, at: datetime, taken_before: bool) -> None:
    row = _row(connection, name, digest)
    if row is None:
        first = {"credential": digest, "salt": b"", "tried_at": at, "trying": True, "taken_before": taken_before}
        connection.execute(sign_in_table.insert().values(name=name, **_NEVER | first))
    else:
        unfinished = 1 if row.trying else 0
        _set(connection, name, digest, trying=True, tried_at=at, refusals=row.refusals + unfinished)


def _is_good(row: Row[Any] | None) -> bool:
    """Whether the credential of this row was accepted and not refused since."""
    return row is not None and bool(row.taken_before) and row.not_before is None


def _is_under_way(row: Row[Any] | None, *, at: datetime) -> bool:
    """Whether an attempt began so recently that its result may still come."""
    return row is not None and bool(row.trying) and timedelta() <= at - row.tried_at < ATTEMPT_TIME


def _aside(digest: bytes) -> bytes:
    """The key of the row for attempts by commands, apart from the daemon's."""
    return hmac.new(digest, b"aside", hashlib.sha256).digest()


def _forget_aside(connection: Connection, name: str, digest: bytes) -> None:
    """Delete the commands' row, because it is now known whether the credential is accepted."""
    connection.execute(delete(sign_in_table).where(*_is(name, _aside(digest))))


def _set(connection: Connection, name: str, digest: bytes, **values: object) -> None:
    connection.execute(update(sign_in_table).where(*_is(name, digest)).values(**values))


def _is(name: str, digest: bytes) -> tuple[Any, ...]:
    return sign_in_table.c.name == name, sign_in_table.c.credential == digest
