"""An array in the making, by several processes at once; what a killed one had done is kept."""

import contextlib
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from trainable.files import replacing, writing
from trainable.store.array_file import PART_ROWS, ArrayFile, RowNames, file_bytes
from trainable.store.budget import DATA, OPTION, PARTS, Room
from trainable.store.known_rows import Compute, KnownRows
from trainable.store.locks import is_at, lock, lock_byte, unlock_byte

_LOCKS = "parts.lock"
_SECONDS_AT_ONCE = 1.0
_BYTES_AT_ONCE = 64 << 20
_FASTER = 4


class Parts:
    """The parts of one array. Whoever has them open keeps them from being removed.

    Who is at a part holds the byte of its number in one file of locks. It is not the file of the
    data, on which all hold a lock together.
    """

    def __init__(self, path: Path, array: ArrayFile, locks: BinaryIO, room: Room) -> None:
        self._path = path
        self._folder = path.with_suffix(PARTS)
        self._array = array
        self._locks = locks
        self._room = room
        self._parts = array.parts
        self._num_parts = len(self._parts)
        self._most_parts = max(1, _BYTES_AT_ONCE // self._array.part_bytes)
        self._at_once = PART_ROWS

    def fill(self, compute: Compute, known: KnownRows) -> None:
        """Add what is missing: first what nobody else is at, then what others have not done."""
        for wait in (False, True):
            number = 0
            while number < self._num_parts:
                number = self._fill(number, compute, known, wait=wait)

    def _fill(self, first: int, compute: Compute, known: KnownRows, *, wait: bool) -> int:
        """Add the parts from this one on that nobody is at; the number of the next one.

        So many that their unknown rows, however few each has, make full batches together.
        """
        end, to_compute = first, 0
        with contextlib.ExitStack() as claims:
            while end < min(first + self._most_parts, self._num_parts):
                unknown = known.num_missing(self._parts[end])
                if end > first and to_compute + unknown > self._at_once:
                    break
                if not self._claim(end, claims, wait=wait and end == first):
                    break
                end, to_compute = end + 1, to_compute + unknown
            if end > first:
                began = time.monotonic()
                rows = np.arange(self._parts[first].start, self._parts[end - 1].stop)
                content = np.empty((len(rows), *self._array.shape[1:]), self._array.dtype)
                known.fill(rows, compute, content)
                with self._writing():
                    self._array.write_parts(first, end, content)
                if to_compute:
                    self._adapt(to_compute, time.monotonic() - began)
        return max(end, first + 1)

    def _claim(self, number: int, claims: contextlib.ExitStack, *, wait: bool) -> bool:
        """Lock a part that is to be computed; false if it is done, or somebody is at it."""
        if self._array.is_done(number) or not self._lock(number, claims, wait=wait):
            return False
        return not self._array.is_done(number)

    def _lock(self, number: int, claims: contextlib.ExitStack, *, wait: bool) -> bool:
        with self._writing():
            if not lock_byte(self._locks, number, wait=wait):
                return False
        claims.callback(unlock_byte, self._locks, number)
        return True

    def _adapt(self, num_computed: int, seconds: float) -> None:
        """Compute as many rows at once as a second allows: each time is a flush of the disk."""
        wanted = int(num_computed * _SECONDS_AT_ONCE / max(seconds, 1e-3))
        self._at_once = max(PART_ROWS, min(wanted, _FASTER * self._at_once))

    def finish(self) -> None:
        """Put the file in its place, if all is done and nobody else did."""
        with contextlib.ExitStack() as claims:
            self._lock(self._num_parts, claims, wait=True)
            if not self._is_begun() or not self._array.all_done:
                return
            with self._writing():
                self._array.finish()
                with self._room.locked():
                    if self._is_begun():
                        (self._folder / DATA).replace(self._path)
                        shutil.rmtree(self._folder, ignore_errors=True)

    def _is_begun(self) -> bool:
        """Whether the array is still in the making."""
        return is_at(self._array.file, self._folder / DATA)

    def _writing(self) -> Any:
        return writing(self._room.folder, OPTION)


@contextlib.contextmanager
def open_parts(
    path: Path,
    names: RowNames,
    row_shape: tuple[int, ...],
    dtype: np.dtype[Any],
    room: Room,
    budget: int,
    *,
    must_fit: bool,
) -> Iterator[Parts | None]:
    """Go on with an array that was begun, or begin it where the disk and the budget have room.

    Args:
        path: File of the whole array.
        names: Name of each row.
        row_shape: Shape of a row.
        dtype: Type of its numbers.
        room: Room of the folder.
        budget: Bytes that all files in the folder may take together.
        must_fit: Whether to begin nothing that exceeds the budget.

    Yields:
        The parts; None if the array is whole already, or does not fit.
    """
    data = path.with_suffix(PARTS) / DATA
    num_bytes = file_bytes((len(names), *row_shape), dtype)
    with contextlib.ExitStack() as opened:
        with room.locked(), writing(room.folder, OPTION, num_bytes):
            if not path.exists() and not data.exists():
                fits = room.make(num_bytes, budget, must_fit=must_fit)
                if fits or not must_fit:
                    _begin(data, row_shape, dtype, names)
            file = None if path.exists() else lock(data)
            if file is None:
                parts = None
            else:
                array = ArrayFile.read(opened.enter_context(file))
                locks = opened.enter_context(data.with_name(_LOCKS).open("ab"))
                parts = Parts(path, array, locks, room)
        yield parts


def _begin(data: Path, row_shape: tuple[int, ...], dtype: np.dtype[Any], names: RowNames) -> None:
    try:
        with replacing(data) as partial, partial.open("x+b") as file:
            ArrayFile.begin(file, row_shape, dtype, names)
    except OSError:
        shutil.rmtree(data.parent, ignore_errors=True)
        raise
