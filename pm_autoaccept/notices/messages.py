"""Writes what people read in mail and chat: a subject and plain text. Programs get `cloud_event` instead.

It reads the bodies that `ledger.notices`, `ledger.notice_rounds` and `ledger.outbox` write: a `request` or `subject`
with more about it, `events` that were gathered, or the `requests` of a digest. Every value may be missing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

from pm_autoaccept.model import NoticeKind, Outgoing
from pm_autoaccept.notices.neutral_text import MAX_SUBJECT_CHARACTERS, Channel, neutral, one_line
from pm_autoaccept.policy.durations import written_duration

MOST_EVENTS = 50
"""More events are counted, and not listed: chat systems cut long messages in the middle."""
_MOST_FIELDS = 10
_NAME_AND_VALUE = 2
_KEY = re.compile(r"[a-z]{1,20}:[0-9]{1,18}")
_NAME = re.compile(r"[a-z0-9._-]{1,60}")
_ONLY_ACCOUNT = "default"
"""The account's name if the settings name none; commands then need no `--account`."""

_HEADLINES = {
    NoticeKind.REQUEST_HELD: "Held for review",
    NoticeKind.REQUEST_ANSWERED: "Answered by a reviewer",
    NoticeKind.REQUEST_ACCEPTED: "Accepted",
    NoticeKind.REQUEST_REJECTED: "Rejected",
    NoticeKind.ANSWER_VOID: "Answer void, review again",
    NoticeKind.ACCESS_LOWERED: "Access lowered to Read Only",
    NoticeKind.ACCESS_RAISED: "Access raised to Full Access",
    NoticeKind.PROPERTY_TRANSFERRED: "Property transferred to another owner",
    NoticeKind.SHARE_ENDED: "Share ended",
    NoticeKind.CONNECTION_ENDED: "Connection ended",
    NoticeKind.DIGEST: "Waiting for review",
    NoticeKind.REMINDER: "Still waiting for review",
    NoticeKind.STOPPED: "Answering has stopped",
    NoticeKind.OVER: "Answering works again",
    NoticeKind.TEST: "Test of this target",
}
_TO_REVIEW = frozenset({NoticeKind.REQUEST_HELD, NoticeKind.ANSWER_VOID, NoticeKind.DIGEST, NoticeKind.REMINDER})
"""Notices that people answer."""
_DETAILS = (
    ("account_id", "owner's account id"),
    ("property_id", "property id"),
    ("action", "answer"),
    ("answered_by", "answered by"),
    ("text", "what"),
    ("why", "why"),
    ("reason_text", "reason"),
)


@dataclass(frozen=True, slots=True)
class Message:
    """What people read."""

    subject: str
    text: str


@dataclass(frozen=True, slots=True)
class _Item:
    """One event of a message, with its kind, its account and all values about it and its request."""

    kind: NoticeKind
    account: str
    values: Mapping[str, Any]


def compose(notice: Outgoing, channel: Channel, *, personal: bool, now: datetime, time_zone: tzinfo = UTC) -> Message:
    """The message for a notice.

    Args:
        notice: the notice.
        channel: how it is read, which decides what must be neutralized.
        personal: whether names and customer input are included.
        now: the time, for ages.
        time_zone: the readers' time zone.
    """
    writer = _Writer(channel, personal, now, time_zone)
    items = _items(notice)
    held = notice.body.get("held")
    total = max(len(items), held if isinstance(held, int) else 0)
    kinds = {item.kind for item in items} or {notice.kind}
    headline = _HEADLINES[notice.kind] if len(kinds) == 1 else "News"
    what = "requests" if kinds <= _TO_REVIEW else "events"
    about = f": {total:,} {what}" if total > 1 else "".join(f": {writer.key(item)}" for item in items)
    accounts = {item.account for item in items} or {notice.account}
    where = f" ({next(iter(accounts))})" if len(accounts) == 1 and accounts != {""} else ""
    subject = one_line(f"[pm-autoaccept] {headline}{about}{where}", limit=MAX_SUBJECT_CHARACTERS)
    return Message(
        neutral(subject, channel, limit=MAX_SUBJECT_CHARACTERS), "\n".join(writer.text(notice, items, total))
    )


def _items(notice: Outgoing) -> Sequence[_Item]:
    """The events of a notice, in order."""
    body = notice.body
    for name in ("events", "requests"):
        listed = body.get(name)
        if isinstance(listed, list | tuple):
            return [_item(notice, each, of_event=name == "events") for each in listed if isinstance(each, Mapping)]
    return [_item(notice, body)] if _about(body) else []


