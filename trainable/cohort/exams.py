"""Examinations of several views: which images belong to one, and the place of each among them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trainable.errors import listing, num_of


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


ONE_IMAGE_EACH = Grouping()
"""Every image is an examination of its own."""


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
    lacks = [
        f"{num_of(count, 'lacks', 'lack')} {grouping.name(place)}"
        for place, count in enumerate(missing)
        if count
    ]
    text = f"{listing(lacks)}: zeros after pooling" if lacks else "none is missing"
    order = ", ".join(grouping.name(place) for place in range(grouping.views))
    return f"{num_of(len(exam_images), 'examination')} of {grouping.views} views ({order}); {text}"
