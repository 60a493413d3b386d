"""The tables that lie in the policy itself and in its folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pm_autoaccept.data_sources.file_source import read_file
from pm_autoaccept.data_sources.source_content import Reading, read_values
from pm_autoaccept.model import Fact, NotLearnt
from pm_autoaccept.policy import Form, Source, Table

LOCAL = frozenset({Form.VALUES, Form.LINES, Form.CSV})
"""Where rows stand that can be read without asking another machine, or another program."""


def read(sources: Mapping[str, Source], folder: Path) -> Mapping[str, Fact[Table]]:
    """Each declared table that lies in the policy or its folder, or why it could not be learnt; no others.

    Args:
        sources: what the policy declares.
        folder: the policy's folder, which no file may lie outside of.
    """
    return {name: reading.table for name, reading in read_local(sources, folder).items()}


def read_local(sources: Mapping[str, Source], folder: Path) -> Mapping[str, Reading]:
    """Read as `read` does, with when the contents of each table are from."""
    return {
        name: read_values(source) if source.form is Form.VALUES else read_file(source, folder)
        for name, source in sources.items()
        if source.form in LOCAL
    }


def not_read(sources: Mapping[str, Source]) -> Mapping[str, NotLearnt]:
    """The other tables, which are not asked for where only files are read."""
    why = NotLearnt("it lies in a database or at an address, and only files are read here")
    return {name: why for name, source in sources.items() if source.form not in LOCAL}
