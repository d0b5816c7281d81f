"""What recalibration does to scores of new patients whose labels are known."""

from collections.abc import Callable

import numpy as np
from scipy import special

from benchmarks.quality.judged_search import JudgedSearch
from benchmarks.selection.claims import NUM_PLANNED
from search.winner.selection import TeamRule, select
from trainable.evaluation.curves import slope_and_intercept
from trainable.evaluation.metrics import Weighted, auc, f1_at, log_likelihood
from trainable.evaluation.recalibration import recalibrated
from trainable.evaluation.scoring import Scoring

NUM_RESAMPLES = 300


def judge_calibration(
    make: Callable[[int], JudgedSearch], seed: int
) -> list[dict[str, float | str]]:
    """A row for the raw scores of one search, and one for what it makes of them."""
    search, scoring = make(seed), Scoring()
    planned = np.arange(len(search.scored.scores)) < NUM_PLANNED
    found = select(search.scored, scoring, TeamRule(planned=planned), NUM_RESAMPLES, seed)
    [one], [raw_level] = found.recalibrations, found.thresholds
    level = raw_level if one is None else one.threshold
    labels, raw = search.truth.new_scores(found.members, seed)
    rows: list[dict[str, float | str]] = []
    for kind, scores, at in (
        ("raw", raw, raw_level),
        ("recalibrated", recalibrated(raw, [one], [level]), level),
    ):
        given = Weighted.once(labels, scores)
        logits = special.logit(scores[:, 0].astype(np.float64).clip(1e-6, 1 - 1e-6))
        slope, intercept = slope_and_intercept(labels[:, 0], logits)
        f1 = f1_at(np.array([at], np.float32), scoring)
        rows.append(
            {
                "scores": kind,
                "slope": slope,
                "intercept": intercept,
                "log_loss": -float(log_likelihood(given)[0, 0]),
                "auc": float(auc(given)[0, 0]),
                "f1": float(f1(given)[0, 0]),
                "told_minus_true_f1": found.corrected.f1 - float(f1(given)[0, 0]),
                "is_recalibrated": float(one is not None),
            }
        )
    return rows
