"""Batches as a network takes them in, and how the images of examinations become batches."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainable.device import upload

Inputs = Callable[[Tensor], Tensor]
"""Maps numbers of images, int64 (batch,), to what a network or its trained part takes in.

The numbers are on the CPU, so that nobody has to wait for a GPU to learn what to read next."""


class Batch(NamedTuple):
    """Examinations as a network or its trained part takes them in.

    Attributes:
        images: (num_images, ...): of each view that is there, examination by examination.
        present: bool (batch, views), on the CPU, which views are there; None if each examination
            has the one.
        columns: float32 (batch, num_columns), covariates such as the age, see `ColumnCode`;
            None without any.
    """

    images: Tensor
    present: Tensor | None = None
    columns: Tensor | None = None

    def of_images(self, compute: Inputs) -> "Batch":
        """The same batch with what is computed of its images."""
        return self._replace(images=compute(self.images))

    def side_by_side(self) -> Tensor:
        """Features (batch, views * width): the views in their order, zeros for a missing one.

        Covariates stand behind them.
        """
        features = self._views_side_by_side()
        return features if self.columns is None else torch.cat([features, self.columns], dim=1)

    def _views_side_by_side(self) -> Tensor:
        images, present = self.images, self.present
        if present is None:
            return images
        if images.shape[0] == present.numel():  # in model.onnx, something stands for a missing view
            there = upload(present.flatten()[:, None], images.device)
            return images.where(there, 0).view(present.shape[0], -1)
        table = images.new_zeros(present.numel(), images.shape[1])
        places = upload(present.flatten().nonzero()[:, 0], images.device)
        return table.index_copy(0, places, images).view(len(present), -1)


Batches = Callable[[Tensor], Batch]
"""Maps rows of a trial, int64 (batch,) on the CPU, to what a network or its part takes in."""


def by_examination(inputs: Inputs, exam_images: NDArray[np.int64]) -> Batches:
    """Batches of examinations from inputs of images; of a missing view nothing is taken in.

    Args:
        inputs: Inputs of single images.
        exam_images: (num_rows, views), numbers of images, -1 where a view is missing.
    """
    numbers = torch.from_numpy(exam_images)
    if exam_images.shape[1] == 1:
        return lambda rows: Batch(inputs(numbers[rows, 0]))

    def take(rows: Tensor) -> Batch:
        images = numbers[rows]
        present = images >= 0
        return Batch(inputs(images[present]), present)

    return take


def with_columns(inputs: Batches, columns: Tensor, device: torch.device) -> Batches:
    """The same batches with the covariates of their rows, (num_rows, num_columns)."""
    table = columns.to(device)
    return lambda rows: inputs(rows)._replace(columns=table[upload(rows, device)])
