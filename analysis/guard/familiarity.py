"""Which new images are like those of the training, why others are not, and how that is said."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.guard.guard import SHARE
from analysis.new_images import NewImages
from trainable.errors import InputError, listing, num_of
from trainable.images.outliers import Oddities, any_odd, describe_oddities

OPTION = "--refuse-unfamiliar"
REASON = "unlike the images of the training"
"""Why an image is left out, if that is asked."""


@dataclass(frozen=True)
class Familiarity:
    """What is known of the new images beside those of the training.

    Attributes:
        new: The new images.
        familiar: (num_rows,), which rows are like those of the training; None without a guard.
        odd: What rules on pixels say of each image.
        unguarded: Why there is no guard; "" with one.
    """

    new: NewImages
    familiar: NDArray[np.bool_] | None
    odd: Oddities
    unguarded: str

    @property
    def count(self) -> str:
        """How many are unlike those of the training, in a few words; "" without a guard."""
        if self.familiar is None:
            return ""
        unit = "image" if self.new.exam_images.shape[1] == 1 else "examination"
        are = "is" if (num := int((~self.familiar).sum())) == 1 else "are"
        return f"{num} of {num_of(len(self.familiar), unit)} {are} unlike those of the training"

    @property
    def remark(self) -> str:
        """What is to be said where `sentences` name no unfamiliar image."""
        if self.familiar is None:
            return f"no image is compared with those of the training: {self.unguarded}"
        return self.count if self.familiar.all() else ""

    def sentences(self) -> Iterator[str]:
        """What is odd about the new images, if anything: first those that are unfamiliar."""
        images = np.asarray(self.new.images, object)
        if self.familiar is None:
            yield from describe_oddities(images, self.odd)
            return
        if not self.familiar.all():
            yield (
                f"{self.count}: {'; '.join(self._reasons())}. Look at them: their scores may mean "
                f"nothing. Of images like those of the training, {SHARE * 100:.0f} % are named by "
                "chance"
            )
        known = self._of_images(self.familiar)
        yield from describe_oddities(images, {what: one & known for what, one in self.odd.items()})

    def _reasons(self) -> Iterator[str]:
        """The unfamiliar rows by what rules on pixels say of their images, then all others."""
        assert self.familiar is not None
        names, left = self.new.table[self.new.name_column].to_numpy(object), ~self.familiar
        numbers = self.new.exam_images
        for what, of_images in self.odd.items():
            rows = left & (of_images[numbers] & (numbers >= 0)).any(axis=1)
            left = left & ~rows
            if rows.any():
                yield f"{int(rows.sum())} that {what} ({listing(names[rows])})"
        if left.any():
            yield f"{int(left.sum())} for no reason that is known ({listing(names[left])})"

    def _of_images(self, rows: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Whether each image (num_images,) is of one of these rows."""
        numbers = self.new.exam_images[rows]
        return np.isin(np.arange(len(self.new.images)), numbers[numbers >= 0])

    def cells(self) -> NDArray[np.object_] | None:
        """A cell for each row to write, "" for those that were left out before; None if unknown."""
        if self.familiar is None:
            return None
        words: NDArray[np.object_] = np.full(len(self.new.whole), "", object)
        words[self.new.usable] = np.where(self.familiar, "yes", "no")
        return words

    def rows_of(self, new: NewImages) -> NDArray[np.bool_] | None:
        """The same as `familiar`, of the rows that are left after some were refused."""
        cells = self.cells()
        return None if cells is None else np.asarray(cells[new.usable] == "yes")

    def unlike(self, new: NewImages) -> NDArray[np.bool_]:
        """Which of the rows that are left are unfamiliar; by rules on pixels without a guard."""
        rows = self.rows_of(new)
        return new.rows_with(any_odd(self.odd)) if rows is None else ~rows

    def refused(self, *, asked: bool) -> NDArray[np.bool_]:
        """The rows (num_rows,) that get no score; none unless that is asked.

        Raises:
            InputError: If it is asked, and there is no guard, or all are unfamiliar.
        """
        if not asked:
            return np.zeros(len(self.new.table), bool)
        if self.familiar is None:
            raise InputError(
                f"{OPTION} needs what the models know of the training images; they know nothing: "
                f"{self.unguarded}"
            )
        if not self.familiar.any():
            raise InputError(
                f"{OPTION} must leave some image to predict; {self.count}: drop the option, or "
                "look whether the images are those that you mean"
            )
        return ~self.familiar

    def paragraphs(self) -> list[str]:
        """The same for a page."""
        said = [f"{one}." for one in (self.remark, *self.sentences()) if one]
        if self.familiar is None:
            return said
        return [
            *said,
            "An image is familiar if its features are as near to those of the training as the "
            "training images are to those of other patients. The limit is such that by chance at "
            f"most {SHARE:.0%} of such images are called unfamiliar.",
        ]
