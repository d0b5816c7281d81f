"""Rows of stored tables on a device: pixels that are normalized there, or features."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainable.device import room_on
from trainable.images.pixels import load_pixels, pixels_key
from trainable.images.preprocessing import PixelStatistics, Preprocessing, Square
from trainable.store.arrays import ArrayStore
from trainable.store.lazy import AnyArray, LazyArray

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
            there = present.flatten()[:, None].to(images.device)
            return images.where(there, 0).view(present.shape[0], -1)
        table = images.new_zeros(present.numel(), images.shape[1])
        places = present.flatten().nonzero()[:, 0].to(images.device)
        return table.index_copy(0, places, images).view(len(present), -1)


Batches = Callable[[Tensor], Batch]
"""Maps rows of a trial, int64 (batch,) on the CPU, to what a network or its part takes in."""


@dataclass(frozen=True)
class Images:
    """Decoded images with what normalizing them takes.

    Attributes:
        pixels: uint8 of shape (num_images, size, size).
        statistics: Pixel statistics of the labelled cohort, also where `pixels` are other images.
        key: names the content, order, size and decoding of `pixels`.
        augmented: tables of augmented views, whose rows are numbered on after those of `pixels`.
    """

    pixels: AnyArray
    statistics: PixelStatistics
    key: str
    augmented: tuple["Images", ...] = ()

    @property
    def tables(self) -> tuple["Images", ...]:
        """All tables, in the order of their rows."""
        return self, *self.augmented

    def as_seen_by(self, preprocessing: Preprocessing, device: torch.device) -> Inputs:
        """Images (batch, channels, size, size) on `device`, normalized there, channels last."""
        pixels = joined_rows([table.pixels for table in self.tables], device)

        def take(rows: Tensor) -> Tensor:
            images = preprocessing.normalize(pixels(rows), self.statistics)
            return images.contiguous(memory_format=torch.channels_last)

        return take


def load_images(
    paths: Sequence[str],
    hashes: Sequence[str],
    square: Square,
    statistics: PixelStatistics,
    store: ArrayStore,
) -> Images:
    """Decode image files, or find them decoded, as `load_pixels` does."""
    limits, shape = statistics.limits, (len(paths), square.size, square.size)
    pixels = LazyArray(shape, np.uint8, lambda: load_pixels(paths, hashes, square, store, limits))
    return Images(pixels, statistics, pixels_key(hashes, square, limits))


def table_rows(table: AnyArray, device: torch.device) -> Inputs:
    """Rows of a table: from a GPU's own memory if there is room for them, else from the table.

    Args:
        table: any array, such as one mapped from a file; it is never written to.
        device: Device to copy the rows to.
    """
    on_gpu = device.type == "cuda"
    if on_gpu and table.nbytes <= room_on(device):
        resident = torch.from_numpy(np.array(table)).to(device)
        return lambda rows: resident[rows.to(device)]

    def take(rows: Tensor) -> Tensor:
        # the index makes a copy, which PyTorch may have
        taken = torch.from_numpy(table[rows.numpy()])
        # from pinned memory a GPU copies them while it computes
        return taken.pin_memory().to(device, non_blocking=True) if on_gpu else taken

    return take


def joined_rows(tables: Sequence[AnyArray], device: torch.device) -> Inputs:
    """Rows of several tables as if they were one; only the rows that are asked for are copied."""
    takes = [table_rows(table, device) for table in tables]
    if len(takes) == 1:
        return takes[0]
    ends = torch.tensor([*accumulate(len(table) for table in tables)])

    def take(rows: Tensor) -> Tensor:
        which = torch.bucketize(rows, ends, right=True)
        parts = [
            one(rows[which == number] - (ends[number] - len(table)))
            for number, (one, table) in enumerate(zip(takes, tables, strict=True))
        ]
        # the parts come one after the other; back to the order that was asked for
        return torch.cat(parts)[which.argsort(stable=True).argsort().to(device)]

    return take


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
    return lambda rows: inputs(rows)._replace(columns=table[rows.to(device)])
