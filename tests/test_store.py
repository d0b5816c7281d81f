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
from numpy.typing import NDArray

from trainable.store import ArrayStore

SPAWN = multiprocessing.get_context("spawn")
TABLE = np.arange(60, dtype=np.float32).reshape(3, 20)


@pytest.fixture
def store(tmp_path: Path) -> ArrayStore:
    return ArrayStore(tmp_path / "store")


def damaged(store: ArrayStore, content: bytes) -> ArrayStore:
    """Overwrite the file of "table"; gives a store that has not opened it yet."""
    store.path("table").write_bytes(content)
    return ArrayStore(store.folder)


@pytest.mark.parametrize(
    "array",
    [
        TABLE,
        TABLE.T,
        np.arange(24, dtype=np.uint8).reshape(2, 3, 4),
        np.array([True, False]),
        np.array([np.nan, -np.inf, 0.0]),
        np.array(3.5),
        np.empty((0, 5), np.int16),
    ],
)
def test_array_comes_back_as_it_was(store: ArrayStore, array: NDArray[Any]) -> None:
    put = store.put("array", array)
    for found in (put, store.get("array"), ArrayStore(store.folder).get("array")):
        assert found is not None
        assert found.dtype == array.dtype
        np.testing.assert_array_equal(found, array)


def test_array_is_mapped_and_read_only(store: ArrayStore) -> None:
    found = store.put("table", TABLE)
    assert isinstance(found, np.memmap)
    assert store.get("table") is found
    with pytest.raises(ValueError, match="read-only"):
        found[0, 0] = 1


def test_array_that_was_never_put_is_absent(store: ArrayStore) -> None:
    assert store.get("table") is None


def test_array_can_be_replaced(store: ArrayStore) -> None:
    before = store.put("table", TABLE)
    after = store.put("table", -TABLE)
    np.testing.assert_array_equal(after, -TABLE)
    np.testing.assert_array_equal(before, TABLE)


def test_objects_are_refused_and_leave_nothing_behind(store: ArrayStore) -> None:
    with pytest.raises(ValueError, match="allow_pickle"):
        store.put("objects", np.array([{}], dtype=object))
    assert list(store.folder.iterdir()) == []


def test_full_disk_leaves_nothing_behind(store: ArrayStore) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))
    try:
        with pytest.raises(OSError, match=r"."):
            store.put("large", np.zeros(100_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(store.folder.iterdir()) == []
    assert store.get("large") is None


def test_flipped_bit_is_noticed_wherever_it_is(store: ArrayStore) -> None:
    store.put("table", TABLE)
    whole = store.path("table").read_bytes()
    for place in range(len(whole)):
        flipped = bytearray(whole)
        flipped[place] ^= 1 << place % 8
        fresh = damaged(store, bytes(flipped))
        with pytest.warns(UserWarning, match="damaged file"):
            assert fresh.get("table") is None


@pytest.mark.parametrize("kept", [0, 1, 8, 9, 128, 200, -1])
def test_truncated_file_is_noticed_and_computed_anew(store: ArrayStore, kept: int) -> None:
    store.put("table", TABLE)
    fresh = damaged(store, store.path("table").read_bytes()[:kept])
    with pytest.warns(UserWarning, match="damaged file"):
        found = fresh.get_or_compute("table", lambda: -TABLE)
    np.testing.assert_array_equal(found, -TABLE)
    np.testing.assert_array_equal(ArrayStore(store.folder).get_or_compute("table", fail), -TABLE)


def test_grown_file_is_noticed(store: ArrayStore) -> None:
    store.put("table", TABLE)
    fresh = damaged(store, store.path("table").read_bytes() + b"\0")
    with pytest.warns(UserWarning, match="damaged file"):
        assert fresh.get("table") is None


def test_error_while_computing_leaves_the_array_absent(store: ArrayStore) -> None:
    with pytest.raises(RuntimeError, match="never to be computed"):
        store.get_or_compute("table", fail)
    assert store.get("table") is None
    np.testing.assert_array_equal(store.get_or_compute("table", lambda: TABLE), TABLE)


def fail() -> NDArray[Any]:
    raise RuntimeError("never to be computed")


def compute_slowly(folder: Path, start: Barrier) -> None:
    def compute() -> NDArray[Any]:
        (folder / f"computed-by-{os.getpid()}").touch()
        time.sleep(0.3)
        return TABLE

    start.wait(60)
    found = ArrayStore(folder).get_or_compute("table", compute)
    np.testing.assert_array_equal(found, TABLE)


def compute_for_ever(folder: Path) -> None:
    def compute() -> NDArray[Any]:
        (folder / "started").touch()
        time.sleep(600)
        return TABLE

    ArrayStore(folder).get_or_compute("table", compute)


def die_while_writing(folder: Path) -> None:
    """The kernel kills this process when its file exceeds 1 MB."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    ArrayStore(folder).get_or_compute("table", lambda: np.ones(1_000_000))


@pytest.mark.timeout(60)
def test_one_of_several_processes_computes(tmp_path: Path) -> None:
    start = SPAWN.Barrier(3)
    others = [SPAWN.Process(target=compute_slowly, args=(tmp_path, start)) for _ in range(3)]
    for process in others:
        process.start()
    for process in others:
        process.join()
    assert [process.exitcode for process in others] == [0, 0, 0]
    assert len(list(tmp_path.glob("computed-by-*"))) == 1


@pytest.mark.timeout(60)
def test_killed_process_leaves_no_lock(tmp_path: Path) -> None:
    process = SPAWN.Process(target=compute_for_ever, args=(tmp_path,))
    process.start()
    while process.is_alive() and not (tmp_path / "started").exists():
        time.sleep(0.01)
    process.kill()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert_computed_anew(ArrayStore(tmp_path))


@pytest.mark.timeout(60)
def test_process_killed_while_writing_leaves_no_visible_half(tmp_path: Path) -> None:
    process = SPAWN.Process(target=die_while_writing, args=(tmp_path,))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGXFSZ
    assert_computed_anew(ArrayStore(tmp_path))


def assert_computed_anew(store: ArrayStore) -> None:
    with warnings.catch_warnings(action="error"):
        assert store.get("table") is None
        np.testing.assert_array_equal(store.get_or_compute("table", lambda: TABLE), TABLE)
