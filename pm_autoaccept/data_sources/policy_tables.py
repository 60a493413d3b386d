"""Reads the local data sources of a policy (inline values and files), without network or database access."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pm_autoaccept.data_sources.file_source import read_file
from pm_autoaccept.data_sources.source_content import Reading, read_values
from pm_autoaccept.model import Fact, NotLearnt
from pm_autoaccept.policy import Form, Source, Table

LOCAL = frozenset({Form.VALUES, Form.LINES, Form.CSV})
"""Kinds of sources that are read without a database or the network."""


def read(sources: Mapping[str, Source], folder: Path) -> Mapping[str, Fact[Table]]:
    """The table of each local source, or why it could not be read; other sources are left out.

    Args:
        sources: what the policy declares.
        folder: the policy folder; files outside it are refused.
    """
    return {name: reading.table for name, reading in read_local(sources, folder).items()}


def read_local(sources: Mapping[str, Source], folder: Path) -> Mapping[str, Reading]:
    """Like `read`, with the date of the contents of each table."""
    return {
        name: read_values(source) if source.form is Form.VALUES else read_file(source, folder)
        for name, source in sources.items()
        if source.form in LOCAL
    }


def not_read(sources: Mapping[str, Source]) -> Mapping[str, NotLearnt]:
    """The reason for each remote source, where only local ones are read."""
    why = NotLearnt("it is in a database or at a URL, and only local files are read here")
    return {name: why for name, source in sources.items() if source.form not in LOCAL}
