"""Labels that are in the names of files, as --label-pattern finds them."""

import re

import pandas as pd

from trainable.errors import Checks
from trainable.reading.names import find_in_name

IN_NAME = "the file name"
"""What stands for a column of labels that are found by --label-pattern."""


def labels_in_names(pattern: str, names: pd.Series, checks: Checks) -> pd.Series:
    """The label in each name, "" where there is none."""
    try:
        regex = re.compile(pattern)
    except re.error as error:
        checks.add(f"--label-pattern must be a regular expression; {pattern!r}: {error}")
        checks.raise_if_any()
        raise
    return names.map(lambda name: find_in_name(regex, name)).rename(IN_NAME)
