"""How far images are from those of the training, in features that a member computes anyway.

Mahalanobis' distance tells images of another kind (Lee et al. 2018, "A simple unified framework for
detecting out-of-distribution samples and adversarial attacks"), better of features of one length
(Mueller and Hein 2025, "Mahalanobis++"). The distance to the nearest training images (Sun et al.
2022, "Out-of-distribution detection with deep nearest neighbors") was as good on X-rays of one
hospital, and worse on those of many. It would need the features of each training image: who has the
model and an X-ray could see whether that one was among them.
"""

from dataclasses import dataclass, fields, replace
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

SHARE = 0.02
"""Share of images like those of the training that are called unfamiliar, at most."""


class Features(NamedTuple):
    """What frozen stages give of examinations.

    Attributes:
        values: (num_exams, views, width).
        present: bool (num_exams, views), which views are there.
    """

    values: Tensor
    present: Tensor

    @property
    def of_one_length(self) -> Tensor:
        """Those of each image, their squares adding up to 1."""
        return functional.normalize(self.values, dim=2)


@dataclass(frozen=True)
class Guard:
    """The training images as a normal distribution of their features, one for each view.

    The features of an image are brought to one length, and each is standardized. Their covariance
    has a variance for each of a few axes, and one for all other directions (probabilistic principal
    components, Tipping and Bishop 1999); it is shrunk as Ledoit and Wolf (2004) do.

    Attributes:
        mean: float32 (views, width), mean of each feature.
        deviation: float32 (views, width), its standard deviation.
        axes: float32 (views, num_axes, width), directions of the largest variances, of length 1.
        along: float32 (views, num_axes), what the square of a step along an axis counts beyond
            `rest`.
        rest: float32 (views,), what the square of a step in any direction counts.
        out_of_fold: float32 (num_exams,), distances of training examinations to those of other
            patients; none in an exported team.
    """

    mean: Tensor
    deviation: Tensor
    axes: Tensor
    along: Tensor
    rest: Tensor
    out_of_fold: Tensor

    def distance(self, features: Features) -> Tensor:
        """Distance (num_exams,), the largest over the views that are there.

        That of `1 - SHARE` of the training examinations is at most 1, out of fold.
        """
        mean, deviation, axes, along, rest = (
            getattr(self, one.name).to(features.values.device) for one in fields(self)[:-1]
        )
        steps = (features.of_one_length - mean) / deviation
        on_axes = torch.einsum("evw,vaw->eva", steps, axes)
        squares = rest * steps.square().sum(dim=2) + (along * on_axes.square()).sum(dim=2)
        found: Tensor = squares.clamp_min(0).sqrt().where(features.present, 0).amax(dim=1)
        return found

    def divided(self, by: float) -> "Guard":
        """The same guard, whose distances are divided by a number, and no distance of training."""
        return replace(
            self,
            along=self.along / by**2,
            rest=self.rest / by**2,
            out_of_fold=self.out_of_fold[:0],
        )


def largest_familiar(distances: NDArray[np.float32]) -> float:
    """The distance that a new examination keeps to with a chance of `1 - SHARE` or more.

    It is exact where the new one is a draw as these are (Vovk et al. 2005, "Algorithmic learning in
    a random world").

    Args:
        distances: (num_exams,), out of fold; at least 50 for the chance to be that.
    """
    place = int(np.ceil((len(distances) + 1) * (1 - SHARE))) - 1
    return float(np.sort(distances)[min(place, len(distances) - 1)])
