"""Examinations of several views: which images belong to one, and the place of each among them."""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from trainable.errors import Checks, listing
from trainable.reading.columns import find_column

NO_COLUMN = "none"
"""Given as --view-column: the images of an examination are taken in their order."""


@dataclass(frozen=True)
class Grouping:
    """How the images of a table are grouped into examinations.

    Attributes:
        views: places for images in an examination; 1 where every image is one of its own.
        exam_column: the column that names the examination of each image.
        view_column: the column that says which view an image is; None if its place is that in
            the order of the table.
        names: the views of `view_column`, by their place.
    """

    views: int = 1
    exam_column: str | None = None
    view_column: str | None = None
    names: tuple[str, ...] = ()

    @property
    def unit(self) -> str:
        """What is labelled, scored and predicted."""
        return "image" if self.views == 1 else "examination"

    @property
    def column(self) -> str:
        """The column that names it."""
        return "image" if self.views == 1 else "exam"

    def name(self, place: int) -> str:
        """What a place is called."""
        return self.names[place] if place < len(self.names) else f"view {place + 1}"

    def found_in(self, raw: pd.DataFrame, checks: Checks) -> "Grouping":
        """The same grouping of another table, whose columns may be called otherwise."""
        return replace(
            self,
            exam_column=_same_column("exam", self.exam_column, raw, checks),
            view_column=_same_column("view", self.view_column, raw, checks),
        )

    def read(self, raw: pd.DataFrame, images: pd.Series, checks: Checks) -> pd.DataFrame:
        """The columns `exam`, and `view` where there is one, as they are in a table.

        Args:
            raw: the table, all of it text.
            images: name of the image of each row.
            checks: given what is empty.
        """
        columns = {"exam": self.exam_column, "view": self.view_column}
        read = pd.DataFrame(
            {kind: raw[column].str.strip() for kind, column in columns.items() if column}
        )
        for kind in read:
            empty = images[read[kind] == ""]
            if len(empty):
                checks.add(f"every image must have {_CALLED[str(kind)]}; without: {listing(empty)}")
        return read

    def places(self, table: pd.DataFrame, checks: Checks) -> NDArray[np.int64]:
        """The place of each image among the views of its examination, 0 for the first.

        Args:
            table: the columns `exam`, and `view` where the grouping has a column of views.
            checks: given each rule that is broken: an image has a place of its own, and there
                are no more than `views` of them.
        """
        sizes = table.groupby("exam", sort=False).size()
        many = [f"{exam} ({size})" for exam, size in sizes.items() if size > self.views]
        if many:
            checks.add(
                f"an examination may have {self.views} images, as --views says; with more: "
                f"{listing(many)}"
            )
        if self.view_column is None:
            # each takes the next place
            return np.asarray(table.groupby("exam").cumcount(), dtype=np.int64)
        self._check_views(table, checks)
        return np.asarray(pd.Index(self.names).get_indexer(pd.Index(table["view"])), dtype=np.int64)

    def _check_views(self, table: pd.DataFrame, checks: Checks) -> None:
        column = self.view_column
        by_order = f"search with --view-column {NO_COLUMN}, for the order in the table"
        if len(self.names) > self.views:
            checks.add(
                f"--views must be at least the number of views in {column!r}, {len(self.names)} "
                f"({listing(self.names)}); got {self.views}. Give more, or {by_order}"
            )
        unknown = sorted(set(table["view"]) - set(self.names))
        if unknown:
            checks.add(
                f"the views in {column!r} must be {', '.join(self.names)}; there are also: "
                f"{listing(unknown)}"
            )
        again = table.duplicated(["exam", "view"])
        if again.any():
            texts = (table["view"] + " of " + table["exam"])[again].unique()
            checks.add(
                f"an examination may have one image of each view in {column!r}; there are more: "
                f"{listing(texts)}. Leave them out, or {by_order}"
            )


def _same_column(
    kind: Literal["exam", "view"], name: str | None, raw: pd.DataFrame, checks: Checks
) -> str | None:
    if name is None or name in raw.columns:
        return name
    found = find_column(kind, raw, None, Checks())
    if found is None:
        checks.add(
            f"the table must say of every image {_ASKED[kind]}, in a column {name!r} as in the "
            f"search; it has {listing(raw.columns)}"
        )
    return found


ONE_IMAGE_EACH = Grouping()
"""Every image is an examination of its own."""

_ASKED = {"exam": "which examination it is of", "view": "which view it is"}
_CALLED = {"exam": "an examination", "view": "a view"}


def find_grouping(
    raw: pd.DataFrame,
    views: int,
    exam_column: str | None,
    view_column: str | None,
    checks: Checks,
) -> Grouping:
    """The grouping that a table of labelled images has.

    The views are ordered by the sorted values of their column, so that a place is the same view in
    every examination.

    Args:
        raw: the table, all of it text.
        views: places in an examination.
        exam_column: as the user named it; found by its name if None.
        view_column: as the user named it; found by its name if None, and left out if "none".
        checks: given what cannot be found.
    """
    exam = find_column("exam", raw, exam_column, checks)
    by_order = view_column == NO_COLUMN and NO_COLUMN not in raw.columns
    view = None if by_order else find_column("view", raw, view_column, checks)
    names = () if view is None else tuple(sorted(set(raw[view].str.strip()) - {""}))
    return Grouping(views, exam, view, names)


def check_exams(table: pd.DataFrame, checks: Checks) -> None:
    """Add to `checks` each examination with two labels or two patients."""
    for column in ("label", "patient"):
        counts = table.groupby("exam", sort=False)[column].nunique()
        mixed = counts.index[counts > 1]
        if len(mixed):
            checks.add(
                f"an examination must have one {column}; with more: {listing(mixed)}. Fix "
                "them, or name a column with --exam-column that tells examinations apart"
            )


def group_images(
    exams: NDArray[np.int64], places: NDArray[np.int64], views: int
) -> NDArray[np.int64]:
    """Which images an examination has.

    Args:
        exams: (num_images,), number of the examination of each image.
        places: (num_images,), its place there.
        views: places in an examination.

    Returns:
        (num_exams, views), numbers of images; -1 where a view is missing.
    """
    images = np.full((exams.max(initial=-1) + 1, views), -1, np.int64)
    images[exams, places] = np.arange(len(exams))
    return images


def describe_missing(exam_images: NDArray[np.int64], grouping: Grouping) -> str:
    """How many examinations there are, and which views they lack, in a sentence."""
    missing = (exam_images < 0).sum(axis=0)
    lacks = [f"{count} lack {grouping.name(place)}" for place, count in enumerate(missing) if count]
    text = f"{listing(lacks)}: zeros after pooling" if lacks else "none is missing"
    order = ", ".join(grouping.name(place) for place in range(grouping.views))
    return f"{len(exam_images)} examinations of {grouping.views} views ({order}); {text}"
