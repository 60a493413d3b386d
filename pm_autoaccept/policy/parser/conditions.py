"""From `when:` to conditions: all is checked once, when the policy is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from pm_autoaccept.errors import Fault
from pm_autoaccept.model import Kind
from pm_autoaccept.policy.conditions import ALWAYS, AllOf, AnyOf, Column, Condition, Lookup, Not
from pm_autoaccept.policy.data.sources import Source
from pm_autoaccept.policy.parser.comparisons import ComparisonReader
from pm_autoaccept.policy.parser.field_names import GROUPS, FieldNames
from pm_autoaccept.policy.parser.lookups import LookupReader
from pm_autoaccept.policy.parser.source_text import Broken, Entries, Items, Node, Place, Text


@dataclass(frozen=True, slots=True)
class ConditionReader:
    """Reads the conditions of one rule.

    Attributes:
        kinds: the kinds of request that the rule is on.
        sources: the data that the policy declares; None for a name whose declaration has faults.
        all_declared: whether every file could be read, so that a missing declaration is really missing.
        faults: what is wrong is added here.
        private: the custom fields that are never shown.
        table: inside `where`: the table whose columns stand there instead of fields.
    """

    kinds: frozenset[Kind]
    sources: Mapping[str, Source | None]
    all_declared: bool
    faults: list[Fault]
    private: frozenset[str] = frozenset()
    table: Source | None = None
    hidden: frozenset[str] = frozenset()

    def when(self, node: Node) -> Condition:
        """What stands after `when:`."""
        if isinstance(node, Text) and node.value == "always":
            return ALWAYS
        return self.conditions(node)

    @property
    def _names(self) -> FieldNames:
        return FieldNames(self.kinds, self.faults, self.private)

    @property
    def _tests(self) -> ComparisonReader:
        return ComparisonReader(self._names, self.sources, self.all_declared, self.faults)

    @property
    def _lookups(self) -> LookupReader:
        return LookupReader(self._names, self.sources, self.all_declared, self.faults)

    def _refuse(self, place: Place, message: str) -> None:
        self.faults.append(place.fault(message))

    def conditions(self, node: Node) -> Condition:
        """A mapping of conditions, as after `when`, `not` and `where`."""
        if isinstance(node, Entries):
            parts = [self._entry(key, value) for key, value in node.entries]
            return AllOf(tuple(part for part in parts if part is not None))
        if not isinstance(node, Broken):
            message = "conditions are fields and their tests, as `account.username: spam_one`; `always` stands for none"
            if self.table is not None:
                message = "`where` holds columns and their tests, as `{tenants: {at_least: 4}}`"
            self._refuse(node.place, message)
        return ALWAYS

    def _entry(self, key: Text, node: Node) -> Condition | None:
        if key.value == "not":
            return Not(self.conditions(node))
        if key.value in GROUPS:
            return self._group(key, node)
        if key.value == "lookup":
            return self._lookup(key, node)
        subject = self._names.field(key) if self.table is None else self._column(key, self.table)
        return None if subject is None else self._tests.test(subject, node)

    def _column(self, key: Text, table: Source) -> Column | None:
        """A column; the key that a private field was looked up by is as private."""
        column = self._lookups.column(key, table)
        return replace(column, private=True) if column is not None and key.value in self.hidden else column

    def _lookup(self, key: Text, node: Node) -> Lookup | None:
        if self.table is not None:
            self._refuse(key.place, "a `lookup` does not stand inside another; let it stand beside it, under `all:`")
            return None
        head = self._lookups.head(node)
        if head is None:
            return None
        hidden = frozenset(name for name, field in zip(head.source.key, head.by, strict=False) if field.private)
        where = ALWAYS if head.where is None else replace(self, table=head.source, hidden=hidden).conditions(head.where)
        return Lookup(source=head.source, by=head.by, where=where)

    def _group(self, key: Text, node: Node) -> Condition | None:
        if isinstance(node, Items):
            parts = tuple(self.conditions(item) for item in node.items)
            return AllOf(parts) if key.value == "all" else AnyOf(parts)
        if not isinstance(node, Broken):
            self._refuse(node.place, f"`{key.value}` is followed by a list of conditions; begin each with a dash")
        return None
