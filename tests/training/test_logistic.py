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
from trainable.images.batches import Batch
from trainable.model.network import Network
from trainable.training.heads import LogisticHead
from trainable.training.loop import DivergedError, EpochRecord, FoldData

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
    features: Tensor, labels: Tensor, config: TrialConfig, train: NDArray[np.int64]
) -> tuple[Network, EpochRecord]:
    network = head_only(features.shape[1], config)
    held_out = np.setdiff1d(ROWS, train)
    data = FoldData(lambda r: Batch(features[r]), labels, train, held_out)
    return network, LogisticHead().fit(network, data, config, seed=0)


@pytest.mark.parametrize("num_features", [5, 300])
@pytest.mark.parametrize(("penalty", "weight"), [(0.01, 1.0), (3.0, 6.0)])
def test_scores_are_those_of_scikit_learn(num_features: int, penalty: float, weight: float) -> None:
    features, labels = drawn(num_features)
    # as copies of images do, these rows depend on others
    features[10:20], labels[10:20] = features[:10], labels[:10]
    config = tiny_config(head="logistic", C=penalty, positive_weight=weight)
    _, record = fitted(features, labels, config, ROWS[:NUM_TRAIN])
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
