"""What images of a cohort usually look like: new ones, and odd ones, are held against it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

LOOK_RULE = "look v1"
"""Part of the key of stored looks: change it whenever a look could change."""

_GRID = 8
_FEWEST = 8
_NEARLY_ONE_GREY = 6
_FAR, _FAR_TOGETHER = 60, 30
_ROBUST, _ROBUST_TOGETHER = 6, 2
_INVERTED, _ALIKE = -0.4, 0.3
_TURNED, _BETTER = 0.4, 0.3
_CHUNK = 2048  # images whose pixels are in memory at a time
_EDGE = 64  # pixels a side that a look takes in

NUM_NUMBERS = 2 + _GRID**2
"""Columns of `Looks.table`."""

Rows = NDArray[np.bool_]


class Looks(NamedTuple):
    """What each of some images looks like.

    Attributes:
        middle: (num_images,), the median grey.
        flat: (num_images,), whether the image is (nearly) of one grey.
        sketches: (num_images, 64), mean grey of each of 8 by 8 parts.
        size: Edge of the squares that were looked at, in pixels.
    """

    middle: NDArray[np.float64]
    flat: Rows
    sketches: NDArray[np.float64]
    size: int

    def table(self) -> NDArray[np.float64]:
        """The looks as numbers (num_images, 66)."""
        return np.column_stack([self.middle, self.flat, self.sketches])

    @classmethod
    def of_table(cls, table: NDArray[np.float64], size: int) -> "Looks":
        """The looks that `table` gave."""
        return cls(table[:, 0], table[:, 1] == 1, table[:, 2:], size)

    def of(self, rows: NDArray[np.int64]) -> "Looks":
        """The looks of some of the images."""
        return Looks(self.middle[rows], self.flat[rows], self.sketches[rows], self.size)


def look_at(pixels: NDArray[np.uint8]) -> Looks:
    """Look at square images (num_images, size, size), at least one."""
    starts = range(0, len(pixels), _CHUNK)
    parts = [_look_at(pixels[start : start + _CHUNK]) for start in starts]
    middle, flat, sketches = (np.concatenate(fields) for fields in zip(*parts, strict=True))
    return Looks(middle, flat, sketches, pixels.shape[1])


def _look_at(
    pixels: NDArray[np.uint8],
) -> tuple[NDArray[np.float64], Rows, NDArray[np.float64]]:
    step = max(1, pixels.shape[1] // _EDGE)
    small = pixels[:, ::step, ::step]
    low, middle, high = np.percentile(small.reshape(len(small), -1), [2, 50, 98], axis=1)
    grid = min(_GRID, small.shape[1])
    starts = np.linspace(0, small.shape[1], grid, endpoint=False).astype(int)
    sums = np.add.reduceat(small, starts, axis=1, dtype=np.float64)
    sums = np.add.reduceat(sums, starts, axis=2)
    areas = np.diff([*starts, small.shape[1]])
    sketches = (sums / np.outer(areas, areas)).repeat(-(-_GRID // grid), axis=1)
    sketches = sketches.repeat(-(-_GRID // grid), axis=2)[:, :_GRID, :_GRID]
    return middle, high - low <= _NEARLY_ONE_GREY, sketches.reshape(len(small), -1)


@dataclass(frozen=True)
class UsualLook:
    """What most images of a cohort look like.

    Attributes:
        middle: Median over the images of their median grey, 0 to 255.
        spread: Median distance of the images' median grey from `middle`.
        sketch: Median over the images of the mean grey of each of 8 by 8 parts.
        is_common: Whether most images look like the sketch, as chest X-rays do.
    """

    middle: float
    spread: float
    sketch: tuple[int, ...]
    is_common: bool

    @classmethod
    def of(cls, looks: Looks) -> "UsualLook | None":
        """The usual look of some images; None if fewer than 8 of them show anything."""
        shown = ~looks.flat
        if shown.sum() < _FEWEST:
            return None
        middles, sketches = looks.middle[shown], looks.sketches[shown]
        middle = float(np.median(middles))
        sketch = np.median(sketches, axis=0).round()
        return cls(
            middle,
            float(np.median(np.abs(middles - middle))),
            tuple(int(grey) for grey in sketch),
            bool(np.median(_correlation(sketches, sketch)) >= _ALIKE),
        )

    def is_dark(self, looks: Looks) -> Rows:
        """Images whose median grey is far below the usual one."""
        return (looks.middle < self.middle - self._margin) & ~looks.flat

    def is_bright(self, looks: Looks) -> Rows:
        """Images whose median grey is far above the usual one."""
        return (looks.middle > self.middle + self._margin) & ~looks.flat

    @property
    def _margin(self) -> float:
        return max(_FAR, _ROBUST * self.spread)

    def is_inverted(self, looks: Looks) -> Rows:
        """Images that are bright where most are dark: correlated negatively with the usual one."""
        if not self.is_common:
            return np.zeros(len(looks.flat), bool)
        correlation = _correlation(looks.sketches, np.array(self.sketch, float))
        return np.asarray((correlation < _INVERTED) & ~looks.flat & (self.quarters(looks) % 2 == 0))

    def quarters(self, looks: Looks) -> NDArray[np.int64]:
        """By how many quarters (num_images,) each image seems to be turned, 0 to 3.

        It correlates far better with the usual one after that many quarters more.
        """
        if not self.is_common:
            return np.zeros(len(looks.flat), np.int64)
        sketches = looks.sketches.reshape(-1, _GRID, _GRID)
        usual = np.array(self.sketch, float)
        turned = [np.rot90(sketches, number, (1, 2)).reshape(-1, _GRID**2) for number in range(4)]
        fits = np.stack([_correlation(one, usual) for one in turned])
        best = fits.max(axis=0)
        is_turned = (best >= _TURNED) & (best >= fits[0] + _BETTER) & ~looks.flat
        return np.where(is_turned, fits.argmax(axis=0), 0)

    def describe_shift(self, looks: Looks) -> Iterator[str]:
        """A sentence if other images are darker or brighter as a whole than the usual ones."""
        middles = looks.middle[~looks.flat]
        if len(middles) < _FEWEST:
            return
        middle = float(np.median(middles))
        if abs(middle - self.middle) > max(_FAR_TOGETHER, _ROBUST_TOGETHER * self.spread):
            how = "darker" if middle < self.middle else "brighter"
            yield (
                f"the new images are {how} as a whole than those of the training: their median "
                f"grey is {middle:.0f} of 255, and was {self.middle:.0f}. Save them as the "
                "training images were saved"
            )


def _correlation(sketches: NDArray[np.float64], sketch: NDArray[np.float64]) -> NDArray[np.float64]:
    """Correlation of each sketch with one; 0 where one of the two has a single grey."""
    centred = sketches - sketches.mean(axis=1, keepdims=True)
    scale = sketches.std(axis=1) * sketch.std() * len(sketch)
    product = centred @ (sketch - sketch.mean())
    return np.asarray(product / np.where(scale > 0, scale, np.inf), np.float64)
