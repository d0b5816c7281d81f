"""Simulated searches for four findings that can stand together, and for three classes."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy import special

from benchmarks.selection.simulated_searches import (
    DISTANCE_SPREAD,
    MEAN_DISTANCE,
    NUM_TRIALS,
    SHARE_OF_NOISE_SHARED,
    NormalTruth,
    noise,
    patients_of,
)
from search.winner.selection import Selection, TeamRule, select
from trainable.cohort.scored import Scored, scores_of_teams
from trainable.evaluation.metrics import Weighted, f1_at, f1_of_each_at
from trainable.evaluation.scoring import Scoring
from trainable.run.winner import CorrectedF1

NUM_IMAGES = 1000
FINDINGS: Mapping[str, tuple[float, float]] = {
    "rare": (0.03, 0.0),
    "common": (0.3, 0.0),
    "half unknown": (0.15, 0.5),
    "usual": (0.12, 0.0),
}
"""Shares of positive patients, and of images whose label is unknown."""

CLASSES = {"normal": 0.55, "bacterial": 0.3, "viral": 0.15}
"""Shares of patients."""

NUM_NEW_IMAGES, NUM_RESAMPLES, _NUM_PLANNED = 20_000, 300, 9


def judge_findings(seed: int) -> list[dict[str, float | str]]:
    """What is told of each finding of one search, and of their mean, beside the truth."""
    rng = np.random.default_rng(seed)
    patients = patients_of(NUM_IMAGES, rng)
    drawn = [_finding(patients, *shares, rng) for shares in FINDINGS.values()]
    labels, scores, truths = zip(*drawn, strict=True)
    scored = Scored(np.stack(labels, axis=1), patients, np.stack(scores, axis=-1))
    found = _select(scored, Scoring(f1_average="macro"), seed)
    true = [
        truth.f1(team, threshold)
        for truth, team, threshold in zip(truths, found.teams, found.thresholds, strict=True)
    ]
    return _rows(found, [*FINDINGS], true, float(np.mean(true)))


def _finding(
    patients: NDArray[np.int64], share: float, unknown: float, rng: Generator
) -> tuple[NDArray[np.int64], NDArray[np.float32], NormalTruth]:
    """Labels (num_images,), scores (num_trials, num_images) and the truth of one finding."""
    num_patients = int(patients.max()) + 1
    num_positive = round(share * num_patients)
    positive = rng.permutation(num_patients) < num_positive
    labels = positive[patients].astype(np.int64)
    distances = rng.normal(MEAN_DISTANCE, DISTANCE_SPREAD, NUM_TRIALS)
    numbers = distances[:, None] * labels + _deviations(patients, rng)
    new_share = rng.beta(num_positive, num_patients - num_positive)
    truth = NormalTruth(distances, new_share, float(labels.mean()))
    scores = truth.scores(range(NUM_TRIALS), numbers.T).T.astype(np.float32)
    labels[rng.random(len(labels)) < unknown] = -1
    return labels, scores, truth


def judge_classes(seed: int) -> list[dict[str, float | str]]:
    """What is told of each class of one search, and of their mean, beside the truth."""
    rng = np.random.default_rng(seed)
    patients, shares = patients_of(NUM_IMAGES, rng), np.array([*CLASSES.values()])
    num_patients = int(patients.max()) + 1
    which = np.repeat(np.arange(3), np.round(shares * num_patients).astype(int))
    which = rng.permutation(np.resize(which, num_patients))
    trained_on = np.bincount(which[patients], minlength=3) / NUM_IMAGES
    distances = rng.normal(MEAN_DISTANCE, DISTANCE_SPREAD, NUM_TRIALS)
    scored = _classes(which[patients], patients, distances, trained_on, rng)
    new_shares = rng.dirichlet(np.bincount(which, minlength=3))
    new_which, alone = rng.choice(3, NUM_NEW_IMAGES, p=new_shares), np.arange(NUM_NEW_IMAGES)
    new = _classes(new_which, alone, distances, trained_on, rng)
    scoring = Scoring(f1_average="macro", exclusive=True)
    found = _select(scored, scoring, seed)
    at = np.array(found.thresholds, np.float32)
    given = Weighted.once(new.labels, scores_of_teams(new.scores, found.teams))
    [each], [[mean]] = f1_of_each_at(at, scoring)(given), f1_at(at, scoring)(given)
    return _rows(found, [*CLASSES], each.tolist(), float(mean))


def _classes(
    which: NDArray[np.int64],
    patients: NDArray[np.int64],
    distances: NDArray[np.float64],
    trained_on: NDArray[np.float64],
    rng: Generator,
) -> Scored:
    """Images of these classes with the right probabilities at the shares of the training."""
    labels = np.eye(3, dtype=np.int64)[which]
    numbers = np.stack([_deviations(patients, rng) for _ in range(3)], axis=-1)
    apart = distances[:, None, None]
    logits = apart * (apart * labels + numbers) + np.log(trained_on)
    return Scored(labels, patients, special.softmax(logits, axis=-1).astype(np.float32))


def _deviations(patients: NDArray[np.int64], rng: Generator) -> NDArray[np.float64]:
    """Noise (num_trials, num_images), most of it shared by all trials."""
    shared = np.sqrt(SHARE_OF_NOISE_SHARED) * noise(1, patients, rng)
    return np.asarray(
        shared + np.sqrt(1 - SHARE_OF_NOISE_SHARED) * noise(NUM_TRIALS, patients, rng)
    )


def _select(scored: Scored, scoring: Scoring, seed: int) -> Selection:
    rule = TeamRule(planned=np.arange(NUM_TRIALS) < _NUM_PLANNED)
    return select(scored, scoring, rule, NUM_RESAMPLES, seed)


def _rows(
    found: Selection, names: Sequence[str], true: Sequence[float], mean: float
) -> list[dict[str, float | str]]:
    told: list[tuple[str, CorrectedF1, float]] = [
        *zip(names, found.corrected_each, true, strict=True),
        ("mean", found.corrected, mean),
    ]
    return [
        {
            "finding": name,
            "told": one.f1,
            "true_f1": value,
            "bias": one.f1 - value,
            "apparent_bias": one.apparent - value,
            "coverage": float(one.interval[0] <= value <= one.interval[1]),
        }
        for name, one, value in told
    ]
