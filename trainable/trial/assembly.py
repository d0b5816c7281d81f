"""One training run put together: labelled images become what a network's trained part takes in."""

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from trainable.backbones.weights import Weights
from trainable.cohort.cohort import Cohort
from trainable.cohort.splits import TrialRows, trial_rows
from trainable.config import TrialConfig
from trainable.features.body import Body
from trainable.features.tables import Source, frozen_inputs
from trainable.images.augmentation import with_augmented
from trainable.images.batches import Batches, by_examination
from trainable.images.loading import load_images
from trainable.images.preprocessing import PixelStatistics
from trainable.store.arrays import ArrayStore


@dataclass(frozen=True)
class TrainingData:
    """Labelled images as a training run sees them.

    Attributes:
        paths: The image files, in the order of the cohort.
        hashes: SHA-256 of each file.
        exam_images: int64 (num_exams, views), numbers of images, -1 where a view is missing. With
            one view, each image is an examination.
        labels: int64 (num_exams, num_findings), 1 positive, 0 negative.
        statistics: Mean and standard deviation of the cohort's pixels.
        covariates: Covariates of each examination, as `Cohort.covariates` has them.
    """

    paths: tuple[str, ...]
    hashes: tuple[str, ...]
    exam_images: NDArray[np.int64]
    labels: NDArray[np.int64]
    statistics: PixelStatistics
    covariates: pd.DataFrame = field(default_factory=pd.DataFrame)

    @classmethod
    def of(cls, cohort: Cohort, statistics: PixelStatistics) -> "TrainingData":
        """The images of a cohort."""
        paths, hashes = tuple(cohort.manifest["path"]), tuple(cohort.manifest["sha256"])
        images, labels = cohort.exam_images, cohort.labels
        return cls(paths, hashes, images, labels, statistics, cohort.covariates)


@dataclass(frozen=True)
class Assembly:
    """All that training a configuration on some folds takes.

    Attributes:
        config: The configuration.
        rows: The cohort's examinations, then their augmented copies.
        labels: int64 (num_rows,) on the device, 1 positive, 0 negative.
        inputs: What the trained part of a network takes in, for rows; without covariates,
            whose numbers depend on the training rows.
        covariates: Covariates of each row.
        source: What the inputs are made from.
        body: The frozen and the trained stages, as they start.
    """

    config: TrialConfig
    rows: TrialRows
    labels: torch.Tensor
    inputs: Batches
    covariates: pd.DataFrame
    source: Source
    body: Body


def assemble(
    config: TrialConfig,
    data: TrainingData,
    weights: Weights,
    store: ArrayStore,
    device: torch.device,
) -> Assembly:
    """Decode the images, add augmented copies, and run the frozen stages; or find all that stored.

    Args:
        config: The configuration.
        data: The labelled images.
        weights: Weights that the body starts from.
        store: Store of pixels, features and activations.
        device: Device of the training.

    Raises:
        InputError: If an image cannot be read.
        ValueError: If the configuration is for another number of views, or for covariates that
            the data lack.
    """
    if config.covariates and data.covariates.empty:
        raise ValueError("covariates needs images with covariates; these have none")
    if config.views != data.exam_images.shape[1]:
        raise ValueError(
            f"views must be {data.exam_images.shape[1]}, as in the examinations of the cohort "
            f"(got {config.views})"
        )
    rows = trial_rows(data.exam_images, data.labels, config.positive_copies)
    square = config.preprocessing.square
    images = load_images(data.paths, data.hashes, square, data.statistics, store)
    images = with_augmented(
        images, data.hashes, rows.positives, config.positive_copies, store, square.resize
    )
    body = Body(images, config, weights, device)
    of_images, source = frozen_inputs(body, store)
    return Assembly(
        config,
        rows,
        labels=torch.tensor(rows.labels[:, 0], device=device),  # heads learn one finding
        inputs=by_examination(of_images, rows.images),
        covariates=data.covariates,
        source=source,
        body=body,
    )
