"""Objectives without a threshold are those of scikit-learn, under every weighting."""

import numpy as np
import pytest
from sklearn import metrics as sk

from trainable.evaluation import metrics as module
from trainable.evaluation.metrics import RANKED, Weighted
from trainable.evaluation.scoring import RankedBy, Scoring
from trainable.evaluation.thresholds import judge

RNG = np.random.default_rng(0)
LABELS = np.repeat([1, 0], [12, 48])
# many of one score, and both ends
SCORES = np.clip(0.2 * LABELS + RNG.random(60), 0, 1).round(1).astype(np.float32)
WEIGHTS = RNG.integers(0, 4, (7, 60)).astype(np.float32)


def values(name: RankedBy, labels: np.ndarray, weights: np.ndarray) -> np.ndarray:
    given = Weighted(labels[:, None], SCORES[:, None], weights)
    return given.measure({name: RANKED[name]})[name][:, 0]


def of_scikit_learn(name: RankedBy, weights: np.ndarray) -> float:
    if name == "auc":
        return float(sk.roc_auc_score(LABELS, SCORES, sample_weight=weights))
    if name == "average_precision":
        return float(sk.average_precision_score(LABELS, SCORES, sample_weight=weights))
    return -float(sk.log_loss(LABELS, SCORES, sample_weight=weights))


@pytest.mark.parametrize("cells", [1, 200, 1_000_000])
@pytest.mark.parametrize("name", ["auc", "average_precision", "log_loss"])
def test_values_are_those_of_scikit_learn(
    name: RankedBy, cells: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_MOST_CELLS", cells)
    found = values(name, LABELS, WEIGHTS)
    expected = [of_scikit_learn(name, weights) for weights in WEIGHTS]
    assert found == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("name", ["auc", "average_precision"])
@pytest.mark.parametrize("label", [0, 1])
def test_without_a_pair_of_classes_there_is_a_number_all_the_same(
    name: RankedBy, label: int
) -> None:
    labels, once = np.full(60, label), np.ones((1, 60), np.float32)
    expected = 1.0 if (name, label) == ("average_precision", 1) else 0.0
    assert values(name, labels, once) == pytest.approx([expected])


@pytest.mark.parametrize("name", ["auc", "average_precision", "log_loss"])
def test_the_threshold_is_that_of_the_best_f1_whatever_the_objective(name: RankedBy) -> None:
    scored = LABELS[:, None], SCORES[:, None]
    f1, [found] = judge(*scored, Scoring())
    value, [same] = judge(*scored, Scoring(objective=name))
    assert same["threshold"] == found["threshold"]
    assert value == pytest.approx(of_scikit_learn(name, np.ones(60)), rel=1e-6)
    assert value != pytest.approx(f1)
