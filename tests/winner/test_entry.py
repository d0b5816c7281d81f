"""Choices that were made before the winner's are made again on each resample."""

import numpy as np
import pytest
from numpy.typing import NDArray

from search.winner.entry import Earlier, Entry, Rung
from search.winner.selection import TeamRule, select
from search.winner.teams import Trials
from trainable.cohort.scored import Scored
from trainable.evaluation.scoring import Scoring
from trainable.evaluation.thresholds import judge

LABELS = np.repeat([1, 0], [30, 90])[:, None]
NUM_TRIALS = 60


def equals(seed: int) -> NDArray[np.float32]:
    """Scores (60, 120, 1) of trials that are equally good."""
    rng = np.random.default_rng(seed)
    shared = 0.8 * LABELS[:, 0] + 0.7 * rng.normal(size=120)
    normal = shared + rng.normal(size=(NUM_TRIALS, 120)) - 1.5
    return (1 / (1 + np.exp(-normal))).astype(np.float32)[..., None]


def objective(scores: NDArray[np.float32]) -> float:
    rows = ~np.isnan(scores[:, 0])
    return judge(LABELS[rows], scores[rows], Scoring())[0]


def of(scores: NDArray[np.float32]) -> Scored:
    return Scored(LABELS, np.arange(120), scores)


def corrected(scores: NDArray[np.float32], entry: Entry | None = None) -> float:
    rule = TeamRule((1,), entry=entry)
    return select(of(scores), Scoring(), rule, num_resamples=100).corrected.f1


def test_the_luck_of_the_best_of_an_earlier_search_is_taken_off() -> None:
    apart = []
    for seed in range(6):
        scores = equals(seed)
        best = np.argsort([-objective(one) for one in scores])[:10]
        again = scores[best]
        twins = np.full(NUM_TRIALS, -1)
        twins[best] = np.arange(10)
        entry = Entry(10, earlier=Earlier(10, twins, 10))
        told = corrected(np.concatenate([again, scores]), entry)
        # what is right: all sixty were candidates
        apart.append((corrected(again) - corrected(scores), told - corrected(scores)))
    without, repeated = np.mean(apart, axis=0)
    assert without > 0.02
    assert abs(repeated) < without / 2


def test_the_luck_of_trials_that_were_not_stopped_is_taken_off() -> None:
    apart = []
    for seed in range(6):
        scores = equals(seed)
        early = np.where((np.arange(120) % 2 == 0)[:, None], scores, np.float32(np.nan))
        objectives = np.array([objective(one) for one in early])
        goes_on = np.array(
            [n == 0 or one >= np.median(objectives[:n]) for n, one in enumerate(objectives)]
        )
        complete, stopped = np.flatnonzero(goes_on), np.flatnonzero(~goes_on)
        rows = np.empty(NUM_TRIALS, np.int64)
        rows[np.concatenate([complete, stopped])] = np.arange(NUM_TRIALS)
        entry = Entry(len(complete), (Rung(rows, early),))
        filled = np.where(
            np.isnan(early[stopped]), scores[complete[np.arange(len(stopped)) % len(complete)]],
            early[stopped],
        )  # fmt: skip
        told = corrected(np.concatenate([scores[complete], filled]), entry)
        apart.append((corrected(scores[complete]) - corrected(scores), told - corrected(scores)))
    without, repeated = np.mean(apart, axis=0)
    assert without > 0.01
    assert repeated < without


def test_on_all_images_the_candidates_are_those_that_there_were() -> None:
    scores = equals(0)[:9]
    trials = Trials(of(scores), Scoring())
    weights = np.random.default_rng(0).poisson(1, (30, 120)).astype(np.float32)
    weights[0] = 1
    objectives = trials.each(weights).objectives
    entry = Entry(3, (Rung(np.array([2, -1, 3, 0]), scores[[2, 8, 3, 0]]),),
                  Earlier(5, np.array([1, -1, -1, -1]), 2))  # fmt: skip
    found = entry.candidates(trials, weights, objectives)
    assert found[:, 0].tolist() == [True] * 3 + [False] * 6
    assert found[2].all(), "nobody came before the first"
    best = np.argsort(-objectives[5:], axis=0, kind="stable")[:2]
    assert (found[1, 1:] == (best == 0).any(axis=0)[1:]).all()
    assert not found[5].any(), "it stands there as it was tried again"
    assert (found[[1, 6, 7, 8], 1:].sum(axis=0) == 2).all()


@pytest.mark.parametrize("sizes", [(1,), (3,)])
def test_a_winner_is_never_a_trial_that_was_not_run_to_its_end(sizes: tuple[int, ...]) -> None:
    scores = equals(1)[:8]
    entry = Entry(3, earlier=Earlier(3, np.full(5, -1), 5))
    found = select(of(scores), Scoring(), TeamRule(sizes, entry=entry), num_resamples=50)
    assert max(*found.members, *found.tied) < 3
