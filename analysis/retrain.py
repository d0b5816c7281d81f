"""Fit the winner on every labelled image but a test's, with several seeds, as a trial fits."""

from pathlib import Path

import numpy as np

from analysis.model_file import FinalModel, load_model, save_model
from analysis.winner import Winner
from trainable.assembly import TrainingData, assemble
from trainable.cohort.cohort import Cohort
from trainable.cohort.splits import Fold, seen_rows
from trainable.device import default_num_gpus, pick_device
from trainable.errors import InputError, listing
from trainable.final import Report, fit_final
from trainable.store import DEFAULT_CACHE_BYTES, ArrayStore


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
    data = TrainingData.of(cohort, winner.statistics)
    device = pick_device(default_num_gpus())
    parts = assemble(config, data, winner.weights(), store, device, DEFAULT_CACHE_BYTES)
    everything = Fold(seen_rows(cohort), np.empty(0, np.int64))  # nothing is held out
    members = fit_final(parts, winner.num_steps, everything, num_seeds, report).networks
    return FinalModel(
        config, members, winner.threshold, winner.statistics, cohort.classes, cohort.digest
    )