def _item(notice: Outgoing, body: Mapping[str, Any], *, of_event: bool = False) -> _Item:
    kind = notice.kind
    if of_event and body.get("kind") in set(NoticeKind):
        kind = NoticeKind(body["kind"])
    return _Item(kind, str(body.get("account") or notice.account), {**body, **_about(body)})


def _about(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a notice says about its request, connection or share."""
    about = body.get("request") or body.get("subject")
    return about if isinstance(about, Mapping) else {}


@dataclass(frozen=True, slots=True)
class _Writer:
    """Writes for one channel and one target."""

    channel: Channel
    personal: bool
    now: datetime
    time_zone: tzinfo

    def text(self, notice: Outgoing, items: Sequence[_Item], total: int) -> Iterator[str]:
        """The lines of the message."""
        account = f", account {self._neutral(notice.account)}" if notice.account else ""
        mixed = len({item.kind for item in items}) > 1
        headline = f"{total:,} events" if mixed else _HEADLINES[notice.kind]
        yield f"{headline}{account}, {self._moment(notice.created_at)}"
        if not items:
            yield from (self._neutral(notice.body[name]) for name in ("what", "text", "why") if notice.body.get(name))
        if notice.kind is NoticeKind.TEST:
            yield "If you can read this, notices reach you. You need not do anything."
        for item in items[:MOST_EVENTS]:
            yield ""
            yield from self._item(item, named=mixed)
        if (more := total - min(len(items), MOST_EVENTS)) > 0 and items:
            yield ""
            yield f"And {more:,} more."
        if to_review := [item for item in items if item.kind in _TO_REVIEW]:
            yield ""
            yield from self._how_to_answer(to_review, only=total == 1)

    def _item(self, item: _Item, *, named: bool) -> Iterator[str]:
        values = item.values
        headline = f"{_HEADLINES[item.kind]}: " if named else ""
        rule = f", rule {self._neutral(values['rule'])}" if values.get("rule") else ""
        yield f"- {headline}{self.key(item)}{rule}{self._since(values.get('since'))}"
        for key, name in _DETAILS:
            if values.get(key):
                yield f"  {name}: {self._neutral(values[key])}"
        if self.personal:
            yield from (f"  {line}" for line in self._personal(values))

    def _personal(self, values: Mapping[str, Any]) -> Iterator[str]:
        if values.get("username"):
            yield f"owner: {self._neutral(values['username'])}"
        people, custom = values.get("people"), values.get("custom")
        if isinstance(people, list | tuple) and people:
            yield f"people: {self._neutral(', '.join(map(str, people)))}"
        for field in list(custom)[:_MOST_FIELDS] if isinstance(custom, list | tuple) else ():
            if isinstance(field, list | tuple) and len(field) == _NAME_AND_VALUE:
                yield f"{self._neutral(field[0])}: {self._neutral(field[1])}"

    def _how_to_answer(self, items: Sequence[_Item], *, only: bool) -> Iterator[str]:
        yield "To answer:"
        if not only:
            yield "  pm-autoaccept review          lists what waits"
            yield "  pm-autoaccept review next     answers one after another"
            return
        key = self._command_key(items[0])
        yield f"  pm-autoaccept review show {key}"
        yield f"  pm-autoaccept review accept {key}"
        yield f"  pm-autoaccept review reject {key} --note TEXT"

    def key(self, item: _Item) -> str:
        """Kind and id of a request, for example `property:88`."""
        return self._neutral(item.values.get("key") or "")

    def _command_key(self, item: _Item) -> str:
        """The key for commands, and the account. They are the program's own, and must be copied exactly."""
        key = str(item.values.get("key") or "")
        account = item.account
        named = f" --account {account}" if _NAME.fullmatch(account) and account != _ONLY_ACCOUNT else ""
        return (key if _KEY.fullmatch(key) else "KEY") + named

    def _since(self, text: object) -> str:
        try:
            since = datetime.fromisoformat(str(text))
        except ValueError:
            return ""
        since = since if since.tzinfo else since.replace(tzinfo=UTC)
        return f", held for {written_duration(max(self.now - since, timedelta()))}"

    def _moment(self, moment: datetime) -> str:
        return moment.astimezone(self.time_zone).strftime("%Y-%m-%d %H:%M %Z")

    def _neutral(self, text: object) -> str:
        return neutral(text, self.channel)
