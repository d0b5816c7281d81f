"""Where files lie in a run folder; search writes them and analysis reads them."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trainable.errors import InputError
from trainable.files import as_typed

ANOTHER_RUN = "RUN, a copy of this one"
"""What names another run folder, in an error of a disk."""


def winner_file(run: Path) -> Path:
    """The winner of a run (see `trainable/run/winner.py`)."""
    return run / "winner.json"


def resampled_file(run: Path) -> Path:
    """The choice of a run, made anew on resamples (see `trainable/run/resampled.py`)."""
    return run / "resampled.npz"


def sites_folder(run: Path) -> Path:
    """The team as it is recalibrated to other places (see `analysis/elsewhere/site.py`)."""
    return run / "sites"


def scores_file(run: Path, trial: int) -> Path:
    """Out-of-fold scores of a trial: float32 (num_exams, num_findings), NaN where never scored."""
    return run / "scores" / f"{trial:05d}.npy"


def fold_scores_file(run: Path, trial: int, fold: int) -> Path:
    """The same after some of the folds of a trial, where it might have been stopped."""
    return run / "scores" / f"{trial:05d}-{fold:02d}.npy"


def race_scores_file(run: Path, trial: int, percent: int) -> Path:
    """Those of the pass of a trial on a share of the patients, where it might have been stopped."""
    return run / "scores" / f"{trial:05d}-race-{percent}.npy"


def model_folder(run: Path, trial: int, content: str) -> Path:
    """A retrained trial; `content` is the digest of all that the model depends on."""
    return run / "models" / f"{trial_name(trial)}-{content}"


def trial_name(trial: int) -> str:
    """The name of a trial's folders."""
    return f"trial_{trial:05d}"


def read_scores(run: Path, trial: int) -> NDArray[np.float32]:
    """Out-of-fold scores (num_exams, num_findings) of a complete trial; NaN where never scored.

    Raises:
        InputError: If their file is missing or damaged.
    """
    file = scores_file(run, trial)
    try:
        scores: NDArray[np.float32] = np.load(file)
    except (OSError, ValueError, EOFError) as error:  # what NumPy raises at such a file
        raise InputError(
            f"the scores of trial {trial} must be readable; {file} is missing or damaged: run the "
            f"trial again with cxr-search --resume {as_typed(run)}"
        ) from error
    return scores
