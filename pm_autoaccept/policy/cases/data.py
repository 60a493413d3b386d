"""Parse `data` in a test case: the rows of each source for this case. Real sources are never read."""

from __future__ import annotations

from collections.abc import Mapping

from pm_autoaccept.errors import Fault
from pm_autoaccept.model import Fact, NotLearnt
from pm_autoaccept.policy.data.sources import Source, SourceKind
from pm_autoaccept.policy.data.tables import Table, build_table
from pm_autoaccept.policy.messages import listed, perhaps
from pm_autoaccept.policy.parser.source_text import Broken, Entries, Items, Node, Text

UNAVAILABLE = "unavailable"
"""The value that represents a source that cannot be read."""
_DIGEST = "case"


def read_data(
    node: Node | None, sources: Mapping[str, Source | None], faults: list[Fault]
) -> Mapping[str, Fact[Table]]:
    """The table of each source: from the case, inline `values` from the policy, otherwise unavailable."""
    tables: dict[str, Fact[Table]] = {name: _not_given(source) for name, source in sources.items()}
    if not isinstance(node, Entries):
        if node is not None and not isinstance(node, Broken):
            faults.append(
                node.place.fault("`data` must be a mapping from data names to lists of keys, or to `unavailable`")
            )
        return tables
    for name, given in node.entries:
        source = sources.get(name.value)
        if name.value not in sources:
            meant = perhaps(name.value, sources)
            faults.append(name.place.fault(f"unknown data name `{name.value}`{meant}; the policy does not declare it"))
        elif isinstance(given, Text) and given.value == UNAVAILABLE:
            tables[name.value] = NotLearnt("the test case makes it unavailable")
        elif isinstance(given, Items):
            if source is not None:
                rows = [row for item in given.items if (row := _row(item, source, faults)) is not None]
                table = tables[name.value] = build_table(source, rows, digest=_DIGEST)
                if isinstance(table, Table) and not table.rows and len(rows) == len(given.items):
                    why = f"no valid keys: data without keys is never used; add one, or write `{UNAVAILABLE}`"
                    faults.append(given.place.fault(why))
        elif not isinstance(given, Broken):
            faults.append(given.place.fault(f"expected a list of keys, for example ['0099817'], or `{UNAVAILABLE}`"))
    return tables


def _not_given(source: Source | None) -> Fact[Table]:
    if source is not None and source.kind is SourceKind.VALUES:
        return build_table(source, ((value,) for value in source.values), digest=_DIGEST, places=source.places)
    return NotLearnt("the test case does not provide it")


def _row(node: Node, source: Source, faults: list[Fault]) -> tuple[str, ...] | None:
    """One text for each key column and declared column, blank if the case does not give it; None for a fault."""
    names = (*source.key, *source.columns)
    if isinstance(node, Text) and len(source.key) == 1:
        return (node.value, *("" for _ in source.columns))
    if not isinstance(node, Entries):
        if not isinstance(node, Broken):
            message = f"a row of `{source.name}` must be a mapping; allowed columns: {listed(names, 'and')}"
            faults.append(node.place.fault(message))
        return None
    cells = {key.value: value.value for key, value in node.entries if isinstance(value, Text)}
    before = len(faults)
    for key, value in node.entries:
        if key.value not in names:
            meant = perhaps(key.value, names)
            message = f"unknown column `{key.value}` in `{source.name}`{meant}; columns: {listed(names, 'and')}"
            faults.append(key.place.fault(message))
        elif isinstance(value, Items | Entries):
            faults.append(value.place.fault("expected one value, not a list or mapping"))
    stated = {key.value for key, _ in node.entries}
    if lacking := [name for name in source.key if name not in stated]:
        faults.append(node.place.fault(f"missing key column {listed(lacking, 'and')} in the row"))
    return tuple(cells.get(name, "") for name in names) if len(faults) == before else None
