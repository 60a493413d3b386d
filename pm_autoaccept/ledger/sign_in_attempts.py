"""Remembers what became of signing in, so that a wrong password is tried rarely, over restarts and replicas together.

And until when Portfolio Manager asked for a rest: a restart is no reason to call again.

Portfolio Manager locks an account after a number of wrong passwords that nobody publishes. So each try is on record
before it leaves. A credential that was refused waits 15 minutes, then an hour, doubling to a day; another one may be
tried at once. A try whose end is not on record, since the process was killed, counts as refused, but for the first such
try of a credential that was taken before.

Commands that people and monitors give try a credential that was taken, and not refused since, in a row of their own. A
`doctor` that is killed again and again, because Portfolio Manager hangs, keeps such commands waiting, and never `run`.

What is kept of a credential is a salted digest that is slow to make on purpose: whoever steals a ledger cannot try many
passwords against it.
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
"""After a refusal, after another, and to which it doubles."""

FORGET_AFTER = timedelta(days=30)
"""After which a credential that nobody tries any more is dropped from the ledger."""

MAX_REST = timedelta(days=1)
"""No Retry-After is believed for longer; a rest beyond it was written before the clock was set back."""

COST = 2**14
"""What a digest costs to make, by scrypt: doubling it doubles the time for each password that a thief tries."""

_SALT_ALONE = b""
"""The credential in the row that holds an account's salt: replicas must agree on one before any of them tries."""

_NEVER = {"trying": False, "taken_before": False, "refusals": 0}


@dataclass(slots=True, kw_only=True)
class SignInAttempts:
    """One account's credential, and when it may be tried.

    Attributes:
        database: the ledger's.
        name: the account, as the settings call it.
        service: the base URL.
        username: whose.
        password: kept here, never in the ledger.
        aside: it is tried by a command that people or a monitor give, beside the daemon.
    """

    database: Database
    name: str
    service: str
    username: str
    password: str = field(repr=False)
    aside: bool = False
    _digest: bytes | None = field(default=None, init=False, repr=False)
    _tried: bytes | None = field(default=None, init=False, repr=False)

    async def may_try(self, *, at: datetime) -> datetime | None:
        """Say when this credential may be tried: None for now. Reads only."""
        row = await self._known_row()
        return None if row is None else _until(row, at=at)

    async def is_good(self) -> bool:
        """Say whether this credential was taken, and not refused since. Reads only."""
        return _is_good(await self._known_row())

    async def resting(self, *, at: datetime) -> timedelta:
        """Say for how long Portfolio Manager asked this account to call nothing. Reads only."""
        until = await self.database.read(lambda connection: _rest_of(connection, self.name))
        rest = timedelta() if until is None else until - at
        return rest if timedelta() < rest <= MAX_REST else timedelta()

    async def rests(self, rest: timedelta, *, at: datetime) -> None:
        """Record that Portfolio Manager asks this account to call nothing for so long."""

        def record(connection: Connection) -> None:
            _salt(connection, self.name, at=at)
            known, until = _rest_of(connection, self.name), at + min(rest, MAX_REST)
            if known is None or not at < known <= at + MAX_REST or known < until:
                _set(connection, self.name, _SALT_ALONE, rest_until=until)

        await self.database.run(record)

    async def trying(self, *, at: datetime) -> datetime | None:
        """Record durably that it is tried now, and return None; or else when it may be tried, and nothing is recorded.

        Of several that ask at once one may. The others are told to wait, as they must if it is refused; if it is taken
        they need not, so a caller that waits asks again from time to time.
        """
        digest = await self._known(at)

        def record(connection: Connection) -> datetime | None:
            until = _not_before(connection, self.name, digest, at=at)
            self._tried = digest
            if until is None and self.aside and _is_good(_row(connection, self.name, digest)):
                self._tried = _aside(digest)
                until = _not_before(connection, self.name, self._tried, at=at)
            if until is None:
                _try(connection, self.name, self._tried, at=at, taken_before=self._tried != digest)
            return until

        return await self.database.run(record)

    async def taken(self, *, at: datetime) -> None:
        """Record that it was taken: what was refused before is forgotten."""
        digest = await self._known(at)

        def record(connection: Connection) -> None:
            taken = {"tried_at": at, "taken_before": True, "refusals": 0, "not_before": None}
            _set(connection, self.name, digest, trying=False, **taken)
            _forget_aside(connection, self.name, digest)

        await self.database.run(record)

    async def refused(self, *, at: datetime) -> datetime:
        """Record a 401, and say when the same credential may be tried again."""
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
        """Record that no answer came of it, or another one than yes or no: it does not count."""
        tried = self._tried or await self._known(at)
        await self.database.run(lambda connection: _set(connection, self.name, tried, trying=False))

    async def given_up(self, *, at: datetime) -> None:
        """Record that nobody waits for its answer any more: it does not count where the credential was taken before.

        Restarts while Portfolio Manager hangs would else keep a good password waiting for longer and longer.
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
        """The digest of this credential under the salt that all replicas share."""
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
    """How long a credential waits that was refused so often in a row; no time at all if it never was."""
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
    """An account's own key for digests of one purpose. It never changes, and all replicas have the same."""
    salt = _salt_of(connection, name) or _salt(connection, name, at=at)
    return hmac.new(salt, purpose.encode(), hashlib.sha256).digest()


