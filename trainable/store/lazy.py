"""Stored arrays that nobody opens who does not need them."""

from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from trainable.store.array_file import Array


class LazyArray:
    """A stored array that is opened, and checked, when one of its rows is first asked for."""

    def __init__(self, shape: tuple[int, ...], dtype: DTypeLike, load: Callable[[], Array]) -> None:
        self.shape = shape
        self.dtype = np.dtype(dtype)
        self._load = load

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Any) -> Any:
        return self._array[rows]

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        return np.array(self._array, dtype, copy=copy)

    @property
    def nbytes(self) -> int:
        """Bytes of all numbers."""
        return int(np.prod(self.shape, dtype=np.int64)) * self.dtype.itemsize

    @cached_property
    def _array(self) -> Array:
        return self._load()


AnyArray = Array | LazyArray
"""An array, or one that is opened later."""
