"""What people read: each kind of notice in mail and chat, and hostile text on each channel."""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pm_autoaccept.model import NoticeKind, Outgoing
from pm_autoaccept.notices.cloud_event import cloud_event
from pm_autoaccept.notices.messages import MOST_EVENTS, compose
from pm_autoaccept.notices.neutral_text import MAX_SUBJECT_CHARACTERS, MAX_VALUE_CHARACTERS, Channel, neutral
from pm_autoaccept.telemetry.terminal import printable

NOW = datetime(2026, 5, 4, 14, tzinfo=UTC)
REQUEST = {"key": "property:88", "kind": "property", "id": 88, "account_id": 42, "property_id": 88}
CUSTOMER = {"username": "oak_llc", "custom": [["Account number", "77-1"]]}
HELD = {
    "request": REQUEST,
    "group": "benchmarking",
    "rule": "unknown-address",
    "reason": "rule",
    "reason_text": "the address is unknown",
    "since": "2026-05-01T10:00:00+00:00",
}


def message(kind: NoticeKind, channel: Channel = Channel.MAIL, *, names: bool = False, **body: object):
    """A message of the account `our-city`; with names and customer input if `names`."""
    sent = Outgoing(event_id="id", created_at=NOW, kind=kind, account="our-city", body=body)
    return compose(sent, channel, personal=names, now=NOW, time_zone=ZoneInfo("America/Chicago"))


def test_a_held_request() -> None:
    """It says what is held, why, for how long, and how to answer."""
    read = message(NoticeKind.REQUEST_HELD, names=True, **HELD | {"request": REQUEST | CUSTOMER})
    assert read.subject == "[pm-autoaccept] Held for review: property:88 (our-city)"
    assert read.text == (
        "Held for review, account our-city, 2026-05-04 09:00 CDT\n"
        "\n"
        "- property:88, rule unknown-address, held for 3d 4h\n"
        "  owner's account id: 42\n"
        "  property id: 88\n"
        "  reason: the address is unknown\n"
        "  owner: oak_llc\n"
        "  Account number: 77-1\n"
        "\n"
        "To answer:\n"
        "  pm-autoaccept review show property:88 --account our-city\n"
        "  pm-autoaccept review accept property:88 --account our-city\n"
        "  pm-autoaccept review reject property:88 --account our-city --note TEXT"
    )


def test_without_personal_data() -> None:
    """Names and customer input are left out unless the target asks for them; ids stay."""
    body = HELD | {"request": REQUEST | CUSTOMER, "people": ["ana"]}
    text = message(NoticeKind.REQUEST_HELD, **body).text
    sent = Outgoing(event_id="id", created_at=NOW, kind=NoticeKind.REQUEST_HELD, account="a", body=body)
    for shown in (text, cloud_event(sent, personal=False)):
        assert "42" in shown
        assert not [each for each in ("oak_llc", "77-1", "ana") if f'"{each}"' in shown or f": {each}" in shown]


def requests(count: int) -> list[dict[str, object]]:
    """Held requests, oldest first."""
    ages = range(count, 0, -1)
    return [{"key": f"meter:{hours}", "since": (NOW - timedelta(hours=hours)).isoformat()} for hours in ages]


def test_a_gathered_batch() -> None:
    """One message for all, in the order in which they came."""
    events = [
        {"kind": "request.held", "account": "our-city", "request": each, "since": each["since"]} for each in requests(2)
    ]
    read = message(NoticeKind.REQUEST_HELD, events=events)
    assert read.subject == "[pm-autoaccept] Held for review: 2 requests (our-city)"
    assert [line for line in read.text.splitlines() if line.startswith("- ")] == [
        "- meter:2, held for 2h",
        "- meter:1, held for 1h",
    ]
    assert read.text.endswith("  pm-autoaccept review next     answers one after another")


def test_a_batch_of_different_events() -> None:
    """Each says what it is."""
    events = [
        {"kind": "access.lowered", "account": "one", "subject": {"key": "meter:7"}, "text": "Full Access → Read Only"},
        {
            "kind": "request.answer_void",
            "account": "two",
            "request": REQUEST,
            "why": "the customer changed the answers",
        },
    ]
    read = message(NoticeKind.ACCESS_LOWERED, events=events)
    assert read.subject == "[pm-autoaccept] News: 2 events"
    assert read.text.splitlines()[2:8] == [
        "- Access lowered to Read Only: meter:7",
        "  what: Full Access → Read Only",
        "",
        "- Answer void, review again: property:88",
        "  owner's account id: 42",
        "  property id: 88",
    ]
    assert "  why: the customer changed the answers" in read.text


