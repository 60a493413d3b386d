"""Customers who ask, take back and ask again while the program runs, by the switchboard, from seeded dice."""

from __future__ import annotations

import random
import time
import urllib.error
from dataclasses import dataclass, field
from typing import Any

from tests.acceptance.processes import Served

KINDS = {"connections": "account", "properties": "property", "meters": "meter"}
LATER = 3.0
"""Seconds after which somebody who took a request back asks again."""


@dataclass(slots=True)
class Customers:
    """Those of a world made from a seed: all but the first few take their requests back, and ask again one by one.

    Attributes:
        asked: how many requests were asked, those that pend at the beginning included.
    """

    served: Served
    dice: random.Random
    asked: int = 0
    _waiting: list[tuple[float, dict[str, Any]]] = field(default_factory=list)

    def begin(self, pending: int) -> None:
        """Leave about so many requests pending, whole families of them."""
        world = self.served.switchboard("world")
        families: dict[int, list[dict[str, Any]]] = {}
        for plural, name in KINDS.items():
            for tie in world[plural]:
                if tie["state"] == "pending":
                    families.setdefault(tie["owner"], []).append(_request(tie, name))
        for family in families.values():
            if self.asked < pending:
                self.asked += len(family)
                continue
            for request in reversed(family):
                self._act(_taking_back(request))
            self._waiting += [(0.0, request) for request in family]

    def ask(self, at_most: int) -> None:
        """Let so many ask whose time has come."""
        due = [each for each in self._waiting if each[0] <= time.monotonic()][:at_most]
        for each in due:
            self._waiting.remove(each)
            self.asked += self._act(each[1])

    def change_their_minds(self) -> None:
        """Somebody takes back a request that pends; somebody who was rejected asks again."""
        world = self.served.switchboard("world")
        ties = [(tie, name) for plural, name in KINDS.items() for tie in world[plural]]
        for state in ("pending", "rejected"):
            some = [_request(tie, name) for tie, name in ties if tie["state"] == state]
            if not some:
                continue
            request = self.dice.choice(some)
            if state == "rejected" or self._act(_taking_back(request)):
                self._waiting.append((time.monotonic() + LATER, request))

    @property
    def left(self) -> int:
        """How many wait to ask."""
        return len(self._waiting)

    def _act(self, act: dict[str, Any]) -> bool:
        """Whether the simulator let them."""
        try:
            self.served.switchboard("act", act)
        except urllib.error.HTTPError as refusal:
            refusal.close()
            return False
        return True


def _request(tie: dict[str, Any], name: str) -> dict[str, Any]:
    if name == "account":
        return {"act": "connect", "account": tie["id"]}
    return {"act": "share", name: tie["id"], "sender": tie["sender"], "access": tie["access"]}


def _taking_back(request: dict[str, Any]) -> dict[str, Any]:
    return {"act": "withdraw"} | {name: request[name] for name in KINDS.values() if name in request}
