"""Further columns that a team sees beside the image: which they are, and what must hold of them."""

from collections.abc import Iterator, Sequence

import pandas as pd

from analysis.model_file import FinalModel
from trainable.cohort.cohort import Cohort
from trainable.cohort.covariates import known_text
from trainable.cohort.splits import seen_rows
from trainable.errors import Checks, listing
from trainable.model.covariate_encoder import ColumnCode
from trainable.run.winner import Winner

NO_COLUMNS = ColumnCode(numbers=(), categories=())


def seen_columns(winner: Winner, cohort: Cohort, models: Sequence[FinalModel] = ()) -> ColumnCode:
    """The further columns of the table that some trial of the team sees.

    Args:
        winner: The team.
        cohort: Cohort of the search; an exported one has no columns.
        models: The models of the team, if they are there already.
    """
    if not winner.sees_columns:
        return NO_COLUMNS
    known = (model.column_code for model in models if model.column_code)
    return next(known, None) or ColumnCode.fit(cohort.covariates.iloc[seen_rows(cohort)])


def check_columns(new: pd.DataFrame, columns: ColumnCode, checks: Checks) -> Iterator[str]:
    """A note on each column whose categories the models have not seen.

    Args:
        new: The columns that the team sees, text.
        columns: What the models know of them.
        checks: Given each column of numbers with other cells.
    """
    read = columns.read(new)
    for category in columns.categories:
        found = read[category.name].dropna()
        odd = found[~found.isin(category.categories)].unique()
        if len(odd):
            yield (
                f"the search saw no {category.name} {listing(odd)}: such rows count as none of its "
                "own"
            )
    for name in (number.name for number in columns.numbers):
        odd = known_text(new[name])[read[name].isna()].dropna().unique()
        if len(odd):
            checks.add(
                f"the column {name} must hold numbers, as in the search (got {listing(odd)}); "
                "leave a cell empty where it is not known"
            )
