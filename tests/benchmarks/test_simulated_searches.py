"""Searches that `benchmarks.selection` draws: what is selected there is nearer to the truth."""

import numpy as np
import pytest
from scipy.special import expit
from sklearn.metrics import f1_score

from benchmarks.selection.simulated_searches import NormalTruth, simulate_search
from search.winner.selection import TEAM_SIZES, TeamRule, select
from trainable.evaluation.scoring import Scoring


@pytest.mark.parametrize("sizes", [(1,), TEAM_SIZES])
@pytest.mark.parametrize("cohort", [(300, 45), (66, 14)])
def test_the_corrected_f1_is_near_the_truth_where_the_apparent_one_is_not(
    cohort: tuple[int, int], sizes: tuple[int, ...]
) -> None:
    apparent, corrected, held = [], [], []
    for seed in range(8):
        search = simulate_search(*cohort, seed)
        found = select(search.scored, Scoring(), TeamRule(sizes), num_resamples=200)
        truth = search.truth.f1(found.members, found.thresholds[0])
        apparent.append(found.corrected.apparent - truth)
        corrected.append(found.corrected.f1 - truth)
        held.append(found.corrected.interval[0] <= truth <= found.corrected.interval[1])
        assert found.corrected.optimism == found.corrected.apparent - found.corrected.f1
    assert np.mean(apparent) > np.mean(corrected) + 0.03
    assert abs(np.mean(corrected)) < 0.07
    assert sum(held) >= 6


def test_a_team_is_better_than_its_best_trial_and_is_said_to_be() -> None:
    search = simulate_search(600, 90, seed=1)
    both = [
        select(search.scored, Scoring(), TeamRule(sizes), num_resamples=200)
        for sizes in ((1,), (10,))
    ]
    single, team = (search.truth.f1(one.members, one.thresholds[0]) for one in both)
    assert team > single
    assert both[1].corrected.f1 > both[0].corrected.f1


def test_a_few_trials_that_lead_by_luck_alone_are_not_taken_before_ten() -> None:
    sizes = []
    # searches on 8 positive images where the best trials lead on the images they are chosen by
    for seed in (9, 13):
        search = simulate_search(40, 8, seed)
        found = select(search.scored, Scoring(), num_resamples=100)
        sizes.append(len(found.members))
    assert sizes == [10, 10]


def test_the_truth_of_a_simulated_team_is_that_of_many_new_images() -> None:
    truth = simulate_search(66, 14, seed=0).truth
    assert isinstance(truth, NormalTruth)
    found = [truth.f1(members, 0.3) for members in ([3], [3, 7, 9])]
    rng = np.random.default_rng(0)
    labels = (rng.random(400_000) < truth.share).astype(np.int64)
    shared, own = rng.normal(size=400_000), rng.normal(size=(3, 400_000))
    distances = truth.distances[[3, 7, 9], None]
    numbers = distances * labels + np.sqrt(0.7) * shared + np.sqrt(0.3) * own
    new = expit(distances * (numbers - distances / 2) + np.log(14 / 52))
    for f1, scores in zip(found, (new[0], new.mean(axis=0)), strict=True):
        assert f1 == pytest.approx(f1_score(labels, scores >= 0.3), abs=0.006)