def _salt_of(connection: Connection, name: str) -> bytes | None:
    """An account's salt, None where nobody has signed in yet."""
    first = select(sign_in_table.c.salt).where(*_is(name, _SALT_ALONE))
    salt: bytes | None = connection.execute(first).scalar_one_or_none()
    return salt


def _rest_of(connection: Connection, name: str) -> datetime | None:
    rest = select(sign_in_table.c.rest_until).where(*_is(name, _SALT_ALONE))
    until: datetime | None = connection.execute(rest).scalar_one_or_none()
    return until


def _row(connection: Connection, name: str, digest: bytes, *, lock: bool = True) -> Row[Any] | None:
    """What is known of a credential; with `lock` other transactions about this account wait until this one ends."""
    rows = select(sign_in_table).where(sign_in_table.c.name == name).order_by(sign_in_table.c.credential)
    for row in connection.execute(rows.with_for_update() if lock else rows).all():
        if hmac.compare_digest(row.credential, digest):
            return row
    return None


def _not_before(connection: Connection, name: str, digest: bytes, *, at: datetime) -> datetime | None:
    """When a credential may be tried, None for now."""
    row = _row(connection, name, digest)
    if row is None:
        return None
    until = _until(row, at=at)
    if until is not None and row.tried_at > at:
        _set(connection, name, digest, tried_at=at, not_before=until)
    return until


def _until(row: Row[Any], *, at: datetime) -> datetime | None:
    """When the credential of this row may be tried, None for now."""
    # A try whose end is not on record counts as a refusal, but for the first one of a credential that was taken before.
    wait = wait_after(row.refusals + (1 if row.trying and not row.taken_before else 0))
    until: datetime | None = row.tried_at + wait if row.trying else row.not_before
    if row.tried_at > at and until is not None:
        # The clock was set back since: it waits for no longer than it would from now on.
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
    """Whether the credential of this row was taken, and not refused since."""
    return row is not None and bool(row.taken_before) and row.not_before is None


def _aside(digest: bytes) -> bytes:
    """Names the row in which a credential is tried beside the daemon."""
    return hmac.new(digest, b"aside", hashlib.sha256).digest()


def _forget_aside(connection: Connection, name: str, digest: bytes) -> None:
    """Forget what was tried beside the daemon: it is known now whether the credential is taken."""
    connection.execute(delete(sign_in_table).where(*_is(name, _aside(digest))))


def _set(connection: Connection, name: str, digest: bytes, **values: object) -> None:
    connection.execute(update(sign_in_table).where(*_is(name, digest)).values(**values))


def _is(name: str, digest: bytes) -> tuple[Any, ...]:
    return sign_in_table.c.name == name, sign_in_table.c.credential == digest
