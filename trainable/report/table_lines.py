"""A table with a row per finding or class, as lines of a terminal."""

from collections.abc import Iterator

import pandas as pd

from trainable.terminal_cells import cell_len, fitted

WIDEST = 78
"""Cells in a line of 80, behind an indent of two."""


def table_lines(table: pd.DataFrame, widest: int = WIDEST) -> Iterator[str]:
    """The table: names in its first column to the left and cut if need be, the others right.

    A Chinese letter takes two cells of a terminal.

    >>> list(table_lines(pd.DataFrame({"finding": ["pleural effusion"], "F1": [0.5]}), 12))
    ['finding   F1', 'pleura…  0.5']
    """
    texts = [[*map(str, table.columns)], *([*map(str, row)] for row in table.to_numpy())]
    widths = [max(map(cell_len, column)) for column in zip(*texts, strict=True)]
    first = min(widths[0], widest - sum(widths[1:]) - 2 * (len(widths) - 1))
    for name, *cells in texts:
        aligned = (cell.rjust(width) for cell, width in zip(cells, widths[1:], strict=True))
        yield "  ".join([fitted(name, first), *aligned]).rstrip()
