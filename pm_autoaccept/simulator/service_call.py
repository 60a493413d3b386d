"""One call as the services see it, and what they make of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from pm_autoaccept.simulator.unconfirmed import Inferred
from pm_autoaccept.simulator.world import Account, Effect, World


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A call that has been signed in and belongs to a service."""

    world: World
    inferred: Inferred
    caller: Account
    ids: Mapping[str, int]
    query: Mapping[str, str]
    body: bytes
    now: datetime


@dataclass(frozen=True, slots=True)
class Answer:
    """What is sent back, and what the call changed."""

    body: bytes
    effects: tuple[Effect, ...] = ()
    status: int = 200
