"""Arrays on disk, whole or absent: written once, checked when opened, read without a copy."""

import itertools
import os
import shutil
import time
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from filelock import FileLock, Timeout
from numpy.lib.format import open_memmap, read_array_header_1_0, read_magic
from numpy.typing import DTypeLike, NDArray

from trainable.files import replacing

_FOOTER_MAGIC = b"CXR1"
_FOOTER_SIZE = len(_FOOTER_MAGIC) + 4
_BLOCK = 1 << 24
_PART_ROWS = 32
_DATA = "data.npy"
_DONE = b"\1"
_ATTEMPTS = 3
_ABANDONED_SECONDS = 3600

Array = NDArray[Any]
Compute = Callable[[slice], Array]
"""Computes some consecutive rows of a table."""


class ArrayStore:
    """A folder of named arrays, shared by every process that can see it.

    Each array is a `.npy` file with a checksum behind its data. It is made beside its place and
    then renamed, so a reader never sees half of it; a file that was damaged later fails its
    checksum and is computed anew. Locks are the operating system's own: they end with the process
    that holds them, however it ends.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._opened: dict[str, Array] = {}

    def path(self, key: str) -> Path:
        """Where the array of this name is, or would be."""
        return self.folder / f"{key}.npy"

    def get(self, key: str) -> Array | None:
        """The array, read-only and memory-mapped, or None where there is no whole one."""
        if key not in self._opened:
            path = self.path(key)
            if not path.exists():
                return None
            if not _is_whole(path):
                warnings.warn(f"damaged file, to be computed again: {path}", stacklevel=2)
                path.unlink(missing_ok=True)
                return None
            path.touch()  # when it was last used, for those who need room
            self._opened[key] = np.load(path, mmap_mode="r")
        return self._opened[key]

    def get_or_compute(
        self, key: str, shape: tuple[int, ...], dtype: DTypeLike, compute: Compute
    ) -> Array:
        """The array; where it is absent, all who ask for it share the work of computing it.

        Each process computes parts that no other is at, and takes over those of one that died. What
        a killed process had finished is kept.

        Args:
            key: name of the array, which says all that its content depends on.
            shape: Shape of the whole array.
            dtype: Type of its numbers.
            compute: gives the rows of a slice.
        """
        for _ in range(_ATTEMPTS):
            found = self.get(key)
            if found is not None:
                return found
            parts = _Parts(self.path(key), shape, np.dtype(dtype))
            # first what nobody else is at; then what others began, unless they finish it
            for wait, number in itertools.product((False, True), range(len(parts.starts))):
                if not parts.path.exists():
                    parts.fill(number, compute, wait=wait)
            parts.finish()
        raise OSError(f"the file does not hold what was written to it: {self.path(key)}")

    def make_room(self, prefix: str, num_bytes: int, budget: int) -> bool:
        """Remove arrays whose names begin with `prefix`, the longest unused first.

        Arrays in the making count, and are removed only an hour after anybody worked on them.

        Returns:
            Whether all of them, with a new one of `num_bytes`, now stay within `budget` bytes.
        """
        if num_bytes > budget:
            return False
        self.folder.mkdir(parents=True, exist_ok=True)
        with FileLock(self.folder / f"{prefix}.lock"):
            making = set(self.folder.glob(f"{prefix}*.parts/{_DATA}"))
            facts = {p: p.stat() for p in (*self.folder.glob(f"{prefix}*.npy"), *making)}
            used = sum(fact.st_size for fact in facts.values())
            for path, fact in sorted(facts.items(), key=lambda item: item[1].st_mtime):
                if used + num_bytes <= budget:
                    break
                if path not in making:
                    path.unlink()
                elif time.time() - fact.st_mtime > _ABANDONED_SECONDS:
                    shutil.rmtree(path.parent)
                else:
                    continue
                used -= fact.st_size
            return used + num_bytes <= budget


class _Parts:
    """An array in the making: its data, and behind them a byte for each part that is in it.

    Both are in one file, so that no other process can take a part for done whose data went
    elsewhere: into a file that was removed meanwhile, say.
    """

    def __init__(self, path: Path, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self.path = path
        self.folder = path.with_suffix(".parts")
        self.shape = shape
        self.dtype = dtype
        self.starts = range(0, shape[0], _PART_ROWS)
        self._whole = FileLock(path.with_suffix(".lock"))

    def fill(self, number: int, compute: Compute, *, wait: bool) -> None:
        """Compute a part that is missing, unless another process is at it and we do not wait."""
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            lock = FileLock(self.folder / f"{number}.lock").acquire(blocking=wait)
        except (Timeout, FileNotFoundError):  # somebody is at it, or has just finished the whole
            return
        with lock, self._open() as file:
            data, flags = _mapped(file)
            if os.pread(file.fileno(), 1, flags + number) != _DONE:
                start = self.starts[number]
                rows = slice(start, min(start + _PART_ROWS, self.shape[0]))
                data[rows] = compute(rows)
                data.flush()
                os.pwrite(file.fileno(), _DONE, flags + number)

    def _open(self) -> BinaryIO:
        """The file of the data: whole, in the making, or new."""
        data = self.folder / _DATA
        with self._whole:
            if self.path.exists():
                return self.path.open("r+b")
            if not data.exists():
                with replacing(data) as partial:
                    open_memmap(partial, "w+", self.dtype, self.shape)
                    os.truncate(partial, partial.stat().st_size + len(self.starts))
            return data.open("r+b")

    def finish(self) -> None:
        """Put a checksum behind the data and the file in its place, if nobody else did."""
        with self._whole:
            if not self.path.exists():
                with (self.folder / _DATA).open("r+b") as file:
                    _, flags = _mapped(file)
                    end = flags + len(self.starts)
                    if os.pread(file.fileno(), end - flags, flags) != _DONE * (end - flags):
                        return
                    file.seek(0)
                    checksum = _checksum(file, end)
                    file.write(_FOOTER_MAGIC + checksum)
                    file.truncate()
                    file.flush()
                    os.fsync(file.fileno())
                (self.folder / _DATA).rename(self.path)
            shutil.rmtree(self.folder, ignore_errors=True)


def _mapped(file: BinaryIO) -> tuple[np.memmap[Any, Any], int]:
    """The array in an open `.npy` file, and the offset of what is behind it."""
    file.seek(0)
    read_magic(file)
    shape, _, dtype = read_array_header_1_0(file)
    data: np.memmap[Any, Any] = np.memmap(file, dtype, "r+", file.tell(), shape)
    return data, data.offset + data.nbytes


def _checksum(file: BinaryIO, size: int) -> bytes:
    value, left = 0, size
    while block := file.read(min(_BLOCK, left)):
        value = zlib.crc32(block, value)
        left -= len(block)
    return value.to_bytes(4, "little")


def _is_whole(path: Path) -> bool:
    size = path.stat().st_size - _FOOTER_SIZE
    if size <= 0:
        return False
    with path.open("rb") as file:
        checksum = _checksum(file, size)
        return file.read() == _FOOTER_MAGIC + checksum
