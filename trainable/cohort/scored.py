"""Labels, patients and scores of the same examinations, which belong together."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Scored:
    """Labels, patients and scores of the same examinations; `Cohort.scored` makes them.

    Attributes:
        labels: int64 (num_exams, num_findings), 1 positive, 0 negative, -1 unknown.
        patients: int64 (num_exams,), examinations of one patient share a number.
        scores: float32 (..., num_exams, num_findings), probability of the positive class; in front
            may stand an axis of trials.
    """

    labels: NDArray[np.int64]
    patients: NDArray[np.int64]
    scores: NDArray[np.float32]

    def __len__(self) -> int:
        """Number of examinations."""
        return len(self.labels)

    @property
    def num_patients(self) -> int:
        """Number of different patients."""
        return len(np.unique(self.patients))

    @property
    def has_both(self) -> bool:
        """Whether both classes of every finding occur."""
        return all(bool((self.labels == label).any(axis=0).all()) for label in (0, 1))

    def of_findings(self, findings: Sequence[int]) -> "Scored":
        """Some of the findings alone, and the examinations whose labels of them are known."""
        known = np.asarray((self.labels[:, findings] >= 0).all(axis=1))
        some = Scored(self.labels[:, findings], self.patients, self.scores[..., findings])
        return some if known.all() else some.take(known)

    def take(self, rows: NDArray[np.bool_] | NDArray[np.int64]) -> "Scored":
        """Some of the examinations, by a mask or by their numbers."""
        return Scored(self.labels[rows], self.patients[rows], self.scores[..., rows, :])


def is_scored(scores: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Which examinations (num_exams,) every trial has scored for every finding.

    Args:
        scores: (..., num_exams, num_findings), NaN where never scored.
    """
    missing = np.isnan(scores).any(axis=-1)
    return np.asarray(~missing.reshape(-1, missing.shape[-1]).any(axis=0))


def team_scores(by_member: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mean scores (...) of a team's scores (num_members, ...).

    In double precision, since in single precision the order of the members would decide on which
    side of the threshold an image is whose score is the threshold.
    """
    return np.asarray(by_member.mean(axis=0, dtype=np.float64), np.float32)


def scores_of_teams(
    by_trial: NDArray[np.float32], teams: Sequence[Sequence[int]]
) -> NDArray[np.float32]:
    """Scores (..., num_findings) of each finding by its own team.

    Args:
        by_trial: (num_trials, ..., num_findings).
        teams: For each finding the rows of its team.
    """
    columns = [
        team_scores(by_trial[list(team), ..., number : number + 1])
        for number, team in enumerate(teams)
    ]
    return np.concatenate(columns, axis=-1)


class OutOfFold:
    """Mean over all repeats of the scores that folds give to what they leave out."""

    def __init__(self, num_exams: int, num_findings: int) -> None:
        """Begin without any score."""
        self._totals = np.zeros((num_exams, num_findings))
        self._counts = np.zeros((num_exams, 1))

    def add(self, rows: NDArray[np.int64], scores: NDArray[np.floating]) -> None:
        """Take the scores (len(rows), num_findings) of the examinations that a fold left out."""
        self._totals[rows] += scores
        self._counts[rows] += 1

    @property
    def scores(self) -> NDArray[np.float32]:
        """Mean scores (num_exams, num_findings); NaN where there is none."""
        means = np.full(self._totals.shape, np.nan)
        np.divide(self._totals, self._counts, out=means, where=self._counts > 0)
        return means.astype(np.float32)
