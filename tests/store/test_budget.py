"""The cache stays within its budget, removes nothing that is in use, and survives a full disk."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fixtures.commands import environment
from fixtures.disks import needs_mounts, on_small_disk
from fixtures.stores import numbered
from numpy.typing import NDArray

from search.plan.download import keep_download
from trainable.files import DiskError
from trainable.store.arrays import ArrayStore
from trainable.store.budget import Room
from trainable.store.known_rows import Rows
from trainable.store.table_name import TableName

TABLE = np.arange(900, dtype=np.float32).reshape(300, 3)
SIZE = 8546
"""Bytes of its file: header, numbers, ten parts, names, checksum."""
ROW = TABLE.shape[1:]


def of(what: str) -> TableName:
    return numbered(what, len(TABLE))


def add(store: ArrayStore, what: str, age: float = 0) -> None:
    """Make a table that was used `age` seconds ago, and that nobody uses now."""
    found = store.get_or_compute_if_it_fits(of(what), ROW, TABLE.dtype, TABLE.__getitem__)
    assert found is not None
    os.utime(store.path(of(what)), (time.time() - age,) * 2)


def names(folder: Path) -> list[str]:
    """Names of the files, without the digest of the rows."""
    found = [path.name for path in sorted(folder.iterdir()) if path.name != ".lock"]
    return [re.sub(r"-[0-9a-f]{24}(?=\.)", "", name) for name in found]


def test_what_was_unused_longest_makes_room_whatever_its_kind(tmp_path: Path) -> None:
    store = ArrayStore(tmp_path, 3 * SIZE)
    add(store, "features-old", 30)
    add(store, "pixels-older", 40)
    add(store, "activations-new", 10)
    assert sum(path.stat().st_size for path in tmp_path.glob("*.npy")) == 3 * SIZE
    add(store, "survey-a", 20)
    assert names(tmp_path) == ["activations-new.npy", "features-old.npy", "survey-a.npy"]
    weights = store.keep_file("weights-x.pth", lambda: bytes(SIZE))
    assert names(tmp_path) == ["activations-new.npy", "survey-a.npy", weights.name]


def test_nothing_is_removed_for_what_cannot_fit(tmp_path: Path) -> None:
    store = ArrayStore(tmp_path, 2 * SIZE)
    add(store, "features-a")
    assert not store.make_room(2 * SIZE + 1)
    kept = store.get(of("features-a"))
    assert not store.make_room(2 * SIZE)
    assert kept is not None
    del kept
    assert store.path(of("features-a")).exists()
    assert store.make_room(2 * SIZE)
    assert names(tmp_path) == []


def test_what_is_in_use_stays_and_what_a_trial_needs_is_made_all_the_same(tmp_path: Path) -> None:
    store = ArrayStore(tmp_path, SIZE)
    needed = store.get_or_compute(of("pixels-a"), ROW, TABLE.dtype, TABLE.__getitem__)
    del needed  # the store keeps it for its user
    other = ArrayStore(tmp_path, SIZE)
    obtain = other.get_or_compute_if_it_fits
    assert obtain(of("activations-a"), ROW, TABLE.dtype, TABLE.__getitem__) is None
    other.get_or_compute(of("features-a"), ROW, TABLE.dtype, TABLE.__getitem__)
    assert names(tmp_path) == ["features-a.npy", "pixels-a.npy"]
    del store
    assert other.get(of("features-a")) is not None
    assert not other.make_room(1)
    del obtain, other
    assert [entry.kind for entry in Room(tmp_path).clear()] == ["pixels", "features"]


def test_what_trials_need_one_after_the_other_stays_within_the_budget(tmp_path: Path) -> None:
    store = ArrayStore(tmp_path, 2 * SIZE)

    def need(name: str) -> NDArray[Any]:
        return store.get_or_compute(of(f"features-{name}"), ROW, TABLE.dtype, TABLE.__getitem__)

    for name in "abcd":
        need(name)
    assert names(tmp_path) == ["features-c.npy", "features-d.npy"]
    held = need("c")
    for name in "efg":
        need(name)
    assert names(tmp_path) == ["features-c.npy", "features-g.npy"], "c has a user"
    np.testing.assert_array_equal(held, TABLE)


def test_what_is_being_made_counts_and_stays(tmp_path: Path) -> None:
    store = ArrayStore(tmp_path, SIZE + 1000)

    def ask(rows: Rows) -> NDArray[Any]:
        assert not store.make_room(1001)
        assert store.make_room(1000)
        assert Room(tmp_path).clear() == []
        return TABLE[rows]

    found = store.get_or_compute(of("features-a"), ROW, TABLE.dtype, ask)
    np.testing.assert_array_equal(found, TABLE)


def test_what_a_killed_process_left_is_removed(tmp_path: Path) -> None:
    store = ArrayStore(tmp_path)

    def fail(rows: Rows) -> NDArray[Any]:
        raise RuntimeError("killed")

    with pytest.raises(RuntimeError, match="killed"):
        store.get_or_compute(of("features-a"), ROW, TABLE.dtype, fail)
    assert names(tmp_path) == ["features-a.parts"]
    begun = tmp_path / ".weights-x.pth-abc"
    begun.mkdir()
    (tmp_path / "features-of-an-earlier-version.lock").touch()
    assert len(Room(tmp_path).clear()) == 2
    os.utime(begun, (time.time() - 4000,) * 2)
    assert len(Room(tmp_path).clear()) == 1
    assert names(tmp_path) == []


def test_files_that_cxr_did_not_make_are_left_alone(tmp_path: Path) -> None:
    for name in ("thesis.npy", "features.csv", ".profile", "pixels-notes.txt"):
        (tmp_path / name).write_text("mine")
    (tmp_path / "remote").mkdir()
    (tmp_path / "remote" / "mine").touch()
    store = ArrayStore(tmp_path, SIZE)
    add(store, "features-a")
    assert len(Room(tmp_path).clear()) == 1
    assert len(names(tmp_path)) == 5
    assert names(tmp_path / "remote") == ["mine"]


def test_a_download_stays_while_its_process_lives(tmp_path: Path) -> None:
    program = f"""
