"""Several findings and classes: what labels weigh, what logits mean, and the convex heads."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from fixtures.networks import head_only, tiny_config
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from torch import Tensor
from torch.nn import functional

from trainable.cohort.findings import Findings
from trainable.config import HeadName
from trainable.images.batches import Batch
from trainable.model.outputs import ONE_FINDING, Outputs, SeveralClasses, SeveralFindings
from trainable.training.balance import Balance
from trainable.training.convex import solve
from trainable.training.heads import HEADS
from trainable.training.loop import EpochRecord, FoldData

NUM_ROWS, NUM_TRAIN = 90, 60
THREE, CLASSES = SeveralFindings(3), SeveralClasses(3)
RNG = np.random.default_rng(0)
FEW, MANY = (RNG.normal(3, 1, (NUM_ROWS, width)).astype(np.float32) for width in (5, 200))
CLASS = np.digitize(FEW[:, 0] + MANY[:, 0] + RNG.normal(0, 1, NUM_ROWS), (5.2, 6.8))
"""A class per row, which features have something to do with."""
ONE_HOT = np.eye(3, dtype=np.int64)[CLASS]
LABELS = np.where(RNG.random((NUM_ROWS, 3)) < 0.2, -1, ONE_HOT)
"""Findings, a fifth unknown."""


def fitted(
    features: NDArray[np.float32],
    labels: NDArray[np.int64],
    outputs: Outputs,
    weights: Sequence[float] = (1.0, 1.0, 1.0),
    head: HeadName = "logistic",
    train: NDArray[np.int64] | None = None,
) -> EpochRecord:
    config = tiny_config(head=head, C=0.1, epochs=10, learning_rate=0.02)
    network = head_only(features.shape[1], config, outputs=outputs)
    seen = torch.from_numpy(features)
    data = FoldData(
        lambda rows: Batch(seen[rows]),
        torch.from_numpy(labels),
        np.arange(NUM_TRAIN) if train is None else train,
        np.arange(len(features) - 30, len(features)),
        tuple(map(float, weights[: outputs.num_findings])),
    )
    return HEADS[head].fit(network, data, config, seed=0)


@pytest.mark.parametrize("features", [FEW, MANY])
def test_one_finding_three_times_has_three_times_its_scores(features: NDArray[np.float32]) -> None:
    labels = ONE_HOT[:, :1]
    one = fitted(features, labels, ONE_FINDING, (2.5,))
    three = fitted(features, labels.repeat(3, axis=1), THREE, [2.5] * 3)
    np.testing.assert_allclose(three.scores, one.scores.repeat(3, axis=1), atol=1e-5)
    assert three.train_loss == pytest.approx(one.train_loss, rel=1e-4)
    assert three.valid_accuracy == one.valid_accuracy


@pytest.mark.parametrize("features", [FEW, MANY])
def test_rows_of_an_unknown_label_are_left_out_of_that_finding(
    features: NDArray[np.float32],
) -> None:
    """Each row comes twice, so that features are standardized alike with and without the second."""
    twice = np.concatenate([features, features])
    labels = np.concatenate([ONE_HOT, ONE_HOT])
    labels[NUM_ROWS:, 1] = -1
    train = np.concatenate([np.arange(NUM_TRAIN), NUM_ROWS + np.arange(NUM_TRAIN)])
    found = fitted(twice, labels, THREE, (1, 4, 1), train=train).scores
    alone = fitted(features, ONE_HOT[:, 1:2], ONE_FINDING, (4,)).scores
    np.testing.assert_allclose(found[:, 1:2], alone, atol=1e-5)
    doubled = fitted(twice, labels[:, :1], ONE_FINDING, train=train).scores
    np.testing.assert_allclose(found[:, :1], doubled, atol=1e-5)
    assert np.abs(fitted(features, ONE_HOT[:, :1], ONE_FINDING).scores - doubled).max() > 1e-3


def test_unknown_labels_of_any_pattern_leave_each_finding_its_own_fit() -> None:
    together = fitted(MANY, LABELS, THREE, (1, 2, 3)).scores
    for number, weight in enumerate((1, 2, 3)):
        known = LABELS[:, number] >= 0
        scaled = StandardScaler().fit(MANY[:NUM_TRAIN].astype(np.float64))
        rows = scaled.transform(MANY.astype(np.float64))
        model = LogisticRegression(C=0.1, class_weight={0: 1, 1: weight}, tol=1e-9, max_iter=10**5)
        train = np.flatnonzero(known[:NUM_TRAIN])
        model.fit(rows[train], LABELS[train, number])
        expected = model.predict_proba(rows[-30:])[:, 1]
        np.testing.assert_allclose(together[:, number], expected, atol=1e-4)


@pytest.mark.parametrize("features", [FEW, MANY])
@pytest.mark.parametrize("penalty", [1e-4, 10.0])
def test_findings_that_are_fitted_together_have_the_fit_that_each_has_alone(
    features: NDArray[np.float32], penalty: float
) -> None:
    """Also of rows that the features part, where the solver takes several rounds."""
    rows = StandardScaler().fit_transform(features.astype(np.float64))
    weights = (1.0, 5.0, 0.5)
    found = solve(rows, LABELS, penalty, weights, exclusive=False)
    for number, weight in enumerate(weights):
        known = LABELS[:, number] >= 0
        own = LABELS[known][:, [number]]
        alone = solve(rows[known], own, penalty, [weight], exclusive=False)
        together, expected = (
            expit(rows @ one.coefficients[place] + one.intercepts[place])
            for one, place in ((found, number), (alone, 0))
        )
        np.testing.assert_allclose(together, expected, atol=1e-3)


@pytest.mark.parametrize("features", [FEW, MANY])
def test_classes_are_scikit_learns_multinomial_regression(features: NDArray[np.float32]) -> None:
    found = fitted(features, ONE_HOT, CLASSES, (1.0, 2.0, 5.0))
    scaled = StandardScaler().fit(features[:NUM_TRAIN].astype(np.float64))
    rows = scaled.transform(features.astype(np.float64))
    model = LogisticRegression(C=0.1, class_weight={0: 1, 1: 2, 2: 5}, tol=1e-9, max_iter=10**5)
    expected = model.fit(rows[:NUM_TRAIN], CLASS[:NUM_TRAIN]).predict_proba(rows[-30:])
    np.testing.assert_allclose(found.scores, expected, atol=1e-4)
    assert found.valid_accuracy == (expected.argmax(axis=1) == CLASS[-30:]).mean()


@pytest.mark.parametrize("head", ["logistic", "plain", "fastai"])
def test_the_scores_of_classes_sum_to_one_and_follow_their_names(head: HeadName) -> None:
    found = fitted(FEW, ONE_HOT, CLASSES, (1, 2, 3), head).scores
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-6)
    assert found.argmax(axis=1).tolist() != [0] * 30
    if head == "logistic":
        order = [2, 0, 1]
        other = fitted(FEW, ONE_HOT[:, order], CLASSES, np.array([1, 2, 3])[order].tolist()).scores
        np.testing.assert_allclose(other, found[:, order], atol=1e-4)


@pytest.mark.parametrize("head", ["plain", "fastai"])
def test_a_network_learns_findings_that_are_partly_unknown(head: HeadName) -> None:
    record = fitted(FEW, LABELS, THREE, head=head)
    labels, scores = LABELS[-30:], record.scores
    known = labels >= 0
    assert record.valid_accuracy == ((scores >= 0.5) == (labels == 1))[known].mean()
    assert record.valid_loss == pytest.approx(
        functional.binary_cross_entropy(
            torch.tensor(scores[known]), torch.tensor(labels[known]).float()
        ).item(),
        rel=1e-4,
    )


def test_what_is_unknown_has_no_part_in_the_loss() -> None:
    logits = torch.randn(4, 3, requires_grad=True)
    labels = torch.tensor([[1, 0, -1], [0, -1, 1], [-1, -1, -1], [1, 1, 0]])
    weights = torch.tensor([1.0, 2.0, 3.0])
    loss = THREE.loss(logits, labels, weights)
    loss.backward()
    known = labels >= 0
    assert logits.grad is not None
    assert torch.equal(logits.grad != 0, known)
    of_each = torch.where(labels == 1, weights, torch.ones(3))[known]
    entropy = functional.binary_cross_entropy_with_logits(
        logits[known], labels[known].float(), reduction="none"
    )
    torch.testing.assert_close(loss, (of_each * entropy).sum() / of_each.sum())
    nothing = THREE.loss(logits, torch.full_like(labels, -1), weights)
    assert nothing.item() == 0


@pytest.mark.parametrize("outputs", [ONE_FINDING, THREE, CLASSES])
def test_log_odds_are_those_of_the_scores(outputs: Outputs) -> None:
    logits = 3 * torch.randn(20, outputs.num_logits).double()
    scores = outputs.scores(logits)
    assert scores.shape == (20, outputs.num_findings)
    for finding in range(outputs.num_findings):
        torch.testing.assert_close(outputs.log_odds(logits, finding), scores[:, finding].logit())


@pytest.mark.parametrize("outputs", [ONE_FINDING, THREE])
def test_what_is_added_to_logits_multiplies_the_odds(outputs: Outputs) -> None:
    factors = [2.0, 0.5, 7.0][: outputs.num_findings]
    logits = torch.randn(20, outputs.num_logits).double()

    def odds(of: Tensor) -> Tensor:
        return outputs.scores(of) / (1 - outputs.scores(of))

    torch.testing.assert_close(
        odds(logits + outputs.added(factors)), odds(logits) * torch.tensor(factors)
    )


@pytest.mark.parametrize("labels", [LABELS[:, :1].clip(0), LABELS, ONE_HOT])
def test_every_fold_learns_the_odds_of_the_trial(labels: NDArray[np.int64]) -> None:
    """As the loss counts labels, of whichever rows are trained on, however often each comes."""
    num_findings, exclusive = labels.shape[1], labels is ONE_HOT
    findings = Findings(tuple("abc"[:num_findings]), exclusive)
    balance = Balance.of(labels, findings, 2.5)
    rows = np.random.default_rng(1).choice(NUM_ROWS, 150)
    weights = np.array(balance.weights(labels[rows]))
    counted = ((labels[rows] == 1) * weights).sum(axis=0)
    expected = np.array([2.5 * (labels == 1).sum(axis=0) / (labels == 0).sum(axis=0)])[0]
    against = (labels[rows] == 0).sum(axis=0)
    if exclusive:
        numbers = labels.sum(axis=0)
        most = numbers.argmax()
        # 2.5 times as often, but no class counts for more than the most frequent one
        expected, against = np.minimum(2.5 * numbers / numbers[most], 1), counted[most]
        assert weights[most] == pytest.approx(1)
    np.testing.assert_allclose(counted / against, expected)


@pytest.mark.parametrize("features", [FEW, MANY])
@pytest.mark.parametrize(
    ("labels", "outputs"), [(ONE_HOT[:, :1], ONE_FINDING), (LABELS, THREE), (ONE_HOT, CLASSES)]
)
def test_a_row_that_a_resample_has_several_times_counts_as_often(
    features: NDArray[np.float32], labels: NDArray[np.int64], outputs: Outputs
) -> None:
    counts = np.random.default_rng(1).multinomial(NUM_TRAIN, np.full(NUM_TRAIN, 1 / NUM_TRAIN))
    rows = np.repeat(np.arange(NUM_TRAIN), counts)
    resampled = fitted(features, labels, outputs, (2.5, 1.0, 4.0), train=rows)
    # the same with copies, each a row of its own
    every = np.concatenate([rows, np.arange(NUM_TRAIN, NUM_ROWS)])
    copied = fitted(
        features[every], labels[every], outputs, (2.5, 1.0, 4.0), train=np.arange(len(rows))
    )
    np.testing.assert_allclose(resampled.scores, copied.scores, atol=1e-3)
    assert resampled.train_loss == pytest.approx(copied.train_loss, abs=1e-3)
