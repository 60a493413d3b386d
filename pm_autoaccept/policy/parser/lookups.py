"""What stands after `lookup:`: which table, by which fields, and the columns that its row must pass."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pm_autoaccept.errors import Fault
from pm_autoaccept.policy import synonyms
from pm_autoaccept.policy.cleaning import Cleaning
from pm_autoaccept.policy.conditions import Column
from pm_autoaccept.policy.data.sources import Form, Source
from pm_autoaccept.policy.fields import Field
from pm_autoaccept.policy.messages import listed, perhaps
from pm_autoaccept.policy.operators import KEYED
from pm_autoaccept.policy.parser.field_names import FieldNames
from pm_autoaccept.policy.parser.source_text import Broken, Entries, Node, Place, Text
from pm_autoaccept.policy.values import FieldType

_KEYS = ("in", "by", "where")
_EXAMPLE = "lookup: {in: TABLE, by: {COLUMN: FIELD}, where: {COLUMN: TEST}}"


@dataclass(frozen=True, slots=True)
class LookupHead:
    """A lookup but for its `where`: `by` has a field for each key column of the source, in the source's order."""

    source: Source
    by: tuple[Field, ...]
    where: Node | None


@dataclass(frozen=True, slots=True)
class LookupReader:
    """Reads lookups.

    Attributes:
        names: reads the names of the fields in `by`.
        sources: the data that the policy declares; None for a name whose declaration has faults.
        all_declared: whether every file could be read, so that a missing declaration is really missing.
        faults: what is wrong is added here.
    """

    names: FieldNames
    sources: Mapping[str, Source | None]
    all_declared: bool
    faults: list[Fault]

    def head(self, node: Node) -> LookupHead | None:
        """What stands there; None where it has faults."""
        if not isinstance(node, Entries):
            if not isinstance(node, Broken):
                self._refuse(node.place, f"write it as {_EXAMPLE}")
            return None
        for key, _ in node.entries:
            if key.value not in _KEYS:
                meant = perhaps(key.value, _KEYS, synonyms.LOOKUP)
                self._refuse(key.place, f"a lookup has no `{key.value}`{meant}; it has {listed(_KEYS)}")
        found = {key.value: value for key, value in node.entries}
        if lacking := [f"`{name}`" for name in ("in", "by") if name not in found]:
            self._refuse(node.place, f"the lookup lacks {' and '.join(lacking)}; write it as {_EXAMPLE}")
        source = self._source(found["in"]) if "in" in found else None
        by = self._by(found["by"], source) if "by" in found else {}
        if source is None:
            # Its declaration is refused, and with it the policy: nothing more is said of columns.
            return LookupHead(Source(name="", form=Form.VALUES), tuple(filter(None, by.values())), None)
        if any(by.get(column) is None for column in source.key):
            return None
        for column in source.key:
            self._check(by[column], column, source, node.place)
        return LookupHead(source, tuple(field for column in source.key if (field := by[column])), found.get("where"))

    def _check(self, field: Field | None, column: str, source: Source, place: Place) -> None:
        """Refuse a field whose values are not written as the keys are."""
        if field is None:
            return
        if field.type not in KEYED:
            why = f"and `{field.name}` is a {field.type}, of which one value can be written in many ways"
            self._refuse(place, f"what is looked up in data is {listed(sorted(KEYED))}, {why}")
        if field.lower_case and Cleaning("fold_case") not in source.clean.get(column, ()):
            self._refuse(place, f"`{field.name}` is in lower case; clean the column `{column}` with `fold_case`")

    def column(self, key: Text, source: Source) -> Column | None:
        """The column of this name, inside `where`."""
        if key.value in source.key:
            return Column(source.name, key.value, FieldType.TEXT)
        if key.value in source.columns:
            return Column(source.name, key.value, source.columns[key.value])
        known = (*source.columns, *source.key)
        declare = "a column is declared with its type under `columns:` of the data"
        meant = perhaps(key.value, known)
        self._refuse(
            key.place, f"`{source.name}` has no column `{key.value}`{meant}; it has {listed(known)}; {declare}"
        )
        return None

    def _refuse(self, place: Place, message: str) -> None:
        self.faults.append(place.fault(message))

    def _source(self, node: Node) -> Source | None:
        if not isinstance(node, Text):
            if not isinstance(node, Broken):
                self._refuse(node.place, "`in` is the name of data that stands under `data:`")
            return None
        if node.value not in self.sources and self.all_declared:
            meant = perhaps(node.value, self.sources)
            self._refuse(node.place, f"no data is called `{node.value}`{meant}; declare it under `data:`")
        return self.sources.get(node.value)

    def _by(self, node: Node, source: Source | None) -> dict[str, Field | None]:
        """Key column → the field whose value is looked for there; None for one with faults."""
        if not isinstance(node, Entries):
            if not isinstance(node, Broken):
                self._refuse(
                    node.place, "`by` is a mapping: a key column, and the field whose value is looked for there"
                )
            return {}
        by: dict[str, Field | None] = {}
        for key, value in node.entries:
            by[key.value] = self.names.field(value) if isinstance(value, Text) else None
            if not isinstance(value, Text | Broken):
                why = "the name of one field stands here, as custom.Meter Number"
                if isinstance(value, Entries) and any(each.value == "split" for each, _ in value.entries):
                    why = f"a row is found by one value, so `split` does not stand in `by`; {why}"
                self._refuse(value.place, why)
            if source is not None and key.value not in source.key:
                meant = perhaps(key.value, source.key)
                why = f"`{key.value}` is no key column of `{source.name}`{meant}; what a row must say stands in `where`"
                self._refuse(key.place, why)
        if source is not None and (missing := [f"`{column}`" for column in source.key if column not in by]):
            why = f"`by` lacks the key column {listed(missing)} of `{source.name}`: a row is found by its whole key"
            self._refuse(node.place, why)
        return by
