"""Tables on disk: whole or absent, computed once by all who need them, whoever dies meanwhile."""

import multiprocessing
import os
import resource
import signal
import time
import warnings
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fixtures.processes import wait_until
from fixtures.stores import numbered
from numpy.typing import NDArray

from trainable.files import replacing
from trainable.store.arrays import ArrayStore
from trainable.store.budget import Room
from trainable.store.known_rows import Compute, KnownRows, Rows
from trainable.store.parts import open_parts
from trainable.store.table_name import TableName

SPAWN = multiprocessing.get_context("spawn")
TABLE = np.arange(900, dtype=np.float32).reshape(300, 3)
"""Of ten parts, the last one smaller."""


NAME = numbered("features-table", len(TABLE))
FILE = f"{NAME.key}.npy"


def rows_of(table: NDArray[Any]) -> Compute:
    return lambda rows: table[rows]


def fail(rows: Rows) -> NDArray[Any]:
    raise RuntimeError(f"never to be computed: {rows}")


def computed(store: ArrayStore, table: NDArray[Any] = TABLE) -> NDArray[Any]:
    name = numbered("features-table", len(table))
    return store.get_or_compute(name, table.shape[1:], table.dtype, rows_of(table))


@pytest.fixture
def store(tmp_path: Path) -> ArrayStore:
    return ArrayStore(tmp_path / "store")


def damaged(store: ArrayStore, content: bytes, name: TableName = NAME) -> ArrayStore:
    """Overwrite the file of the table; gives a store that has not opened it yet."""
    store.path(name).write_bytes(content)
    return ArrayStore(store.folder)


@pytest.mark.parametrize(
    "array",
    [
        TABLE,
        TABLE[:1],
        TABLE[:32],
        np.arange(24, dtype=np.uint8).reshape(2, 3, 4),
        np.array([True, False]),
        np.array([np.nan, -np.inf, 0.0], np.float16),
    ],
)
def test_a_table_comes_back_as_it_was_computed(store: ArrayStore, array: NDArray[Any]) -> None:
    name = numbered("features-table", len(array))
    for found in (computed(store, array), store.get(name), ArrayStore(store.folder).get(name)):
        assert found is not None
        assert found.dtype == array.dtype
        np.testing.assert_array_equal(found, array)
    names = sorted(path.name for path in store.folder.iterdir())
    assert names == [".lock", f"{name.key}.npy"]


def test_a_table_is_mapped_and_read_only(store: ArrayStore) -> None:
    found = computed(store)
    assert isinstance(found, np.memmap)
    assert store.get(NAME) is found
    with pytest.raises(ValueError, match="read-only"):
        found[0, 0] = 1


def test_a_table_that_was_never_computed_is_absent(store: ArrayStore) -> None:
    assert store.get(NAME) is None


def test_rows_are_computed_once_in_parts(store: ArrayStore) -> None:
    asked: list[int] = []

    def compute(rows: Rows) -> NDArray[Any]:
        asked.extend(rows)
        return TABLE[rows]

    for _ in range(2):
        store.get_or_compute(NAME, TABLE.shape[1:], TABLE.dtype, compute)
    assert asked == list(range(300))


def test_a_full_disk_leaves_the_table_absent(store: ArrayStore) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, hard))
    try:
        with pytest.raises(OSError, match="no space left for a file of this size"):
            computed(store)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert store.get(NAME) is None
    np.testing.assert_array_equal(computed(store), TABLE)


def test_a_flipped_bit_is_noticed_wherever_it_is(store: ArrayStore) -> None:
    computed(store, TABLE[:9])
    name = numbered("features-table", 9)
    whole = store.path(name).read_bytes()
    for place in range(len(whole)):
        flipped = bytearray(whole)
        flipped[place] ^= 1 << place % 8
        fresh = damaged(store, bytes(flipped), name)
        with pytest.warns(UserWarning, match="damaged file"):
            assert fresh.get(name) is None


@pytest.mark.parametrize("kept", [0, 1, 8, 9, 128, 200, -1])
def test_a_truncated_file_is_noticed_and_computed_anew(store: ArrayStore, kept: int) -> None:
    computed(store)
    fresh = damaged(store, store.path(NAME).read_bytes()[:kept])
    with pytest.warns(UserWarning, match="damaged file"):
        found = computed(fresh, -TABLE)
    np.testing.assert_array_equal(found, -TABLE)
    np.testing.assert_array_equal(computed(ArrayStore(store.folder)), -TABLE)


def test_a_grown_file_is_noticed(store: ArrayStore) -> None:
    computed(store)
    fresh = damaged(store, store.path(NAME).read_bytes() + b"\0")
    with pytest.warns(UserWarning, match="damaged file"):
        assert fresh.get(NAME) is None


def test_parts_that_take_no_time_are_computed_several_at_once(store: ArrayStore) -> None:
    asked: list[int] = []

    def compute(rows: Rows) -> NDArray[Any]:
        asked.append(len(rows))
        return np.zeros((len(rows), 3), np.float32)

    store.get_or_compute(numbered("features-table", 3200), (3,), np.float32, compute)
    assert asked[0] == 32, "the first part shows how long one takes"
    assert len(asked) < 100
    assert sum(asked) == 3200


