"""Rows that another table has are copied, and only new ones computed; a damaged one gives none."""

import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fixtures.stores import numbered
from numpy.typing import NDArray

from trainable.store.arrays import ArrayStore
from trainable.store.known_rows import Rows
from trainable.store.table_name import TableName

WHAT = "features-a"


class Computing:
    """Computes the squares that the names of the rows stand for, and notes which were asked for."""

    def __init__(self, store: ArrayStore) -> None:
        self.asked: list[Rows] = []
        self._store = store

    def __call__(self, *names: int, what: str = WHAT) -> NDArray[Any]:
        self.asked = []

        def compute(rows: Rows) -> NDArray[Any]:
            self.asked.append(np.array(names)[rows])
            return squares(self.asked[-1])

        name = TableName(what, tuple(map(str, names)))
        return self._store.get_or_compute(name, (2,), np.float32, compute)

    @property
    def num_asked(self) -> int:
        return sum(map(len, self.asked))


def squares(names: Rows) -> NDArray[Any]:
    return np.stack([names, names**2], axis=1).astype(np.float32)


@pytest.fixture
def computing(tmp_path: Path) -> Computing:
    return Computing(ArrayStore(tmp_path))


@pytest.mark.parametrize(
    ("others", "wanted", "num_new"),
    [
        ([range(100)], range(110), 10),
        ([range(100)], range(40, 60), 0),
        ([range(100)], reversed(range(100)), 0),
        ([range(50), range(50, 100)], range(100), 0),
        ([range(30), range(20, 60)], range(70), 10),
        ([range(0, 200, 2)], range(200), 100),
        ([range(5)], [3, 3, 7, 7, 3], 2),
        ([range(100)], range(100, 140), 40),
    ],
)
def test_a_row_that_any_table_has_is_not_computed(
    computing: Computing, others: list[range], wanted: Any, num_new: int
) -> None:
    for other in others:
        computing(*other)
    names = [*wanted]
    found = computing(*names)
    np.testing.assert_array_equal(found, squares(np.array(names)))
    assert computing.num_asked == num_new


def test_rows_are_of_the_same_computation_alone(computing: Computing) -> None:
    computing(*range(10), what="features-b")
    computing(*range(20))
    assert computing.num_asked == 20


def test_new_rows_that_lie_apart_are_computed_together(computing: Computing) -> None:
    computing(*(name for name in range(960) if name % 32))
    computing(*range(960))
    assert [len(names) for names in computing.asked] == [30]


def begun(store: ArrayStore) -> None:
    """Leave a table behind of which the first part of two is done."""

    def compute(rows: Rows) -> NDArray[Any]:
        if rows[-1] >= 32:
            raise RuntimeError("killed")
        return squares(rows)

    with pytest.raises(RuntimeError, match="killed"):
        store.get_or_compute(numbered(WHAT, 64), (2,), np.float32, compute)


def test_the_finished_parts_of_a_table_in_the_making_are_taken_over(tmp_path: Path) -> None:
    store = ArrayStore(tmp_path)
    begun(store)
    assert store.num_missing(numbered(WHAT, 80)) == 48
    computing = Computing(store)
    np.testing.assert_array_equal(computing(*range(80)), squares(np.arange(80)))
    assert computing.num_asked == 48


def test_how_many_rows_are_missing_is_known_before(computing: Computing, tmp_path: Path) -> None:
    store = ArrayStore(tmp_path)
    assert store.num_missing(numbered(WHAT, 10)) == 10
    computing(*range(8))
    assert [store.num_missing(numbered(WHAT, count)) for count in (8, 5, 10)] == [0, 0, 2]
    assert store.num_missing(numbered("features-b", 8)) == 8


def test_nothing_is_taken_of_a_damaged_table_wherever_it_is_damaged(tmp_path: Path) -> None:
    old, grown = numbered(WHAT, 4), numbered(WHAT, 6)
    expected = squares(np.arange(6))
    Computing(ArrayStore(tmp_path))(*range(4))
    path = ArrayStore(tmp_path).path(old)
    whole = path.read_bytes()
    for place in range(0, len(whole) + 1, 3):
        flipped = bytearray(whole)
        if place < len(whole):
            flipped[place] ^= 1 << place % 8
        path.write_bytes(bytes(flipped))
        store = ArrayStore(tmp_path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # some damage hides the rows, which then nobody reads
            num_missing = store.num_missing(grown)
            computing = Computing(store)
            np.testing.assert_array_equal(computing(*range(6)), expected)
        assert num_missing in range(2, 7)
        assert computing.num_asked == (6 if place < len(whole) else 2)
        store.path(grown).unlink()


@pytest.mark.parametrize("kept", [0, 7, 100, 140, 200, -1])
def test_nothing_is_taken_of_a_table_that_is_cut_off(tmp_path: Path, kept: int) -> None:
    Computing(ArrayStore(tmp_path))(*range(4))
    path = ArrayStore(tmp_path).path(numbered(WHAT, 4))
    path.write_bytes(path.read_bytes()[:kept])
    store = ArrayStore(tmp_path)
    assert store.num_missing(numbered(WHAT, 6)) == 6
    computing = Computing(store)
    np.testing.assert_array_equal(computing(*range(6)), squares(np.arange(6)))
    assert computing.num_asked == 6


def test_other_tables_make_room_before_one_that_has_rows(tmp_path: Path) -> None:
    first = Computing(ArrayStore(tmp_path))
    first(*range(64))
    first(*range(64), what="features-b")
    first(*range(64), what="features-c")
    del first
    for number, what in enumerate((WHAT, "features-b", "features-c")):
        os.utime(ArrayStore(tmp_path).path(numbered(what, 64)), (number, number))
    size = ArrayStore(tmp_path).path(numbered(WHAT, 64)).stat().st_size
    grown = Computing(ArrayStore(tmp_path, 2 * size + 100))
    grown(*range(65))
    assert grown.num_asked == 1
    assert not ArrayStore(tmp_path).path(numbered("features-b", 64)).exists()
