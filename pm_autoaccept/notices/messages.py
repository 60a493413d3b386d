"""Writes what people read in mail and chat: a subject and plain text. Programs get `cloud_event` instead.

The body of a notice has these values, each optional. Its events, if it gathers several, have the same ones.

- `request`: kind and id, for example `property:88`; `key`: the same with what a reviewer saw, for commands
- `group`, `rule`, `reason`, `owner_id`, `property_id`, `held_since`, `answer`, `by`, `what`, `why`
- `personal`: `owner_username`, `reason_text`, `note`, and `custom_fields` by name
- `events`: the events of a batch, a digest or a reminder; `more`: how many it does not list
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
_KEY = re.compile(r"[a-z]{1,20}:[0-9]{1,18}(@[0-9a-f.]{1,60})?")

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
_OF_A_FEW = frozenset({NoticeKind.DIGEST, NoticeKind.REMINDER})
"""Notices with their oldest event first."""


@dataclass(frozen=True, slots=True)
class Message:
    """What people read."""

    subject: str
    text: str


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
    listed: Sequence[Mapping[str, Any]] = [each for each in notice.body.get("events", ()) if isinstance(each, Mapping)]
    events = listed or ([notice.body] if "request" in notice.body or "key" in notice.body else [])
    if notice.kind in _OF_A_FEW:
        events = sorted(events, key=lambda event: str(event.get("held_since") or "9999"))
    total = len(events) + _count(notice.body.get("more"))
    headline = _HEADLINES[notice.kind]
    about = f"{total:,} requests" if total > 1 else (writer.request(events[0]) if events else "")
    where = f" ({notice.account})" if notice.account else ""
    subject = one_line(f"[pm-autoaccept] {headline}{': ' if about else ''}{about}{where}", limit=MAX_SUBJECT_CHARACTERS)
    return Message(subject, "\n".join(writer.text(notice, events, total)))


@dataclass(frozen=True, slots=True)
class _Writer:
    """Writes for one channel and one target."""

    channel: Channel
    personal: bool
    now: datetime
    time_zone: tzinfo

    def text(self, notice: Outgoing, events: Sequence[Mapping[str, Any]], total: int) -> Iterator[str]:
        """The lines of the message."""
        account = f", account {self._neutral(notice.account)}" if notice.account else ""
        yield f"{_HEADLINES[notice.kind]}{account}, {self._moment(notice.created_at)}"
        for name in ("what", "why"):
            if notice.body.get(name):
                yield self._neutral(notice.body[name])
        if notice.kind is NoticeKind.TEST:
            yield "If you can read this, notices reach you. You need not do anything."
        for event in events[:MOST_EVENTS]:
            yield ""
            yield from self._event(event)
        if (more := total - min(len(events), MOST_EVENTS)) > 0:
            yield ""
            yield f"And {more:,} more."
        if notice.kind in _TO_REVIEW:
            yield ""
            yield from self._how_to_answer(events, total)

    def _event(self, event: Mapping[str, Any]) -> Iterator[str]:
        rule = f", rule {self._neutral(event['rule'])}" if event.get("rule") else ""
        since = self._since(event.get("held_since"))
        yield f"- {self.request(event)}{rule}{since}"
        details = [
            f"{name}: {self._neutral(event[key])}"
            for key, name in (
                ("owner_id", "owner's account id"),
                ("property_id", "property id"),
                ("answer", "answer"),
                ("by", "by"),
                ("why", "why"),
            )
            if event.get(key) and (key != "why" or "events" not in event)
        ]
        yield from (f"  {line}" for line in details)
        known = event.get("personal")
        if self.personal and isinstance(known, Mapping):
            yield from (f"  {line}" for line in self._customer(known))
        elif event.get("reason"):
            yield f"  reason: {self._neutral(event['reason'])}"

    def _customer(self, known: Mapping[str, Any]) -> Iterator[str]:
        for key, name in (("owner_username", "owner"), ("reason_text", "reason"), ("note", "note")):
            if known.get(key):
                yield f"{name}: {self._neutral(known[key])}"
        fields = known.get("custom_fields")
        if isinstance(fields, Mapping):
            for name, value in list(fields.items())[:_MOST_FIELDS]:
                yield f"{self._neutral(name)}: {self._neutral(value)}"

    def _how_to_answer(self, events: Sequence[Mapping[str, Any]], total: int) -> Iterator[str]:
        yield "To answer:"
        if total == 1 and events:
            key = self._key(events[0])
            yield f"  pm-autoaccept review show {key}"
            yield f"  pm-autoaccept review accept {key}"
            yield f"  pm-autoaccept review reject {key} --note TEXT"
        else:
            yield "  pm-autoaccept review          lists what waits"
            yield "  pm-autoaccept review next     answers one after another"

    def request(self, event: Mapping[str, Any]) -> str:
        """Kind and id of a request, for example `property:88`."""
        return self._neutral(str(event.get("request") or event.get("key") or "").partition("@")[0])

    def _key(self, event: Mapping[str, Any]) -> str:
        """The key for commands. It is the program's own, and must be copied exactly."""
        key = str(event.get("key") or event.get("request") or "")
        return key if _KEY.fullmatch(key) else "KEY"

    def _since(self, text: object) -> str:
        try:
            since = datetime.fromisoformat(str(text))
        except ValueError:
            return ""
        since = since if since.tzinfo else since.replace(tzinfo=UTC)
        age = max(self.now - since, timedelta())
        return f", held for {written_duration(age)}"

    def _moment(self, moment: datetime) -> str:
        return moment.astimezone(self.time_zone).strftime("%Y-%m-%d %H:%M %Z")

    def _neutral(self, text: object) -> str:
        return neutral(text, self.channel)


def _count(value: object) -> int:
    return value if isinstance(value, int) and value > 0 else 0
