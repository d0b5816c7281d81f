"""Which trial to take, and what it is worth once the luck of having been chosen is taken off."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainable.evaluation.bootstrap import (
    LEVEL,
    NUM_RESAMPLES,
    interval_tail,
    percentile_interval,
    resample_patients,
)
from trainable.evaluation.metrics import F1Average, f1_of_counts, weighted_counts
from trainable.evaluation.thresholds import ThresholdChoice, ThresholdPolicy, choose_thresholds


@dataclass(frozen=True)
class Selection:
    """The trial that was taken; trials are named by their row in the scores.

    Attributes:
        chosen: the trial.
        threshold: its threshold.
        apparent_f1: its F1 on the scores that it was chosen by.
        corrected_f1: what such a choice scores on patients that had no part in it.
        interval: 95 % of the corrected F1.
        tied: the trials that cannot be told from the best one, best first; `chosen` is one of them.
    """

    chosen: int
    threshold: float
    apparent_f1: float
    corrected_f1: float
    interval: tuple[float, float]
    tied: tuple[int, ...]

    @property
    def optimism(self) -> float:
        """How much of the apparent F1 is luck."""
        return self.apparent_f1 - self.corrected_f1


def select(
    labels: NDArray[np.int64],
    patients: NDArray[np.int64],
    scores: NDArray[np.float32],
    policy: ThresholdPolicy,
    average: F1Average,
    complexity: Sequence[Any] | None = None,
    num_resamples: int = NUM_RESAMPLES,
    seed: int = 0,
) -> Selection:
    """Take the trial with the best objective, or the simplest that cannot be told from it.

    The corrected F1 is that of bootstrap bias corrected cross-validation (BBC-CV: Tsamardinos,
    Greasidou and Borboudakis 2018, "Bootstrapping the out-of-sample predictions for efficient and
    accurate cross-validation"): the whole choice, of threshold and trial, is made again on each
    resample of the patients, and is judged on the patients that the resample left out. Two things
    differ from the paper. The counts of all resamples are pooled into one F1, since the mean of F1s
    of few positives each is biased (Forman and Scholz 2010, "Apples-to-apples in cross-validation
    studies"). And the interval is not that of the F1s of the patients left out, who are a third and
    vary too much: it is that of the chosen trial's F1 over resamples, moved to the corrected F1; in
    those the share of positives varies, as it does among new patients.

    Args:
        labels: (num_images,), 1 positive, 0 negative.
        patients: (num_images,), images of one patient share a number.
        scores: (num_trials, num_images), out-of-fold probability of the positive class.
        policy: of the thresholds; every trial has its own.
        average: of the F1.
        complexity: for each trial something that sorts, the simplest first, to take the simplest
            of those that cannot be told from the best; None to take the best.
        num_resamples: of the bootstrap.
        seed: of the bootstrap.
    """
    resamples = resample_patients(labels, patients, num_resamples, seed, stratified=True)
    once = np.ones((1, len(labels)), np.float32)
    tried = _choose_each(labels, scores, once, policy, average)
    drawn = _choose_each(labels, scores, resamples, policy, average)
    objectives = tried.objectives[:, 0]
    margins = chance_margins(objectives, drawn.objectives)
    is_tied = objectives.max() - objectives <= margins
    best_first = np.argsort(-objectives, kind="stable")

    if complexity is None:
        margins = np.zeros(len(scores))
        order = np.arange(len(scores))
    else:
        order = np.array(sorted(range(len(scores)), key=lambda trial: complexity[trial]))
    chosen = int(_take(tried.objectives, margins, order)[0])
    taken = _take(drawn.objectives, margins, order)
    counts = np.zeros(4)
    for trial in np.unique(taken):
        rows = np.flatnonzero(taken == trial)
        positives = scores[trial] >= drawn.thresholds[trial, rows, None]
        counts += weighted_counts(labels, positives, resamples[rows] == 0).sum(axis=1)
    corrected = float(f1_of_counts(counts, average))

    threshold = tried.thresholds[chosen, 0]
    positives = scores[chosen] >= threshold
    apparent = float(f1_of_counts(weighted_counts(labels, positives, once), average)[0])
    resamples = resample_patients(labels, patients, num_resamples, seed, stratified=False)
    resampled = f1_of_counts(weighted_counts(labels, positives, resamples), average)
    low, high = percentile_interval(resampled, interval_tail(labels, patients))
    moved = corrected - apparent
    return Selection(
        chosen=chosen,
        threshold=float(threshold),
        apparent_f1=apparent,
        corrected_f1=corrected,
        interval=(max(0.0, low + moved), min(1.0, high + moved)),
        tied=tuple(best_first[is_tied[best_first]].tolist()),
    )


def chance_margins(
    objectives: NDArray[np.float64], drawn: NDArray[np.float64]
) -> NDArray[np.float64]:
    """How far a trial that is the best one may lie behind another one by chance.

    Multiple comparisons with the best (Hsu 1981, "Simultaneous confidence intervals for all
    distances from the best"), by a paired bootstrap: all trials are scored on the same resamples.

    Args:
        objectives: (num_trials,).
        drawn: (num_trials, num_resamples), objectives on the resamples.

    Returns:
        (num_trials,), 0 or more: what the lead of the luckiest other one stays below in 95 % of the
        resamples.
    """
    luck = drawn - objectives[:, None]
    lead = luck.max(axis=0) - luck
    return np.asarray(np.quantile(lead, LEVEL, axis=1))


def _choose_each(
    labels: NDArray[np.int64],
    scores: NDArray[np.float32],
    weights: NDArray[np.float32],
    policy: ThresholdPolicy,
    average: F1Average,
) -> ThresholdChoice:
    """Thresholds and objectives (num_trials, num_weightings)."""
    each = [choose_thresholds(labels, one, weights, policy, average) for one in scores]
    return ThresholdChoice(
        np.stack([one.thresholds for one in each]), np.stack([one.objectives for one in each])
    )


def _take(
    objectives: NDArray[np.float64], margins: NDArray[np.float64], order: NDArray[np.int64]
) -> NDArray[np.int64]:
    """In each column the first trial, in this order, that is within its margin of the best."""
    near = objectives.max(axis=0) - objectives <= margins[:, None]
    return np.asarray(order[near[order].argmax(axis=0)])
