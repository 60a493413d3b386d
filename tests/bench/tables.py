"""Ten million keys: memory, and time for a look-up, of our tables beside a set and other structures that are exact.

    python -m tests.bench.tables [--keys 10000000] [--rounds 3] [--only ours]

Each structure is made in a fresh process, out of keys that come one by one, and is asked for keys that it has and for
keys that it has not, in random order. Told are the seconds to make it (of its process, not of the clock, so that others
on the machine disturb less), the memory that it takes, once what was freed has been given back, and the most that it
took meanwhile, microseconds for a look-up (the median of the rounds), and how long one full round of the garbage
collector takes, during which the program stands still. `ours, read` are tables read from a csv file, as the program
does it; `with columns` they have three.
"""

from __future__ import annotations

import gc
import multiprocessing
import random
import resource
import sqlite3
import statistics
import time
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from zlib import crc32

import click

from pm_autoaccept.data_sources.file_source import read_file
from pm_autoaccept.data_sources.memory import give_back
from pm_autoaccept.policy import Source, Table
from pm_autoaccept.policy.data.packed import Packing
from pm_autoaccept.policy.data.sources import Form
from pm_autoaccept.policy.values import FieldType

_STEP, _SPACE = 6364136223, 10**10
"""Account numbers of ten digits in no order; the step and the space have no divisor in common, so none comes twice."""
ASKED = 200_000
MEGABYTE = 1 << 20

Has = Callable[[str], object]


def key(number: int) -> str:
    """The so-manieth account number."""
    return f"{number * _STEP % _SPACE:010d}"


def keys(count: int) -> Iterator[str]:
    """So many account numbers, one after the other."""
    return map(key, range(count))


def a_set(count: int, _: Path) -> Has:
    """Python's own."""
    return frozenset(keys(count)).__contains__


def ours(count: int, _: Path) -> Has:
    """What large tables are kept in."""
    packing = Packing(with_cells=False)
    for each in keys(count):
        packing.add(each, ())
    return packing.packed().__contains__


def _read(count: int, folder: Path, columns: Mapping[str, FieldType], rest: str) -> Table:
    path = folder / "accounts.csv"
    with path.open("w") as file:
        file.write("account,meter_count,share,until\n")
        file.writelines(f"{each}{rest}\n" for each in keys(count))
    source = Source(name="accounts", form=Form.CSV, path=path.name, key=("account",), columns=columns)
    began = time.process_time()
    table = read_file(source, folder).table
    click.echo(f"    read {path.stat().st_size / MEGABYTE:.0f} MB in {time.process_time() - began:.1f} s")
    path.unlink()
    assert isinstance(table, Table)
    return table


def ours_read(count: int, folder: Path) -> Has:
    """A table read from a file."""
    table = _read(count, folder, {}, ",4,0.5,2026-01-31")
    return lambda asked: table.has((asked,))


def ours_with_columns(count: int, folder: Path) -> Has:
    """A table read from a file, with three columns; a look-up reads the row."""
    columns = {"meter_count": FieldType.INTEGER, "share": FieldType.NUMBER, "until": FieldType.DATE}
    table = _read(count, folder, columns, ",4,0.5,2026-01-31")
    return lambda asked: table.row((asked,))


def sorted_bytes(count: int, _: Path) -> Has:
    """All keys in order in one string of bytes, found by halving; they must be of one length."""
    width = len(key(0))
    packed = "".join(sorted(keys(count))).encode()

    class Sorted:
        def __len__(self) -> int:
            return count

        def __getitem__(self, at: int) -> bytes:
            return packed[at * width : (at + 1) * width]

    every = Sorted()

    def has(asked: str) -> bool:
        written = asked.encode()
        at = bisect_left(every, written)
        return at < count and every[at] == written

    return has


def open_addressing(count: int, _: Path) -> Has:
    """A hash table of places in one string of bytes."""
    width, slots = len(key(0)), 1 << (count * 3 // 2).bit_length()
    packed, places = bytearray(), array("I", bytes(4 * slots))
    for number, each in enumerate(keys(count), 1):
        written = each.encode()
        packed += written
        slot = crc32(written) % slots
        while places[slot]:
            slot = (slot + 1) % slots
        places[slot] = number

    def has(asked: str) -> bool:
        written = asked.encode()
        slot = crc32(written) % slots
        while place := places[slot]:
            if packed[(place - 1) * width : place * width] == written:
                return True
            slot = (slot + 1) % slots
        return False

    return has


def marisa(count: int, _: Path) -> Has:
    """marisa-trie, a succinct trie in C++."""
    import marisa_trie  # noqa: PLC0415 - only where it is measured

    return marisa_trie.Trie(keys(count)).__contains__


def sqlite(count: int, folder: Path) -> Has:
    """An SQLite file with a primary key."""
    connection = sqlite3.connect(folder / "keys.db")
    connection.execute("CREATE TABLE k (k TEXT PRIMARY KEY) WITHOUT ROWID")
    connection.executemany("INSERT INTO k VALUES (?)", ((each,) for each in sorted(keys(count))))
    connection.commit()
    return lambda asked: connection.execute("SELECT 1 FROM k WHERE k = ?", (asked,)).fetchone()


STRUCTURES: Mapping[str, Callable[[int, Path], Has]] = {
    "set": a_set,
    "ours": ours,
    "ours, read": ours_read,
    "ours, with columns": ours_with_columns,
    "sorted bytes": sorted_bytes,
    "open addressing": open_addressing,
    "marisa-trie": marisa,
    "SQLite": sqlite,
}


def measured(name: str, count: int, rounds: int) -> str:
    """Make one structure in this process, and say what it costs."""
    before, chance = _resident(), random.Random(2)  # noqa: S311 - which keys are asked for
    with TemporaryDirectory() as folder:
        began = time.process_time()
        has = STRUCTURES[name](count, Path(folder))
        made = time.process_time() - began
        gc.collect()
        give_back()
        takes, most = _resident() - before, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - before
        hits = [key(chance.randrange(count)) for _ in range(ASKED)]
        misses = [key(chance.randrange(count, _SPACE)) for _ in range(ASKED)]
        assert all(map(has, hits))
        assert not any(map(has, misses))
        hit, miss = _microseconds(has, hits, rounds), _microseconds(has, misses, rounds)
        began = time.process_time()
        gc.collect()
        pause = (time.process_time() - began) * 1_000
    memory = f"{takes / MEGABYTE:7.0f} MB (at most {most / MEGABYTE:5.0f})  {takes / count:6.1f} bytes/key"
    return f"{name:20}{made:7.1f} s {memory}   hit {hit:5.2f} µs  miss {miss:5.2f} µs   gc {pause:6.1f} ms"


def _microseconds(has: Has, asked: list[str], rounds: int) -> float:
    took = []
    for _ in range(rounds):
        began = time.process_time()
        for each in asked:
            has(each)
        took.append((time.process_time() - began) / len(asked) * 1e6)
    return statistics.median(took)


def _resident() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


@click.command(help=__doc__)
@click.option("--keys", "count", default=10_000_000, show_default=True)
@click.option("--rounds", default=3, show_default=True)
@click.option("--only", multiple=True, type=click.Choice(list(STRUCTURES)))
def main(count: int, rounds: int, only: tuple[str, ...]) -> None:
    """Measure each structure in a process of its own."""
    for name in only or STRUCTURES:
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as fresh:
            click.echo(fresh.submit(measured, name, count, rounds).result())


if __name__ == "__main__":
    main()
