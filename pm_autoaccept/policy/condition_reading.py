"""From `when:` to conditions: all is checked once, when the policy is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pm_autoaccept.errors import Fault
from pm_autoaccept.model import Kind
from pm_autoaccept.policy import operators
from pm_autoaccept.policy.comparison_reading import ComparisonReader
from pm_autoaccept.policy.conditions import ALWAYS, AllOf, AnyOf, Condition, Not
from pm_autoaccept.policy.field_names import GROUPS, FieldNames
from pm_autoaccept.policy.source_text import Broken, Entries, Items, Node, Place, Text
from pm_autoaccept.policy.sources import Source
from pm_autoaccept.policy.wording import not_yet


@dataclass(frozen=True, slots=True)
class ConditionReader:
    """Reads the conditions of one rule.

    Attributes:
        kinds: the kinds of request that the rule is on.
        sources: the data that the policy declares; None for a name whose declaration has faults.
        all_declared: whether every file could be read, so that a missing declaration is really missing.
        faults: what is wrong is added here.
    """

    kinds: frozenset[Kind]
    sources: Mapping[str, Source | None]
    all_declared: bool
    faults: list[Fault]

    def when(self, node: Node) -> Condition:
        """What stands after `when:`."""
        if isinstance(node, Text) and node.value == "always":
            return ALWAYS
        return self._conditions(node)

    @property
    def _names(self) -> FieldNames:
        return FieldNames(self.kinds, self.faults)

    @property
    def _tests(self) -> ComparisonReader:
        return ComparisonReader(self._names, self.sources, self.all_declared, self.faults)

    def _refuse(self, place: Place, message: str) -> None:
        self.faults.append(place.fault(message))

    def _conditions(self, node: Node) -> Condition:
        if isinstance(node, Entries):
            parts = [self._entry(key, value) for key, value in node.entries]
            return AllOf(tuple(part for part in parts if part is not None))
        if not isinstance(node, Broken):
            message = "conditions are fields and their tests, as `account.username: spam_one`; `always` stands for none"
            self._refuse(node.place, message)
        return ALWAYS

    def _entry(self, key: Text, node: Node) -> Condition | None:
        if key.value == "not":
            return Not(self._conditions(node))
        if key.value in GROUPS:
            return self._group(key, node)
        if key.value in operators.NOT_YET:
            self._refuse(key.place, not_yet(key.value, "take it out, or hold such requests for people"))
            return None
        field = self._names.field(key)
        return None if field is None else self._tests.test(field, node)

    def _group(self, key: Text, node: Node) -> Condition | None:
        if isinstance(node, Items):
            parts = tuple(self._conditions(item) for item in node.items)
            return AllOf(parts) if key.value == "all" else AnyOf(parts)
        if not isinstance(node, Broken):
            self._refuse(node.place, f"`{key.value}` is followed by a list of conditions; begin each with a dash")
        return None
