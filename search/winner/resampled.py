"""What a search keeps of the choices that it made on resamples of its patients."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from search.winner.selection import Resampled
from trainable.backbones.encoder import Encoder
from trainable.cohort.cohort import Cohort
from trainable.cohort.splits import seen_rows
from trainable.config import TrialConfig
from trainable.evaluation.intervals import resample_patients
from trainable.run.resampled import NOBODY, ResampledChoices


def choices_of(
    drawn: Resampled,
    counts: NDArray[np.uint8],
    configs: Sequence[TrialConfig],
    fingerprints: Mapping[Encoder, str],
) -> ResampledChoices:
    """The choices with the settings of all trials that some team has.

    Args:
        drawn: The choices; trials are rows of the scores.
        counts: (num_resamples, num_exams), how often each examination of the cohort was drawn.
        configs: Settings of the trial of each row.
        fingerprints: Those of the weights of each encoder.
    """
    every = [team for teams in drawn.teams for team in teams]
    used, places = np.unique(np.concatenate(every), return_inverse=True)
    sizes = np.array([*map(len, every)])
    teams = np.full((len(every), sizes.max()), NOBODY)
    teams[np.arange(sizes.max()) < sizes[:, None]] = places
    of_used = [configs[row] for row in used]
    return ResampledChoices(
        counts,
        np.array([config.model_dump_json() for config in of_used]),
        np.array([fingerprints[config.backbone] for config in of_used]),
        teams.reshape(len(drawn.teams), -1, sizes.max()).swapaxes(0, 1),
        drawn.thresholds,
        drawn.maps,
    )


def counts_in(
    cohort: Cohort, rows: NDArray[np.bool_], drawn: NDArray[np.uint8], seed: int
) -> NDArray[np.uint8]:
    """How often each examination of a cohort (num_resamples, num_exams) was drawn.

    Of a single split, what is only trained on has no scores, so the choice has no part in its draw.

    Args:
        cohort: The cohort.
        rows: (num_exams,), which examinations have scores.
        drawn: How often each of these was drawn.
        seed: Seed of the draw of the others.
    """
    counts = np.zeros((len(drawn), len(rows)), np.uint8)
    counts[:, rows] = drawn
    rest = np.setdiff1d(seen_rows(cohort), np.flatnonzero(rows))
    if len(rest):
        labels, patients = cohort.labels[rest], cohort.patients[rest]
        counts[:, rest] = resample_patients(labels, patients, len(drawn), seed, stratified=True)
    return counts
