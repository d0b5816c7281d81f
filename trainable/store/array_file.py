"""A table in a file: the header of a `.npy` file, its data, a byte per part, names, a checksum."""

import os
import zlib
from dataclasses import dataclass
from tokenize import TokenError
from typing import Any, BinaryIO

import numpy as np
from numpy.lib.format import (
    dtype_to_descr,
    read_array_header_1_0,
    read_magic,
    write_array_header_1_0,
)
from numpy.typing import NDArray

from trainable.files import reserve, write_at
from trainable.store.known_rows import NOWHERE, Rows

FOOTER_SIZE = 8
_FOOTER_MAGIC = b"CXR1"
_BLOCK = 1 << 24
_DONE = b"\1"
PART_ROWS = 32
"""Rows that are written, and found again after a crash, together."""

ROW_NAME_BYTES = 16
"""Bytes that a table keeps of the name of each row."""

Array = NDArray[Any]

RowNames = NDArray[np.bytes_]
"""Names of rows, `ROW_NAME_BYTES` of a SHA-256 each: they are not equal by chance."""


@dataclass(frozen=True)
class ArrayFile:
    """An open file of an array, whole or in the making.

    Behind the data is a byte for each part that is done. It is in the same file, so that nobody can
    take a part for done whose data went into another file, one that was removed meanwhile. Then
    come the names of the rows, by which other tables find those that they need too.

    Attributes:
        file: The open file.
        shape: Shape of the array.
        dtype: Type of its numbers.
        offset: Where the data begin.
    """

    file: BinaryIO
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    offset: int

    @classmethod
    def read(cls, file: BinaryIO) -> "ArrayFile":
        """The array that the header of an open file describes.

        Raises:
            ValueError: If the header is damaged, or the file is cut off.
        """
        file.seek(0)
        read_magic(file)
        try:
            shape, _, dtype = read_array_header_1_0(file)
        except (TokenError, SyntaxError) as error:  # which NumPy lets through of a damaged header
            raise ValueError(f"{file.name} has a damaged header") from error
        array = cls(file, shape, dtype, file.tell())
        if array._footer_at + FOOTER_SIZE > os.fstat(file.fileno()).st_size:
            raise ValueError(f"{file.name} is cut off")
        return array

    @classmethod
    def begin(
        cls, file: BinaryIO, row_shape: tuple[int, ...], dtype: np.dtype[Any], names: RowNames
    ) -> None:
        """Write header and names into an empty file, and reserve the room for all the rest.

        Raises:
            OSError: If the disk has no room.
        """
        shape = (len(names), *row_shape)
        header = {"descr": dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
        write_array_header_1_0(file, header)
        file.flush()
        array = cls(file, shape, dtype, file.tell())
        reserve(file.fileno(), array._footer_at + FOOTER_SIZE)
        write_at(file.fileno(), names.tobytes(), array._names_at)

    @property
    def parts(self) -> list[slice]:
        """The rows of each part."""
        num_rows = self.shape[0]
        return [slice(r, min(r + PART_ROWS, num_rows)) for r in range(0, num_rows, PART_ROWS)]

    def is_done(self, number: int) -> bool:
        """Whether a part is written."""
        return os.pread(self._number, 1, self._flags_at + number) == _DONE

    @property
    def all_done(self) -> bool:
        """Whether all parts are written."""
        return self._flags == _DONE * len(self.parts)

    def rows_of(self, names: RowNames) -> Rows:
        """The number of the row of each of these names; -1 where there is none, or not yet."""
        content = os.pread(self._number, self.shape[0] * ROW_NAME_BYTES, self._names_at)
        own = np.frombuffer(content, f"S{ROW_NAME_BYTES}")
        if not len(own):
            return np.full(len(names), NOWHERE)
        order = own.argsort()
        at = order[np.searchsorted(own, names, sorter=order).clip(max=len(own) - 1)]
        is_done = np.frombuffer(self._flags, np.uint8)[at // PART_ROWS] == _DONE[0]
        return np.where((own[at] == names) & is_done, at, NOWHERE)

    def write_parts(self, first: int, end: int, rows: Array) -> None:
        """Write the rows of consecutive parts; after a crash each is whole or absent."""
        content = np.ascontiguousarray(rows, self.dtype)
        at = self.offset + self.parts[first].start * self._row_bytes
        write_at(self._number, content.reshape(-1).view(np.uint8).data, at)
        os.fsync(self._number)
        write_at(self._number, _DONE * (end - first), self._flags_at + first)

    @property
    def part_bytes(self) -> int:
        """Bytes of a part, of which the last one may have fewer."""
        return PART_ROWS * self._row_bytes

    def finish(self) -> None:
        """Write the checksum of all that is before it."""
        footer = _FOOTER_MAGIC + _checksum(self._number, self._footer_at)
        write_at(self._number, footer, self._footer_at)
        os.fsync(self._number)

    def mapped(self) -> "np.memmap[Any, Any]":
        """The array, read-only; the map holds the file's lock for as long as it lives."""
        return np.memmap(self.file, self.dtype, "r", self.offset, self.shape)

    @property
    def _number(self) -> int:
        return self.file.fileno()

    @property
    def _row_bytes(self) -> int:
        return int(np.prod(self.shape[1:], dtype=np.int64)) * self.dtype.itemsize

    @property
    def _flags_at(self) -> int:
        return self.offset + self.shape[0] * self._row_bytes

    @property
    def _flags(self) -> bytes:
        return os.pread(self._number, len(self.parts), self._flags_at)

    @property
    def _names_at(self) -> int:
        return self._flags_at + len(self.parts)

    @property
    def _footer_at(self) -> int:
        return self._names_at + self.shape[0] * ROW_NAME_BYTES


def file_bytes(shape: tuple[int, ...], dtype: np.dtype[Any]) -> int:
    """About how many bytes the file of an array takes: a little more than its numbers."""
    header = 128
    num_parts = -(-shape[0] // PART_ROWS)
    numbers = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
    return header + numbers + num_parts + shape[0] * ROW_NAME_BYTES + FOOTER_SIZE


def is_whole(file: BinaryIO) -> bool:
    """Whether an open file is as `ArrayFile.finish` left it."""
    number = file.fileno()
    size = os.fstat(number).st_size - FOOTER_SIZE
    if size <= 0:
        return False
    return os.pread(number, FOOTER_SIZE, size) == _FOOTER_MAGIC + _checksum(number, size)


def _checksum(file: int, num_bytes: int) -> bytes:
    value, at = 0, 0
    while block := os.pread(file, min(_BLOCK, num_bytes - at), at):
        value = zlib.crc32(block, value)
        at += len(block)
    return value.to_bytes(4, "little")
