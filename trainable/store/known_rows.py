"""Rows of a table in the making that other tables hold already, and that need no computing."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int64]

Compute = Callable[[Rows], NDArray[Any]]
"""Computes some rows of a table, given by their numbers, ascending."""

NOWHERE = -1
"""The number of a row that a table does not have."""


class KnownRows:
    """Where each row of a table is found, as far as other tables have it."""

    def __init__(self, num_rows: int) -> None:
        self._table = np.full(num_rows, NOWHERE)
        self._at = np.full(num_rows, NOWHERE)
        self._tables: list[NDArray[Any]] = []

    def num_missing(self, part: slice) -> int:
        """How many rows of a part no table has."""
        return int((self._table[part] == NOWHERE).sum())

    def lacks(self, at: Rows) -> bool:
        """Whether a table with rows at these places, from `ArrayFile.rows_of`, has some more."""
        return bool(((at != NOWHERE) & (self._table == NOWHERE)).any())

    def add(self, table: NDArray[Any], at: Rows) -> None:
        """Take a table that has rows at these places, to be kept in use."""
        new = (at != NOWHERE) & (self._table == NOWHERE)
        self._table[new], self._at[new] = len(self._tables), at[new]
        self._tables.append(table)

    def fill(self, rows: Rows, compute: Compute, out: NDArray[Any]) -> None:
        """Put rows into `out`: what is known is copied, and the rest is computed."""
        tables = self._table[rows]
        for number in np.unique(tables):
            here = tables == number
            if number == NOWHERE:
                out[here] = compute(rows[here])
            else:
                out[here] = self._tables[number][self._at[rows[here]]]
