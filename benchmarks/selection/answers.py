"""Whether a promised predictive value is kept, and how many patients get an answer."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from benchmarks.selection.claims import NUM_PLANNED
from benchmarks.selection.simulated_searches import NormalTruth, simulate_search
from search.winner.selection import TeamRule, select
from trainable.evaluation.answers import NO, Answers, Kind, Promise
from trainable.evaluation.scoring import Scoring

PROMISES = (
    *(Promise(npv=value) for value in (0.9, 0.95, 0.98)),
    *(Promise(ppv=value) for value in (0.55, 0.6, 0.7, 0.8)),
)

_NUM_RESAMPLES = 200  # all that answers are corrected by
_NUM_NEW_IMAGES = 100_000


def judge_answers(size: int, num_positive: int, seed: int) -> list[dict[str, float | str]]:
    """A row per promise for one search: whether it was given and kept, and who was decided.

    The oracle has the same team, and knows what its scores are worth.
    """
    search = simulate_search(size, num_positive, seed)
    planned = np.arange(len(search.scored.scores)) < NUM_PLANNED
    # a map that rises moves a threshold, and nobody to the other side of it
    rule = TeamRule(planned=planned, recalibrates=False)
    found = select(search.scored, Scoring(), rule, _NUM_RESAMPLES, seed)
    [steps], truth = found.answers, search.truth
    assert isinstance(truth, NormalTruth)
    labels, scores = truth.new_scores(found.members, seed, _NUM_NEW_IMAGES)
    rows: list[dict[str, float | str]] = []
    for promise in PROMISES:
        [(kind, promised)] = promise.given.items()
        row: dict[str, float | str] = {
            "promise": f"{kind.measure} {promised:g}",
            "given": 0.0,
            "kept": 1.0,
            "decided": 0.0,
            "oracle": oracle(labels[:, 0], scores[:, 0], kind, promised),
        }
        for one in Answers.of(steps, promise).kept:
            true, decided = _worth(truth, found.members, kind, one.step.threshold)
            row |= {"given": 1.0, "kept": float(true >= promised), "decided": decided}
        rows.append(row)
    return rows


def oracle(
    labels: NDArray[np.int64], scores: NDArray[np.float32], kind: Kind, promised: float
) -> float:
    """The largest share of images that can be answered as promised."""
    order = np.argsort(scores if kind == NO else -scores)
    right = labels[order] == (0 if kind == NO else 1)
    values = right.cumsum() / np.arange(1, len(right) + 1)
    kept = np.flatnonzero(values >= promised)
    return float((kept[-1] + 1) / len(right)) if len(kept) else 0.0


def _worth(
    truth: NormalTruth, members: Sequence[int], kind: Kind, threshold: float
) -> tuple[float, float]:
    """True predictive value of an answer, and the share of images that have it."""
    positive, negative = np.array(truth.shares_above(members, threshold))
    if kind == NO:
        positive, negative = 1 - positive, 1 - negative
    of_positive, of_negative = truth.share * positive, (1 - truth.share) * negative
    right = of_negative if kind == NO else of_positive
    return float(right / (of_positive + of_negative)), float(of_positive + of_negative)
