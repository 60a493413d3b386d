"""What a table holds: keys, and the cells beside them. Small ones are a set or a dict."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeAlias

Cells: TypeAlias = tuple[str, ...]
"""The declared columns of one row, as they were written."""

REPEATED: Cells = ("\0",)
"""What stands for the cells of a key that repeats with other contents."""


class Contents(Protocol):
    """The keys of a table and what stands beside them; a key is one text, its parts joined."""

    def __contains__(self, key: str) -> bool: ...

    def cells(self, key: str) -> Cells | None:
        """The cells beside a key, `REPEATED` where they differ; None where there is no such key."""
        ...

    @property
    def listed(self) -> Iterable[str]:
        """Every key; none where there are so many that nobody wants to walk through them."""
        ...


@dataclass(frozen=True, slots=True)
class Keys:
    """Keys without cells."""

    keys: frozenset[str]

    def __contains__(self, key: str) -> bool:
        return key in self.keys

    def cells(self, key: str) -> Cells | None:
        """No cells for a key that is there."""
        return () if key in self.keys else None

    @property
    def listed(self) -> Iterable[str]:
        """Every key, in some order."""
        return self.keys


@dataclass(frozen=True, slots=True)
class Rows:
    """Keys and their cells."""

    rows: Mapping[str, Cells]

    def __contains__(self, key: str) -> bool:
        return key in self.rows

    def cells(self, key: str) -> Cells | None:
        """What stands beside the key."""
        return self.rows.get(key)

    @property
    def listed(self) -> Iterable[str]:
        """Every key, in the order of the rows."""
        return self.rows