from pathlib import Path
from search.plan.download import keep_download
def fetch(place):
    place.mkdir()
    (place / "a").write_text("abc")
keep_download(Path({str(tmp_path)!r}), "{"0" * 24}", 3, fetch)
print("kept", flush=True)
input()
"""
    with subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment(),
    ) as process:  # fmt: skip
        assert process.stdout
        assert process.stdout.readline() == "kept\n"
        (entry,) = (e for e in Room(tmp_path).entries() if e.kind == "remote")
        assert entry.num_bytes == 3
        assert Room(tmp_path).clear() == []
        process.communicate("\n")
    assert len(Room(tmp_path).clear()) == 1
    assert names(tmp_path / "remote") == []
    place = keep_download(tmp_path, "1" * 24, 0, lambda partial: partial.mkdir())
    assert place.is_dir()


def test_a_new_folder_is_for_its_owner_alone(tmp_path: Path) -> None:
    add(ArrayStore(tmp_path / "new"), "features-a")
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700


def use_and_remove(folder: str) -> None:
    """Use tables as fast as possible in a folder that has room for two."""
    store, rng = ArrayStore(Path(folder), 2 * SIZE), np.random.default_rng()
    until = time.monotonic() + 3
    while time.monotonic() < until:
        number = int(rng.integers(4))
        obtain: Callable[..., Any] = store.get_or_compute_if_it_fits
        found = obtain(of(f"features-{number}"), ROW, TABLE.dtype, (TABLE + number).__getitem__)
        if found is not None:
            np.testing.assert_array_equal(found, TABLE + number)


def test_processes_that_use_and_remove_the_same_tables_do_not_harm_each_other(
    tmp_path: Path,
) -> None:
    program = f"""
import warnings
from store.test_budget import use_and_remove
warnings.simplefilter("error")
use_and_remove({str(tmp_path)!r})
"""
    path = {"PYTHONPATH": f"{environment()['PYTHONPATH']}:{Path(__file__).parents[1]}"}
    users = [
        subprocess.Popen([sys.executable, "-c", program], env={**environment(), **path})
        for _ in range(3)
    ]
    assert [user.wait(60) for user in users] == [0, 0, 0]
    assert len(list(tmp_path.glob("*.npy"))) <= 2
    assert not list(tmp_path.glob("*.parts"))


@needs_mounts
@pytest.mark.parametrize(
    ("disk", "sentence"),
    [
        (
            "size=64k",
            "there is no space left on the disk of PLACE/cache (3.9 MiB needed, 64 KiB free)",
        ),
        ("ro", "PLACE/cache is on a disk that can only be read"),
    ],
)
def test_a_disk_that_refuses_is_one_sentence_and_never_a_bus_error(
    tmp_path: Path, disk: str, sentence: str
) -> None:
    program = """
import sys
from pathlib import Path
import numpy as np
from trainable.files import DiskError
from trainable.store.arrays import ArrayStore
from trainable.store.table_name import TableName
table = np.ones((1000, 1024), np.float32)
store = ArrayStore(Path("cache"))
try:
    name = TableName("pixels-a", tuple(map(str, range(len(table)))))
    store.get_or_compute(name, table.shape[1:], table.dtype, table.__getitem__)
except DiskError as error:
    print(error)
print(sorted(path.name for path in Path(".").rglob("pixels*")))
"""
    done = on_small_disk(tmp_path, disk, [sys.executable, "-c", program])
    assert done.returncode == 0, done.stderr
    said, left = done.stdout.splitlines()
    assert said.replace(str(tmp_path), "PLACE").startswith(sentence)
    assert "--cache" in said
    assert left == "[]"


def test_a_folder_below_a_file_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DiskError, match=r"file/cache cannot be a folder: .* with --cache"):
        add(ArrayStore(tmp_path / "file" / "cache"), "features-a")


def test_a_name_without_a_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="the name must begin with one of survey, "):
        add(ArrayStore(tmp_path), "mine")
