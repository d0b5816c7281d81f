"""Further columns that a team sees beside the image: which they are, and what must hold of them."""

from collections.abc import Iterator, Sequence

import pandas as pd

from trainable.cohort.cohort import Cohort
from trainable.cohort.covariates import known_text, read_number
from trainable.errors import Problems, listing
from trainable.winner import Winner


def seen_columns(winner: Winner, cohort: Cohort) -> tuple[str, ...]:
    """The further columns of the table that some trial of the team sees."""
    sees = any(member.config.covariates for member in winner.members)
    return tuple(map(str, cohort.covariates)) if sees else ()


def columns_rule(columns: Sequence[str], found: str) -> str:
    """The sentence that refuses images without these columns."""
    return (
        f"--images must be a table with the columns {listing(columns)}, which the team sees beside "
        f"the image; {found}"
    )


def check_columns(new: pd.DataFrame, cohort: Cohort, problems: Problems) -> Iterator[str]:
    """A note on each column whose categories the search had not seen.

    Args:
        new: The columns that the team sees, text; they are in the cohort.
        cohort: Cohort of the search.
        problems: Given each column of numbers with other cells.
    """
    for name, before in cohort.covariates[list(new)].items():
        known = known_text(new[str(name)]).dropna()
        if before.dtype == object:
            seen = set(before.dropna().str.casefold())
            odd = known[~known.str.casefold().isin(seen)].unique()
            if len(odd):
                yield f"the search saw no {name} {listing(odd)}: such rows count as none of its own"
        else:
            odd = known[pd.to_numeric(known.map(read_number), errors="coerce").isna()].unique()
            if len(odd):
                problems.add(
                    f"the column {name} must hold numbers, as in the search (got {listing(odd)}); "
                    "leave a cell empty where it is not known"
                )
