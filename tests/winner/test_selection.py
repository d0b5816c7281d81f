"""A choice of trials and teams: its corrected F1, its threshold, and ties reported as ties."""

import tracemalloc

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.metrics import f1_score, log_loss

from search.winner import teams
from search.winner.selection import TEAM_SIZES, Selection, TeamRule, chance_margins, select
from trainable.cohort.scored import Scored, team_scores
from trainable.evaluation.intervals import NUM_RESAMPLES
from trainable.evaluation.scoring import Scoring, ThresholdPolicy
from trainable.evaluation.thresholds import judge

LABELS = np.repeat([1, 0], [40, 160])
PATIENTS = np.arange(200) // 2


def noisy(distances: list[float], seed: int = 0) -> NDArray[np.float32]:
    """Right probabilities (num_trials, 200), each trial's classes that many deviations apart."""
    rng = np.random.default_rng(seed)
    apart = np.array(distances)[:, None]
    normal = apart * LABELS + rng.normal(size=(len(distances), 200))
    return np.asarray(expit(apart * (normal - apart / 2) + np.log(40 / 160)), np.float32)


def choose(
    scores: NDArray[np.float32],
    sizes: tuple[int, ...] = (1,),
    complexity: list[int] | None = None,
    policy: str = "best",
) -> Selection:
    scoring = Scoring(ThresholdPolicy.parse(policy))
    return select(of_trials(scores), scoring, TeamRule(sizes, complexity), num_resamples=200)


def of_trials(
    scores: NDArray[np.float32],
    labels: NDArray[np.int64] = LABELS,
    patients: NDArray[np.int64] = PATIENTS,
) -> Scored:
    """Scores (num_trials, num_images) of one finding."""
    return Scored(labels[:, None], patients, scores[..., None])


def choose_threshold(scores: NDArray[np.float32]) -> tuple[float, float]:
    """The best threshold of scores (200,) and their objective."""
    objective, [found] = judge(LABELS[:, None], scores[:, None], Scoring())
    return found["threshold"], objective


def test_a_team_is_the_trials_of_least_log_loss_and_takes_its_own_threshold() -> None:
    scores = noisy([1.0] * 8)
    found = choose(scores, sizes=(5,))
    alone = [choose_threshold(one) for one in scores]
    best = sorted(range(8), key=lambda trial: log_loss(LABELS, scores[trial]))[:5]
    best.sort(key=lambda trial: -alone[trial][1])
    assert list(found.members) == best
    assert found.own_thresholds == tuple((alone[trial][0],) for trial in best)
    mean = team_scores(scores[best])
    assert found.thresholds == (choose_threshold(mean)[0],)


def test_the_order_of_a_team_moves_no_score() -> None:
    scores = noisy([1.0] * 9)
    assert np.array_equal(team_scores(scores), team_scores(scores[::-1]))


def test_teams_are_the_same_in_parts_and_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    scores = noisy([1.0] * 12)
    whole = choose(scores, sizes=TEAM_SIZES)
    monkeypatch.setattr(teams, "_MOST_CELLS", 1000)
    assert choose(scores, sizes=TEAM_SIZES) == whole


def test_a_choice_needs_the_memory_of_three_matrices_of_resamples() -> None:
    labels = np.tile(LABELS, 40)
    scores = np.tile(noisy([1.0] * 12), 40)
    tracemalloc.start()
    select(of_trials(scores, labels, np.arange(len(labels))), Scoring())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 3 * NUM_RESAMPLES * len(labels) * 4


def test_a_tie_goes_to_the_larger_team_and_a_clear_lead_does_not() -> None:
    assert len(choose(noisy([1.2] * 24), sizes=TEAM_SIZES).members) == 10
    noise = expit(np.random.default_rng(0).normal(size=(11, 200))).astype(np.float32)
    clear = np.concatenate([noisy([4.0]), noise])
    assert choose(clear, sizes=TEAM_SIZES).members == (0,)


def test_a_team_takes_two_of_each_kind_before_it_takes_more() -> None:
    scores = noisy([2.5] * 8 + [1.0] * 4)
    kinds = np.array([0] * 8 + [1, 1, 2, 2])
    teams = {
        size: select(of_trials(scores), Scoring(), TeamRule((size,), kinds=kinds),
                     num_resamples=50).members
        for size in (1, 6, 12)
    }  # fmt: skip
    assert kinds[list(teams[1])].tolist() == [0]
    assert np.bincount(kinds[list(teams[6])]).tolist() == [2, 2, 2]
    assert sorted(teams[12]) == list(range(12)), "of a size beyond that, more of a kind"
    same = select(of_trials(scores), Scoring(), TeamRule((6,)), num_resamples=50).members
    assert max(same) < 8, "without kinds, the best"


def test_planned_trials_come_first_unless_they_are_clearly_worse() -> None:
    scores = noisy([1.2] * 13)
    scores[12] = 1 - scores[12]
    best = sorted(range(12), key=lambda trial: log_loss(LABELS, scores[trial]))
    planned = np.isin(np.arange(13), [*best[2:5], 12])
    teams = {
        size: select(of_trials(scores), Scoring(), TeamRule((size,), planned=planned),
                     num_resamples=50).members
        for size in (3, 5)
    }  # fmt: skip
    assert set(teams[3]) == set(best[2:5])
    assert set(teams[5]) == set(best[:5])


def test_half_of_a_team_is_of_trials_that_the_search_found() -> None:
    scores = noisy([1.2] * 20)
    best = sorted(range(20), key=lambda trial: log_loss(LABELS, scores[trial]))
    planned = np.isin(np.arange(20), best[5:15])
    team = select(of_trials(scores), Scoring(), TeamRule((10,), planned=planned),
                  num_resamples=50).members  # fmt: skip
    assert set(team) == set(best[:10])


