"""The out-of-fold scores of a trial, read from the folder of its run."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trainable.errors import InputError
from trainable.files import as_typed
from trainable.run.places import scores_file


def read_scores(run: Path, trial: int) -> NDArray[np.float32]:
    """Out-of-fold scores (num_exams,) of a complete trial; NaN where never scored.

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
