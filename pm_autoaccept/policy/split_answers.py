"""The parts of an answer into which a customer typed several values: where it is split, and what is left."""

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
"""Parts that an answer may have. Whoever types more is trying numbers."""
NAMED: Mapping[str, str] = MappingProxyType({"newline": "\n\r\x85\u2028\u2029"})
"""Separators that are written as a word, and the characters that each stands for."""
TOO_MANY = NotLearnt(f"it has more than {MAX_PARTS} parts")


@dataclass(frozen=True, slots=True)
class Separators:
    """Where an answer is split: the separators, as policies write them."""

    written: tuple[str, ...]

    @property
    def characters(self) -> str:
        """The characters that they stand for."""
        return "".join(NAMED.get(each, each) for each in self.written)

    @property
    def shown(self) -> str:
        """As messages say them."""
        return listed((each if each in NAMED else f"'{each}'" for each in self.written), "and")

    def parts(self, text: str) -> tuple[str, ...]:
        """The parts of a folded text; those that are blank as typed are dropped."""
        parts = (part.strip() for part in re.split(f"[{re.escape(self.characters)}]", text))
        return tuple(part for part in parts if part)

    def split(self, text: str) -> Fact[tuple[str, ...]]:
        """The parts, if they are not too many."""
        parts = self.parts(text)
        return parts if len(parts) <= MAX_PARTS else TOO_MANY


@dataclass(frozen=True, slots=True)
class PartOf:
    """Of which answers something is a part: where they are split, and whether `every` part is asked, or `some`."""

    separators: Separators
    every: bool


def read_separators(node: Node, faults: list[Fault]) -> Separators | None:
    """What stands after `split:`: one separator or a list of them; None where one of them is none."""
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
        what = f"`split` is one sign that is no letter or digit, {listed(NAMED)}, or a list of them"
        faults.append(node.place.fault(f"{what}, as [';', ',', newline]"))
    return None
