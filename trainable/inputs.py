"""Rows of stored tables on a device: pixels that are normalized there, or features."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainable.normalization import NormalizationName, normalize
from trainable.pixels import PixelStatistics

Inputs = Callable[[Tensor], Tensor]
"""Maps rows of a cohort, int64 (batch,), to what a network or its trained part takes in."""

_SHARE_OF_GPU = 0.25


@dataclass(frozen=True)
class Images:
    """Decoded images with what normalizing them takes.

    Attributes:
        pixels: uint8 of shape (num_images, size, size).
        statistics: of the labelled cohort's pixels, also where `pixels` are other images.
        key: names the content, order, size and decoding of `pixels`.
    """

    pixels: NDArray[np.uint8]
    statistics: PixelStatistics
    key: str

    def normalized(self, name: NormalizationName, device: torch.device) -> Inputs:
        """Images (batch, 3, size, size) on `device`, normalized there, channels last."""
        pixels = table_rows(self.pixels, device)

        def take(rows: Tensor) -> Tensor:
            images = normalize(pixels(rows), name, self.statistics)
            return images.contiguous(memory_format=torch.channels_last)

        return take


def table_rows(table: NDArray[np.generic], device: torch.device) -> Inputs:
    """Rows of a table: from a GPU's own memory if they take little of it, else from the table.

    Args:
        table: any array, such as one mapped from a file; it is never written to.
        device: that the rows are wanted on.
    """
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        if table.nbytes <= _SHARE_OF_GPU * free:
            resident = torch.from_numpy(np.array(table)).to(device)
            return lambda rows: resident[rows.to(device)]
    # the index makes a copy, which PyTorch may have
    return lambda rows: torch.from_numpy(table[rows.cpu().numpy()]).to(device)
