"""A table with a row per finding or class, as lines of a terminal."""

from collections.abc import Iterator

import pandas as pd

WIDEST = 80
"""Letters in a line."""


def lines_of(table: pd.DataFrame) -> Iterator[str]:
    """The table in at most 80 columns: names to the left and cut if need be, the others right."""
    texts = [[*map(str, table.columns)], *([*map(str, row)] for row in table.to_numpy())]
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    first = min(widths[0], WIDEST - sum(widths[1:]) - 2 * len(widths))
    for name, *cells in texts:
        short = name if len(name) <= first else f"{name[: first - 1]}…"
        aligned = (cell.rjust(width) for cell, width in zip(cells, widths[1:], strict=True))
        yield "  ".join(["", short.ljust(first), *aligned])
