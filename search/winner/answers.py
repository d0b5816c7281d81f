"""What the surest scores of a team were worth, for "no", "yes" and "a doctor decides".

The trials of a team are chosen by the same scores that then show how often its surest answers are
wrong: there the team has been lucky. So the choice is repeated on resamples of the patients, as for
the F1 (`search/winner/selection.py`), and the wrong answers are counted among the patients whom a
resample left out. Each team answers "no" to as many patients as the team of all does; which scores
these are may differ.

A few wrong answers more or less depend on luck too. That is left to the exact interval of
`trainable/evaluation/answers.py`, which tests these counts.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trainable.cohort.scored import Scored, team_scores
from trainable.evaluation.answers import AnswerSteps, Step
from trainable.run.resampled import NUM_KEPT

_FEWEST, _GROWTH = 5, 1.1
"""Patients of the first step, which prove no promise below 0.55, and growth from step to step."""


def count_answers(
    scored: Scored,
    teams: Sequence[NDArray[np.int64]],
    weights: NDArray[np.float32],
    scores: NDArray[np.float32],
    threshold: float,
) -> AnswerSteps:
    """The steps of the team of all images.

    Args:
        scored: Out-of-fold scores (num_trials, num_images, 1) of images whose label is known.
        teams: Trials of the team on all images, then on each resample.
        weights: (1 + num_resamples, num_images), how often each image counts, 1 in the first row.
        scores: (num_images,), of the first team, as they are reported.
        threshold: Where they begin to be predicted positive.
    """
    most = 1 + NUM_KEPT
    resampled = [
        _Resample(team_scores(scored.scores[team, :, 0]), weight == 0)
        for team, weight in zip(teams[1:most], weights[1:most], strict=True)
    ]
    images = _Images.of(scored)
    return AnswerSteps(
        num_patients=len(images.starts),
        num_positive=int(images.have(images.positive).sum()),
        num_exams=len(scores),
        no=images.steps(scores, threshold, resampled, sign=1),
        yes=images.steps(scores, threshold, resampled, sign=-1),
    )


@dataclass(frozen=True)
class _Resample:
    """The choice on one resample.

    Attributes:
        scores: (num_images,), raw scores of the team.
        left_out: (num_images,), whether an image had no part in the choice.
    """

    scores: NDArray[np.float32]
    left_out: NDArray[np.bool_]


@dataclass(frozen=True)
class _Images:
    """Images by their patients.

    Attributes:
        order: (num_images,), images of a patient side by side.
        starts: (num_patients,), the first of each patient.
        positive: (num_images,), in their own order.
    """

    order: NDArray[np.int64]
    starts: NDArray[np.int64]
    positive: NDArray[np.bool_]

    @classmethod
    def of(cls, scored: Scored) -> "_Images":
        """Sort images by patient."""
        order = np.argsort(scored.patients, kind="stable")
        starts = np.flatnonzero(np.diff(scored.patients[order], prepend=-1))
        return cls(order, starts, scored.labels[:, 0] == 1)

    def have(self, some: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Which patients (num_patients,) have some of these images (num_images,)."""
        return np.asarray(np.maximum.reduceat(some[self.order], self.starts))

    def steps(
        self,
        scores: NDArray[np.float32],
        threshold: float,
        resampled: Sequence[_Resample],
        sign: int,
    ) -> tuple[Step, ...]:
        """The steps from the lowest scores up, or with `sign` -1 from the highest down."""
        values = sign * scores.astype(np.float64)
        wrong = self.positive if sign == 1 else ~self.positive
        first = self._least(values)
        ranked = np.sort(first)
        counts = _counts(ranked, sign * threshold)
        expected = self._expected(counts, wrong, resampled, sign)
        found = []
        for count, share in zip(counts.tolist(), expected.tolist(), strict=True):
            at = _between(sign * ranked[count - 1], sign * ranked[count])
            beyond = scores < at if sign == 1 else scores >= at
            found.append(
                Step(
                    threshold=float(at),
                    num_patients=count,
                    num_exams=int(beyond.sum()),
                    num_wrong=int(self.have(beyond & wrong).sum()),
                    expected_wrong=round(share * count, 3),
                )
            )
        return tuple(found)

    def _expected(
        self,
        counts: NDArray[np.int64],
        wrong: NDArray[np.bool_],
        resampled: Sequence[_Resample],
        sign: int,
    ) -> NDArray[np.float64]:
        """Wrong share (num_steps,) among the patients left out who hear the answer."""
        is_positive = self.have(self.positive)
        strata = [is_positive, ~is_positive]
        heard, heard_wrong = np.zeros((2, len(strata), len(counts)))
        num_left_out = np.zeros(len(strata))
        for one in resampled:
            values = sign * one.scores.astype(np.float64)
            first = self._least(values)
            first_wrong = self._least(np.where(wrong, values, np.inf))
            limits = np.sort(first)[counts]
            left_out = one.left_out[self.order][self.starts]
            for place, stratum in enumerate(strata):
                those = left_out & stratum
                num_left_out[place] += those.sum()
                heard[place] += _below(first[those], limits)
                heard_wrong[place] += _below(first_wrong[those], limits)
        # each class as often as in the cohort: of few positive patients, fewer are left out
        of_each = np.array([one.sum() for one in strata]) / np.maximum(num_left_out, 1)
        return np.asarray(of_each @ heard_wrong / np.maximum(of_each @ heard, 1e-9))

    def _least(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """The least value of each patient (num_patients,)."""
        return np.asarray(np.minimum.reduceat(values[self.order], self.starts))


def _below(values: NDArray[np.float64], limits: NDArray[np.float64]) -> NDArray[np.int64]:
    """How many values lie below each of the limits, which rise."""
    return np.asarray(np.searchsorted(np.sort(values), limits, side="left"))


def _counts(ranked: NDArray[np.float64], threshold: float) -> NDArray[np.int64]:
    """Patients beyond each step, fewer than all, and none on the other side of the threshold.

    Equal scores are on one side of a step.
    """
    counts, wanted = [], float(_FEWEST)
    while wanted < len(ranked):
        counts.append(int(np.searchsorted(ranked, ranked[int(wanted)])))
        wanted = max(wanted + 1, wanted * _GROWTH)
    found = np.unique(np.array([count for count in counts if count], np.int64))
    return np.asarray(found[ranked[found] <= threshold])


def _between(one: float, other: float) -> np.float32:
    """A threshold midway between two scores, in single precision, above the lower one."""
    low, high = np.float32(min(one, other)), np.float32(max(one, other))
    middle = np.float32((float(low) + float(high)) / 2)
    # float32 may have no number between
    return middle if middle > low else high