def test_of_fewer_trials_all_are_the_team() -> None:
    assert sorted(choose(noisy([1.0] * 3), sizes=(10,)).members) == [0, 1, 2]


def test_scores_without_meaning_are_worth_no_more_than_calling_all_positive() -> None:
    found = choose(noisy([0.05] * 60))
    all_positive = 2 * 40 / (2 * 40 + 160)
    assert found.corrected.apparent > all_positive + 0.03
    assert found.corrected.f1 < all_positive + 0.02


def test_a_clear_winner_is_alone_and_equals_are_tied() -> None:
    clear = choose(noisy([0.2, 4.0, 0.2]))
    assert (clear.members, clear.tied) == ((1,), (1,))
    equal = noisy([1.5])
    found = choose(np.concatenate([equal, equal, noisy([0.0], seed=1)]))
    assert found.members == (0,)
    assert found.tied == (0, 1)


def test_the_simplest_of_the_tied_is_taken_and_never_one_that_is_clearly_worse() -> None:
    scores = noisy([1.5, 1.5, 1.5, -1.0], seed=3)
    best = choose(scores)
    simplest = next(trial for trial in (2, 1, 0) if trial in best.tied)
    found = choose(scores, complexity=[3, 2, 1, 0])
    assert len(best.tied) > 1
    assert found.members == (simplest,)
    assert found.tied == best.tied
    assert found.corrected.apparent <= best.corrected.apparent + 0.05


def test_a_single_trial_has_no_rival_but_its_threshold_is_chosen() -> None:
    found = choose(noisy([1.0]))
    assert (found.members, found.tied) == ((0,), (0,))
    assert 0 < found.corrected.optimism < 0.1


def test_a_single_trial_at_a_fixed_threshold_has_nothing_to_correct() -> None:
    found = choose(noisy([1.0]), policy="0.5")
    assert found.thresholds == (0.5,)
    # patients left out of the resamples, pooled, are nearly the cohort itself
    assert found.corrected.optimism == pytest.approx(0, abs=0.01)


def test_few_positive_patients_are_as_often_among_those_left_out_as_in_the_cohort() -> None:
    labels, patients = np.repeat([1, 0], [3, 57]), np.arange(60)
    # all positives and a tenth of the negatives are called positive: F1 depends on the shares alone
    scores = np.where(labels == 1, 0.9, np.where(patients % 10 == 0, 0.8, 0.1)).astype(np.float32)
    scoring = Scoring(ThresholdPolicy.parse("0.5"))
    found = select(of_trials(scores[None], labels, patients), scoring, TeamRule((1,)))
    assert found.corrected.optimism == pytest.approx(0, abs=0.015)


def test_images_of_one_patient_make_the_interval_wider_than_as_many_patients() -> None:
    scores = np.repeat(noisy([1.0])[:, ::2], 2, axis=1)
    labels = np.repeat(LABELS[::2], 2)
    widths = []
    for patients in (PATIENTS, np.arange(200)):
        of_patients = of_trials(scores, labels, patients)
        found = select(of_patients, Scoring(), TeamRule((1,)), num_resamples=400)
        low, high = found.corrected.interval
        widths.append(high - low)
    assert widths[0] > 1.2 * widths[1]


def test_the_margin_of_the_only_trial_is_none_and_of_a_noisier_one_wider() -> None:
    rng = np.random.default_rng(0)
    objectives = np.full((3, 2001), 0.5)
    objectives[:, 1:] += rng.normal(size=(3, 2000)) * [[0.01], [0.01], [0.05]]
    margins = chance_margins(objectives)
    assert margins[2] > margins[0] > 0
    assert chance_margins(objectives[:1]).tolist() == [0.0]


def test_another_objective_chooses_another_trial_and_its_f1_is_reported() -> None:
    # three quarters of the positives above all negatives, the rest below: F1 0.86, AUC 0.75
    split = np.where(LABELS == 1, np.arange(200) % 4 > 0, 0.5) + np.linspace(0, 0.1, 200)
    scores = np.stack([split / 2, noisy([1.5])[0]]).astype(np.float32)
    chosen = {
        scoring.objective: select(of_trials(scores), scoring, TeamRule((1,)), num_resamples=200)
        for scoring in (Scoring(), Scoring(objective="auc"))
    }
    assert [found.members for found in chosen.values()] == [(0,), (1,)]
    by_auc = chosen["auc"]
    assert by_auc.corrected.apparent == pytest.approx(
        f1_score(LABELS, scores[1] >= by_auc.thresholds[0])
    )
    assert by_auc.corrected.apparent < chosen["f1"].corrected.apparent


def test_what_is_kept_of_a_resample_is_what_its_patients_alone_would_have_led_to() -> None:
    scores = noisy([0.9, 1.0, 1.1, 1.0])
    kept = choose(scores).resampled
    assert len(kept.counts) == len(kept.thresholds) == len(kept.maps) == len(kept.teams[0]) == 200
    assert len({int(team[0]) for team in kept.teams[0]}) > 1
    assert np.array_equal(kept.counts[:, ::2], kept.counts[:, 1::2])
    for number in range(3):
        rows = np.repeat(np.arange(200), kept.counts[number])
        again = choose_of(scores[:, rows], LABELS[rows])
        assert again.members == tuple(kept.teams[0][number])
        assert again.thresholds == pytest.approx(kept.thresholds[number], abs=1e-6)


def choose_of(scores: NDArray[np.float32], labels: NDArray[np.int64]) -> Selection:
    given = of_trials(scores, labels, np.arange(len(labels)))
    return select(given, Scoring(), TeamRule((1,)), num_resamples=2)