def test_an_error_while_computing_leaves_the_table_absent(store: ArrayStore) -> None:
    with pytest.raises(RuntimeError, match="never to be computed"):
        store.get_or_compute(NAME, TABLE.shape[1:], TABLE.dtype, fail)
    assert store.get(NAME) is None
    np.testing.assert_array_equal(computed(store), TABLE)


def compute_slowly(folder: Path, start: Barrier) -> None:
    def compute(rows: Rows) -> NDArray[Any]:
        with (folder / f"computed-by-{os.getpid()}").open("a") as file:
            file.writelines(f"{row}\n" for row in rows)
        time.sleep(0.05)
        return TABLE[rows]

    start.wait(60)
    found = ArrayStore(folder).get_or_compute(NAME, TABLE.shape[1:], TABLE.dtype, compute)
    np.testing.assert_array_equal(found, TABLE)


def compute_until_row(folder: Path, row: int) -> None:
    def compute(rows: Rows) -> NDArray[Any]:
        if rows[-1] >= row:
            with replacing(folder / "reached") as partial:
                partial.write_text(str(rows[0]))
            time.sleep(600)
        return TABLE[rows]

    ArrayStore(folder).get_or_compute(NAME, TABLE.shape[1:], TABLE.dtype, compute)


@pytest.mark.timeout(60)
def test_several_processes_share_the_work(tmp_path: Path) -> None:
    start = SPAWN.Barrier(3)
    others = [SPAWN.Process(target=compute_slowly, args=(tmp_path, start)) for _ in range(3)]
    for process in others:
        process.start()
    for process in others:
        process.join()
    assert [process.exitcode for process in others] == [0, 0, 0]
    shares = [path.read_text().split() for path in tmp_path.glob("computed-by-*")]
    assert len(shares) == 3
    assert sorted(int(row) for share in shares for row in share) == list(range(300))
    assert sorted(path.name for path in tmp_path.glob("features*")) == [FILE]


@pytest.mark.timeout(60)
def test_what_a_killed_process_was_at_is_taken_over_by_one_that_waits(tmp_path: Path) -> None:
    first = SPAWN.Process(target=compute_until_row, args=(tmp_path, 0))
    start = SPAWN.Barrier(1)
    second = SPAWN.Process(target=compute_slowly, args=(tmp_path, start))
    others, last = list(map(str, range(32, 300))), list(map(str, range(32)))

    def computed_by_second() -> list[str]:
        found = tmp_path / f"computed-by-{second.pid}"
        return found.read_text().split() if found.exists() else []

    first.start()
    try:
        wait_until(lambda: not first.is_alive() or (tmp_path / "reached").exists())
        second.start()
        wait_until(lambda: not second.is_alive() or computed_by_second() == others)
        in_the_making = (tmp_path / f"{NAME.key}.parts").iterdir()
        assert sorted(path.name for path in in_the_making) == ["data.npy", "parts.lock"]
        second.join(0.5)
        assert second.is_alive(), "it waits for the part that another one is at"
    finally:
        first.kill()
    second.join()
    assert second.exitcode == 0
    assert computed_by_second() == [*others, *last]
    assert sorted(path.name for path in tmp_path.glob("features*")) == [FILE]


def test_who_finishes_last_leaves_the_table_that_is_there(tmp_path: Path) -> None:
    path, room = ArrayStore(tmp_path).path(NAME), Room(tmp_path)
    table = (path, NAME.row_names, TABLE.shape[1:], TABLE.dtype, room, 10**6)
    with open_parts(*table, must_fit=False) as first, open_parts(*table, must_fit=False) as second:
        assert first is not None
        assert second is not None
        first.fill(rows_of(TABLE), KnownRows(len(TABLE)))
        first.finish()
        second.fill(fail, KnownRows(len(TABLE)))
        second.finish()
    assert sorted(path.name for path in tmp_path.iterdir()) == [".lock", FILE]


@pytest.mark.timeout(60)
@pytest.mark.parametrize("row", [0, 96, 288])
def test_a_killed_process_leaves_no_lock_and_what_it_had_finished(tmp_path: Path, row: int) -> None:
    process = SPAWN.Process(target=compute_until_row, args=(tmp_path, row))
    process.start()
    while process.is_alive() and not (tmp_path / "reached").exists():
        time.sleep(0.01)
    process.kill()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    asked: list[int] = []

    def compute(rows: Rows) -> NDArray[Any]:
        asked.extend(rows)
        return TABLE[rows]

    with warnings.catch_warnings(action="error"):
        store = ArrayStore(tmp_path)
        assert store.get(NAME) is None
        found = store.get_or_compute(NAME, TABLE.shape[1:], TABLE.dtype, compute)
    np.testing.assert_array_equal(found, TABLE)
    begun = int((tmp_path / "reached").read_text())
    assert begun <= row
    assert asked == list(range(begun, 300))
