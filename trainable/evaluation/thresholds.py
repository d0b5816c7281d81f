"""Where a score begins to count as positive, by a stated policy, and the objective of the scores.

A score of at least the threshold counts as positive. If trials are compared by F1 and the threshold
is the best one, the objective is the mean of the F1s around that threshold.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trainable.evaluation.metrics import RANKED, Evaluation, Weighted, evaluate, f1_of_counts
from trainable.evaluation.scoring import Scoring

_MOST_CANDIDATES = 256
_ROUNDING = 1e-6  # 0.98 * 50 is 49, whatever floating point makes of it


@dataclass(frozen=True)
class ThresholdChoice:
    """One threshold per finding for each weighting of the images, and the objective of the scores.

    Attributes:
        thresholds: float32 (num_weightings, num_findings).
        objectives: float64 (num_weightings,), what trials are compared by, the mean over the
            findings; larger is better. An F1 is averaged over thresholds around the chosen one if
            that is "best", else it is at it.
    """

    thresholds: NDArray[np.float32]
    objectives: NDArray[np.float64]


def choose_thresholds(given: Weighted, scoring: Scoring) -> ThresholdChoice:
    """Choose thresholds once for each weighting of the images, the highest among equals.

    Both classes of every finding occur in every weighting. A threshold is chosen by F1, whatever
    the objective.

    At a given number of true positives fewer false positives are never worse, for any of the four
    averages. So the best threshold is the score of a positive image, or above all scores; beyond
    256 positive images, 256 quantiles of their scores are tried.

    The single best of them owes its place to a few images. So F1 is first averaged over the third
    of the candidates around each one; in simulated searches that raised the true F1 of what was
    chosen, and brought the apparent one nearer to it (`benchmarks/selection/__main__.py`).
    """
    # candidates differ from finding to finding, so each finding has its own matrix products
    columns = zip(given.labels.T, given.scores.T, strict=True)
    found = [_of_finding(*column, given.weights, scoring) for column in columns]
    thresholds = np.stack([thresholds for thresholds, _ in found], axis=1)
    if scoring.objective == "f1":
        return ThresholdChoice(thresholds, np.mean([f1s for _, f1s in found], axis=0))
    objectives = given.measure({"objective": RANKED[scoring.objective]})["objective"]
    return ThresholdChoice(thresholds, objectives.mean(axis=1))


def _of_finding(
    labels: NDArray[np.int64],
    scores: NDArray[np.float32],
    weights: NDArray[np.float32],
    scoring: Scoring,
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Thresholds and F1s (num_weightings,) of one finding, whose labels are (num_images,)."""
    policy = scoring.threshold
    if policy.kind == "fixed":
        candidates = np.array([policy.value], np.float32)
    else:
        candidates = _candidates(scores[labels == 1], scores.max())
    positive = labels == 1
    above = (scores >= candidates[:, None]).astype(np.float32)
    by_image = weights.T
    # as matrix products: 10 ms for 1,000 weightings of 1,393 images
    tp = above[:, positive] @ by_image[positive]
    predicted = above @ by_image
    num_positive = by_image[positive].sum(axis=0)
    fn, fp = num_positive - tp, predicted - tp
    tn = by_image.sum(axis=0) - num_positive - fp
    f1 = f1_of_counts(np.stack([tp, fn, fp, tn]), scoring.f1_average)
    # candidates fall from the highest: the first that reaches the most is the highest such
    if policy.kind == "sensitivity":
        best = (tp >= policy.value * num_positive * (1 - _ROUNDING)).argmax(axis=0)
    else:
        num_around = len(candidates) // 6
        # SciPy takes a second to import: `cxr-search --help` does not wait for it
        from scipy.ndimage import uniform_filter1d

        f1 = uniform_filter1d(f1, 2 * num_around + 1, axis=0, mode="nearest")
        best = f1.argmax(axis=0)
    return candidates[best], f1[best, np.arange(len(best))]


def judge(
    labels: NDArray[np.int64], scores: NDArray[np.float32], scoring: Scoring
) -> tuple[float, tuple[Evaluation, ...]]:
    """Objective of scores, and the metrics of each finding at the threshold that they choose.

    Args:
        labels: (num_images, num_findings), 1 positive, 0 negative.
        scores: (num_images, num_findings), probability of the positive class.
        scoring: How scores are judged.
    """
    chosen = choose_thresholds(Weighted.once(labels, scores), scoring)
    found = evaluate(labels, scores, chosen.thresholds[0], scoring.f1_average)
    return float(chosen.objectives[0]), found


def _candidates(of_positives: NDArray[np.float32], highest: np.float32) -> NDArray[np.float32]:
    """Thresholds worth trying, from the highest, which calls nothing positive."""
    values = np.unique(of_positives)
    if len(values) > _MOST_CANDIDATES:
        shares = np.linspace(0, 1, _MOST_CANDIDATES)
        values = np.unique(np.quantile(of_positives, shares, method="inverted_cdf"))
    nothing = np.nextafter(highest, np.float32(np.inf))
    return np.concatenate([[nothing], values[::-1]]).astype(np.float32)
