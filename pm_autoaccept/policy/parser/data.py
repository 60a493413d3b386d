"""Parse `data` into sources: values, csv, lines, sql or url, with key, columns, clean, refresh and require."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlsplit

from pm_autoaccept.errors import Fault
from pm_autoaccept.policy import synonyms
from pm_autoaccept.policy.cleaning import Cleaning, cleaned, read_cleanings
from pm_autoaccept.policy.data.contents import COLUMN_TYPES
from pm_autoaccept.policy.data.guards import read_guard
from pm_autoaccept.policy.data.layouts import COMMA, ENCODINGS, ORDERS, DateOrder, read_encoding, read_separator
from pm_autoaccept.policy.data.sources import DEFAULT_REFRESH, NO_GUARD, VALUE, Query, Source, SourceKind
from pm_autoaccept.policy.durations import AS_WRITTEN, read_duration
from pm_autoaccept.policy.messages import listed, perhaps
from pm_autoaccept.policy.parser.source_text import Broken, Entries, Items, Node, Text, is_sound
from pm_autoaccept.policy.values import FieldType

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
_MORE = ("key", "clean", "columns", "refresh", "require", "dated", "separator", "encoding", "dates")
_KEYS = (*SourceKind, *_MORE)
_QUERY = ("connection", "query")
_EXAMPLE = "{connection: billing, query: 'select account_number from accounts'}"
_LOCAL = frozenset({"127.0.0.1", "localhost", "::1"})


def read_sources(node: Node, faults: list[Fault]) -> tuple[tuple[Text, Source | None], ...]:
    """Parse `data`: each name with its source, None for a declaration with errors."""
    if not isinstance(node, Entries):
        faults.append(node.place.fault(f"`data` must be a mapping: a name, and below it {listed(_forms())}"))
        return ()
    return tuple((name, _Reader(name, faults).source(declared)) for name, declared in node.entries)


def _forms() -> tuple[str, ...]:
    return tuple(f"`{form}`" for form in SourceKind)


def _unfit(form: SourceKind, *, has_key: bool) -> tuple[str, tuple[str, ...]]:
    """The keys that a form of source does not support, and why."""
    if form is SourceKind.VALUES:
        return "`values` are part of the policy", tuple(key for key in _MORE if key != "clean")
    if form is SourceKind.LINES:
        return "`lines` has no columns", ("key", "columns", "dated", "separator", "dates")
    if form is SourceKind.SQL:
        return "a database has no file format", ("separator", "encoding")
    if form is SourceKind.URL and not has_key:
        why = "`url` without `key` is read as one key per line, without columns"
        return why, ("columns", "dated", "separator", "dates")
    return "", ()


@dataclass(slots=True)
class _Reader:
    """Parses one declaration."""

    name: Text
    faults: list[Fault]

    def source(self, node: Node) -> Source | None:
        """Parse what is below the name; None if it has errors."""
        before = len(self.faults)
        if not _NAME.fullmatch(self.name.value):
            self._refuse(self.name, "invalid data name; use letters, digits and underscores, beginning with a letter")
        if not isinstance(node, Entries):
            if not isinstance(node, Broken):
                self._refuse(node, f"missing source; add {listed(_forms())} below the name")
            return None
        for key, _ in node.entries:
            if key.value not in _KEYS:
                meant = perhaps(key.value, _KEYS, synonyms.DATA)
                known = listed(_KEYS, "and")
                self._refuse(key, f"unknown key `{key.value}` in data{meant}; allowed keys: {known}")
        found = {key.value: value for key, value in node.entries}
        form = self._form({key.value: key for key, _ in node.entries})
        if form is None:
            return None
        source = self._read(form, found)
        return source if is_sound(node) and len(self.faults) == before else None

    def _refuse(self, node: Node, message: str) -> None:
        self.faults.append(node.place.fault(message))

    def _form(self, keys: Mapping[str, Text]) -> SourceKind | None:
        """The form of the source; None unless there is exactly one."""
        forms = [form for form in SourceKind if form in keys]
        if len(forms) != 1:
            self._refuse(self.name, f"expected exactly one source: {listed(_forms())}")
            return None
        form = forms[0]
        if form in {SourceKind.CSV, SourceKind.SQL} and "key" not in keys:
            self._refuse(self.name, "missing key column; add one, for example `key: account_number`")
        why, unfit = _unfit(form, has_key="key" in keys)
        for name in unfit:
            if name in keys:
                self._refuse(keys[name], f"`{name}` is not allowed here: {why}; remove it")
        return form

    def _read(self, form: SourceKind, found: Mapping[str, Node]) -> Source:
        key = self._key(found["key"]) if "key" in found else (VALUE,)
        columns = self._columns(found["columns"], key) if "columns" in found else {}
        clean = self._clean(found["clean"], key) if "clean" in found else {}
        values = self._values(found[form], clean.get(VALUE, ())) if form is SourceKind.VALUES else ()
        return Source(
            name=self.name.value,
            kind=form,
            values=tuple(value.value for value in values),
            places=tuple(value.place for value in values),
            path=self._path(found[form]) if form in {SourceKind.LINES, SourceKind.CSV} else None,
            query=self._query(found[form]) if form is SourceKind.SQL else None,
            url=self._url(found[form]) if form is SourceKind.URL else None,
            plain=form is SourceKind.URL and "key" not in found,
            key=key,
            columns=columns,
            clean=clean,
            require=read_guard(found["require"], self.faults) if "require" in found else NO_GUARD,
            refresh=self._refresh(found["refresh"]) if "refresh" in found else DEFAULT_REFRESH,
            dated=self._dated(found["dated"], key, columns) if "dated" in found else None,
            separator=self._separator(found["separator"]) if "separator" in found else COMMA,
            encoding=self._encoding(found["encoding"]) if "encoding" in found else None,
            dates=self._dates(found["dates"]) if "dates" in found else None,
        )

    def _text(self, node: Node, what: str) -> str | None:
        if isinstance(node, Text):
            return node.value.strip()
        if not isinstance(node, Broken):
            self._refuse(node, what)
        return None

    def _values(self, node: Node, clean: tuple[Cleaning, ...]) -> tuple[Text, ...]:
        if not isinstance(node, Items):
            if not isinstance(node, Broken):
                self._refuse(node, "`values` must be a list, for example [green_consult, watt_watchers]")
            return ()
        values = []
        for item in node.items:
            if isinstance(item, Text):
                if not cleaned(item.value, clean):
                    self._refuse(item, f"`{item.value}` is blank after cleaning and would never match; change it")
                values.append(item)
            elif not isinstance(item, Broken):
                self._refuse(item, "expected one value, not a list or mapping")
        return tuple(values)

    def _path(self, node: Node) -> str | None:
        path = self._text(node, "expected one file, for example data/billing_accounts.csv")
        if path and (path.startswith(("/", "~")) or "\\" in path or ":" in path or ".." in path.split("/")):
            self._refuse(
                node, "the file must be in the policy folder; write its path from there, for example data/x.csv"
            )
        return path

    def _query(self, node: Node) -> Query | None:
        if not isinstance(node, Entries):
            if not isinstance(node, Broken):
                self._refuse(node, f"`sql` needs a connection from the settings and a query, for example {_EXAMPLE}")
            return None
        said: dict[str, str] = {}
        for key, value in node.entries:
            if key.value not in _QUERY:
                meant = perhaps(key.value, _QUERY)
                self._refuse(key, f"unknown key `{key.value}` in `sql`{meant}; allowed keys: {listed(_QUERY, 'and')}")
            elif (text := self._text(value, f"`{key.value}` must be one text")) is not None:
                said[key.value] = text
        present = {key.value for key, _ in node.entries}
        if missing := [name for name in _QUERY if name not in present]:
            self._refuse(node, f"missing `{missing[0]}` in `sql`; write it as {_EXAMPLE}")
        if not re.match(r"(?is)(select|with|values|table)\b|$", said.get("query", "")):
            self._refuse(node, "a query can only read; begin it with `select`")
        if len(said) < len(_QUERY):
            return None
        return Query(connection=said["connection"], query=said["query"].rstrip("; \n"))

    def _url(self, node: Node) -> str | None:
        url = self._text(node, "expected one URL, for example https://data.example.org/accounts.csv")
        if url is None:
            return None
        try:
            parts = urlsplit(url)
            host, _ = parts.hostname, parts.port
        except ValueError:
            host, parts = None, urlsplit("")
        if "@" in parts.netloc:
            # The line is not shown, because it contains a password.
            place = node.place
            message = "the URL contains a username or password, which do not belong in a policy; remove them"
            self.faults.append(Fault(place.file, place.line, place.column, message))
        elif not host or re.search(r"\s", url) or parts.scheme not in {"https", "http"}:
            self._refuse(node, "invalid URL; write it as https://data.example.org/accounts.csv")
        elif parts.scheme == "http" and host not in _LOCAL:
            self._refuse(node, "http is not secure: anyone on the network can change the response; use https")
        return url

    def _names(self, node: Node, what: str) -> list[tuple[Node, str]]:
        items = node.items if isinstance(node, Items) else (node,)
        read = ((item, self._text(item, what)) for item in items)
        return [(item, text) for item, text in read if text is not None]

    def _key(self, node: Node) -> tuple[str, ...]:
        names: list[str] = []
        for item, name in self._names(node, "`key` must be a column name or a list, for example [account, meter]"):
            if name in names:
                self._refuse(item, f"duplicate column `{name}` in `key`; keep one of them")
            names.append(name)
        return tuple(names)

    def _columns(self, node: Node, key: tuple[str, ...]) -> Mapping[str, FieldType]:
        if not isinstance(node, Entries):
            if not isinstance(node, Broken):
                self._refuse(
                    node, "`columns` must map each column to its type, for example {tenants: integer, until: date}"
                )
            return {}
        columns = {}
        for name, written in node.entries:
            column = name.value.strip()
            kind = self._text(written, f"expected a type: {listed(COLUMN_TYPES)}")
            if column in key:
                self._refuse(name, f"`{column}` is a key column and always text; remove it from `columns`")
            if kind is not None and kind in COLUMN_TYPES:
                columns[column] = COLUMN_TYPES[kind]
            elif kind is not None:
                meant = perhaps(kind, COLUMN_TYPES)
                self._refuse(written, f"unknown type `{kind}`{meant}; allowed types: {listed(COLUMN_TYPES, 'and')}")
        return columns

    def _clean(self, node: Node, key: tuple[str, ...]) -> Mapping[str, tuple[Cleaning, ...]]:
        """Parse `clean`: the same for all key columns, or separately for each."""
        if not isinstance(node, Entries):
            return dict.fromkeys(key, read_cleanings(node, self.faults))
        clean = {}
        for name, written in node.entries:
            if name.value in key:
                clean[name.value] = read_cleanings(written, self.faults)
            elif key == (VALUE,):
                self._refuse(name, "this source has no columns; write `clean: digits`, or a list of cleanings")
            else:
                meant = perhaps(name.value, key)
                known = listed(key, "and")
                self._refuse(name, f"`{name.value}` in `clean` is not a key column{meant}; key columns: {known}")
        return clean

    def _refresh(self, node: Node) -> timedelta:
        length = read_duration(node.value) if isinstance(node, Text) else None
        if not length:
            if not isinstance(node, Broken):
                self._refuse(node, f"invalid duration in `refresh`; use {AS_WRITTEN}")
            return DEFAULT_REFRESH
        return length

    def _dated(self, node: Node, key: tuple[str, ...], columns: Mapping[str, FieldType]) -> str | None:
        name = self._text(node, "`dated` must be the name of the column with the date of each row")
        if name in key or columns.get(name or "", FieldType.DATE) not in {FieldType.DATE, FieldType.MOMENT}:
            self._refuse(node, f"`dated` needs a column of dates, but `{name}` is not one")
        return name

    def _separator(self, node: Node) -> str:
        read = read_separator(node.value) if isinstance(node, Text) else None
        if read is None and not isinstance(node, Broken):
            self._refuse(node, "invalid `separator`; use ',' ';' '|' ':' '^' '~' or tab")
        return read or COMMA

    def _encoding(self, node: Node) -> str | None:
        read = read_encoding(node.value) if isinstance(node, Text) else None
        if read is None and not isinstance(node, Broken):
            meant = perhaps(node.value, ENCODINGS) if isinstance(node, Text) else ""
            self._refuse(node, f"unknown encoding{meant}; allowed values: {listed(ENCODINGS, 'and')}")
        return read

    def _dates(self, node: Node) -> DateOrder | None:
        read = DateOrder.of(node.value) if isinstance(node, Text) else None
        if read is None and not isinstance(node, Broken):
            self._refuse(node, f"invalid `dates`; use {listed(ORDERS)}; / can be . or -")
        return read
