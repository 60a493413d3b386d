"""Delivers a notice to people by mail or chat, through apprise (the extra `notify`): one target, once, as plain text.

apprise is imported when it is first needed, because it imports every service that it knows.
"""

from __future__ import annotations

import asyncio
import logging
import re
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote

from pydantic import SecretStr

from pm_autoaccept.data_sources.threads import run_in_thread
from pm_autoaccept.model import Dead, Delivered, DeliveryResult, TryLater
from pm_autoaccept.notices.messages import Message
from pm_autoaccept.notices.neutral_text import Channel, one_line

if TYPE_CHECKING:
    from apprise import Apprise, NotifyBase

TIMEOUT = timedelta(seconds=30)
"""The time limit of one message. Each of apprise's own network calls has a shorter one."""
_MAIL = frozenset({"mailto", "mailtos"})
_SECRET_FROM_CHARACTERS = 4
_MAX_REASON_CHARACTERS = 200
_UNKNOWN = "no details: apprise's message would reveal a secret"


def channel_of(address: SecretStr) -> Channel:
    """How people read what is sent to one of apprise's addresses."""
    scheme = address.get_secret_value().partition("://")[0].lower()
    return Channel.MAIL if scheme in _MAIL else Channel.CHAT


async def send_message(message: Message, *, address: SecretStr, timeout: timedelta = TIMEOUT) -> DeliveryResult:  # noqa: ASYNC109 — the thread cannot be cancelled, so the wait for it is
    """Send a message once. After a timeout the thread may still send it: people may get it twice, but never not."""
    try:
        sent = run_in_thread(lambda: _send(message, address.get_secret_value()), name="notify")
        return await asyncio.wait_for(sent, timeout.total_seconds())
    except TimeoutError:
        return TryLater(why=f"no answer within {timeout.total_seconds():g}s")
    except ImportError:
        return TryLater(why="apprise is not installed; install pm-autoaccept[notify]")
    except Exception as error:  # noqa: BLE001 — a plugin of apprise may raise anything, and its message may hold a secret
        return TryLater(why=f"apprise failed: {type(error).__name__}")


def _send(message: Message, address: str) -> DeliveryResult:
    _silence()
    service = _service(address)
    if service is None:
        return Dead("apprise does not accept the address; see its documentation of this service")
    result = _only(service).notify(body=message.text, title=message.subject, body_format="text")
    if result:
        return Delivered("taken")
    secrets = _secrets(address)
    reasons = dict.fromkeys(_without_secrets(entry.message, secrets) for entry in result.logs())
    return TryLater(why="; ".join(reasons) or "the service did not take it and gave no reason")


def _silence() -> None:
    """Keep what apprise logs out of the program's log: it contains addresses with their secrets."""
    logger = logging.getLogger("apprise")
    logger.propagate = False
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())


def _without_secrets(text: str, secrets: frozenset[str]) -> str:
    return one_line(_UNKNOWN if any(secret in text for secret in secrets) else text, limit=_MAX_REASON_CHARACTERS)


def _service(address: str) -> NotifyBase | None:
    """The service behind an address, with everything switched off that belongs to the sender of notices."""
    from apprise import Apprise, AppriseAsset, NotifyFormat  # noqa: PLC0415 — see above

    asset = AppriseAsset(async_mode=False, http_redirects=False, default_service_retry=0, secure_logging=True)
    service = Apprise.instantiate(address, asset=asset, suppress_exceptions=True)
    if service is None:
        return None
    service.retry = 0  # the address may ask for more
    formats: object = service.notify_format
    if NotifyFormat.TEXT in (formats if isinstance(formats, tuple | list | set | frozenset) else (formats,)):
        service.notify_format = NotifyFormat.TEXT
    return service


def _only(service: NotifyBase) -> Apprise:
    """A sender with this service alone: it turns plain text into what the service takes, and escapes mark-up."""
    from apprise import Apprise  # noqa: PLC0415 — see above

    sender = Apprise(asset=service.asset)
    sender.add(service)
    return sender


def _secrets(address: str) -> frozenset[str]:
    """Each part of an address that may be a secret, as written and decoded: in chat everything but the scheme.

    Of a mail's address, who gets it and who it is from may be shown, unless the user information has the same part.
    """
    rest = address.partition("://")[2]
    before, _, query = rest.partition("?")
    parts = _parts(rest)
    if channel_of(SecretStr(address)) is Channel.MAIL:
        given = parse_qsl(query)
        parts -= {part for key, value in given if key in {"to", "cc", "bcc", "from"} for part in _parts(value)}
        parts |= _parts(before.rpartition("@")[0])
    return frozenset(parts | {unquote(part) for part in parts})


def _parts(text: str) -> set[str]:
    return {part for part in re.split(r"[/?&=:@#,;]", text) if len(part) >= _SECRET_FROM_CHARACTERS}
