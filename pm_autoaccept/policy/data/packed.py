"""Packed contents of large tables: millions of keys in little more memory than their characters take.

Entries are stored next to each other in short byte strings (boxes), and a key's checksum selects the box. A look-up
compares whole keys, so it is exact. Compared to a set, this takes a fifth of the memory and gives the garbage collector
nothing to walk through; tests/bench/tables.py compares it with other structures.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from zlib import crc32

from pm_autoaccept.policy.data.contents import REPEATED, Cells

_ENTRY, _CELL, _DIFFERS = b"\xff", b"\xfe", b"\xfd"
"""Markers before each entry, after its key and between its cells, and for a key that repeats with different cells:
bytes that never occur in UTF-8, so that they cannot be part of a key or a cell."""

_HALVES = "surrogatepass"
"""The error handler that preserves lone surrogates."""

_SHELVES = 256
"""The number of shelves that collect entries while their count is unknown: few, so that each shelf of a large table is
large enough for its memory to return to the system."""
_TOGETHER = 16
"""Entries per box, on average: fewer cost more memory, more make the search slower."""


@dataclass(frozen=True, slots=True)
class Packed:
    """Packed contents."""

    boxes: tuple[bytes, ...] = field(repr=False)
    with_cells: bool = False

    def __contains__(self, key: str) -> bool:
        written = _written(key)
        return _ENTRY + written + _CELL in self.boxes[crc32(written) % len(self.boxes)]

    def cells(self, key: str) -> Cells | None:
        """The cells of the key."""
        written = _written(key)
        box = self.boxes[crc32(written) % len(self.boxes)]
        sought = _ENTRY + written + _CELL
        if (at := box.find(sought)) < 0:
            return None
        at += len(sought)
        beside = box[at : box.index(_ENTRY, at)]
        if beside == _DIFFERS:
            return REPEATED
        return tuple(cell.decode("utf-8", _HALVES) for cell in beside.split(_CELL)) if self.with_cells else ()

    @property
    def listed(self) -> Iterable[str]:
        """Always empty, because there are too many keys to list."""
        return ()


@dataclass(slots=True)
class Packing:
    """Builds packed contents entry by entry: all with cells, or none."""

    with_cells: bool
    shelves: int = _SHELVES
    _shelves: list[bytearray] = field(init=False)
    _entries: int = 0

    def __post_init__(self) -> None:
        self._shelves = [bytearray() for _ in range(self.shelves)]

    def add(self, key: str, cells: Cells) -> None:
        """Add a key and its cells; a key may repeat."""
        written = _written(key)
        beside = _DIFFERS if cells == REPEATED else _CELL.join(map(_written, cells))
        self._shelves[crc32(written) % self.shelves] += _ENTRY + written + _CELL + beside
        self._entries += 1

    def packed(self) -> Packed:
        """The packed contents; shelves are freed along the way, so that nothing is held twice."""
        boxes = [_ENTRY] * (self.shelves * max(1, self._entries // (self.shelves * _TOGETHER)))
        for number, shelf in enumerate(self._shelves):
            self._shelves[number] = bytearray()
            sorted_in: dict[int, list[bytes]] = {}
            for key, beside in _once(bytes(shelf).split(_ENTRY)[1:]).items():
                sorted_in.setdefault(crc32(key) % len(boxes), []).append(key + _CELL + beside)
            for box, entries in sorted_in.items():
                boxes[box] = _ENTRY + _ENTRY.join(entries) + _ENTRY
        return Packed(tuple(boxes), self.with_cells)


def _written(text: str) -> bytes:
    return text.encode("utf-8", _HALVES)


def _once(entries: Iterable[bytes]) -> dict[bytes, bytes]:
    """Each key once, with its cells."""
    found: dict[bytes, bytes] = {}
    for entry in entries:
        key, _, beside = entry.partition(_CELL)
        if found.setdefault(key, beside) != beside:
            found[key] = _DIFFERS
    return found
