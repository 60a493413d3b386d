"""From `data:` to sources: every fault of a declaration is told, with what to do."""

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
from pm_autoaccept.policy.data.sources import NO_GUARD, REFRESH, VALUE, Form, Query, Source
from pm_autoaccept.policy.durations import AS_WRITTEN, read_duration
from pm_autoaccept.policy.messages import listed, perhaps
from pm_autoaccept.policy.parser.source_text import Broken, Entries, Items, Node, Text, is_sound
from pm_autoaccept.policy.values import FieldType

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
_MORE = ("key", "clean", "columns", "refresh", "require", "dated", "separator", "encoding", "dates")
_KEYS = (*Form, *_MORE)
_QUERY = ("connection", "query")
_EXAMPLE = "{connection: billing, query: 'select account_number from accounts'}"
_LOCAL = frozenset({"127.0.0.1", "localhost", "::1"})


def read_sources(node: Node, faults: list[Fault]) -> tuple[tuple[Text, Source | None], ...]:
    """What stands after `data:`: each name with its source, None for one that has faults."""
    if not isinstance(node, Entries):
        faults.append(node.place.fault(f"`data` is a mapping: a name, and below it {listed(_forms())}"))
        return ()
    return tuple((name, _Reader(name, faults).source(declared)) for name, declared in node.entries)


def _forms() -> tuple[str, ...]:
    return tuple(f"`{form}`" for form in Form)


def _unfit(form: Form, *, has_key: bool) -> tuple[str, tuple[str, ...]]:
    """What does not go with a form, and why."""
    if form is Form.VALUES:
        return "`values` stand in the policy itself", tuple(key for key in _MORE if key != "clean")
    if form is Form.LINES:
        return "`lines` has no columns", ("key", "columns", "dated", "separator", "dates")
    if form is Form.SQL:
        return "a database says itself how its rows are written", ("separator", "encoding")
    if form is Form.URL and not has_key:
        why = "`url` without `key` is read as one key a line, and has no columns"
        return why, ("columns", "dated", "separator", "dates")
    return "", ()


