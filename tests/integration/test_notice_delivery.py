"""Notices reach real endpoints on this machine: a webhook receiver, a mail server and a chat endpoint."""

from __future__ import annotations

import asyncio
import email
import email.policy
import importlib.util
import json
import logging
import warnings
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from pydantic import SecretStr

standardwebhooks = pytest.importorskip("standardwebhooks", reason="needs standardwebhooks, which `make setup` installs")

from pm_autoaccept.config.notice_targets import Target  # noqa: E402 — what needs the library comes after the check for it
from pm_autoaccept.egress.proxy_password import Egress  # noqa: E402
from pm_autoaccept.model import (  # noqa: E402
    Dead,
    Delivered,
    NoticeKind,
    NoticeTarget,
    Outgoing,
    TargetKind,
    TryLater,
)
from pm_autoaccept.notices import webhook  # noqa: E402
from pm_autoaccept.notices.delivery import Delivery  # noqa: E402

SIGNING = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
PATH = "/pm/t0ken-in-a-path"
NASTY = "Oak\r\nBcc: all@example.org\r\n\r\n<!channel> @everyone [pay](https://evil.example/x) \x1b[31m\u202egnp.exe"
REQUEST = {"key": "property:88", "kind": "property", "id": 88, "account_id": 42, "property_id": 88}
WHO = {"username": NASTY, "custom": [["Account", "77"]]}
HELD = {
    "request": REQUEST | WHO,
    "group": "benchmarking",
    "rule": "unknown-address",
    "reason_text": "the address is unknown",
    "since": "2026-05-01T10:00:00+00:00",
}

needs_apprise = pytest.mark.skipif(
    importlib.util.find_spec("apprise") is None, reason="needs apprise, which `make setup` installs"
)


def notice(kind: NoticeKind = NoticeKind.REQUEST_HELD, **body: object) -> Outgoing:
    """A notice with a fixed id."""
    return Outgoing(
        event_id="01JZ-event", created_at=datetime.now(UTC), kind=kind, account="our-utility", body=body or HELD
    )


def routing(kind: TargetKind, *, personal: bool = False) -> NoticeTarget:
    """A target for all groups."""
    return NoticeTarget(name="target", kind=kind, groups=None, personal=personal, time_zone=UTC)


def deliver_to(address: str, *, secret: str | None = None, personal: bool = False) -> Callable:
    """Delivers to one address."""
    target = routing(TargetKind.PEOPLE if secret is None else TargetKind.WEBHOOK, personal=personal)
    known = Target(routing=target, address=SecretStr(address), secret=None if secret is None else SecretStr(secret))
    delivery = Delivery({"target": known}, Egress())
    return lambda outgoing: delivery(target, outgoing)


class Receiver:
    """A webhook receiver that verifies by the scheme's own library."""

    def __init__(self) -> None:
        self.status, self.headers, self.hangs = 204, {}, 0.0
        self.verified: list[dict] = []
        self.refused: list[str] = []
        self.requests: list[web.Request] = []

    async def __call__(self, request: web.Request) -> web.Response:
        """Verify the request and answer."""
        self.requests.append(request)
        body = await request.read()
        await asyncio.sleep(self.hangs)
        try:
            self.verified.append(standardwebhooks.Webhook(SIGNING).verify(body, dict(request.headers)))
        except standardwebhooks.WebhookVerificationError as error:
            self.refused.append(str(error))
        return web.Response(status=self.status, headers=self.headers, text=f"you called {request.url}")


@pytest.fixture
async def receiver() -> AsyncIterator[tuple[Receiver, str]]:
    """A receiver and its address."""
    receives = Receiver()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", receives)
    async with TestServer(app) as server:
        yield receives, str(server.make_url(PATH))


async def test_a_webhook_is_verified_by_the_schemes_own_library(receiver) -> None:
    """The event has the id of the header, and no personal data."""
    receives, url = receiver
    assert await deliver_to(url, secret=SIGNING)(notice()) == Delivered("answered 204 No Content")
    (event,) = receives.verified
    assert receives.refused == []
    (request,) = receives.requests
    assert request.headers["webhook-id"] == event["id"] == "01JZ-event"
    assert request.headers["Content-Type"] == "application/cloudevents+json"
    assert event["type"] == "pm-autoaccept.request.held"
    assert (event["source"], event["subject"]) == ("/pm-autoaccept/our-utility", "property:88")
    assert event["data"] == HELD | {"request": REQUEST}


