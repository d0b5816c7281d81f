"""Labels that are in the names of files, as --label-pattern finds them."""

import pandas as pd

from trainable.errors import Checks, InputError
from trainable.reading.patterns import find_in_names

IN_NAME = "the file name"
"""What stands for a column of labels that are found by --label-pattern."""


def labels_in_names(pattern: str, names: pd.Series, checks: Checks) -> pd.Series:
    """The label in each name, "" where there is none."""
    found = checks.attempt(lambda: find_in_names(pattern, list(names), "--label-pattern"))
    if found is None:
        raise InputError(*checks.problems)
    return pd.Series(found, names.index, dtype=object, name=IN_NAME)
