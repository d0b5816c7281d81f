"""Each finding has its own team; several classes have one, which decides by the highest ratio."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import expit, softmax
from sklearn.metrics import f1_score

from search.winner.entry import Earlier, Entry, Rung
from search.winner.selection import Selection, TeamRule, select
from search.winner.teams import Trials
from trainable.cohort.scored import Scored, team_scores
from trainable.evaluation.counts import decide
from trainable.evaluation.scoring import F1Average, Scoring

NUM_IMAGES = 240
PATIENTS = np.arange(NUM_IMAGES) // 2
RNG = np.random.default_rng(0)
# the first three trials are the best for the first finding, the last three for the second
DISTANCES = np.array([[2.5, 0.5]] * 3 + [[1.0, 1.0]] * 2 + [[0.5, 2.5]] * 3)
LABELS = (RNG.random((NUM_IMAGES, 2)) < [0.15, 0.3]).astype(np.int64)
UNKNOWN = np.where(RNG.random(LABELS.shape) < [0.0, 0.3], -1, LABELS)
MACRO = Scoring(f1_average="macro")
ONE_OR_THREE = TeamRule((1, 3))


def noisy(labels: NDArray[np.int64], seed: int = 1) -> NDArray[np.float32]:
    """Scores (8, 240, 2) of trials whose classes are `DISTANCES` apart."""
    rng = np.random.default_rng(seed)
    apart = DISTANCES[:, None]
    normal = apart * (labels == 1) + rng.normal(size=(8, *labels.shape))
    return np.asarray(expit(apart * (normal - apart / 2) - 1.5), np.float32)


def choose(scored: Scored, scoring: Scoring = MACRO, rule: TeamRule = ONE_OR_THREE) -> Selection:
    return select(scored, scoring, rule, num_resamples=100)


@pytest.mark.parametrize("labels", [LABELS, UNKNOWN], ids=["known", "some unknown"])
def test_each_finding_has_the_team_that_it_has_alone_on_the_same_resamples(
    labels: NDArray[np.int64],
) -> None:
    scored = Scored(labels, PATIENTS, noisy(LABELS))
    found = choose(scored)
    assert set(found.teams[0]) <= {0, 1, 2}
    assert set(found.teams[1]) <= {5, 6, 7}
    assert set(found.members) == {*found.teams[0], *found.teams[1]}
    assert np.shape(found.own_thresholds) == (len(found.members), 2)
    for number, team in enumerate(found.teams):
        rows = labels[:, number] >= 0
        mean = team_scores(scored.scores[list(team)][:, rows, number])
        apparent = f1_score(labels[rows, number], mean >= np.float32(found.thresholds[number]))
        one = found.corrected_each[number]
        assert one.apparent == pytest.approx(apparent)
        assert one.interval[0] < one.f1 < one.interval[1]
    mean_of_both = np.mean([one.f1 for one in found.corrected_each])
    assert found.corrected.f1 == pytest.approx(mean_of_both)
    widths = [high - low for low, high in (one.interval for one in found.corrected_each)]
    low, high = found.corrected.interval
    assert high - low < max(widths), "the findings are not all lucky on the same patients"


def test_a_team_of_one_is_the_trial_that_is_best_for_the_finding() -> None:
    # the last one is the best over both findings, and for neither
    apart = np.array([[5.0, 0.0], [0.0, 5.0], [2.5, 2.5]])[:, None]
    numbers = apart * LABELS + np.random.default_rng(2).normal(size=(3, *LABELS.shape))
    scored = Scored(LABELS, PATIENTS, expit(numbers - 2).astype(np.float32))
    found = choose(scored, rule=TeamRule((1,)))
    assert found.teams == ((0,), (1,))
    assert found.tied == (2,)


def test_what_is_unknown_of_a_finding_moves_nothing() -> None:
    scores = noisy(LABELS)
    others = scores.copy()
    hidden = UNKNOWN == -1
    others[:, hidden] = RNG.random((8, hidden.sum()))
    one, other = (choose(Scored(UNKNOWN, PATIENTS, each)) for each in (scores, others))
    assert one == other


@pytest.mark.parametrize("average", ["micro", "weighted"])
def test_the_f1_over_findings_is_of_the_average_that_was_asked_for(average: F1Average) -> None:
    scored = Scored(LABELS, PATIENTS, noisy(LABELS))
    found = choose(scored, Scoring(f1_average=average))
    scores = [team_scores(scored.scores[list(team)]) for team in found.teams]
    both = np.stack([scores[0][:, 0], scores[1][:, 1]], axis=1)
    positives = both >= np.array(found.thresholds, np.float32)
    assert found.corrected.apparent == pytest.approx(f1_score(LABELS, positives, average=average))
    assert found.corrected_each == choose(scored).corrected_each


def test_the_simplest_trial_is_one_for_all_findings() -> None:
    scored = Scored(LABELS, PATIENTS, noisy(LABELS))
    found = choose(scored, rule=TeamRule(complexity=range(8)))
    assert len(found.members) == 1
    assert found.teams == (found.members, found.members)
    assert found.members[0] in found.tied


def test_stops_and_earlier_trials_are_by_the_objective_over_all_findings() -> None:
    scores = noisy(LABELS)
    half = np.where((np.arange(NUM_IMAGES) % 2 == 0)[:, None], scores, np.float32(np.nan))
    entry = Entry(5, (Rung(np.arange(8), half),), Earlier(6, np.array([-1, 3]), 1))
    trials = Trials(Scored(UNKNOWN, PATIENTS, scores), MACRO)
    weights = np.random.default_rng(0).poisson(1, (40, NUM_IMAGES)).astype(np.float32)
    weights[0] = 1
    objectives = trials.each(weights).objectives
    there = entry.candidates(trials, weights, objectives)
    passes = entry.rungs[0].passes(trials, weights)
    assert np.array_equal(there[:3, 1:], passes[:3, 1:])
    found = choose(trials.scored, rule=TeamRule((1,), entry=entry))
    assert max(found.members) < 5, "the others were not run to their end"


def test_a_finding_without_a_positive_image_so_far_does_not_end_a_trial() -> None:
    scores = noisy(LABELS)
    early = np.full_like(scores, np.nan)
    early[:, :40] = scores[:, :40]
    labels = LABELS.copy()
    labels[:40, 0] = [0, -1] * 20
    trials = Trials(Scored(labels, PATIENTS, scores), MACRO)
    weights = np.random.default_rng(0).poisson(1, (10, NUM_IMAGES)).astype(np.float32)
    objectives = trials.objectives_of(early, weights)
    alone = Trials(Scored(labels[:, 1:], PATIENTS, scores[..., 1:]), Scoring())
    assert objectives == pytest.approx(alone.objectives_of(early[..., 1:], weights) / 2)


def test_several_classes_have_one_team_and_the_highest_ratio_decides() -> None:
    which = RNG.choice(3, NUM_IMAGES, p=[0.6, 0.28, 0.12])
    labels = np.eye(3, dtype=np.int64)[which]
    logits = 1.2 * labels + np.log([0.6, 0.28, 0.12]) + RNG.normal(size=(6, NUM_IMAGES, 3))
    scored = Scored(labels, PATIENTS, softmax(logits, axis=2).astype(np.float32))
    scoring = Scoring(f1_average="macro", exclusive=True)
    found = choose(scored, scoring)
    assert found.teams == (found.members,) * 3
    mean = team_scores(scored.scores[list(found.members)])
    at = np.array(found.thresholds, np.float32)
    predicted = decide(mean, at, exclusive=True).argmax(axis=1)
    of_each = f1_score(which, predicted, average=None)
    assert [one.apparent for one in found.corrected_each] == pytest.approx(of_each)
    assert found.corrected.apparent == pytest.approx(of_each.mean())
    assert found.corrected.f1 < found.corrected.apparent
    plain = f1_score(which, mean.argmax(axis=1), average="macro")
    assert of_each.mean() > plain, "the thresholds see that classes are not as frequent"
