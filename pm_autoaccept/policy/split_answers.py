"""Split an answer that holds several values, for example `123; 456`: parse `split`, and its separators."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from pm_autoaccept.errors import Fault
from pm_autoaccept.model import Fact, NotLearnt
from pm_autoaccept.policy.cleaning import fold
from pm_autoaccept.policy.messages import listed
from pm_autoaccept.policy.parser.source_text import Broken, Items, Node, Text

MAX_PARTS = 20
"""Parts that an answer can have: someone who enters more is guessing numbers."""
NAMED: Mapping[str, str] = MappingProxyType({"newline": "\n\r\x85\u2028\u2029"})
"""Separators that are written as a word, and the characters that each represents."""
TOO_MANY = NotLearnt(f"it has more than {MAX_PARTS} parts")


@dataclass(frozen=True, slots=True)
class Separators:
    """The separators at which an answer is split, as written in the policy."""

    written: tuple[str, ...]

    @property
    def characters(self) -> str:
        """The separator characters."""
        return "".join(NAMED.get(each, each) for each in self.written)

    @property
    def shown(self) -> str:
        """The separators as messages show them."""
        return listed((each if each in NAMED else f"'{each}'" for each in self.written), "and")

    def parts(self, text: str) -> tuple[str, ...]:
        """The parts of a folded text, without blank ones."""
        parts = (part.strip() for part in re.split(f"[{re.escape(self.characters)}]", text))
        return tuple(part for part in parts if part)

    def split(self, text: str) -> Fact[tuple[str, ...]]:
        """The parts; unknown if there are more than `MAX_PARTS`."""
        parts = self.parts(text)
        return parts if len(parts) <= MAX_PARTS else TOO_MANY


@dataclass(frozen=True, slots=True)
class PartOf:
    """How an answer is split, and whether `every` part must pass or `some`."""

    separators: Separators
    every: bool


def read_separators(node: Node, faults: list[Fault]) -> Separators | None:
    """Parse `split`: one separator or a list; None if one of them is invalid."""
    items = node.items if isinstance(node, Items) else (node,)
    read = [_read_one(item, faults) for item in items]
    written = tuple(dict.fromkeys(each for each in read if each is not None))
    return Separators(written) if len(read) == sum(each is not None for each in read) else None


def _read_one(node: Node, faults: list[Fault]) -> str | None:
    if isinstance(node, Text):
        if node.value in NAMED:
            return node.value
        written = fold(node.value)
        if len(written) == 1 and written.isprintable() and not written.isalnum():
            return written
    if not isinstance(node, Broken):
        what = f"invalid separator; use one character that is not a letter or digit, {listed(NAMED)}, or a list"
        faults.append(node.place.fault(f"{what}, for example split: [';', ',', newline]"))
    return None
