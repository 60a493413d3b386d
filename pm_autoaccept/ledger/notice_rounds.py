"""Digests and reminders: adds what people are told at certain times to the outbox, each once.

The sender asks for them from time to time. What was added is in the table with a key (`once`), so neither a restart nor
a clock that was set back adds it again.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, and_, or_, select

from pm_autoaccept.ledger.db.tables import notice as notice_table
from pm_autoaccept.ledger.db.tables import provider as provider_table
from pm_autoaccept.ledger.db.tables import request as request_table
from pm_autoaccept.ledger.held_requests import pending_requests, waits_for_person
from pm_autoaccept.ledger.notices import add_once, new_event_id, notice_values, request_body
from pm_autoaccept.ledger.private_values import QUOTING
from pm_autoaccept.model import Mode, NoticeKind, NoticeState, NoticeTarget, ReasonKind
from pm_autoaccept.notice_schedule import last_digest

MAX_LISTED = 50
"""The most requests that a digest lists; it counts all of them."""


def digest_wanted(connection: Connection, target: NoticeTarget, *, at: datetime) -> bool:
    """Whether the last digest of this target was not added yet. Reads only."""
    if target.digest_hour is None:
        return False
    day, _ = last_digest(at, hour=target.digest_hour, time_zone=target.time_zone)
    added = select(notice_table.c.id).where(
        notice_table.c.target == target.name, notice_table.c.once == _digest_key(day.isoformat())
    )
    return connection.execute(added).first() is None


def add_digest(connection: Connection, target: NoticeTarget, *, at: datetime) -> bool:
    """Add the last digest that was due; False if it was added before, or nothing that it tells of is still held.

    It lists what was held when it was due and is still held. What was held later is in the next one.
    """
    if target.digest_hour is None or not digest_wanted(connection, target, at=at):
        return False
    day, due = last_digest(at, hour=target.digest_hour, time_zone=target.time_zone)
    held = [row for row in _held(connection, until=due) if target.gets(row.tell)]
    enforced = [row for row in held if row.account_mode == Mode.ENFORCE]
    if not held:
        return False
    shown = enforced or held
    body = {
        "date": day.isoformat(),
        "held": len(shown),
        "oldest_since": shown[0].since.isoformat(),
        "requests": [_listed(row) for row in shown[:MAX_LISTED]],
    }
    values = notice_values(
        target,
        NoticeKind.DIGEST,
        event_id=new_event_id(),
        account="",
        body=body,
        at=at,
        once=_digest_key(day.isoformat()),
        observed=not enforced,
    )
    return add_once(connection, values)


def add_reminders(connection: Connection, targets: Collection[NoticeTarget], *, at: datetime) -> int:
    """Add reminders of what has been held for too long since a target was told of it; returns how many.

    A target is reminded once of each hold. If it is still held after the same time again, the target's `else_tell`
    group is told too, once.
    """
    added = 0
    for target in targets:
        if target.remind_after is None:
            continue
        for row in _told_of(connection, target, to=target, before=at - target.remind_after):
            added += _remind(connection, target, row, row.tell, at=at)
        if target.else_tell is None:
            continue
        others = [each for each in targets if each.gets(target.else_tell) and each.name != target.name]
        for other in others:
            for row in _told_of(connection, target, to=other, before=at - 2 * target.remind_after):
                added += _remind(connection, other, row, target.else_tell, at=at)
    return added


def _remind(connection: Connection, target: NoticeTarget, row: Row[Any], group: str | None, *, at: datetime) -> bool:
    body = {"request": request_body(row), "group": group, **_why(row), "since": row.told_at.isoformat()}
    values = notice_values(
        target,
        NoticeKind.REMINDER,
        event_id=new_event_id(),
        account=row.name,
        body=body,
        at=at,
        request=row.id,
        once=f"reminder {row.told}",
        observed=row.account_mode != Mode.ENFORCE,
    )
    return add_once(connection, values)


def _digest_key(day: str) -> str:
    return f"digest {day}"


def _held(connection: Connection, *, until: datetime) -> Sequence[Row[Any]]:
    """What waits for a person since this time or longer, oldest first."""
    query = pending_requests(*_MORE).where(waits_for_person())
    return [row for row in connection.execute(query) if row.since <= until]


def _told_of(connection: Connection, target: NoticeTarget, *, to: NoticeTarget, before: datetime) -> Sequence[Row[Any]]:
    """What still waits for a person, what a target was told of before this time, and `to` was not reminded of since."""
    told, later = notice_table.alias("told"), notice_table.alias("later")
    told_again = and_(later.c.target == target.name, later.c.kind == NoticeKind.REQUEST_HELD)
    reminded = and_(later.c.target == to.name, later.c.kind == NoticeKind.REMINDER)
    since = select(later.c.id).where(
        later.c.request_id == told.c.request_id, later.c.id > told.c.id, or_(told_again, reminded)
    )
    query = (
        pending_requests(*_MORE, told.c.id.label("told"), told.c.created_at.label("told_at"))
        .where(waits_for_person())
        .join(told, told.c.request_id == request_table.c.id)
        .where(
            told.c.target == target.name,
            told.c.kind == NoticeKind.REQUEST_HELD,
            told.c.created_at <= before,
            told.c.state != NoticeState.OBSERVED,
            ~since.correlate(told).exists(),
        )
    )
    return connection.execute(query).all()


def _listed(row: Row[Any]) -> dict[str, object]:
    return {
        **request_body(row),
        "account": row.name,
        "group": row.tell,
        **_why(row),
        "since": row.since.isoformat(),
    }


def _why(row: Row[Any]) -> dict[str, object]:
    text = row.kept_back_text or row.reason_text
    return {"rule": row.rule, "reason": row.reason, "reason_text": "" if ReasonKind(row.reason) in QUOTING else text}


_MORE = (request_table.c.id, provider_table.c.mode.label("account_mode"))
