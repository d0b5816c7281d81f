"""Fit the winner on every labelled image, with several seeds, through the same `fit` as a trial."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from analysis.model_file import FinalModel, load_model, save_model
from analysis.winner import Winner
from trainable.cohort import Cohort
from trainable.cross_validation import fold_seed, new_network
from trainable.device import default_num_gpus, pick_device
from trainable.features import Images, computed_inputs, stored_features
from trainable.model import Network
from trainable.pixels import load_pixels, pixels_key
from trainable.problems import InputProblemsError, listing
from trainable.store import ArrayStore
from trainable.training import EpochRecord, fit

Report = Callable[[int, EpochRecord], None]
"""Told the number of the member (1 for the first) and each epoch's record."""

_NO_FOLD = 0  # seeds of the final members follow from a fold number that no trial has


def final_model(
    run: Path, winner: Winner, cohort: Cohort, num_seeds: int, store: ArrayStore, report: Report
) -> FinalModel:
    """The retrained winner: read from the run folder, or trained and kept there.

    Raises:
        InputProblemsError: if the labelled images or the weights are gone or have changed.
    """
    folder = model_folder(run, winner)
    if folder.exists():
        return load_model(folder)
    model = _retrain(winner, cohort, num_seeds, store, report)
    folder.parent.mkdir(exist_ok=True)
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
        raise InputProblemsError([f"labelled images of the search are gone: {listing(missing)}"])
    config = winner.config
    device = pick_device(default_num_gpus())
    hashes = tuple(manifest["sha256"])
    pixels = load_pixels(tuple(manifest["path"]), hashes, config.image_size, store)
    images = Images(pixels, winner.statistics, pixels_key(hashes, config.image_size))
    weights = winner.weights()
    labels = torch.tensor(cohort.labels, device=device)
    rows = np.arange(len(manifest))
    nobody = np.empty(0, np.int64)
    members = []
    for number in range(1, num_seeds + 1):
        seed = fold_seed(number, _NO_FOLD)
        network = new_network(config, weights, seed, device, with_body=True)
        if config.unfreeze == 0:
            inputs = stored_features(images, config, weights, store, device)
        else:
            inputs = computed_inputs(images, network.prefix, config.normalization, device)
        for record in fit(network, inputs, labels, rows, nobody, config, seed):
            report(number, record)
        members.append(network.eval())
    _share_frozen(members)
    return FinalModel(
        config, tuple(members), winner.threshold, winner.statistics, cohort.classes, cohort.digest
    )


def _share_frozen(members: list[Network]) -> None:
    """Let all members use one frozen part: it is the same in each, and is run once an image."""
    for member in members[1:]:
        member.frozen = members[0].frozen
