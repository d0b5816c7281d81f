"""The training loop: `fit` yields one record an epoch, to a trial and to the retraining alike."""

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from trainable.config import TrialConfig
from trainable.images.batches import Batches
from trainable.model.network import Network
from trainable.training.norm_statistics import set_exact_statistics
from trainable.training.optimizer import build_optimizer, build_schedule

FEW_STEPS = 30
"""A note warns of fewer gradient steps than this. A head of half a million fresh weights has then
hardly left its start: AdamW moves a weight by about the learning rate per step."""


class DivergedError(RuntimeError):
    """The loss or the output is no longer a number."""


@dataclass(frozen=True)
class EpochRecord:
    """Result of one epoch.

    Attributes:
        epoch: 1 for the first.
        num_steps: gradient steps so far.
        train_loss: mean over the epoch's images, while they were trained on.
        train_accuracy: share of the epoch's images that were called right at a threshold of 0.5,
            while they were trained on.
        valid_loss: mean over the validation images after the last epoch, else None.
        valid_accuracy: share of the validation images that are called right at a threshold of 0.5
            after the last epoch, else None.
        scores: probability of the positive class for each validation image after the last epoch,
            float32; empty before, since nobody would look at them.
        seconds: wall time of the epoch.
    """

    epoch: int
    num_steps: int
    train_loss: float
    train_accuracy: float
    valid_loss: float | None
    valid_accuracy: float | None
    scores: NDArray[np.float32]
    seconds: float


def fit(
    network: Network,
    inputs: Batches,
    labels: Tensor,
    train: NDArray[np.int64],
    valid: NDArray[np.int64],
    config: TrialConfig,
    seed: int,
) -> Iterator[EpochRecord]:
    """Train the trained part of `network` in place.

    Args:
        network: on its device.
        inputs: gives what `network.suffix` takes, for rows of the trial.
        labels: int64 (num_rows,) on the network's device; 1 positive, 0 negative.
        train: rows to train on, at least 2.
        valid: rows to score after the last epoch; may be empty.
        config: optimizer, schedule, weight of the positive class, batch size and epochs.
        seed: Seed of the order of the images and of dropout.

    Yields:
        One record an epoch.

    Raises:
        DivergedError: at the end of the first epoch whose loss or scores are not finite.
    """
    torch.manual_seed(seed)
    device = labels.device
    optimizer = build_optimizer(network, config)
    schedule = build_schedule(optimizer, config, num_steps(len(train), config.batch_size, 1))
    class_weights = torch.tensor([1.0, config.positive_weight], device=device)
    done = 0
    for epoch in range(1, config.epochs + 1):
        start = time.perf_counter()
        network.train()
        total, num_right = torch.zeros((), device=device), torch.zeros((), device=device)
        for rows in epoch_batches(train, config.batch_size):
            logits = network.logits(inputs, rows).float()
            targets = labels[rows.to(device)]
            loss = functional.cross_entropy(logits, targets, weight=class_weights)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            if schedule:
                schedule.step()
            done += 1
            total += loss.detach() * len(rows)
            num_right += _num_right(logits.detach(), targets)
        # one look an epoch: each .item() waits for the device
        train_loss = total.item() / len(train)
        if not math.isfinite(train_loss):
            raise _diverged(f"training loss is {train_loss}", epoch, done, config)
        if epoch == config.epochs and config.norm_statistics == "exact":
            batches = epoch_batches(train, config.batch_size)
            set_exact_statistics(network, inputs, batches)
        scored = valid if epoch == config.epochs else valid[:0]
        logits = predict_logits(network, inputs, scored, config.batch_size, device)
        targets = labels[torch.from_numpy(scored).to(device)]
        # the last step's weights enter no training loss
        if not torch.isfinite(logits).all():
            raise _diverged("output is no longer a number", epoch, done, config)
        yield EpochRecord(
            epoch,
            done,
            train_loss,
            num_right.item() / len(train),
            functional.cross_entropy(logits, targets).item() if len(scored) else None,
            _num_right(logits, targets).item() / len(scored) if len(scored) else None,
            logits.softmax(dim=1)[:, 1].cpu().numpy(),
            time.perf_counter() - start,
        )


def _diverged(what: str, epoch: int, num_steps: int, config: TrialConfig) -> DivergedError:
    return DivergedError(
        f"the {what} in epoch {epoch} (steps up to {num_steps}) at learning rate "
        f"{config.learning_rate:g}; a smaller one is needed"
    )


def _num_right(logits: Tensor, targets: Tensor) -> Tensor:
    """How many images are called right where a score of at least 0.5 is called positive."""
    return ((logits[:, 1] >= logits[:, 0]) == targets).sum()


@torch.inference_mode()
def predict_logits(
    network: Network,
    inputs: Batches,
    rows: NDArray[np.int64],
    batch_size: int,
    device: torch.device,
) -> Tensor:
    """Logits (len(rows), 2), float32, in evaluation mode."""
    network.eval()
    logits = [torch.empty((0, 2), device=device)]
    for start in range(0, len(rows), batch_size):
        batch = torch.from_numpy(rows[start : start + batch_size])
        logits.append(network.logits(inputs, batch).float())
    return torch.cat(logits)


def epoch_batches(train: NDArray[np.int64], batch_size: int) -> Sequence[Tensor]:
    """All rows once, in a random order; the last batch may be smaller, but never of one image.

    Batch norm cannot learn from one image, so that one joins the batch before it.
    """
    batches = list(torch.from_numpy(train)[torch.randperm(len(train))].split(batch_size))
    if len(batches) > 1 and len(batches[-1]) == 1:
        batches[-2:] = [torch.cat(batches[-2:])]
    return batches


def num_steps(num_images: int, config_batch_size: int, epochs: int) -> int:
    """Gradient steps of a training run over `num_images` images."""
    batches = math.ceil(num_images / config_batch_size)
    if batches > 1 and num_images % config_batch_size == 1:
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
