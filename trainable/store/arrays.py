"""Arrays on disk, whole or absent: made once, checked when opened, read without a copy."""

import contextlib
import os
import shutil
import warnings
import weakref
from collections.abc import Callable, Iterator
from glob import escape
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import DTypeLike

from trainable.defaults import CACHE_BYTES
from trainable.errors import listing
from trainable.files import NUM_DIGITS, replacing, writing
from trainable.store.array_file import Array, ArrayFile, file_bytes, is_whole
from trainable.store.budget import DATA, KINDS, OPTION, PARTS, Room
from trainable.store.known_rows import NOWHERE, Compute, KnownRows
from trainable.store.locks import hold, is_at, lock
from trainable.store.parts import open_parts
from trainable.store.table_name import TableName

_ATTEMPTS = 3


class ArrayStore:
    """A folder of tables, a row for each of some images, shared by every process that can see it.

    Each table is a `.npy` file with a checksum behind its data. It is made in a folder beside its
    place and then renamed, so a reader never sees half of it. A file that was damaged later fails
    its checksum and is computed anew.

    A row that another table of the same kind has is copied from there, and not computed. So where
    a cohort has grown, or is split anew, only the new images take time.

    All files together stay within a budget: what was used longest ago makes room for what is new.
    A file that a process has open is in use, and stays. The store keeps open what its user cannot
    do without (`get_or_compute`), and the rest for as long as its user holds the array.

    Attributes:
        folder: Folder of the files.
        budget: Bytes that all files may take together; what is in use may exceed them.
    """

    def __init__(self, folder: Path, budget: int = CACHE_BYTES) -> None:
        self.folder = folder
        self.budget = budget
        self._room = Room(folder)
        self._opened: weakref.WeakValueDictionary[str, Array] = weakref.WeakValueDictionary()
        self._kept: dict[str, Array] = {}
        self._files: set[str] = set()
        self._checked: set[tuple[int, int, int]] = set()

    def __reduce__(self) -> tuple[type["ArrayStore"], tuple[Path, int]]:
        """Another process opens the same folder anew; what is open here stays here."""
        return type(self), (self.folder, self.budget)

    def path(self, name: TableName) -> Path:
        """Where the array of this name is, or would be.

        Raises:
            ValueError: If the name begins with no kind, so that the file would not be counted.
        """
        if not name.what.startswith(tuple(f"{kind}-" for kind in KINDS)):
            raise ValueError(f"the name must begin with one of {listing(KINDS)}; got {name.what!r}")
        return self.folder / f"{name.key}.npy"

    def get(self, name: TableName) -> Array | None:
        """The array, read-only and memory-mapped, or None where there is no whole one."""
        found = self._opened.get(name.key)
        if found is not None:
            return found
        path = self.path(name)
        with writing(self.folder, OPTION):
            file = lock(path)
        if file is None:
            return None
        with file:
            if not self._is_sound(file, path):
                return None
            os.utime(file.fileno())  # when it was last used, for those who need room
            mapped = ArrayFile.read(file).mapped()
        self._opened[name.key] = mapped
        return mapped

    def num_missing(self, name: TableName) -> int:
        """How many rows of a table are neither in it nor in another one, and must be computed.

        No checksum is read, since that takes time: rows of a file that is damaged are counted as
        known here, and computed anew when they are needed.
        """
        if self.path(name).exists():
            return 0
        are_missing = np.ones(len(name), bool)
        for _, array in self._related(name):
            are_missing &= array.rows_of(name.row_names) == NOWHERE
        return int(are_missing.sum())

    def get_or_compute(
        self, name: TableName, row_shape: tuple[int, ...], dtype: DTypeLike, compute: Compute
    ) -> Array:
        """The array; where it is absent, all who ask for it share the work of computing it.

        Each process computes parts that no other is at, and takes over those of one that died. What
        a killed process had finished is kept. The array stays in use until its user no longer holds
        it and later ones need its room in the budget.

        Args:
            name: What the array holds, and of which images.
            row_shape: Shape of what there is of one image.
            dtype: Type of its numbers.
            compute: Gives rows by their numbers; a row must not depend on the others.

        Raises:
            DiskError: If the disk has no room, or cannot be written.
        """
        array = self._kept.pop(name.key, None)
        if array is None:
            self._release(file_bytes((len(name), *row_shape), np.dtype(dtype)))
            array = self._obtain(name, row_shape, dtype, compute, must_fit=False)
        if array is None:
            raise OSError(f"the file does not hold what was written to it: {self.path(name)}")
        self._kept[name.key] = array  # the last one, as it was used last
        return array

    def get_or_compute_if_it_fits(
        self, name: TableName, row_shape: tuple[int, ...], dtype: DTypeLike, compute: Compute
    ) -> Array | None:
        """As `get_or_compute`, but None where the budget has no room for the array.

        The array may be removed once its user holds it no longer.
        """
        return self._obtain(name, row_shape, dtype, compute, must_fit=True)

    def discard(self, name: TableName) -> None:
        """Remove what there is of an array in the making, since it can never be finished."""
        with self._room.locked():
            shutil.rmtree(self.path(name).with_suffix(PARTS), ignore_errors=True)

    def make_room(self, num_bytes: int) -> bool:
        """Remove what was used longest ago and is not in use, for `num_bytes` more.

        Returns:
            Whether they fit into the budget; nothing is removed if they cannot.
        """
        with self._room.locked():
            return self._room.make(num_bytes, self.budget)

    def keep_file(self, name: str, content: Callable[[], bytes]) -> Path:
        """A file that is no array, such as weights; it stays until this process ends.

        Args:
            name: Name of the file, which begins with its kind.
            content: Gives its bytes where it is absent.
        """
        path = self.folder / name
        while name not in self._files:
            file = lock(path)
            if file is not None:
                hold(file)
                self._files.add(name)
                break
            data = content()
            with self._room.locked(), writing(self.folder, OPTION, len(data)):
                if not path.exists():
                    self._room.make(len(data), self.budget, must_fit=False)
                    with replacing(path) as partial:
                        partial.write_bytes(data)
        return path

    def _release(self, num_bytes: int) -> None:
        """Keep no more open than leaves room for `num_bytes`; what has a user stays open."""
        while self._kept and self._opened_bytes() + num_bytes > self.budget:
            del self._kept[next(iter(self._kept))]

    def _opened_bytes(self) -> int:
        return sum(file_bytes(array.shape, array.dtype) for array in self._opened.values())

    def _obtain(
        self,
        name: TableName,
        row_shape: tuple[int, ...],
        dtype: DTypeLike,
        compute: Compute,
        *,
        must_fit: bool,
    ) -> Array | None:
        path, dtype = self.path(name), np.dtype(dtype)
        for _ in range(_ATTEMPTS):
            found = self.get(name)
            if found is not None:
                return found
            for related in self._related_paths(name):
                with contextlib.suppress(FileNotFoundError):  # removed by another process
                    os.utime(related)  # the last ones to make room for what is copied from them
            with open_parts(
                path, name.row_names, row_shape, dtype, self._room, self.budget, must_fit=must_fit
            ) as parts:
                if parts is not None:
                    parts.fill(compute, self._known_rows(name))
                    parts.finish()
        return None

    def _known_rows(self, name: TableName) -> KnownRows:
        """The rows of a table that others have; nothing is taken of a damaged file."""
        known = KnownRows(len(name))
        for path, array in self._related(name):
            at = array.rows_of(name.row_names)
            # one in the making has no checksum yet; its rows are as sure as to who goes on with it
            if known.lacks(at) and (path.name == DATA or self._is_sound(array.file, path)):
                known.add(array.mapped(), at)
        return known

    def _related(self, name: TableName) -> Iterator[tuple[Path, ArrayFile]]:
        """Other tables of the same kind of row, whole or in the making, each open for a while."""
        for path in self._related_paths(name):
            file = lock(path)
            if file is None:  # removed by another process
                continue
            with file:
                try:
                    array = ArrayFile.read(file)
                except ValueError:  # damaged: who asks for this table, or verifies all, says so
                    continue
                yield path, array

    def _related_paths(self, name: TableName) -> list[Path]:
        tables = f"{escape(name.what)}-{'?' * NUM_DIGITS}"
        found = [*self.folder.glob(f"{tables}.npy"), *self.folder.glob(f"{tables}{PARTS}/{DATA}")]
        own = self.path(name)
        return [
            path for path in sorted(found) if own not in (path, path.parent.with_suffix(".npy"))
        ]

    def _is_sound(self, file: BinaryIO, path: Path) -> bool:
        """Whether an open file is whole; a damaged one is removed. Each is read through once."""
        facts = os.fstat(file.fileno())
        identity = facts.st_dev, facts.st_ino, facts.st_size
        if identity not in self._checked and not is_whole(file):
            warnings.warn(f"damaged file, to be computed again: {path}", stacklevel=3)
            self._remove(path, file)
            return False
        self._checked.add(identity)
        return True

    def _remove(self, path: Path, file: BinaryIO) -> None:
        """Remove a damaged file, unless another process has put a new one in its place."""
        with self._room.locked(), writing(self.folder, OPTION):
            if is_at(file, path):
                path.unlink()
