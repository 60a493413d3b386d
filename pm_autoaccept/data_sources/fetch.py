"""Reads one data source of any kind: values, file, SQL query or URL."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import SecretStr

from pm_autoaccept.data_sources.file_source import read_file
from pm_autoaccept.data_sources.http_source import read_url
from pm_autoaccept.data_sources.source_content import Reading, doubt, read_values
from pm_autoaccept.data_sources.sql_source import read_query
from pm_autoaccept.data_sources.threads import apart
from pm_autoaccept.egress.proxy_password import Egress
from pm_autoaccept.policy import Form, Query, Source


@dataclass(frozen=True, slots=True)
class Places:
    """What reading sources needs: the policy folder, database connections and the proxy.

    Attributes:
        folder: the policy folder with its files.
        connections: name → database address. Policies contain only the name, because the address holds a password.
        egress: how URLs are reached, for example through a proxy.
    """

    folder: Path
    connections: Mapping[str, SecretStr] = field(default_factory=dict)
    egress: Egress = field(default_factory=Egress)


async def read_source(source: Source, places: Places, *, before: Reading | None = None) -> Reading:
    """Read a source now. Errors are reported in the result; only cancellation is raised.

    Args:
        source: what the policy declares.
        places: where sources are.
        before: the last successful reading; a source that has not changed since is not read again.
    """
    if source.form is Form.VALUES:
        return read_values(source)
    if source.form in {Form.LINES, Form.CSV}:
        return await apart(lambda: read_file(source, places.folder, before=before), name=f"read data {source.name}")
    if source.query is not None:
        return await _ask(source, source.query, places)
    return await read_url(source, before=before, egress=places.egress)


async def _ask(source: Source, query: Query, places: Places) -> Reading:
    address = places.connections.get(query.connection)
    if address is None:
        known = f"; known connections: {', '.join(places.connections)}" if places.connections else ""
        return doubt(source, f"the settings file has no connection with this name under `connections`{known}")
    return await apart(lambda: read_query(source, address.get_secret_value()), name=f"read data {source.name}")
