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
from trainable.images.decoding import Resize
from trainable.images.normalization import IMAGENET_SCALE, NormalizationName, Scale, normalize
from trainable.images.pixels import PixelStatistics, load_pixels, pixels_key
from trainable.store.arrays import ArrayStore
from trainable.store.lazy import AnyArray, LazyArray

Inputs = Callable[[Tensor], Tensor]
"""Maps numbers of images, int64 (batch,), to what a network or its trained part takes in.

The numbers are on the CPU, so that nobody has to wait for a GPU to learn what to read next."""


class Views(NamedTuple):
    """A batch of examinations of several views.

    Attributes:
        images: (num_present, ...), of each view that is there, examination by examination.
        present: bool (batch, views), on the CPU.
    """

    images: Tensor
    present: Tensor


class WithColumns(NamedTuple):
    """A batch of examinations with their covariates, such as the age.

    Attributes:
        images: Examinations of one view, or of several.
        columns: float32 (batch, num_columns), see `ColumnCode`.
    """

    images: Tensor | Views
    columns: Tensor


Batch = Tensor | Views | WithColumns
"""Examinations of one view, (batch, ...), or of several views; with covariates or without."""

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

    def normalized(
        self, name: NormalizationName, device: torch.device, own: Scale = IMAGENET_SCALE
    ) -> Inputs:
        """Images (batch, channels, size, size) on `device`, normalized there, channels last."""
        pixels = joined_rows([table.pixels for table in self.tables], device)

        def take(rows: Tensor) -> Tensor:
            images = normalize(pixels(rows), name, self.statistics, own)
            return images.contiguous(memory_format=torch.channels_last)

        return take


def load_images(
    paths: Sequence[str],
    hashes: Sequence[str],
    size: int,
    statistics: PixelStatistics,
    store: ArrayStore,
    resize: Resize = "stretch",
) -> Images:
    """Decode image files, or find them decoded, as `load_pixels` does."""
    limits = statistics.limits
    pixels = LazyArray(
        (len(paths), size, size),
        np.uint8,
        lambda: load_pixels(paths, hashes, size, store, limits, resize),
    )
    return Images(pixels, statistics, pixels_key(hashes, size, limits, resize))


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
        return lambda rows: inputs(numbers[rows, 0])

    def take(rows: Tensor) -> Views:
        images = numbers[rows]
        present = images >= 0
        return Views(inputs(images[present]), present)

    return take


def with_columns(inputs: Batches, columns: Tensor, device: torch.device) -> Batches:
    """The same batches with the covariates of their rows, (num_rows, num_columns)."""
    table = columns.to(device)

    def take(rows: Tensor) -> WithColumns:
        images = inputs(rows)
        assert not isinstance(images, WithColumns)
        return WithColumns(images, table[rows.to(device)])

    return take


def map_images(batch: Batch, compute: Inputs) -> Batch:
    """The same batch with what is computed of its images."""
    if isinstance(batch, WithColumns):
        images = map_images(batch.images, compute)
        assert not isinstance(images, WithColumns)
        return batch._replace(images=images)
    if isinstance(batch, Views):
        return batch._replace(images=compute(batch.images))
    return compute(batch)


def side_by_side(features: Batch) -> Tensor:
    """Features (batch, views * width): the views in their order, zeros for a missing one.

    Covariates stand behind them.
    """
    if isinstance(features, WithColumns):
        return torch.cat([side_by_side(features.images), features.columns], dim=1)
    if not isinstance(features, Views):
        return features
    images, present = features
    if images.shape[0] == present.numel():  # in model.onnx, something stands for a missing view
        there = present.flatten()[:, None].to(images.device)
        return images.where(there, 0).view(present.shape[0], -1)
    table = images.new_zeros(present.numel(), images.shape[1])
    places = present.flatten().nonzero()[:, 0].to(images.device)
    return table.index_copy(0, places, images).view(len(present), -1)