@dataclass(slots=True)
class _Reader:
    """Reads one declaration."""

    name: Text
    faults: list[Fault]

    def source(self, node: Node) -> Source | None:
        """What stands below the name; None where it has faults."""
        before = len(self.faults)
        if not _NAME.fullmatch(self.name.value):
            self._refuse(self.name, "a data name is letters, digits and underscores, and begins with a letter")
        if not isinstance(node, Entries):
            if not isinstance(node, Broken):
                self._refuse(node, f"say {listed(_forms())} below the name")
            return None
        for key, _ in node.entries:
            if key.value not in _KEYS:
                meant = perhaps(key.value, _KEYS, synonyms.DATA)
                self._refuse(key, f"data has no `{key.value}`{meant}; it has {listed(_KEYS)}")
        found = {key.value: value for key, value in node.entries}
        form = self._form({key.value: key for key, _ in node.entries})
        if form is None:
            return None
        source = self._read(form, found)
        return source if is_sound(node) and len(self.faults) == before else None

    def _refuse(self, node: Node, message: str) -> None:
        self.faults.append(node.place.fault(message))

    def _form(self, keys: Mapping[str, Text]) -> Form | None:
        """The one form in which the rows stand; None where there is none, or more than one."""
        forms = [form for form in Form if form in keys]
        if len(forms) != 1:
            self._refuse(self.name, f"say where the rows stand: one of {listed(_forms())}")
            return None
        form = forms[0]
        if form in {Form.CSV, Form.SQL} and "key" not in keys:
            self._refuse(self.name, "say which column is the key, as `key: account_number`")
        why, unfit = _unfit(form, has_key="key" in keys)
        for name in unfit:
            if name in keys:
                self._refuse(keys[name], f"{why}; take `{name}` out")
        return form

    def _read(self, form: Form, found: Mapping[str, Node]) -> Source:
        key = self._key(found["key"]) if "key" in found else (VALUE,)
        columns = self._columns(found["columns"], key) if "columns" in found else {}
        clean = self._clean(found["clean"], key) if "clean" in found else {}
        values = self._values(found[form], clean.get(VALUE, ())) if form is Form.VALUES else ()
        return Source(
            name=self.name.value,
            form=form,
            values=tuple(value.value for value in values),
            places=tuple(value.place for value in values),
            path=self._path(found[form]) if form in {Form.LINES, Form.CSV} else None,
            query=self._query(found[form]) if form is Form.SQL else None,
            url=self._url(found[form]) if form is Form.URL else None,
            plain=form is Form.URL and "key" not in found,
            key=key,
            columns=columns,
            clean=clean,
            require=read_guard(found["require"], self.faults) if "require" in found else NO_GUARD,
            refresh=self._refresh(found["refresh"]) if "refresh" in found else REFRESH,
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
                self._refuse(node, "`values` is a list, as [green_consult, watt_watchers]")
            return ()
        values = []
        for item in node.items:
            if isinstance(item, Text):
                if not cleaned(item.value, clean):
                    self._refuse(item, f"`{item.value}` is blank after cleaning and would match nothing")
                values.append(item)
            elif not isinstance(item, Broken):
                self._refuse(item, "a value is one text, not a list or a mapping")
        return tuple(values)

    def _path(self, node: Node) -> str | None:
        path = self._text(node, "one file stands here, as data/billing_accounts.csv")
        if path and (path.startswith(("/", "~")) or "\\" in path or ":" in path or ".." in path.split("/")):
            self._refuse(node, "a file lies in the policy's folder: write its path from there, as data/x.csv")
        return path

    def _query(self, node: Node) -> Query | None:
        if not isinstance(node, Entries):
            if not isinstance(node, Broken):
                self._refuse(node, f"`sql` names a connection of the settings and a query, as {_EXAMPLE}")
            return None
        said: dict[str, str] = {}
        for key, value in node.entries:
            if key.value not in _QUERY:
                meant = perhaps(key.value, _QUERY)
                self._refuse(key, f"`sql` has no `{key.value}`{meant}; it has {listed(_QUERY)}, as {_EXAMPLE}")
            elif (text := self._text(value, f"`{key.value}` is one text")) is not None:
                said[key.value] = text
        present = {key.value for key, _ in node.entries}
        if missing := [name for name in _QUERY if name not in present]:
            self._refuse(node, f"`sql` lacks `{missing[0]}`; write it as {_EXAMPLE}")
        if not re.match(r"(?is)(select|with|values|table)\b|$", said.get("query", "")):
            self._refuse(node, "a query only reads: begin it with `select`")
        if len(said) < len(_QUERY):
            return None
        return Query(connection=said["connection"], query=said["query"].rstrip("; \n"))

    def _url(self, node: Node) -> str | None:
        url = self._text(node, "one address stands here, as https://data.example.org/accounts.csv")
        if url is None:
            return None
        try:
            parts = urlsplit(url)
            host, _ = parts.hostname, parts.port
        except ValueError:
            host, parts = None, urlsplit("")
        if "@" in parts.netloc:
            # The line itself is not shown: it holds a password.
            place = node.place
            message = "an address with a username or password in it does not belong into a policy; take them out"
            self.faults.append(Fault(place.file, place.line, place.column, message))
        elif not host or re.search(r"\s", url) or parts.scheme not in {"https", "http"}:
            self._refuse(node, "that is no address; write it as https://data.example.org/accounts.csv")
        elif parts.scheme == "http" and host not in _LOCAL:
            self._refuse(node, "anybody on the way can change what comes over http; write https")
        return url

    def _names(self, node: Node, what: str) -> list[tuple[Node, str]]:
        items = node.items if isinstance(node, Items) else (node,)
        read = ((item, self._text(item, what)) for item in items)
        return [(item, text) for item, text in read if text is not None]

    def _key(self, node: Node) -> tuple[str, ...]:
        names: list[str] = []
        for item, name in self._names(node, "`key` is the name of a column, or a list of names: [account, meter]"):
            if name in names:
                self._refuse(item, f"`{name}` already stands in this key; keep one of them")
            names.append(name)
        return tuple(names)

    def _columns(self, node: Node, key: tuple[str, ...]) -> Mapping[str, FieldType]:
        if not isinstance(node, Entries):
            if not isinstance(node, Broken):
                self._refuse(node, "`columns` gives each column its type, as {tenants: integer, until: date}")
            return {}
        columns = {}
        for name, written in node.entries:
            column = name.value.strip()
            kind = self._text(written, f"a column's type is one word: {listed(COLUMN_TYPES)}")
            if column in key:
                self._refuse(name, f"`{column}` is in the key already, as text; take it out here")
            if kind is not None and kind in COLUMN_TYPES:
                columns[column] = COLUMN_TYPES[kind]
            elif kind is not None:
                meant = perhaps(kind, COLUMN_TYPES)
                self._refuse(written, f"there is no type `{kind}`{meant}; there are {listed(COLUMN_TYPES)}")
        return columns

    def _clean(self, node: Node, key: tuple[str, ...]) -> Mapping[str, tuple[Cleaning, ...]]:
        """One way for every key column, or each column its own."""
        if not isinstance(node, Entries):
            return dict.fromkeys(key, read_cleanings(node, self.faults))
        clean = {}
        for name, written in node.entries:
            if name.value in key:
                clean[name.value] = read_cleanings(written, self.faults)
            elif key == (VALUE,):
                self._refuse(name, "there are no columns here; write `clean: digits`, or a list of cleanings")
            else:
                meant = perhaps(name.value, key)
                self._refuse(
                    name, f"`clean` is for key columns, and `{name.value}` is none{meant}; there is {listed(key)}"
                )
        return clean

    def _refresh(self, node: Node) -> timedelta:
        length = read_duration(node.value) if isinstance(node, Text) else None
        if not length:
            if not isinstance(node, Broken):
                self._refuse(node, f"`refresh` is how long the data is good before it is read again: {AS_WRITTEN}")
            return REFRESH
        return length

    def _dated(self, node: Node, key: tuple[str, ...], columns: Mapping[str, FieldType]) -> str | None:
        name = self._text(node, "`dated` names the column that says when a row was written")
        if name in key or columns.get(name or "", FieldType.DATE) not in {FieldType.DATE, FieldType.MOMENT}:
            self._refuse(node, f"`dated` names a column of dates, and `{name}` is none")
        return name

    def _separator(self, node: Node) -> str:
        read = read_separator(node.value) if isinstance(node, Text) else None
        if read is None and not isinstance(node, Broken):
            self._refuse(node, "`separator` is what stands between cells: one of ',' ';' '|' ':' '^' '~' or tab")
        return read or COMMA

    def _encoding(self, node: Node) -> str | None:
        read = read_encoding(node.value) if isinstance(node, Text) else None
        if read is None and not isinstance(node, Broken):
            meant = perhaps(node.value, ENCODINGS) if isinstance(node, Text) else ""
            self._refuse(node, f"`encoding` is one of {listed(ENCODINGS)}{meant}")
        return read

    def _dates(self, node: Node) -> DateOrder | None:
        read = DateOrder.of(node.value) if isinstance(node, Text) else None
        if read is None and not isinstance(node, Broken):
            self._refuse(node, f"`dates` says in which order a date is written: {listed(ORDERS)}; / may be . or -")
        return read
