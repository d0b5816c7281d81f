"""Where a score begins to count as positive, by a stated policy, and the objective of the scores.

A score of at least the threshold counts as positive. If trials are compared by F1 and the threshold
is the best one, the objective is the mean of the F1s around that threshold.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trainable.evaluation.metrics import f1_of_counts
from trainable.evaluation.objective import rank_objectives
from trainable.evaluation.scoring import F1Average, Objective, ThresholdPolicy

_MOST_CANDIDATES = 256
_ROUNDING = 1e-6  # 0.98 * 50 is 49, whatever floating point makes of it


@dataclass(frozen=True)
class ThresholdChoice:
    """One threshold for each weighting of the images, and the objective of the scores.

    Attributes:
        thresholds: float32 (num_weightings,).
        objectives: float64 (num_weightings,), what trials are compared by; larger is better. An F1
            is averaged over thresholds around the chosen one if that is "best", else it is at it.
    """

    thresholds: NDArray[np.float32]
    objectives: NDArray[np.float64]


def choose_thresholds(
    labels: NDArray[np.int64],
    scores: NDArray[np.float32],
    weights: NDArray[np.float32],
    policy: ThresholdPolicy,
    average: F1Average,
    objective: Objective = "f1",
) -> ThresholdChoice:
    """Choose a threshold once for each weighting of the images, the highest among equals.

    At a given number of true positives fewer false positives are never worse, for any of the four
    averages. So the best threshold is the score of a positive image, or above all scores; beyond
    256 positive images, 256 quantiles of their scores are tried.

    The single best of them owes its place to a few images. So F1 is first averaged over the third
    of the candidates around each one; in simulated searches that raised the true F1 of what was
    chosen, and brought the apparent one nearer to it (`benchmarks/selection/__main__.py`).

    Args:
        labels: (num_images,), 1 positive, 0 negative; both occur in every weighting.
        scores: (num_images,), probability of the positive class.
        weights: (num_weightings, num_images), how often each image counts, 0 or more. The
            transpose of a contiguous array is the fastest.
        policy: Policy of the threshold; "best" is for F1, whatever the objective.
        average: Average of the F1.
        objective: What trials are compared by.
    """
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
    f1 = f1_of_counts(np.stack([tp, fn, fp, tn]), average)
    # candidates fall from the highest: the first that reaches the most is the highest such
    if policy.kind == "sensitivity":
        best = (tp >= policy.value * num_positive * (1 - _ROUNDING)).argmax(axis=0)
    else:
        num_around = len(candidates) // 6
        # SciPy takes a second to import: `cxr-search --help` does not wait for it
        from scipy.ndimage import uniform_filter1d

        f1 = uniform_filter1d(f1, 2 * num_around + 1, axis=0, mode="nearest")
        best = f1.argmax(axis=0)
    if objective == "f1":
        return ThresholdChoice(candidates[best], f1[best, np.arange(len(best))])
    return ThresholdChoice(candidates[best], rank_objectives(objective, labels, scores, weights))


def choose_threshold(
    labels: NDArray[np.int64],
    scores: NDArray[np.float32],
    policy: ThresholdPolicy,
    average: F1Average,
    objective: Objective = "f1",
) -> tuple[float, float]:
    """Choose one threshold on images of equal weight.

    Returns:
        The threshold and the objective.
    """
    once = np.ones((1, len(labels)), np.float32)
    chosen = choose_thresholds(labels, scores, once, policy, average, objective)
    return float(chosen.thresholds[0]), float(chosen.objectives[0])


def _candidates(of_positives: NDArray[np.float32], highest: np.float32) -> NDArray[np.float32]:
    """Thresholds worth trying, from the highest, which calls nothing positive."""
    values = np.unique(of_positives)
    if len(values) > _MOST_CANDIDATES:
        shares = np.linspace(0, 1, _MOST_CANDIDATES)
        values = np.unique(np.quantile(of_positives, shares, method="inverted_cdf"))
    nothing = np.nextafter(highest, np.float32(np.inf))
    return np.concatenate([[nothing], values[::-1]]).astype(np.float32)
