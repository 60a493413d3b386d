"""Parse `lookup`: the data to look in, the fields to look up, and the conditions on columns of the row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pm_autoaccept.errors import Fault
from pm_autoaccept.policy import synonyms
from pm_autoaccept.policy.cleaning import Cleaning
from pm_autoaccept.policy.conditions import Column
from pm_autoaccept.policy.data.sources import Source, SourceKind
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
    """A lookup before its `where` is parsed: `by` has one field for each key column, in the source's order."""

    source: Source
    by: tuple[Field, ...]
    where: Node | None


@dataclass(frozen=True, slots=True)
class LookupReader:
    """Parses lookups.

    Attributes:
        names: parses the field names in `by`.
        sources: the data that the policy declares; None for a declaration with errors.
        all_declared: whether every file could be read, so that an undeclared name is an error.
        faults: errors are added here.
    """

    names: FieldNames
    sources: Mapping[str, Source | None]
    all_declared: bool
    faults: list[Fault]

    def head(self, node: Node) -> LookupHead | None:
        """Parse all of a lookup except `where`; None if it has errors."""
        if not isinstance(node, Entries):
            if not isinstance(node, Broken):
                self._refuse(node.place, f"invalid `lookup`; write it as {_EXAMPLE}")
            return None
        for key, _ in node.entries:
            if key.value not in _KEYS:
                meant = perhaps(key.value, _KEYS, synonyms.LOOKUP)
                self._refuse(
                    key.place, f"unknown key `{key.value}` in a lookup{meant}; allowed keys: {listed(_KEYS, 'and')}"
                )
        found = {key.value: value for key, value in node.entries}
        if lacking := [f"`{name}`" for name in ("in", "by") if name not in found]:
            self._refuse(node.place, f"missing {' and '.join(lacking)} in the lookup; write it as {_EXAMPLE}")
        source = self._source(found["in"]) if "in" in found else None
        by = self._by(found["by"], source) if "by" in found else {}
        if source is None:
            # The declaration has errors, so the policy is refused anyway: columns are not checked.
            return LookupHead(Source(name="", kind=SourceKind.VALUES), tuple(filter(None, by.values())), None)
        if any(by.get(column) is None for column in source.key):
            return None
        for column in source.key:
            self._check(by[column], column, source, node.place)
        return LookupHead(source, tuple(field for column in source.key if (field := by[column])), found.get("where"))

    def _check(self, field: Field | None, column: str, source: Source, place: Place) -> None:
        """Refuse a field whose values are not spelled like the keys."""
        if field is None:
            return
        if field.type not in KEYED:
            why = f"`{field.name}` is a {field.type}, and one value can be spelled in several ways"
            self._refuse(place, f"cannot look up this field in data: {why}; look up {listed(sorted(KEYED))}")
        if field.lower_case and Cleaning("fold_case") not in source.clean.get(column, ()):
            self._refuse(place, f"`{field.name}` is in lower case; add `clean: fold_case` to the column `{column}`")

    def column(self, key: Text, source: Source) -> Column | None:
        """The column with this name, inside `where`."""
        if key.value in source.key:
            return Column(source.name, key.value, FieldType.TEXT)
        if key.value in source.columns:
            return Column(source.name, key.value, source.columns[key.value])
        known = (*source.columns, *source.key)
        declare = "or declare it with its type under `columns:` of the data"
        meant = perhaps(key.value, known)
        self._refuse(
            key.place,
            f"unknown column `{key.value}` in `{source.name}`{meant}; use {listed(known)}, {declare}",
        )
        return None

    def _refuse(self, place: Place, message: str) -> None:
        self.faults.append(place.fault(message))

    def _source(self, node: Node) -> Source | None:
        if not isinstance(node, Text):
            if not isinstance(node, Broken):
                self._refuse(node.place, "invalid `in`; use one name that is declared under `data:`")
            return None
        if node.value not in self.sources and self.all_declared:
            meant = perhaps(node.value, self.sources)
            self._refuse(node.place, f"unknown data name `{node.value}`{meant}; declare it under `data:`")
        return self.sources.get(node.value)

    def _by(self, node: Node, source: Source | None) -> dict[str, Field | None]:
        """Parse `by`: key column → the field to look up there, None for one with errors."""
        if not isinstance(node, Entries):
            if not isinstance(node, Broken):
                self._refuse(node.place, "`by` must be a mapping from each key column to the field to look up there")
            return {}
        by: dict[str, Field | None] = {}
        for key, value in node.entries:
            by[key.value] = self.names.field(value) if isinstance(value, Text) else None
            if not isinstance(value, Text | Broken):
                why = "expected the name of one field, for example custom.Meter Number"
                if isinstance(value, Entries) and any(each.value == "split" for each, _ in value.entries):
                    why = f"`split` is not allowed in `by`, because a row is found by one value; {why}"
                self._refuse(value.place, why)
            if source is not None and key.value not in source.key:
                meant = perhaps(key.value, source.key)
                why = f"`{key.value}` is not a key column of `{source.name}`{meant}; test other columns in `where`"
                self._refuse(key.place, why)
        if source is not None and (missing := [f"`{column}`" for column in source.key if column not in by]):
            why = f"missing key column {listed(missing, 'and')} of `{source.name}` in `by`; name the whole key"
            self._refuse(node.place, why)
        return by
