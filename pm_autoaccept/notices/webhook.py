"""Delivers a notice to a webhook: signed by Standard Webhooks, posted once, and the answer judged."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import partial
from http import HTTPStatus

import aiohttp
from pydantic import SecretStr
from standardwebhooks import Webhook
from yarl import URL

import pm_autoaccept
from pm_autoaccept.egress.proxy_password import Egress
from pm_autoaccept.egress.request import connection_fault, send_request
from pm_autoaccept.errors import ConfigurationError, LedgerError, PortfolioManagerError
from pm_autoaccept.model import Dead, Delivered, DeliveryResult, Outgoing, TryLater
from pm_autoaccept.notices.cloud_event import CONTENT_TYPE, cloud_event

TIMEOUT = timedelta(seconds=20)
"""Standard Webhooks advises 15 to 30 seconds."""
LONGEST_WAIT = timedelta(days=1)
"""The longest `Retry-After` that is respected: a receiver must not postpone a notice past its last attempt."""

_SUCCESS = range(200, 300)
_REDIRECT = range(300, 400)


async def post_webhook(
    notice: Outgoing,
    *,
    url: SecretStr,
    secret: SecretStr,
    personal: bool,
    egress: Egress,
    now: datetime,
    timeout: timedelta = TIMEOUT,  # noqa: ASYNC109 — it is aiohttp's own timeout, which says what timed out
) -> DeliveryResult:
    """Post a notice once.

    Args:
        notice: the notice.
        url: the address; nothing of it but the host is ever shown.
        secret: the signing secret.
        personal: whether names and customer input are included.
        egress: how the address is reached, for example through a proxy.
        now: the time of this attempt, which is signed.
        timeout: the time limit.
    """
    body = cloud_event(notice, personal=personal)
    headers = {"Content-Type": CONTENT_TYPE, **signature(notice.event_id, body, secret=secret, at=now)}
    address = URL(url.get_secret_value())
    call = f"POST {address.host}"
    limit = aiohttp.ClientTimeout(total=timeout.total_seconds())
    try:
        # A session of its own: no cookies and no connection outlive an attempt.
        async with aiohttp.ClientSession(timeout=limit, headers=_OWN_HEADERS) as session:
            proxy = egress.proxy(str(address))
            send = partial(
                send_request, session, "POST", address, proxy=proxy, call=call, data=body.encode(), headers=headers
            )
            async with await egress.proxy_guard.send(proxy, send, call=call) as answer:
                # The body of the answer means nothing, and may be endless or repeat the address.
                return judge(answer.status, answer.headers, now=now)
    except TimeoutError:
        return TryLater(why=f"no answer within {timeout.total_seconds():g}s")
    except (ConfigurationError, LedgerError, PortfolioManagerError) as error:
        return TryLater(why=str(getattr(error, "text", error)))
    except (aiohttp.ClientError, OSError, ValueError) as error:
        return TryLater(why=f"no connection: {connection_fault(error)}")


_OWN_HEADERS = {"User-Agent": f"pm-autoaccept/{pm_autoaccept.__version__}"}


def signature(event_id: str, body: str, *, secret: SecretStr, at: datetime) -> dict[str, str]:
    """The three headers of Standard Webhooks."""
    at = at.astimezone(UTC)  # the library takes the clock's digits of any other zone for UTC
    signed = Webhook(secret.get_secret_value()).sign(event_id, at, body)
    return {"webhook-id": event_id, "webhook-timestamp": str(int(at.timestamp())), "webhook-signature": signed}


def judge(status: int, headers: Mapping[str, str], *, now: datetime) -> DeliveryResult:
    """What an answer means. Standard Webhooks: 2xx is success, 410 is final, all others are failures to retry."""
    said = _status(status)
    if status in _SUCCESS:
        return Delivered(f"answered {said}")
    if status == HTTPStatus.GONE:
        return Dead(f"answered {said}: it does not want notices any more")
    if status in _REDIRECT:
        return TryLater(why=f"answered {said}; redirects are not followed, so set the new address in the settings")
    return TryLater(why=f"answered {said}", after=_retry_after(headers.get("Retry-After", ""), now=now))


def _retry_after(text: str, *, now: datetime) -> timedelta | None:
    """The wait that a `Retry-After` header asks for, in seconds or as a date; None if it asks for none."""
    written = text.strip()
    if written.isascii() and written.isdecimal():
        return min(timedelta(seconds=int(written[:9])), LONGEST_WAIT)
    try:
        until = parsedate_to_datetime(written)
    except ValueError:
        return None
    until = until if until.tzinfo else until.replace(tzinfo=UTC)
    return min(max(until - now, timedelta()), LONGEST_WAIT)


def _status(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)
