"""Delivers notices to the targets of the settings: to webhooks as events, to people as messages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from pm_autoaccept.clock import utc_now
from pm_autoaccept.config import Program, Target
from pm_autoaccept.egress.proxy_password import Egress, ProxyPasswordGuard
from pm_autoaccept.model import Dead, DeliveryResult, NoticeTarget, Outgoing
from pm_autoaccept.notices.messages import compose
from pm_autoaccept.notices.people import channel_of, send_message
from pm_autoaccept.notices.webhook import post_webhook


@dataclass(frozen=True, slots=True)
class Delivery:
    """Delivers one notice to one target; it is a `model.Deliver`.

    Attributes:
        targets: the targets in the settings, by name.
        egress: how webhooks are reached.
        now: the clock.
    """

    targets: Mapping[str, Target]
    egress: Egress
    now: Callable[[], datetime] = utc_now

    @classmethod
    def of(cls, program: Program, proxy_guard: ProxyPasswordGuard, now: Callable[[], datetime] = utc_now) -> Self:
        """The delivery to the targets of the settings, through the first account's proxy."""
        return cls(program.targets, Egress(program.accounts[0].proxies, proxy_guard), now)

    async def __call__(self, target: NoticeTarget, notice: Outgoing, /) -> DeliveryResult:
        """Try once. The settings decide where it goes, so a target that they do not name any more is dead."""
        known = self.targets.get(target.name)
        if known is None:
            return Dead("the settings do not name this target any more")
        personal = known.routing.personal
        if known.secret is not None:
            return await post_webhook(
                notice, url=known.address, secret=known.secret, personal=personal, egress=self.egress, now=self.now()
            )
        message = compose(
            notice,
            channel_of(known.address),
            personal=personal,
            now=self.now(),
            time_zone=known.routing.time_zone,
        )
        return await send_message(message, address=known.address)
