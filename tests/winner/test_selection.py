"""The corrected F1 is nearer to the truth than the apparent one, and ties are told as ties."""

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.simulated_searches import simulate_search
from search.winner.selection import Selection, chance_margins, select
from trainable.evaluation.thresholds import ThresholdPolicy

BEST = ThresholdPolicy("best")
LABELS = np.repeat([1, 0], [40, 160])
PATIENTS = np.arange(200) // 2


def noisy(distances: list[float], seed: int = 0) -> NDArray[np.float32]:
    """Scores (num_trials, 200), each trial's classes that many deviations apart."""
    rng = np.random.default_rng(seed)
    normal = np.array(distances)[:, None] * LABELS + rng.normal(size=(len(distances), 200))
    return np.asarray(1 / (1 + np.exp(-normal)), np.float32)


def choose(
    scores: NDArray[np.float32], complexity: list[int] | None = None, policy: str = "best"
) -> Selection:
    wanted = ThresholdPolicy.parse(policy)
    return select(LABELS, PATIENTS, scores, wanted, "binary", complexity, num_resamples=200)


def test_the_corrected_f1_is_near_the_truth_where_the_apparent_one_is_not() -> None:
    apparent, corrected, held = [], [], []
    for seed in range(8):
        search = simulate_search(300, 45, seed)
        found = select(search.labels, search.patients, search.scores, BEST, "binary",
                       num_resamples=200)  # fmt: skip
        truth = search.truth.f1(found.chosen, found.threshold)
        apparent.append(found.apparent_f1 - truth)
        corrected.append(found.corrected_f1 - truth)
        held.append(found.interval[0] <= truth <= found.interval[1])
        assert found.optimism == found.apparent_f1 - found.corrected_f1
    assert np.mean(apparent) > 0.05
    assert abs(np.mean(corrected)) < 0.04
    assert sum(held) >= 6


def test_scores_without_meaning_are_worth_no_more_than_calling_all_positive() -> None:
    found = choose(noisy([0.0] * 60))
    all_positive = 2 * 40 / (2 * 40 + 160)
    assert found.apparent_f1 > all_positive + 0.03
    assert found.corrected_f1 < all_positive + 0.02


def test_a_clear_winner_is_alone_and_equals_are_tied() -> None:
    clear = choose(noisy([0.2, 4.0, 0.2]))
    assert (clear.chosen, clear.tied) == (1, (1,))
    equal = noisy([1.5])
    found = choose(np.concatenate([equal, equal, noisy([0.0], seed=1)]))
    assert found.chosen == 0
    assert found.tied == (0, 1)


def test_the_simplest_of_the_tied_is_taken_and_never_one_that_is_clearly_worse() -> None:
    scores = noisy([1.5, 1.5, 1.5, -1.0], seed=3)
    best = choose(scores)
    simplest = next(trial for trial in (2, 1, 0) if trial in best.tied)
    found = choose(scores, complexity=[3, 2, 1, 0])
    assert len(best.tied) > 1
    assert found.chosen == simplest
    assert found.tied == best.tied
    assert found.apparent_f1 <= best.apparent_f1 + 0.05


def test_a_single_trial_has_no_rival_but_its_threshold_is_chosen() -> None:
    found = choose(noisy([1.0]))
    assert (found.chosen, found.tied) == (0, (0,))
    assert 0 < found.optimism < 0.1


def test_a_single_trial_at_a_fixed_threshold_has_nothing_to_correct() -> None:
    found = choose(noisy([1.0]), policy="0.5")
    assert found.threshold == 0.5
    # patients left out of the resamples, pooled, are nearly the cohort itself
    assert found.optimism == pytest.approx(0, abs=0.01)


def test_images_of_one_patient_make_the_interval_wider_than_as_many_patients() -> None:
    scores = np.repeat(noisy([1.0])[:, ::2], 2, axis=1)
    labels = np.repeat(LABELS[::2], 2)
    widths = []
    for patients in (PATIENTS, np.arange(200)):
        low, high = select(labels, patients, scores, BEST, "binary", num_resamples=400).interval
        widths.append(high - low)
    assert widths[0] > 1.2 * widths[1]


def test_the_margin_of_the_only_trial_is_none_and_of_a_noisier_one_wider() -> None:
    rng = np.random.default_rng(0)
    objectives = np.array([0.5, 0.5, 0.5])
    drawn = objectives[:, None] + rng.normal(size=(3, 2000)) * [[0.01], [0.01], [0.05]]
    margins = chance_margins(objectives, drawn)
    assert margins[2] > margins[0] > 0
    assert chance_margins(objectives[:1], drawn[:1]).tolist() == [0.0]
