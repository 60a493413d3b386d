"""What stands after `data:` in a case: what each source holds while the case is tried. No real one is ever read."""

from __future__ import annotations

from collections.abc import Mapping

from pm_autoaccept.errors import Fault
from pm_autoaccept.model import Fact, NotLearnt
from pm_autoaccept.policy.data.sources import Form, Source
from pm_autoaccept.policy.data.tables import Table, tabulate
from pm_autoaccept.policy.messages import listed, perhaps
from pm_autoaccept.policy.parser.source_text import Broken, Entries, Items, Node, Text

UNAVAILABLE = "unavailable"
"""What stands for a source that cannot be read."""
_DIGEST = "case"


def read_data(
    node: Node | None, sources: Mapping[str, Source | None], faults: list[Fault]
) -> Mapping[str, Fact[Table]]:
    """Each source of the policy: as the case gives it, `values` as the policy gives them, else unavailable."""
    tables: dict[str, Fact[Table]] = {name: _not_given(source) for name, source in sources.items()}
    if not isinstance(node, Entries):
        if node is not None and not isinstance(node, Broken):
            faults.append(node.place.fault("`data` is a mapping: a name, and a list of keys, or `unavailable`"))
        return tables
    for name, given in node.entries:
        source = sources.get(name.value)
        if name.value not in sources:
            meant = perhaps(name.value, sources)
            faults.append(name.place.fault(f"the policy declares no data `{name.value}`{meant}"))
        elif isinstance(given, Text) and given.value == UNAVAILABLE:
            tables[name.value] = NotLearnt("the case makes it unavailable")
        elif isinstance(given, Items):
            if source is not None:
                rows = [row for item in given.items if (row := _row(item, source, faults)) is not None]
                table = tables[name.value] = tabulate(source, rows, digest=_DIGEST)
                if isinstance(table, Table) and not table.rows and len(rows) == len(given.items):
                    why = f"no data without a single key is ever taken; give it one, or say `{UNAVAILABLE}`"
                    faults.append(given.place.fault(why))
        elif not isinstance(given, Broken):
            faults.append(given.place.fault(f"a list of keys stands here, as ['0099817'], or `{UNAVAILABLE}`"))
    return tables


def _not_given(source: Source | None) -> Fact[Table]:
    if source is not None and source.form is Form.VALUES:
        return tabulate(source, ((value,) for value in source.values), digest=_DIGEST, places=source.places)
    return NotLearnt("the case does not give it")


def _row(node: Node, source: Source, faults: list[Fault]) -> tuple[str, ...] | None:
    """One text for each key column and each declared one, blank where the case does not say it; None for a fault."""
    names = (*source.key, *source.columns)
    if isinstance(node, Text) and len(source.key) == 1:
        return (node.value, *("" for _ in source.columns))
    if not isinstance(node, Entries):
        if not isinstance(node, Broken):
            faults.append(node.place.fault(f"a row of `{source.name}` is a mapping of {listed(names)}"))
        return None
    cells = {key.value: value.value for key, value in node.entries if isinstance(value, Text)}
    before = len(faults)
    for key, value in node.entries:
        if key.value not in names:
            message = f"`{source.name}` has no column `{key.value}`{perhaps(key.value, names)}; it has {listed(names)}"
            faults.append(key.place.fault(message))
        elif isinstance(value, Items | Entries):
            faults.append(value.place.fault("one cell stands here, not a list or a mapping"))
    said = {key.value for key, _ in node.entries}
    if lacking := [name for name in source.key if name not in said]:
        faults.append(node.place.fault(f"the row lacks {listed(lacking)}, which is its key"))
    return tuple(cells.get(name, "") for name in names) if len(faults) == before else None
