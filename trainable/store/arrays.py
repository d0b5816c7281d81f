"""Arrays on disk, whole or absent: made once, checked when opened, read without a copy."""

import os
import shutil
import warnings
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import DTypeLike

from trainable.defaults import CACHE_BYTES
from trainable.errors import listing
from trainable.files import replacing, writing
from trainable.store.array_file import Array, ArrayFile, file_bytes, is_whole
from trainable.store.budget import KINDS, OPTION, PARTS, Room
from trainable.store.locks import hold, is_at, lock
from trainable.store.parts import Compute, open_parts

_ATTEMPTS = 3


class ArrayStore:
    """A folder of named arrays, shared by every process that can see it.

    Each array is a `.npy` file with a checksum behind its data. It is made in a folder beside its
    place and then renamed, so a reader never sees half of it. A file that was damaged later fails
    its checksum and is computed anew.

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

    def path(self, key: str) -> Path:
        """Where the array of this name is, or would be.

        Raises:
            ValueError: If the name begins with no kind, so that the file would not be counted.
        """
        if not key.startswith(tuple(f"{kind}-" for kind in KINDS)):
            raise ValueError(f"the key must begin with one of {listing(KINDS)}; got {key!r}")
        return self.folder / f"{key}.npy"

    def get(self, key: str) -> Array | None:
        """The array, read-only and memory-mapped, or None where there is no whole one."""
        found = self._opened.get(key)
        if found is not None:
            return found
        path = self.path(key)
        with writing(self.folder, OPTION):
            file = lock(path)
        if file is None:
            return None
        with file:
            facts = os.fstat(file.fileno())
            identity = facts.st_dev, facts.st_ino, facts.st_size
            if identity not in self._checked and not is_whole(file):
                warnings.warn(f"damaged file, to be computed again: {path}", stacklevel=2)
                self._remove(path, file)
                return None
            self._checked.add(identity)
            os.utime(file.fileno())  # when it was last used, for those who need room
            mapped = ArrayFile.read(file).mapped()
        self._opened[key] = mapped
        return mapped

    def get_or_compute(
        self, key: str, shape: tuple[int, ...], dtype: DTypeLike, compute: Compute
    ) -> Array:
        """The array; where it is absent, all who ask for it share the work of computing it.

        Each process computes parts that no other is at, and takes over those of one that died. What
        a killed process had finished is kept. The array stays in use until its user no longer holds
        it and later ones need its room in the budget.

        Args:
            key: Name of the array: its kind, and what says all that its content depends on.
            shape: Shape of the whole array.
            dtype: Type of its numbers.
            compute: Gives the rows of a slice.

        Raises:
            DiskError: If the disk has no room, or cannot be written.
        """
        array = self._kept.pop(key, None)
        if array is None:
            self._release(file_bytes(shape, np.dtype(dtype)))
            array = self._obtain(key, shape, dtype, compute, must_fit=False)
        if array is None:
            raise OSError(f"the file does not hold what was written to it: {self.path(key)}")
        self._kept[key] = array  # the last one, as it was used last
        return array

    def get_or_compute_if_it_fits(
        self, key: str, shape: tuple[int, ...], dtype: DTypeLike, compute: Compute
    ) -> Array | None:
        """As `get_or_compute`, but None where the budget has no room for the array.

        The array may be removed once its user holds it no longer.
        """
        return self._obtain(key, shape, dtype, compute, must_fit=True)

    def discard(self, key: str) -> None:
        """Remove what there is of an array in the making, since it can never be finished."""
        with self._room.locked():
            shutil.rmtree(self.path(key).with_suffix(PARTS), ignore_errors=True)

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
        return sum(array.nbytes for array in self._opened.values())

    def _obtain(
        self,
        key: str,
        shape: tuple[int, ...],
        dtype: DTypeLike,
        compute: Compute,
        *,
        must_fit: bool,
    ) -> Array | None:
        dtype = np.dtype(dtype)
        for _ in range(_ATTEMPTS):
            found = self.get(key)
            if found is not None:
                return found
            with open_parts(
                self.path(key), shape, dtype, self._room, self.budget, must_fit=must_fit
            ) as parts:
                if parts is not None:
                    parts.fill(compute)
                    parts.finish()
        return None

    def _remove(self, path: Path, file: BinaryIO) -> None:
        """Remove a damaged file, unless another process has put a new one in its place."""
        with self._room.locked(), writing(self.folder, OPTION):
            if is_at(file, path):
                path.unlink()