async def test_the_body_is_a_cloud_event(receiver) -> None:
    """The library of CloudEvents reads it from the request."""
    cloudevents = pytest.importorskip("cloudevents", reason="needs cloudevents, which `make setup` installs")
    assert cloudevents
    from cloudevents.core.bindings.http import HTTPMessage, from_structured_event  # noqa: PLC0415 — only if installed
    from cloudevents.core.formats.json import JSONFormat  # noqa: PLC0415

    receives, url = receiver
    await deliver_to(url, secret=SIGNING, personal=True)(notice())
    message = HTTPMessage(headers=dict(receives.requests[0].headers), body=json.dumps(receives.verified[0]).encode())
    event = from_structured_event(message, JSONFormat())
    assert event.get_id() == "01JZ-event"
    assert event.get_data() == HELD


async def test_another_secret_is_refused(receiver) -> None:
    """The check above can fail."""
    receives, url = receiver
    await deliver_to(url, secret=OTHER)(notice())
    assert (receives.verified, receives.refused) == ([], ["No matching signature found"])


def test_other_time_zones_are_signed_in_utc() -> None:
    """The library takes the digits of any zone for UTC, so the time is converted first."""
    moment = datetime.now(UTC)
    body = '{"a":1}'
    for zone in (UTC, timezone(timedelta(hours=-5))):
        headers = webhook.signature("id", body, secret=SecretStr(SIGNING), at=moment.astimezone(zone))
        assert standardwebhooks.Webhook(SIGNING).verify(body, headers) == {"a": 1}


NOW = datetime(2026, 5, 2, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("status", "headers", "result"),
    [
        (200, {}, Delivered("answered 200 OK")),
        (410, {}, Dead("answered 410 Gone: it does not want notices any more")),
        (
            302,
            {"Location": "/t0ken"},
            TryLater(why="answered 302 Found; redirects are not followed, so set the new address in the settings"),
        ),
        (500, {}, TryLater(why="answered 500 Internal Server Error")),
        (429, {"Retry-After": "120"}, TryLater(why="answered 429 Too Many Requests", after=timedelta(minutes=2))),
        (
            503,
            {"Retry-After": format_datetime(NOW + timedelta(hours=1), usegmt=True)},
            TryLater(why="answered 503 Service Unavailable", after=timedelta(hours=1)),
        ),
        (
            503,
            {"Retry-After": format_datetime(NOW - timedelta(hours=1), usegmt=True)},
            TryLater(why="answered 503 Service Unavailable", after=timedelta()),
        ),
        (429, {"Retry-After": "9" * 40}, TryLater(why="answered 429 Too Many Requests", after=webhook.LONGEST_WAIT)),
        (429, {"Retry-After": "soon"}, TryLater(why="answered 429 Too Many Requests")),
        (599, {}, TryLater(why="answered 599")),
    ],
)
def test_what_an_answer_means(status, headers, result) -> None:
    """2xx is delivered, 410 is final, everything else is tried later."""
    assert webhook.judge(status, headers, now=NOW) == result


async def test_a_redirect_is_not_followed(receiver) -> None:
    """What is signed for one address goes to no other."""
    receives, url = receiver
    receives.status, receives.headers = 307, {"Location": "/elsewhere"}
    assert isinstance(await deliver_to(url, secret=SIGNING)(notice()), TryLater)
    assert [request.path for request in receives.requests] == [PATH]


async def test_a_slow_receiver_times_out(receiver) -> None:
    """The notice is tried later."""
    receives, url = receiver
    receives.hangs = 5
    result = await webhook.post_webhook(
        notice(),
        url=SecretStr(url),
        secret=SecretStr(SIGNING),
        personal=False,
        egress=Egress(),
        now=datetime.now(UTC),
        timeout=timedelta(seconds=0.2),
    )
    assert result == TryLater(why="no answer within 0.2s")


async def test_nobody_listens(unused_tcp_port_factory) -> None:
    """The reason has the host, and not the path."""
    port = unused_tcp_port_factory()
    result = await deliver_to(f"http://127.0.0.1:{port}{PATH}", secret=SIGNING)(notice())
    assert isinstance(result, TryLater)
    assert result.why.startswith("no connection: 127.0.0.1")
    assert "t0ken" not in result.why


async def test_hostile_text_in_a_webhook_is_ascii(receiver) -> None:
    """A receiver that logs the body logs nothing that controls a terminal."""
    receives, url = receiver
    await deliver_to(url, secret=SIGNING, personal=True)(notice())
    assert all(0x20 <= ord(char) < 0x7F for char in webhook.cloud_event(notice(), personal=True))
    assert receives.verified[0]["data"]["request"]["username"] == NASTY


async def test_a_target_that_is_gone_from_the_settings_is_dead() -> None:
    """Notices for a removed target do not wait for ever."""
    result = await Delivery({}, Egress())(routing(TargetKind.WEBHOOK), notice())
    assert result == Dead("the settings do not name this target any more")