def test_a_digest_begins_with_the_oldest() -> None:
    """It lists the oldest first, counts what it does not list, and says how to answer."""
    read = message(NoticeKind.DIGEST, date="2026-05-04", held=1060, requests=requests(MOST_EVENTS + 10))
    assert read.subject == "[pm-autoaccept] Waiting for review: 1,060 requests (our-city)"
    listed = [line for line in read.text.splitlines() if line.startswith("- ")]
    assert listed[0] == "- meter:60, held for 2d 12h"
    assert len(listed) == MOST_EVENTS
    assert "And 1,010 more." in read.text


def test_a_reminder() -> None:
    """It is about one request, and says how long it has been held."""
    read = message(NoticeKind.REMINDER, **HELD)
    assert read.subject == "[pm-autoaccept] Still waiting for review: property:88 (our-city)"
    assert "held for 3d 4h" in read.text


def test_stopped_and_over() -> None:
    """They say what stopped, and why."""
    stopped = message(NoticeKind.STOPPED, what="Portfolio Manager refuses the password", why="401 since 13:50")
    assert stopped.subject == "[pm-autoaccept] Answering has stopped (our-city)"
    assert stopped.text.splitlines()[1:] == ["Portfolio Manager refuses the password", "401 since 13:50"]
    over = message(NoticeKind.OVER, what="Portfolio Manager takes the password again")
    assert over.text.splitlines()[1:] == ["Portfolio Manager takes the password again"]


@pytest.mark.parametrize("kind", list(NoticeKind))
def test_every_kind_has_words(kind) -> None:
    """Each can be written with nothing but its kind, and with a request."""
    assert message(kind).subject
    assert "property:88" in message(kind, **HELD).text


def test_a_body_that_is_not_as_expected() -> None:
    """A message comes of anything that the outbox may hold."""
    odd = {"key": "property:88; rm -rf /", "custom": [["one"], "x"], "people": "x", "since": "long ago"}
    read = message(
        NoticeKind.REQUEST_HELD, names=True, events=[{"request": odd, "kind": "strange"}, "nothing"], held="x"
    )
    assert "review show KEY" in read.text


HOSTILE = {
    "line break": "Oak\r\nBcc: all@example.org\r\n\r\nbody",
    "separators": "Oak\u2028Bcc: x\u2029y\x85z",
    "chat mention": "<!channel> <@U123> @everyone @here #general",
    "link": "[pay](https://evil.example/x) evil.example <https://evil.example|invoice> www.evil.example",
    "dots": "evil\u3002example evil\uff0eexample",
    "styles": "*b* _i_ ~s~ `c` ||spoiler|| \\* &lt;b&gt; ![x](y)",
    "control": "a\x00\x07\x1b[31mred\x1b]8;;https://evil.example\x07",
    "direction": "\u202egnp.exe \u2066x\u2069 \u200fy",
    "invisible": "a\u200bb\ufeffc\u00add",
    "zalgo": "a" + "\u0301" * 500,
    "long": "x" * 1_000_000,
    "surrogate": "a\ud800b",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("channel", list(Channel))
def test_hostile_text_is_neutral(text, channel) -> None:
    """One short line, nothing invisible, no link; in chat no mention and no mark-up."""
    shown = neutral(text, channel)
    assert len(shown) <= MAX_VALUE_CHARACTERS
    assert not [char for char in shown if unicodedata.category(char) in {"Cc", "Cf", "Cs", "Zl", "Zp"}]
    assert "://" not in shown
    assert "evil.example" not in shown
    assert "\u0301" * 3 not in shown
    if channel is Channel.CHAT:
        assert not set(shown) & set("<>@#*_~`|[]\\&!")


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_text_in_a_subject(text) -> None:
    """A mail's subject stays one line of limited length, even if the ledger holds something odd."""
    read = message(NoticeKind.REQUEST_HELD, request={"key": text})
    assert read.subject.isprintable()
    assert len(read.subject) <= MAX_SUBJECT_CHARACTERS


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_text_on_a_terminal(text) -> None:
    """A message that is printed, for example by a mail program, controls no terminal."""
    read = message(NoticeKind.REQUEST_HELD, names=True, request=REQUEST | {"username": text, "custom": [[text, text]]})
    assert printable(read.text, keep="\n") == read.text


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_text_in_a_webhook(text) -> None:
    """The JSON is ASCII and one line, so that a log of it is harmless too."""
    sent = Outgoing(
        event_id="id", created_at=NOW, kind=NoticeKind.TEST, account="a", body={"request": {"username": text}}
    )
    assert all(0x20 <= ord(char) < 0x7F for char in cloud_event(sent, personal=True))


@given(st.text(max_size=300), st.sampled_from(Channel))
def test_any_text_is_neutral(text: str, channel: Channel) -> None:
    """Any text becomes one printable line, and the same again."""
    shown = neutral(text, channel)
    assert shown.isprintable() or " " in shown or "\u3000" in shown or not shown
    assert "\n" not in shown
    assert neutral(shown, channel) == shown
