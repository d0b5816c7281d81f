"""What trials are compared by, under any number of weightings of the images at once.

F1 has a threshold, so `thresholds.py` computes it. The other objectives judge the scores without
one, as scikit-learn's `roc_auc_score`, `average_precision_score` and `log_loss` do.
"""

import numpy as np
from numpy.typing import NDArray

from trainable.evaluation.ranking import rank
from trainable.evaluation.scoring import RankedBy


def rank_objectives(
    objective: RankedBy,
    labels: NDArray[np.int64],
    scores: NDArray[np.float32],
    weights: NDArray[np.float32],
) -> NDArray[np.float64]:
    """Value of scores under each weighting of the images; larger is better.

    The log loss is given negative. An AUC or average precision without one of the classes is 0.

    Args:
        objective: What to compute.
        labels: (num_images,), 1 positive, 0 negative.
        scores: (num_images,), probability of the positive class.
        weights: (num_weightings, num_images), how often each image counts, 0 or more.

    Returns:
        (num_weightings,).
    """
    if objective == "log_loss":
        least = np.finfo(np.float32).eps
        of_label = np.where(labels == 1, scores, 1 - scores).clip(least, 1 - least)
        # not `weights @ ...`, which copies all weights to float64 for each score
        sums = np.einsum("wi,i->w", weights, np.log(of_label, dtype=np.float64))
        return np.asarray(sums / weights.sum(axis=1))
    ranked = rank(labels, scores, weights)
    if objective == "auc":
        return np.concatenate([part.auc() for part in ranked])
    return np.concatenate([part.average_precision() for part in ranked])
