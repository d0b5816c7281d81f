"""Further columns as numbers for a head: fitted on training rows, kept with the model as JSON."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from trainable.cohort.covariates import known_text, read_number


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class NumberCode(_Frozen):
    """A column of numbers, standardized; where training rows miss some, a second one marks these.

    Attributes:
        name: Name of the column.
        mean: Mean of the training rows that have a number; it stands for a missing one.
        scale: 1 by their deviation; 0 if they are all the same.
        has_missing: Whether training rows miss some.
    """

    name: str
    mean: float
    scale: float
    has_missing: bool

    @classmethod
    def fit(cls, values: pd.Series) -> "NumberCode":
        """Take the numbers of training rows."""
        std = values.std(ddof=0)
        return cls(
            name=str(values.name),
            mean=float(values.mean()) if values.notna().any() else 0.0,
            scale=float(1 / std) if std > 0 else 0.0,
            has_missing=bool(values.isna().any()),
        )

    @property
    def width(self) -> int:
        """Number of numbers."""
        return 1 + self.has_missing

    def encode(self, values: pd.Series) -> NDArray[np.float32]:
        """Shape (num_rows, width)."""
        numbers = values.fillna(self.mean).to_numpy(np.float64)
        columns = [(numbers - self.mean) * self.scale, values.isna().to_numpy()]
        return np.stack(columns[: self.width], axis=1).astype(np.float32)

    def read(self, text: pd.Series) -> pd.Series:
        """The column of another table, from text; NaN where it is no number."""
        return pd.to_numeric(known_text(text).map(read_number, na_action="ignore"), errors="coerce")


class CategoryCode(_Frozen):
    """A column of categories: for each that training rows have, 1 where a row has it.

    Attributes:
        name: Name of the column.
        categories: Categories of the training rows, sorted; last None, if they miss some. A row of
            another one is all 0.
    """

    name: str
    categories: tuple[str | None, ...]

    @classmethod
    def fit(cls, values: pd.Series) -> "CategoryCode":
        """Take the categories of training rows."""
        missing = (None,) if values.isna().any() else ()
        found = (*sorted(values.dropna().unique()), *missing)
        return cls(name=str(values.name), categories=found)

    @property
    def width(self) -> int:
        """Number of numbers."""
        return len(self.categories)

    def encode(self, values: pd.Series) -> NDArray[np.float32]:
        """Shape (num_rows, width)."""
        found = [values.isna() if one is None else values == one for one in self.categories]
        return np.stack(found, axis=1).astype(np.float32)

    def read(self, text: pd.Series) -> pd.Series:
        """The column of another table, from text; spelled as the training rows, M for m."""
        spelled = {one.casefold(): one for one in self.categories if one is not None}
        known = known_text(text)
        return known.map(lambda one: spelled.get(one.casefold(), one), na_action="ignore")


class ColumnCode(_Frozen):
    """What turns further columns into numbers for a head.

    Only what differs among the training rows has a number: a head knows nothing of the rest. The
    numbers are repeated until they are as many as the features of the image. Otherwise a penalty
    that suits a thousand features would hardly let the head see an age.

    Attributes:
        numbers: Columns of numbers.
        categories: Columns of categories, which come after them.
        copies: How often all numbers are repeated.
    """

    numbers: tuple[NumberCode, ...]
    categories: tuple[CategoryCode, ...]
    copies: int = 1

    @classmethod
    def fit(cls, columns: pd.DataFrame, num_features: int = 0) -> "ColumnCode":
        """Take means, deviations and categories of training rows.

        Args:
            columns: The training rows of `Cohort.covariates`.
            num_features: Number of the features that the head sees beside them.
        """
        is_text = {name: columns[name].dtype == object for name in columns}
        several = [name for name in columns if columns[name].nunique(dropna=False) > 1]
        once = cls(
            numbers=tuple(NumberCode.fit(columns[name]) for name in several if not is_text[name]),
            categories=tuple(CategoryCode.fit(columns[name]) for name in several if is_text[name]),
        )
        copies = max(1, num_features // max(1, once.width))
        return once.model_copy(update={"copies": copies})

    @property
    def _codes(self) -> Sequence[NumberCode | CategoryCode]:
        return (*self.numbers, *self.categories)

    @property
    def width(self) -> int:
        """Numbers that a head takes in for a row."""
        return self.copies * sum(code.width for code in self._codes)

    def encode(self, columns: pd.DataFrame) -> NDArray[np.float32]:
        """Numbers (num_rows, width) of rows, numbers as float and categories as text."""
        nothing = np.empty((len(columns), 0), np.float32)
        parts = [code.encode(columns[code.name]) for code in self._codes]
        return np.tile(np.concatenate([nothing, *parts], axis=1), self.copies)

    def read(self, table: pd.DataFrame) -> pd.DataFrame:
        """The columns of another table, whose cells are text."""
        found = {code.name: code.read(table[code.name]) for code in self._codes}
        return pd.DataFrame(found, index=table.index)
