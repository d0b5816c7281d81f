"""Whether probabilities that are recalibrated mean more of what they say than the scores do.

Three maps compete: none, Platt's, and beta calibration (`trainable/evaluation/recalibration.py`).
Both are logistic regressions on the out-of-fold scores of the team, with Platt's targets, which are
never 0 or 1. They are compared by their log loss, as the F1 is corrected: on each resample a team
was chosen, and maps are fitted to its scores of the patients drawn, and judged on those left out.
The scores stay as they are unless a map is better there, and the whole choice too, made anew on
each resample. A resample holds 63 % of the patients, so that maps of all are a little better yet.

Isotonic regression is left out: below some thousand cases it fits noise (Niculescu-Mizil and
Caruana 2005, "Predicting good probabilities with supervised learning"). So are Venn-Abers
predictors: they are made of two such regressions, and need the images of the search to predict.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special

from trainable.cohort.scored import Scored, team_scores
from trainable.evaluation.curves import slope_and_intercept
from trainable.evaluation.intervals import fewest_patients
from trainable.evaluation.logistic import logistic
from trainable.evaluation.recalibration import (
    UNCHANGED,
    CalibrationFigures,
    Recalibration,
    bounded,
)
from trainable.run.resampled import NUM_KEPT

_FEWEST_PATIENTS = 10  # of each class; of fewer, too few are left out to judge a map by
_LEAST_FACTOR = 0.1
"""Of ln(score) and ln(1 - score); with less, different scores become one in single precision."""

_OF_MAPS = (
    np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]),  # one factor for both, and a shift
    np.eye(3),
)
"""For Platt's map and beta calibration: which terms have which coefficient."""


class ChosenMaps(NamedTuple):
    """What makes probabilities of the scores of the team of all images, and of each resample.

    Attributes:
        recalibration: Of all images; None where the scores stay.
        resampled: float64 (at most `NUM_KEPT`, 3), coefficients of the same choice on resamples.
    """

    recalibration: Recalibration | None
    resampled: NDArray[np.float64]

    @classmethod
    def none(cls, num_resamples: int) -> "ChosenMaps":
        """All scores stay."""
        return cls(None, np.tile(UNCHANGED, (min(num_resamples, NUM_KEPT), 1)))


def choose_recalibration(
    scored: Scored,
    teams: Sequence[NDArray[np.int64]],
    weights: NDArray[np.float32],
    threshold: float,
) -> ChosenMaps:
    """The map of the team of all images and, as the choice is made there, of each resample.

    Args:
        scored: Out-of-fold scores (num_trials, num_images, 1) of images whose label is known.
        teams: Trials of the team on all images, then on each resample.
        weights: (1 + num_resamples, num_images), how often each image counts, 1 in the first row.
        threshold: Threshold of the first team.
    """
    few = fewest_patients(scored.labels, scored.patients) < _FEWEST_PATIENTS
    if few or not scored.has_both:
        return ChosenMaps.none(len(teams) - 1)
    most = 1 + NUM_KEPT
    judged = _Judged.by(scored, teams[:most], weights[:most])
    kind = judged.honest.argmax()  # the simplest of equals
    # the same choice, made on each resample
    luck = judged.inside[:, 1:] - judged.inside[:, :1]
    taken = (judged.honest[:, None] + luck).argmax(axis=0)
    resampled = judged.maps[np.arange(1, len(judged.maps)), taken]
    if not kind:
        return ChosenMaps(None, resampled)
    before, after = judged.figures(np.zeros_like(taken)), judged.figures(taken)
    if after.log_loss >= before.log_loss:
        return ChosenMaps(None, resampled)
    factor, other, shift = judged.maps[0, kind].tolist()
    return ChosenMaps(Recalibration(factor, other, shift, threshold, before, after), resampled)


