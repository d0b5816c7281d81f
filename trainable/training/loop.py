"""The training loop: `fit` yields one record per epoch, to a trial and to the retraining alike."""

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.optim.lr_scheduler import LRScheduler

from trainable.config import TrialConfig
from trainable.device import upload
from trainable.errors import DivergedError
from trainable.images.batches import Batches
from trainable.model.network import Network
from trainable.model.outputs import Outputs
from trainable.training.norm_statistics import set_exact_statistics
from trainable.training.steps import build_optimizer, build_schedule, epoch_batches, num_steps


@dataclass(frozen=True)
class EpochRecord:
    """Result of one epoch.

    Attributes:
        epoch: 1 for the first.
        num_steps: gradient steps so far.
        train_loss: mean over the epoch's images, while they were trained on.
        train_accuracy: share of the epoch's known labels, or of its images where there are several
            classes, that were called right at a threshold of 0.5, while they were trained on.
        valid_loss: mean over the validation images after the last epoch, else None.
        valid_accuracy: the same share of the validation images after the last epoch, else None.
        scores: float32 (num_images, num_findings), probabilities for each validation image after
            the last epoch; empty before, since nobody would look at them.
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


@dataclass(frozen=True)
class FoldData:
    """What a network is trained on, and what it is to score.

    Attributes:
        inputs: Gives what `Network.suffix` takes, for rows of the trial.
        labels: int64 (num_rows, num_findings) on the device of the network; see `Findings`.
        train: Rows to train on, at least 2.
        valid: Rows to score when training has ended; may be none.
        weights: Weight of a positive label in the loss per finding, where a negative one weighs 1,
            or of each class; one for all if it is alone.
    """

    inputs: Batches
    labels: Tensor
    train: NDArray[np.int64]
    valid: NDArray[np.int64]
    weights: tuple[float, ...] = (1.0,)

    def targets(self, rows: NDArray[np.int64] | Tensor) -> Tensor:
        """Labels (len(rows), num_findings) of rows, on the device."""
        return self.labels[upload(torch.as_tensor(rows), self.labels.device)]


def fit(network: Network, data: FoldData, config: TrialConfig, seed: int) -> Iterator[EpochRecord]:
    """Train the trained part of `network`, which is on its device, in place.

    Args:
        network: Network to train.
        data: Rows to train on, and those to score.
        config: Optimizer, schedule, batch size and epochs.
        seed: Seed of the order of the images and of dropout.

    Yields:
        One record per epoch.

    Raises:
        DivergedError: At the end of the first epoch whose loss or scores are not finite.
    """
    torch.manual_seed(seed)
    optimizer = build_optimizer(network, config)
    steps = num_steps(len(data.train), config.batch_size, 1)
    schedule = build_schedule(optimizer, config, steps)
    for epoch in range(1, config.epochs + 1):
        start = time.perf_counter()
        train_loss, train_accuracy = _train_epoch(network, data, config, optimizer, schedule)
        if not math.isfinite(train_loss):
            raise _diverged(f"training loss is {train_loss}", epoch, epoch * steps, config)
        is_last = epoch == config.epochs
        if is_last and config.norm_statistics == "exact":
            batches = epoch_batches(data.train, config.batch_size)
            set_exact_statistics(network, data.inputs, batches)
        # the last epoch counts, and nobody would look at the scores of the others
        rows = data.valid if is_last else data.valid[:0]
        valid = judge(network, data, rows, config.batch_size)
        # the last step's weights enter no training loss
        if not torch.isfinite(valid.logits).all():
            raise _diverged("output is no longer a number", epoch, epoch * steps, config)
        yield EpochRecord(
            epoch,
            epoch * steps,
            train_loss,
            train_accuracy,
            valid.loss,
            valid.accuracy,
            valid.scores,
            time.perf_counter() - start,
        )


def _train_epoch(
    network: Network,
    data: FoldData,
    config: TrialConfig,
    optimizer: torch.optim.Optimizer,
    schedule: LRScheduler | None,
) -> tuple[float, float]:
    """One gradient step per batch.

    Returns:
        Loss and accuracy, each the mean over the images while they were trained on.
    """
    device, outputs = data.labels.device, network.outputs
    network.train()
    weights = torch.tensor(data.weights, device=device)
    total, num_right, num_judged = torch.zeros(3, device=device)
    for rows in epoch_batches(data.train, config.batch_size):
        logits = network.logits(data.inputs, rows).float()
        targets = data.targets(rows)
        loss = outputs.loss(logits, targets, weights)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        if schedule:
            schedule.step()
        total += loss.detach() * len(rows)
        right, judged = outputs.num_right(logits.detach(), targets)
        num_right += right
        num_judged += judged
    # one look per epoch: each .item() waits for the device
    return total.item() / len(data.train), num_right.item() / num_judged.item()


def _diverged(what: str, epoch: int, num_steps: int, config: TrialConfig) -> DivergedError:
    return DivergedError(
        f"the {what} in epoch {epoch} (steps up to {num_steps}) at learning rate "
        f"{config.learning_rate:g}; a smaller one is needed"
    )


@dataclass(frozen=True)
class Judged:
    """How a network does on some rows.

    Attributes:
        logits: float32 (num_rows, num_logits), on the device.
        scores: float32 (num_rows, num_findings), probabilities.
        loss: Mean over the known labels; None without any.
        accuracy: Share of the known labels, or of the rows of several classes, that are called
            right at a threshold of 0.5; None without any.
    """

    logits: Tensor
    scores: NDArray[np.float32]
    loss: float | None
    accuracy: float | None

    @classmethod
    def by(
        cls, outputs: Outputs, logits: Tensor, labels: Tensor, weights: tuple[float, ...] = (1.0,)
    ) -> "Judged":
        """Compare logits (num_rows, num_logits) with labels (num_rows, num_findings).

        `weights` are those of `FoldData`.
        """
        scores = outputs.scores(logits).cpu().numpy()
        right, judged = (int(one) for one in outputs.num_right(logits, labels))
        if not judged:
            return cls(logits, scores, None, None)
        loss = outputs.loss(logits, labels, torch.tensor(weights, device=logits.device)).item()
        return cls(logits, scores, loss, right / judged)


def judge(network: Network, data: FoldData, rows: NDArray[np.int64], batch_size: int) -> Judged:
    """Score rows, and compare the scores with the labels.

    Args:
        network: On its device; left in evaluation mode.
        data: Labelled rows.
        rows: Those of the rows to score; may be none.
        batch_size: Rows that are scored at once.
    """
    logits = predict_logits(network, data.inputs, rows, batch_size, data.labels.device)
    return Judged.by(network.outputs, logits, data.targets(rows))


@torch.inference_mode()
def predict_logits(
    network: Network,
    inputs: Batches,
    rows: NDArray[np.int64],
    batch_size: int,
    device: torch.device,
) -> Tensor:
    """Logits (len(rows), num_logits), float32, in evaluation mode."""
    network.eval()
    logits = [torch.empty((0, network.outputs.num_logits), device=device)]
    for start in range(0, len(rows), batch_size):
        batch = torch.from_numpy(rows[start : start + batch_size])
        logits.append(network.logits(inputs, batch).float())
    return torch.cat(logits)
