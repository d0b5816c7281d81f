"""An array in the making, by several processes at once; what a killed one had done is kept."""

import contextlib
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from trainable.files import replacing, writing
from trainable.store.array_file import Array, ArrayFile, file_bytes
from trainable.store.budget import DATA, OPTION, PARTS, Room
from trainable.store.locks import is_at, lock

_SECONDS_AT_ONCE = 1.0
_BYTES_AT_ONCE = 64 << 20
_FASTER = 4

Compute = Callable[[slice], Array]
"""Computes some consecutive rows of a table."""


class Parts:
    """The parts of one array. Whoever has them open keeps them from being removed."""

    def __init__(self, path: Path, array: ArrayFile, room: Room) -> None:
        self._path = path
        self._folder = path.with_suffix(PARTS)
        self._array = array
        self._room = room
        self._num_parts = len(array.parts)
        self._at_once = 1

    def fill(self, compute: Compute) -> None:
        """Compute what is missing: first what nobody else is at, then what others have not done."""
        for wait in (False, True):
            number = 0
            while number < self._num_parts:
                number = self._fill(number, compute, wait=wait)

    def _fill(self, first: int, compute: Compute, *, wait: bool) -> int:
        """Compute the parts from this one on that nobody is at; the number of the next one."""
        end = first
        with contextlib.ExitStack() as locks:
            while end < min(first + self._at_once, self._num_parts):
                if not self._claim(end, locks, wait=wait and end == first):
                    break
                end += 1
            if end > first:
                began, parts = time.monotonic(), self._array.parts
                rows = compute(slice(parts[first].start, parts[end - 1].stop))
                with self._writing():
                    self._array.write_parts(first, end, rows)
                self._adapt(end - first, time.monotonic() - began)
        return max(end, first + 1)

    def _claim(self, number: int, locks: contextlib.ExitStack, *, wait: bool) -> bool:
        """Lock a part that is to be computed; false if it is done, or somebody is at it."""
        if self._array.is_done(number):
            return False
        with self._writing():
            held = lock(self._folder / f"{number}.lock", exclusive=True, wait=wait, create=True)
        if held is None:  # somebody is at it, or has just finished the whole
            return False
        locks.enter_context(held)
        return not self._array.is_done(number)

    def _adapt(self, num_done: int, seconds: float) -> None:
        """Take about as many parts at once as a second allows: each time is a flush of the disk."""
        most = max(1, _BYTES_AT_ONCE // self._array.part_bytes)
        wanted = int(num_done * _SECONDS_AT_ONCE / max(seconds, 1e-3))
        self._at_once = max(1, min(wanted, _FASTER * self._at_once, most))

    def finish(self) -> None:
        """Put the file in its place, if all is done and nobody else did."""
        with self._writing():
            held = lock(self._folder / "whole.lock", exclusive=True, create=True)
        if held is None:
            return
        with held:
            if not is_at(self._array.file, self._folder / DATA):
                self._remove_remains()
                return
            if not self._array.all_done:
                return
            with self._writing():
                self._array.finish()
                with self._room.locked():
                    (self._folder / DATA).replace(self._path)
                    shutil.rmtree(self._folder, ignore_errors=True)

    def _remove_remains(self) -> None:
        """Remove the folder of a finished array, which a lock made meanwhile has kept there."""
        with self._writing(), self._room.locked():
            if not (self._folder / DATA).exists():
                shutil.rmtree(self._folder, ignore_errors=True)

    def _writing(self) -> Any:
        return writing(self._room.folder, OPTION)


@contextlib.contextmanager
def open_parts(
    path: Path,
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    room: Room,
    budget: int,
    *,
    must_fit: bool,
) -> Iterator[Parts | None]:
    """Go on with an array that was begun, or begin it where the disk and the budget have room.

    Args:
        path: File of the whole array.
        shape: Shape of the array.
        dtype: Type of its numbers.
        room: Room of the folder.
        budget: Bytes that all files in the folder may take together.
        must_fit: Whether to begin nothing that exceeds the budget.

    Yields:
        The parts; None if the array is whole already, or does not fit.
    """
    data = path.with_suffix(PARTS) / DATA
    num_bytes = file_bytes(shape, dtype)
    with room.locked(), writing(room.folder, OPTION, num_bytes):
        if not path.exists() and not data.exists():
            fits = room.make(num_bytes, budget, must_fit=must_fit)
            if fits or not must_fit:
                _begin(data, shape, dtype)
        file = None if path.exists() else lock(data)
    if file is None:
        yield None
        return
    with file:
        yield Parts(path, ArrayFile.read(file), room)


def _begin(data: Path, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    try:
        with replacing(data) as partial, partial.open("x+b") as file:
            ArrayFile.begin(file, shape, dtype)
    except OSError:
        shutil.rmtree(data.parent, ignore_errors=True)
        raise
