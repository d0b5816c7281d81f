"""The choice of a search, made anew on resamples of its patients: what `--how-sure` begins with."""

import zlib
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from trainable.config import TrialConfig
from trainable.errors import InputError
from trainable.files import as_typed, replacing, writing
from trainable.run.places import resampled_file

NUM_KEPT = 200
"""Resamples that are kept; Riley and Collins (2023) advise at least so many."""

NOBODY = -1
"""In a team that is smaller than the largest, the place of a member that is not there."""


@dataclass(frozen=True)
class ResampledChoices:
    """What a search would have chosen, had it been led by resamples of its patients.

    Attributes:
        counts: uint8 (num_resamples, num_exams), how often each examination of the cohort was
            drawn; 0 for test rows.
        configs: Settings of each trial that some team has, as JSON.
        weights: Fingerprint of the weights of each of these trials.
        teams: int64 (num_resamples, num_findings, size), the team of each finding, as places in
            `configs`; `NOBODY` where it is smaller.
        thresholds: float32 (num_resamples, num_findings), of the raw scores.
        maps: float64 (num_resamples, num_findings, 3), the coefficients with which `log_odds` makes
            probabilities of the raw scores.
    """

    counts: NDArray[np.uint8]
    configs: NDArray[np.str_]
    weights: NDArray[np.str_]
    teams: NDArray[np.int64]
    thresholds: NDArray[np.float32]
    maps: NDArray[np.float64]

    def __len__(self) -> int:
        """Number of resamples."""
        return len(self.counts)

    @property
    def trials(self) -> list[TrialConfig]:
        """Settings of each trial that some team has."""
        return [TrialConfig.model_validate_json(text) for text in self.configs.tolist()]

    def first(self, num_resamples: int) -> "ResampledChoices":
        """Those of the first resamples."""
        of_each = ("counts", "teams", "thresholds", "maps")
        return replace(self, **{name: getattr(self, name)[:num_resamples] for name in of_each})

    def save(self, run: Path) -> None:
        """Write them into a run folder."""
        with (
            writing(run, "--out"),
            replacing(resampled_file(run)) as partial,
            partial.open("wb") as file,
        ):
            np.savez_compressed(file, **asdict(self))

    @classmethod
    def read(cls, run: Path) -> "ResampledChoices":
        """Read what `save` wrote.

        Raises:
            InputError: If the file is missing, as in the run of an earlier version, or damaged.
        """
        file = resampled_file(run)
        again = f"write it with cxr-search --resume {as_typed(run)}, which runs no new trial"
        if not file.is_file():
            raise InputError(f"--how-sure needs {file}, which this run lacks: {again}")
        try:
            # NumPy leaves a file open that it cannot read
            with file.open("rb") as opened, np.load(opened) as arrays:
                found = cls(**arrays)
            found.trials  # noqa: B018 - as the rest, found to be readable here and not later
        except (OSError, BadZipFile, zlib.error, ValueError, TypeError, EOFError) as error:
            raise InputError(f"{file} is damaged ({error}): {again}") from error
        return found
