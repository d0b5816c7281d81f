"""Arrays on disk, whole or absent: written once, checked when opened, read without a copy."""

import os
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

_FOOTER_MAGIC = b"CXR1"
_FOOTER_SIZE = len(_FOOTER_MAGIC) + 4
_BLOCK = 1 << 24

Array = NDArray[Any]


class ArrayStore:
    """A folder of named arrays, shared by every process that can see it.

    Each array is a `.npy` file with a checksum behind its data. It is written beside its place and
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
            self._opened[key] = np.load(path, mmap_mode="r")
        return self._opened[key]

    def put(self, key: str, array: Array) -> Array:
        """Write the array under this name, and return it as `get` would."""
        path = self.path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(f".{os.getpid()}.partial")
        try:
            with partial.open("wb") as file:
                np.save(file, array, allow_pickle=False)
            with partial.open("r+b") as file:
                checksum = _checksum(file.read)
                file.seek(0, os.SEEK_END)
                file.write(_FOOTER_MAGIC + checksum.to_bytes(4, "little"))
                file.flush()
                os.fsync(file.fileno())
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
        self._opened.pop(key, None)
        written = self.get(key)
        if written is None:
            raise OSError(f"the file does not hold what was written to it: {path}")
        return written

    def get_or_compute(self, key: str, compute: Callable[[], Array]) -> Array:
        """The array; where it is absent, one process computes it while the others wait."""
        found = self.get(key)
        if found is not None:
            return found
        self.folder.mkdir(parents=True, exist_ok=True)
        with FileLock(self.path(key).with_suffix(".lock")):
            found = self.get(key)
            return found if found is not None else self.put(key, compute())


def _checksum(read: Callable[[int], bytes], size: int | None = None) -> int:
    value = 0
    left = size
    while block := read(_BLOCK if left is None else min(_BLOCK, left)):
        value = zlib.crc32(block, value)
        if left is not None:
            left -= len(block)
    return value


def _is_whole(path: Path) -> bool:
    size = path.stat().st_size - _FOOTER_SIZE
    if size <= 0:
        return False
    with path.open("rb") as file:
        checksum = _checksum(file.read, size)
        return file.read() == _FOOTER_MAGIC + checksum.to_bytes(4, "little")
