"""Gradient steps: how an epoch is cut into them, and how many are enough."""

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

FEW_STEPS = 30
"""A note warns of fewer gradient steps than this. A head of half a million fresh weights has then
hardly left its start: AdamW moves a weight by about the learning rate per step."""


def epoch_batches(train: NDArray[np.int64], batch_size: int) -> Sequence[Tensor]:
    """All rows once, in a random order; the last batch may be smaller, but never of one image.

    Batch norm cannot learn from one image, so that one joins the batch before it.
    """
    batches = list(torch.from_numpy(train)[torch.randperm(len(train))].split(batch_size))
    if len(batches) > 1 and len(batches[-1]) == 1:
        batches[-2:] = [torch.cat(batches[-2:])]
    return batches


def num_steps(num_images: int, batch_size: int, epochs: int) -> int:
    """Gradient steps of a training run over `num_images` images."""
    batches = math.ceil(num_images / batch_size)
    if batches > 1 and num_images % batch_size == 1:
        batches -= 1
    return batches * epochs


def epochs_for(steps: int, num_images: int, batch_size: int) -> int:
    """How many epochs over `num_images` images take about as many gradient steps; at least 1.

    A model that is retrained on all images stops where the scored models did. With the same number
    of epochs it would take a quarter more steps, and be another model than the scored ones.

    >>> epochs_for(60, 458, 32)
    4
    """
    return max(1, round(steps / num_steps(num_images, batch_size, 1)))


def few_steps_note(num_images: int, batch_size: int, epochs: int) -> str | None:
    """A sentence for the user if training takes too few gradient steps to learn, else None."""
    steps = num_steps(num_images, batch_size, epochs)
    if steps >= FEW_STEPS:
        return None
    return (
        f"only {steps} gradient steps per fold ({num_images} training images, batches of "
        f"{batch_size}, {epochs} epochs): too few to learn much; use a smaller --batch-size or "
        "more --epochs"
    )
