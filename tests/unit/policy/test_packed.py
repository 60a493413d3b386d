"""Packed contents answer just as a dict does."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pm_autoaccept.policy import Source, Table, TableBuilder
from pm_autoaccept.policy.data.contents import REPEATED
from pm_autoaccept.policy.data.packed import Packed, PackedBuilder
from pm_autoaccept.policy.data.sources import SourceKind
from pm_autoaccept.policy.values import FieldType

keys = st.text(st.sampled_from("01aé\n,\x01\xff\ud800"), max_size=4)
cells = st.lists(keys, min_size=2, max_size=2).map(tuple)


@given(
    st.lists(st.tuples(keys, cells), max_size=40),
    st.lists(keys, max_size=10),
    st.booleans(),
    st.sampled_from([1, 2, 4096]),
)
def test_they_are_what_a_dict_is(rows, others, with_cells, shelves):
    """Every key is found with its cells, a repeated one as repeated, and no other: whatever characters it has."""
    packing = PackedBuilder(with_cells=with_cells, shelves=shelves)
    expected: dict[str, tuple[str, ...]] = {}
    for key, beside in rows:
        written = beside if with_cells else ()
        packing.add(key, written)
        if expected.setdefault(key, written) != written:
            expected[key] = REPEATED
    packed = packing.packed()
    for key in {*expected, *others, "", "0", "00"}:
        assert (key in packed) is (key in expected)
        assert packed.cells(key) == expected.get(key)


def source(**columns: FieldType) -> Source:
    """A table of two key columns."""
    return Source(name="t", kind=SourceKind.CSV, key=("n", "m"), columns=columns)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(0, 1)), max_size=60), st.booleans())
def test_a_table_is_the_same_however_it_is_kept(rows, with_column):
    """Small or large, a table answers alike, also where it has grown from one to the other."""
    columns = {"c": FieldType.INTEGER} if with_column else {}
    made: list[Table] = []
    for large in (1_000, 3, 0):
        making = TableBuilder(source(**columns), large=large)
        for n, m, c in rows:
            making.add((str(n or ""), str(m)), (str(c),) if columns else ())
        made.append(making.table("d"))
    assert len({table.rows for table in made}) == 1
    for n in range(10):
        for m in range(10):
            key = (str(n), str(m))
            first, *others = ((table.has(key), table.row(key)) for table in made)
            assert [first, first] == others


def test_only_large_tables_are_packed():
    """What a set holds easily stays a set."""
    for large, packed in ((3, False), (2, True)):
        making = TableBuilder(source(), large=large)
        for number in range(3):
            making.add((str(number), "x"))
        assert isinstance(making.table("d").contents, Packed) is packed
