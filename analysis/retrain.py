"""Fit the winner on every labelled image but a test's, with several seeds, as a trial fits."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from analysis.model_file import FinalModel, load_model, save_model
from analysis.winner import Winner
from trainable.cohort.cohort import Cohort
from trainable.cohort.splits import Fold, seen_rows
from trainable.cohort.training_rows import trial_rows
from trainable.device import default_num_gpus, pick_device
from trainable.errors import InputError, listing
from trainable.features.body import Body
from trainable.features.tables import frozen_inputs
from trainable.images.augmentation import with_augmented
from trainable.images.batches import by_examination, load_images
from trainable.store import DEFAULT_CACHE_BYTES, ArrayStore
from trainable.training.loop import EpochRecord, epochs_for
from trainable.trial import fit_to_end, fold_seed, new_network

Report = Callable[[int, EpochRecord], None]
"""Told the number of the member (1 for the first) and its last epoch's record."""

_NO_FOLD = 0  # seeds of the final members follow from a fold number that no trial has


def final_model(
    run: Path, winner: Winner, cohort: Cohort, num_seeds: int, store: ArrayStore, report: Report
) -> FinalModel:
    """The retrained winner: read from the run folder, or trained and kept there.

    Raises:
        InputError: if the labelled images or the weights are gone or have changed.
    """
    folder = model_folder(run, winner)
    if folder.exists():
        return load_model(folder)
    model = _retrain(winner, cohort, num_seeds, store, report)
    save_model(model, folder)
    return model


def model_folder(run: Path, winner: Winner) -> Path:
    """Where the model of this winner is kept; another winner of the same run has another place."""
    return run / "models" / f"trial_{winner.trial:05d}"


def _retrain(
    winner: Winner, cohort: Cohort, num_seeds: int, store: ArrayStore, report: Report
) -> FinalModel:
    manifest = cohort.manifest
    missing = [path for path in manifest["path"] if not Path(path).is_file()]
    if missing:
        raise InputError(f"labelled images of the search are gone: {listing(missing)}")
    config = winner.config
    device = pick_device(default_num_gpus())
    hashes = tuple(manifest["sha256"])
    rows = trial_rows(cohort.exam_images, cohort.labels, config.positive_copies)
    paths = tuple(manifest["path"])
    images = load_images(paths, hashes, config.image_size, winner.statistics, store)
    images = with_augmented(images, hashes, rows.positives, config.positive_copies, store)
    body = Body(images, config, winner.weights(), device)
    of_images, _ = frozen_inputs(body, store, DEFAULT_CACHE_BYTES)
    inputs = by_examination(of_images, rows.images, device)
    labels = torch.tensor(rows.labels, device=device)
    # its second side is scored after the last epoch; nobody is
    seen, nobody = seen_rows(cohort), np.empty(0, np.int64)
    everything = rows.fold(Fold(seen, nobody))
    epochs = epochs_for(winner.num_steps, len(everything.train), config.batch_size)
    as_long = config.model_copy(update={"epochs": epochs})
    members = []
    for number in range(1, num_seeds + 1):
        seed = fold_seed(number, _NO_FOLD, config.seed)
        network = new_network(config, body.frozen, body.trained, seed, device)
        report(number, fit_to_end(network, inputs, labels, everything, as_long, seed))
        members.append(network.eval())
    return FinalModel(
        config, tuple(members), winner.threshold, winner.statistics, cohort.classes, cohort.digest
    )
