"""Limits: how many answers may leave within a period, so that a mistake stays small."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from types import MappingProxyType

from pm_autoaccept.errors import Fault
from pm_autoaccept.model import Action, Limit
from pm_autoaccept.policy.durations import read_duration
from pm_autoaccept.policy.messages import listed, perhaps
from pm_autoaccept.policy.parser.source_text import Broken, Entries, Items, Node, Text

_ACTIONS: Mapping[str, Action] = MappingProxyType({"accept": Action.ACCEPT, "reject": Action.REJECT})
_LIMIT = re.compile(r"([0-9]{1,9}|[0-9]{1,3}(?:,[0-9]{3}){1,2}|[0-9]{1,3}(?:\.[0-9]{1,3})?%) per (\S+)")
_A_HUNDRED = Decimal(100)

DEFAULTS: Mapping[str, tuple[Limit, ...]] = MappingProxyType(
    {
        "accept": (Limit(action=Action.ACCEPT, at_most=200, period=timedelta(hours=1)),),
        "reject": (Limit(action=Action.REJECT, at_most=50, period=timedelta(days=1)),),
    }
)
"""What holds for an action of which the policy says nothing."""

DEFAULT_LIMITS = tuple(limit for limits in DEFAULTS.values() for limit in limits)


def read_limits(node: Node, faults: list[Fault]) -> tuple[Limit, ...]:
    """What stands after `limits:`, with the defaults for what is not said there."""
    if isinstance(node, Text) and node.value == "none":
        return ()
    if not isinstance(node, Entries):
        if not isinstance(node, Broken):
            example = "{accept: 200 per 1h, reject: 50 per 1d}"
            faults.append(node.place.fault(f"`limits` is a mapping of {listed(_ACTIONS)}, as {example}, or `none`"))
        return DEFAULT_LIMITS
    said = dict(DEFAULTS)
    for key, value in node.entries:
        if key.value in _ACTIONS:
            said[key.value] = _limits(_ACTIONS[key.value], value, faults)
        else:
            meant = perhaps(key.value, _ACTIONS)
            faults.append(key.place.fault(f"there is no limit for `{key.value}`{meant}; there are {listed(_ACTIONS)}"))
    return tuple(limit for limits in said.values() for limit in limits)


def _limits(action: Action, node: Node, faults: list[Fault]) -> tuple[Limit, ...]:
    """`none`, one limit, or a list of them, all of which hold."""
    if isinstance(node, Text) and node.value == "none":
        return ()
    items = node.items if isinstance(node, Items) else (node,)
    read = (_limit(action, item, faults) for item in items)
    return tuple(limit for limit in read if limit is not None)


def _limit(action: Action, node: Node, faults: list[Fault]) -> Limit | None:
    if isinstance(node, Broken):
        return None
    written = _LIMIT.fullmatch(node.value.strip()) if isinstance(node, Text) else None
    period = read_duration(written[2]) if written else None
    if written is None or not period:
        share = ", `10% per 1d`" if action is Action.REJECT else ""
        message = f"a limit is a number per time, as `500 per 1h`{share}, or `none`; times are as 15m, 1h, 1d"
        faults.append(node.place.fault(message))
        return None
    if not written[1].endswith("%"):
        return Limit(action=action, at_most=int(written[1].replace(",", "")), period=period)
    percent = Decimal(written[1].removesuffix("%"))
    if action is Action.ACCEPT or percent > _A_HUNDRED:
        why = (
            "a share of more than 100% limits nothing" if percent > _A_HUNDRED else "only rejects are limited by share"
        )
        faults.append(node.place.fault(f"{why}; write a number, as `500 per 1h`"))
        return None
    return Limit(action=action, percent=percent, period=period)
