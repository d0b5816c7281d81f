"""Decoded images, and rows of any stored table, on a device."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainable.device import room_on, upload
from trainable.images.batches import Inputs
from trainable.images.pixels import load_pixels, pixels_name
from trainable.images.preprocessing import PixelStatistics, Preprocessing, Square
from trainable.store.arrays import ArrayStore
from trainable.store.lazy import AnyArray, LazyArray
from trainable.store.table_name import TableName


@dataclass(frozen=True)
class Images:
    """Decoded images with what normalizing them takes.

    Attributes:
        pixels: uint8 of shape (num_images, size, size).
        statistics: Pixel statistics of the labelled cohort, also where `pixels` are other images.
        name: Names the content, size and decoding of `pixels`.
        augmented: tables of augmented views, whose rows are numbered on after those of `pixels`.
    """

    pixels: AnyArray
    statistics: PixelStatistics
    name: TableName
    augmented: tuple["Images", ...] = ()

    @property
    def tables(self) -> tuple["Images", ...]:
        """All tables, in the order of their rows."""
        return self, *self.augmented

    def take(self, numbers: NDArray[np.int64]) -> "Images":
        """Some of the images, not their augmented views."""
        shape = (len(numbers), *self.pixels.shape[1:])
        pixels = LazyArray(shape, np.uint8, lambda: np.asarray(self.pixels[numbers]))
        name = replace(self.name, rows=tuple(self.name.rows[number] for number in numbers))
        return Images(pixels, self.statistics, name)

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
    return Images(pixels, statistics, pixels_name(hashes, square, limits))


def table_rows(table: AnyArray, device: torch.device) -> Inputs:
    """Rows of a table: from a GPU's own memory if there is room for them, else from the table.

    Args:
        table: any array, such as one mapped from a file; it is never written to.
        device: Device to copy the rows to.
    """
    if device.type != "cpu" and table.nbytes <= room_on(device):
        resident = torch.from_numpy(np.array(table)).to(device)
        return lambda rows: resident[upload(rows, device)]

    def take(rows: Tensor) -> Tensor:
        # the index makes a copy, which PyTorch may have
        taken = torch.from_numpy(table[rows.numpy()])
        return upload(taken, device)

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
        return torch.cat(parts)[upload(which.argsort(stable=True).argsort(), device)]

    return take
