"""Covariates as numbers for a head: fitted on training rows, kept with the model as JSON."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict
from torch import Tensor

from trainable.cohort.covariates import known_text, read_number
from trainable.model.bounded_linear import LARGEST


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class NumberCode(_Frozen):
    """A column of numbers, standardized; where training rows miss some, a second one marks these.

    Attributes:
        name: Name of the column.
        mean: Mean of the training rows that have a number; it stands for a missing one.
        scale: 1 by their standard deviation; 0 if they are all the same.
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

    def encode(self, values: Tensor) -> Tensor:
        """Shape (num_rows, width)."""
        missing = values.isnan()
        # a slip of the pen, such as an age of 700, counts as the farthest that is plausible
        bounded = ((values - self.mean) * self.scale).clamp(-LARGEST, LARGEST)
        standardized = torch.where(missing, 0.0, bounded)
        return torch.stack([standardized, missing.to(values.dtype)][: self.width], dim=1)

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

    @property
    def known(self) -> tuple[str, ...]:
        """The categories without None."""
        return tuple(one for one in self.categories if one is not None)

    def encode(self, values: Tensor) -> Tensor:
        """Shape (num_rows, width)."""
        found = [
            values.isnan() if one is None else values == place
            for place, one in enumerate(self.categories)
        ]
        return torch.stack(found, dim=1).to(values.dtype)

    def places(self, values: pd.Series) -> pd.Series:
        """The place of each row's category, -1 for one of none of them; NaN where not known."""
        known = {one: place for place, one in enumerate(self.known)}
        return values.map(lambda one: known.get(one, -1), na_action="ignore")

    def read(self, text: pd.Series) -> pd.Series:
        """The column of another table, from text; spelled as the training rows, M for m."""
        spelled = {one.casefold(): one for one in self.known}
        known = known_text(text)
        return known.map(lambda one: spelled.get(one.casefold(), one), na_action="ignore")


class ColumnCode(_Frozen):
    """What turns covariates into numbers for a head.

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
        """Take means, standard deviations and categories of training rows.

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
    def names(self) -> tuple[str, ...]:
        """The columns, in the order of `values`."""
        return tuple(code.name for code in self._codes)

    @property
    def width(self) -> int:
        """Numbers that a head takes in for a row."""
        return self.copies * sum(code.width for code in self._codes)

    def values(self, columns: pd.DataFrame) -> NDArray[np.float64]:
        """One number per row and column: itself, or the place of the category; NaN if not known.

        Args:
            columns: Columns of numbers as float64 and those of categories as text.
        """
        numbers = {one.name: columns[one.name] for one in self.numbers}
        places = {one.name: one.places(columns[one.name]) for one in self.categories}
        # a copy: pandas' own array may be read alone
        return np.array(pd.DataFrame({**numbers, **places}, index=columns.index), np.float64)

    def columns(self, values: NDArray[np.float64]) -> pd.DataFrame:
        """The columns that `values` were made of; "" for a category of none of the known ones."""
        found = pd.DataFrame(values, columns=self.names)
        for one in self.categories:
            words = dict(enumerate(one.known)) | {-1: ""}
            found[one.name] = found[one.name].astype(object).map(words).astype(object)
        return found

    def encode(self, values: Tensor) -> Tensor:
        """What a head takes in, float32 (num_rows, width), for float64 `values` of rows."""
        parts = [code.encode(values[:, place]) for place, code in enumerate(self._codes)]
        return torch.cat([values[:, :0], *parts], dim=1).float().repeat(1, self.copies)

    def read(self, table: pd.DataFrame) -> pd.DataFrame:
        """The columns of another table, whose cells are text."""
        found = {code.name: code.read(table[code.name]) for code in self._codes}
        return pd.DataFrame(found, index=table.index)


NO_COLUMNS = ColumnCode(numbers=(), categories=())
"""What a team knows of a table of which it sees the images alone."""