class Mailbox:
    """What a mail server took."""

    def __init__(self) -> None:
        self.mails: list[email.message.EmailMessage] = []
        self.recipients: list[list[str]] = []
        self.answer = "250 OK"

    async def handle_DATA(self, _server, _session, envelope) -> str:  # noqa: N802 — aiosmtpd's name
        """Take a mail."""
        if self.answer.startswith("250"):
            self.mails.append(email.message_from_bytes(envelope.content, policy=email.policy.default))
            self.recipients.append(envelope.rcpt_tos)
        return self.answer


@pytest.fixture
def mail_server(unused_tcp_port_factory) -> Iterator[tuple[Mailbox, str]]:
    """A real SMTP server, and its address for apprise."""
    controller = pytest.importorskip("aiosmtpd.controller", reason="needs aiosmtpd, which `make setup` installs")
    mailbox, port = Mailbox(), unused_tcp_port_factory()
    server = controller.Controller(mailbox, hostname="127.0.0.1", port=port)
    server.start()
    yield mailbox, f"mailto://127.0.0.1:{port}?from=robot@example.org&to=team@example.org&retry=3"
    server.stop()


@pytest.fixture(autouse=True)
def old_modules_of_apprise() -> Iterator[None]:
    """Its modules import what Python has deprecated."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        yield


@pytest.fixture
def logged() -> Iterator[list[str]]:
    """What reaches the program's own log. pytest's own fixture also hears loggers that do not pass anything on."""

    class Log(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.name == "apprise":
                lines.append(record.getMessage())

    lines: list[str] = []
    root, log, level = logging.getLogger(), Log(), logging.getLogger().level
    root.addHandler(log)
    root.setLevel(logging.DEBUG)
    yield lines
    root.setLevel(level)
    root.removeHandler(log)


@needs_apprise
async def test_a_mail_is_read(mail_server) -> None:
    """People read what is held and how to answer; hostile text adds no header, no recipient, and no line."""
    mailbox, address = mail_server
    assert await deliver_to(address, personal=True)(notice()) == Delivered("taken")
    (mail,) = mailbox.mails
    assert mailbox.recipients == [["team@example.org"]]
    assert mail["Subject"] == "[pm-autoaccept] Held for review: property:88 (our-utility)"
    assert mail["Bcc"] is None
    assert mail.get_content_type() == "text/plain"
    text = mail.get_content()
    assert "pm-autoaccept review accept property:88 --account our-utility" in text
    assert "owner: Oak Bcc: all@example\u2024org <!channel> @everyone" in text
    assert not set(text) & set("\x1b\u202e")
    assert "https://" not in text


@needs_apprise
async def test_a_mail_that_is_refused_is_tried_later(mail_server, logged) -> None:
    """The reason names the recipient, and nothing goes to the program's log."""
    mailbox, address = mail_server
    mailbox.answer = "451 try later"
    result = await deliver_to(address)(notice())
    assert isinstance(result, TryLater)
    assert result.why == 'Sending email to "team@example.org" failed.'
    assert logged == []
    assert mailbox.mails == []


@needs_apprise
@pytest.mark.parametrize("scheme", ["json", "mmost"])
async def test_a_chat_message_is_read(scheme) -> None:
    """A chat endpoint gets plain text, in which customers mention nobody and link nowhere."""
    texts = []

    async def take(request: web.Request) -> web.Response:
        texts.append(await request.json())
        return web.Response(text="ok")

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", take)
    async with TestServer(app) as server:
        address = f"{scheme}://127.0.0.1:{server.port}/abcdefghijklmnopqrstuvwx"
        assert await deliver_to(address, personal=True)(notice()) == Delivered("taken")
    (got,) = texts
    text = got["message"] if scheme == "json" else got["text"]
    assert "Held for review" in text
    assert "pm-autoaccept review show property:88 --account our-utility" in text
    for hostile in ("<!channel>", "@everyone", "](", "https://", "evil.example", "\x1b", "\u202e"):
        assert hostile not in text


@needs_apprise
async def test_no_secret_of_an_address_is_shown(receiver, logged) -> None:
    """Whatever a service answers and apprise says, no part of the address is repeated."""
    receives, url = receiver
    receives.status = 500
    secret = "s3cr3ttokenabcdefghijklmn"
    address = f"json://user:pa55phrase@127.0.0.1:{url.split(':')[2].split('/')[0]}/{secret}?retry=2"
    result = await deliver_to(address)(notice())
    assert isinstance(result, TryLater)
    assert len(receives.requests) == 1
    for hidden in (secret, "pa55phrase"):
        assert hidden not in result.why
    assert logged == []


@needs_apprise
async def test_an_address_that_apprise_does_not_know_is_dead() -> None:
    """Nothing but another setting helps."""
    result = await deliver_to("nosuchservice://t0ken")(notice())
    assert isinstance(result, Dead)
    assert "t0ken" not in result.why
