"""Contents of large tables, packed: millions of keys in little more memory than their characters take.

Entries lie side by side in short strings of bytes, and a key's checksum says in which one to look. A look-up compares
whole keys, so it is exact. Next to a set it takes a fifth of the memory, and nothing that the garbage collector
would have to walk through; tests/bench/tables.py measures it beside other structures.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from zlib import crc32

from pm_autoaccept.policy.data.contents import REPEATED, Cells

_ENTRY, _CELL, _DIFFERS = b"\xff", b"\xfe", b"\xfd"
"""Before each entry, after its key and between its cells, and instead of the cells of a key that repeats with others:
bytes that UTF-8 never has, so that nothing in a key or a cell is taken for them."""

_HALVES = "surrogatepass"
"""Half a character is kept as it is: it equals itself only."""

_SHELVES = 256
"""Into how many strings entries are sorted while nobody knows yet how many will come: few, so that each of a
large table is large enough to be given back to the system once it is cleared away."""
_TOGETHER = 16
"""Entries in one string, about: with fewer the strings cost more memory, with more the search takes longer."""


@dataclass(frozen=True, slots=True)
class Packed:
    """Contents that are packed into boxes."""

    boxes: tuple[bytes, ...] = field(repr=False)
    with_cells: bool = False

    def __contains__(self, key: str) -> bool:
        written = _written(key)
        return _ENTRY + written + _CELL in self.boxes[crc32(written) % len(self.boxes)]

    def cells(self, key: str) -> Cells | None:
        """What stands beside the key."""
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
        """None of so many."""
        return ()


@dataclass(slots=True)
class Packing:
    """Contents on their way into boxes, entry by entry: all with cells, or none."""

    with_cells: bool
    shelves: int = _SHELVES
    _shelves: list[bytearray] = field(init=False)
    _entries: int = 0

    def __post_init__(self) -> None:
        self._shelves = [bytearray() for _ in range(self.shelves)]

    def add(self, key: str, cells: Cells) -> None:
        """Add what stands beside a key; a key may come again."""
        written = _written(key)
        beside = _DIFFERS if cells == REPEATED else _CELL.join(map(_written, cells))
        self._shelves[crc32(written) % self.shelves] += _ENTRY + written + _CELL + beside
        self._entries += 1

    def packed(self) -> Packed:
        """All that was added; the shelves are cleared away meanwhile, so that it is never held twice."""
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
    """Each key and what stands beside it."""
    found: dict[bytes, bytes] = {}
    for entry in entries:
        key, _, beside = entry.partition(_CELL)
        if found.setdefault(key, beside) != beside:
            found[key] = _DIFFERS
    return found
