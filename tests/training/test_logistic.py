"""A logistic head is scikit-learn's own solution, kept as the linear layer that it is."""

import numpy as np
import pytest
import torch
from fixtures.networks import head_only, tiny_config
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn

from trainable.config import TrialConfig
from trainable.errors import DivergedError
from trainable.images.batches import Batch
from trainable.model.bounded_linear import BoundedLinear
from trainable.model.network import Network
from trainable.training.heads import LogisticHead
from trainable.training.loop import EpochRecord, FoldData

NUM_ROWS, NUM_TRAIN = 90, 60
ROWS = np.arange(NUM_ROWS)


def drawn(num_features: int) -> tuple[Tensor, Tensor]:
    """Features of different sizes and deviations, far from 0, and labels that follow the first."""
    rng = np.random.default_rng(0)
    scales = rng.uniform(0.01, 20, num_features)
    features = (rng.normal(3, 1, (NUM_ROWS, num_features)) * scales).astype(np.float32)
    labels = (features[:, 0] / scales[0] + rng.normal(0, 1, NUM_ROWS) > 3.5).astype(np.int64)
    return torch.from_numpy(features), torch.from_numpy(labels)


def fitted(
    features: Tensor,
    labels: Tensor,
    config: TrialConfig,
    train: NDArray[np.int64],
    weight: float = 1.0,
) -> tuple[Network, EpochRecord]:
    network = head_only(features.shape[1], config)
    held_out = np.setdiff1d(ROWS, train)
    data = FoldData(lambda r: Batch(features[r]), labels[:, None], train, held_out, (weight,))
    return network, LogisticHead().fit(network, data, config, seed=0)


@pytest.mark.parametrize("num_features", [5, 300])
@pytest.mark.parametrize(("penalty", "weight"), [(0.01, 1.0), (3.0, 6.0)])
def test_scores_are_those_of_scikit_learn(num_features: int, penalty: float, weight: float) -> None:
    features, labels = drawn(num_features)
    # as copies of images do, these rows depend on others
    features[10:20], labels[10:20] = features[:10], labels[:10]
    config = tiny_config(head="logistic", C=penalty)
    _, record = fitted(features, labels, config, ROWS[:NUM_TRAIN], weight)
    regression = LogisticRegression(
        C=penalty, class_weight={0: 1, 1: weight}, tol=1e-9, max_iter=10**5
    )
    model = make_pipeline(StandardScaler(), regression)
    model.fit(features[:NUM_TRAIN].double().numpy(), labels[:NUM_TRAIN].numpy())
    expected = model.predict_proba(features[NUM_TRAIN:].double().numpy())[:, 1:]
    np.testing.assert_allclose(record.scores, expected, atol=1e-3)
    assert record.train_accuracy > 0.6
    assert record.valid_loss is not None


def test_no_seed_and_no_order_of_the_rows_changes_a_score() -> None:
    features, labels = drawn(40)
    config = tiny_config(head="logistic", C=0.1)
    _, one = fitted(features, labels, config, ROWS[:NUM_TRAIN])
    other_config = config.model_copy(update={"seed": 7, "epochs": 9, "learning_rate": 0.1})
    _, other = fitted(features, labels, other_config, ROWS[:NUM_TRAIN][::-1].copy())
    np.testing.assert_allclose(one.scores, other.scores, atol=1e-4)


def test_a_constant_feature_has_no_weight() -> None:
    features, labels = drawn(6)
    features[:, 2] = 1e4
    features[::2, 2] = float(np.nextafter(np.float32(1e4), np.float32(2e4)))  # float32 rounding
    network, record = fitted(features, labels, tiny_config(head="logistic"), ROWS[:NUM_TRAIN])
    (linear,) = network.head
    assert isinstance(linear, nn.Linear)
    assert linear.weight[1, 2] == 0
    assert np.isfinite(record.scores).all()


def test_features_that_are_no_numbers_are_refused() -> None:
    features, labels = drawn(4)
    features[3, 1] = torch.inf
    with pytest.raises(DivergedError, match="not finite"):
        fitted(features, labels, tiny_config(head="logistic"), ROWS[:NUM_TRAIN])


def test_a_feature_that_is_nearly_dead_in_training_cannot_decide_alone() -> None:
    features, labels = drawn(40)
    rng = np.random.default_rng(1)
    features[:, 7] = torch.from_numpy(rng.normal(1, 1e-4, NUM_ROWS).astype(np.float32))
    network, _ = fitted(features, labels, tiny_config(head="logistic", C=1.0), ROWS[:NUM_TRAIN])
    usual, odd = features[NUM_TRAIN:].clone(), features[NUM_TRAIN:].clone()
    odd[:, 7] = 1e6
    (linear,) = network.head
    assert isinstance(linear, BoundedLinear)
    train = features[:NUM_TRAIN].double()
    mean, deviation = train.mean(dim=0), train.std(dim=0, correction=0)
    with torch.inference_mode():
        moved = (linear(odd) - linear(usual))[:, 1].abs()
        kept = linear.kept(odd)
        assert moved.max() < 20 * float(linear.weight[1, 7].abs() * deviation[7])
    torch.testing.assert_close(kept[:, 7].double(), (mean + 10 * deviation)[7].expand(30))
    assert torch.equal(kept[:, :7], usual[:, :7])


def test_one_training_row_counts_no_farther_than_the_bound() -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(0, 1, (300, 3)).astype(np.float32)
    features[0, 1] = 1e5
    labels = torch.from_numpy((features[:, 0] > 0).astype(np.int64))
    network = head_only(3, tiny_config(head="logistic"))
    rows = torch.from_numpy(features)
    data = FoldData(lambda r: Batch(rows[r]), labels[:, None], np.arange(200), np.arange(200, 300))
    LogisticHead().fit(network, data, tiny_config(head="logistic"), seed=0)
    (linear,) = network.head
    assert isinstance(linear, BoundedLinear)
    assert float(linear.kept(rows)[0, 1]) < 1e5
    standardized = StandardScaler().fit_transform(features[:200].astype(np.float64)).clip(-10, 10)
    model = LogisticRegression(C=tiny_config(head="logistic").C, tol=1e-9, max_iter=10**5)
    expected = model.fit(standardized, labels[:200].numpy()).decision_function(standardized)
    found = (linear(rows)[:200, 1] - linear(rows)[:200, 0]).detach().numpy()
    np.testing.assert_allclose(found, expected, atol=1e-3)


def test_a_layer_of_an_earlier_version_is_read_without_bounds() -> None:
    old, new = nn.Linear(4, 2), BoundedLinear(4, 2)
    new.load_state_dict(old.state_dict())
    features = torch.randn(3, 4) * 1e6
    torch.testing.assert_close(new(features), old(features))