@dataclass(frozen=True)
class _Judged:
    """The maps of all weightings, with their log-likelihoods.

    Attributes:
        scored: The images.
        teams: Team of each weighting.
        weights: (num_weightings, num_images).
        maps: (num_weightings, num_kinds, 3), coefficients of the terms.
        inside: (num_kinds, num_weightings), mean log-likelihood of the images drawn.
        outside: (num_kinds, num_weightings, 2), its sum over the positive and negative images that
            were not.
    """

    scored: Scored
    teams: Sequence[NDArray[np.int64]]
    weights: NDArray[np.float32]
    maps: NDArray[np.float64]
    inside: NDArray[np.float64]
    outside: NDArray[np.float64]

    @classmethod
    def by(
        cls, scored: Scored, teams: Sequence[NDArray[np.int64]], weights: NDArray[np.float32]
    ) -> "_Judged":
        """Fit the maps to each weighting."""
        positive = scored.labels[:, 0] == 1
        num_kinds = 1 + len(_OF_MAPS)
        maps = np.empty((len(teams), num_kinds, 3))
        inside, outside = np.empty((num_kinds, len(teams))), np.empty((num_kinds, len(teams), 2))
        for number, (team, weight) in enumerate(zip(teams, weights, strict=True)):
            terms = _terms(scored, team)
            maps[number] = _fitted(terms, positive, weight)
            logits = terms @ maps[number].T
            logs = special.log_expit(np.where(positive[:, None], logits, -logits))
            inside[:, number] = weight @ logs / weight.sum()
            for place, those in enumerate((positive, ~positive)):
                outside[:, number, place] = logs[(weight == 0) & those].sum(axis=0)
        return cls(scored, teams, weights, maps, inside, outside)

    @property
    def honest(self) -> NDArray[np.float64]:
        """Log-likelihood (num_kinds,) on the images left out, each class as in the cohort."""
        return self._as_in_the_cohort(self.outside[:, 1:].sum(axis=1))

    def _as_in_the_cohort(self, sums: NDArray[np.float64]) -> NDArray[np.float64]:
        """Mean (...) of sums (..., 2) over the positive and negative images left out."""
        return np.asarray(sums @ self._class_weights)

    @property
    def _class_weights(self) -> NDArray[np.float64]:
        """What an image of each class that was left out counts, so that all together count 1."""
        positive = self.scored.labels[:, 0] == 1
        left_out = (self.weights[1:] == 0).sum(axis=0)
        those = (positive, ~positive)
        return np.array([one.mean() / max(left_out[one].sum(), 1) for one in those])

    def figures(self, taken: NDArray[np.int64]) -> CalibrationFigures:
        """What the maps of these kinds (num_resamples,) are worth on the images left out."""
        positive = self.scored.labels[:, 0] == 1
        labels, logits = [], []
        for number, kind in enumerate(taken, start=1):
            rows = self.weights[number] == 0
            terms = _terms(self.scored.take(rows), self.teams[number])
            labels.append(positive[rows])
            logits.append(terms @ self.maps[number, kind])
        every = np.concatenate(labels)
        of_positive, of_negative = self._class_weights * len(every)
        counts = np.where(every, of_positive, of_negative)
        sums = self.outside[taken, np.arange(1, len(taken) + 1)].sum(axis=0)
        slope, intercept = slope_and_intercept(every, np.concatenate(logits), counts)
        return CalibrationFigures(-float(self._as_in_the_cohort(sums)), slope, intercept)


def _terms(scored: Scored, team: NDArray[np.int64]) -> NDArray[np.float64]:
    """ln(score), -ln(1 - score) and 1, (num_images, 3), of a team."""
    scores = bounded(team_scores(scored.scores[team, :, 0]))
    return np.stack([np.log(scores), -np.log1p(-scores), np.ones(len(scores))], axis=1)


def _fitted(
    terms: NDArray[np.float64], positive: NDArray[np.bool_], weight: NDArray[np.float32]
) -> NDArray[np.float64]:
    """Coefficients (num_kinds, 3) of each map; in place of one that does not rise, those before."""
    drawn = weight > 0
    terms, positive, weight = terms[drawn], positive[drawn], weight[drawn]
    num_positive = float(weight[positive].sum())
    num_negative = float(weight.sum()) - num_positive
    targets = np.where(positive, (num_positive + 1) / (num_positive + 2), 1 / (num_negative + 2))
    maps = [np.array(UNCHANGED)]
    for of_map in _OF_MAPS:
        found = of_map @ logistic(terms @ of_map, targets, weight[None])[0]
        maps.append(found if found[:2].min() >= _LEAST_FACTOR else maps[-1])
    return np.stack(maps)
