"""`cxr-compare`: report which rows of a table of confusion matrices differ by more than chance."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from trainable.commands.cli import new_app

app = new_app("cxr-compare")


@app.default
def compare(file: Annotated[Path, Parameter(metavar="FILE")], /) -> None:
    """Report which rows of a table of confusion matrices differ by more than chance.

    Args:
        file: Table with the columns TP, FN, FP and TN; other columns name the row.
    """
    # pandas and SciPy take seconds to import: not before the command line is known to be right
    from analysis.counts import describe, read_counts

    for line in describe(read_counts(file)):
        print(line)
