"""Data that a policy declares: what it is, where it lies, how its keys are cleaned; and the table read from it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from pm_autoaccept.errors import Fault
from pm_autoaccept.policy.cleaning import Cleaning, cleaned, read_cleanings
from pm_autoaccept.policy.source_text import Broken, Entries, Items, Node, Text
from pm_autoaccept.policy.wording import listed, not_yet, perhaps

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
_KEYS = ("values", "lines", "csv", "key", "clean")
_NOT_YET = ("sql", "url", "require", "columns", "dated", "refresh")


class Form(StrEnum):
    """Where a table's rows stand: in the policy, one a line in a file, or in a column of a csv file."""

    VALUES = "values"
    LINES = "lines"
    CSV = "csv"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A declared table.

    Attributes:
        values: the keys themselves, for `values`.
        path: the file, relative to the policy's folder, for `lines` and `csv`.
        key: the key column, for `csv`.
        clean: how keys, and what is looked up, are cleaned.
    """

    name: str
    form: Form
    values: tuple[str, ...] = ()
    path: str | None = None
    key: str | None = None
    clean: tuple[Cleaning, ...] = ()

    def table(self, keys: Iterable[str], *, digest: str) -> Table:
        """The table of these keys: cleaned, blank ones dropped."""
        kept = [key for key in (cleaned(key, self.clean) for key in keys) if key]
        return Table(name=self.name, keys=frozenset(kept), rows=len(kept), digest=digest)


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table as it was read: its cleaned keys, how many rows had one, and a digest of what was read."""

    name: str
    keys: frozenset[str]
    rows: int
    digest: str


def read_sources(node: Node, faults: list[Fault]) -> tuple[tuple[Text, Source | None], ...]:
    """What stands after `data:`: each name with its source, None for one that has faults."""
    if not isinstance(node, Entries):
        faults.append(node.place.fault("`data` is a mapping: a name, and below it `values`, `lines` or `csv`"))
        return ()
    return tuple((name, _read_source(name, declared, faults)) for name, declared in node.entries)


def _read_source(name: Text, node: Node, faults: list[Fault]) -> Source | None:
    before = len(faults)
    if not _NAME.fullmatch(name.value):
        faults.append(name.place.fault("a data name is letters, digits and underscores, and begins with a letter"))
    if not isinstance(node, Entries):
        if not isinstance(node, Broken):
            faults.append(node.place.fault("say `values`, `lines` or `csv` below the name"))
        return None
    for key, _ in node.entries:
        if key.value in _NOT_YET:
            faults.append(key.place.fault(not_yet(key.value)))
        elif key.value not in _KEYS:
            meant = perhaps(key.value, _KEYS)
            faults.append(key.place.fault(f"data has no `{key.value}`{meant}; it has {listed(_KEYS)}"))
    found = {key.value: value for key, value in node.entries}
    form = _form(name, found, faults)
    if form is None:
        return None
    clean = read_cleanings(found["clean"], faults) if "clean" in found else ()
    source = Source(
        name=name.value,
        form=form,
        values=_values(found["values"], clean, faults) if form is Form.VALUES else (),
        path=None if form is Form.VALUES else _path(found[form], faults),
        key=_key(found["key"], faults) if "key" in found else None,
        clean=clean,
    )
    broken = any(isinstance(value, Broken) for value in found.values())
    return None if broken or len(faults) > before else source


def _form(name: Text, found: Mapping[str, Node], faults: list[Fault]) -> Form | None:
    """The one form in which the rows stand; None where there is none, or more than one."""
    forms = [form for form in Form if form in found]
    if len(forms) != 1:
        if forms or not set(_NOT_YET) & set(found):
            faults.append(name.place.fault("say where the rows stand: one of `values`, `lines` or `csv`"))
        return None
    if forms[0] is Form.CSV and "key" not in found:
        faults.append(name.place.fault("say which column of the csv file is the key, as `key: account_number`"))
    if forms[0] is not Form.CSV and "key" in found:
        faults.append(found["key"].place.fault(f"`{forms[0]}` has no columns; take `key` out"))
    return forms[0]


def _values(node: Node, clean: tuple[Cleaning, ...], faults: list[Fault]) -> tuple[str, ...]:
    if not isinstance(node, Items):
        if not isinstance(node, Broken):
            faults.append(node.place.fault("`values` is a list, as [green_consult, watt_watchers]"))
        return ()
    values = []
    for item in node.items:
        if isinstance(item, Text):
            if not cleaned(item.value, clean):
                faults.append(item.place.fault(f"`{item.value}` is blank after cleaning and would match nothing"))
            values.append(item.value)
        elif not isinstance(item, Broken):
            faults.append(item.place.fault("a value is one text, not a list or a mapping"))
    return tuple(values)


def _path(node: Node, faults: list[Fault]) -> str | None:
    if not isinstance(node, Text):
        if not isinstance(node, Broken):
            faults.append(node.place.fault("one file stands here, as data/billing_accounts.csv"))
        return None
    path = node.value
    if path.startswith(("/", "~")) or "\\" in path or ":" in path or ".." in path.split("/"):
        faults.append(node.place.fault("a file lies in the policy's folder: write its path from there, as data/x.csv"))
    return path


def _key(node: Node, faults: list[Fault]) -> str | None:
    if isinstance(node, Text):
        return node.value
    if not isinstance(node, Broken):
        faults.append(node.place.fault(not_yet("key: [several columns]", "name one column")))
    return None
