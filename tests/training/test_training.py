"""The training loop: what it learns, that it repeats itself, and what it refuses."""

import numpy as np
import pytest
import torch
from fixtures.networks import CPU, head_only, snapshot, tiny_config
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from trainable.config import TrialConfig
from trainable.errors import DivergedError
from trainable.images.batches import Batch
from trainable.model.network import Network
from trainable.training.loop import EpochRecord, FoldData, fit, predict_logits

NUM_FEATURES = 6
NONE: NDArray[np.int64] = np.arange(0)


def separable(count: int) -> tuple[Tensor, Tensor]:
    """Features (count, 6) and labels that their first column tells apart."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(count) % 2
    features = torch.randn(count, NUM_FEATURES, generator=generator)
    features[:, 0] = 4.0 * labels - 2.0
    return features, labels


def train(
    config: TrialConfig, count: int = 24, num_valid: int = 8, seed: int = 0, weight: float = 1.0
) -> tuple[Network, list[EpochRecord]]:
    features, labels = separable(count + num_valid)
    network = head_only(NUM_FEATURES, config)
    rows = np.arange(count + num_valid)
    records = fit(
        network,
        FoldData(
            lambda r: Batch(features[r]), labels[:, None], rows[:count], rows[count:], (weight,)
        ),
        config,
        seed,
    )
    return network, list(records)


def test_one_record_per_epoch_as_it_ends() -> None:
    features, labels = separable(8)
    config = tiny_config(epochs=3, batch_size=4)
    network = head_only(NUM_FEATURES, config)
    before = snapshot(network)
    records = fit(
        network,
        FoldData(lambda r: Batch(features[r]), labels[:, None], np.arange(8), NONE),
        config,
        0,
    )
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())
    first = next(records)
    assert (first.epoch, first.num_steps) == (1, 2)
    assert first.seconds > 0
    assert [(r.epoch, r.num_steps) for r in records] == [(2, 4), (3, 6)]


def test_the_loss_falls_and_the_scores_come_right_on_a_separable_problem() -> None:
    _, records = train(tiny_config(epochs=20, learning_rate=0.02))
    assert records[-1].train_loss < 0.2 * records[0].train_loss
    assert records[-1].valid_loss is not None
    assert records[-1].valid_loss < 0.3
    assert [record.valid_loss for record in records[:-1]] == [None] * 19
    assert not any(len(record.scores) for record in records[:-1])
    assert list(records[-1].scores[:, 0] >= 0.5) == [False, True] * 4


def test_scores_are_the_probabilities_of_the_positive_class() -> None:
    network, records = train(tiny_config())
    features, labels = separable(32)
    with torch.inference_mode():
        logits = network.eval().head(features[24:])
    scores = records[-1].scores
    assert scores.dtype == np.float32
    assert scores.shape == (8, 1)
    assert ((scores >= 0) & (scores <= 1)).all()
    np.testing.assert_allclose(scores[:, 0], torch.sigmoid(logits[:, 1] - logits[:, 0]), rtol=1e-5)
    loss = functional.cross_entropy(logits, labels[24:]).item()
    assert records[-1].valid_loss == pytest.approx(loss)


def test_one_seed_repeats_to_the_bit_and_another_does_not() -> None:
    config = tiny_config(dropout=0.5)
    (one, first), (two, again), (three, other) = (train(config, seed=s) for s in (1, 1, 2))
    assert all(torch.equal(one.state_dict()[k], v) for k, v in two.state_dict().items())
    for record, repeated in zip(first, again, strict=True):
        assert record.train_loss == repeated.train_loss
        assert np.array_equal(record.scores, repeated.scores)
    assert first[-1].train_loss != other[-1].train_loss
    assert any(not torch.equal(one.state_dict()[k], v) for k, v in three.state_dict().items())


def test_without_validation_images_there_are_no_scores_and_no_loss() -> None:
    _, records = train(tiny_config(), num_valid=0)
    assert (records[-1].valid_loss, records[-1].valid_accuracy) == (None, None)
    assert records[-1].scores.shape == (0, 1)


def test_the_training_loss_is_the_mean_over_images_of_a_smaller_last_batch_too() -> None:
    config = tiny_config(
        batch_size=16, learning_rate=1e-30, weight_decay=0, epochs=1, norm_statistics="running"
    )
    features, labels = separable(20)
    network = head_only(NUM_FEATURES, config)
    seen: list[Tensor] = []

    def inputs(rows: Tensor) -> Batch:
        seen.append(rows)
        return Batch(features[rows])

    (record,) = fit(network, FoldData(inputs, labels[:, None], np.arange(20), NONE), config, 0)
    assert [len(rows) for rows in seen] == [16, 4]
    network.train()
    losses = [functional.cross_entropy(network.head(features[r]), labels[r]).item() for r in seen]
    assert record.train_loss == pytest.approx((16 * losses[0] + 4 * losses[1]) / 20)


def test_a_heavier_positive_class_moves_the_scores_up() -> None:
    means = [
        float(train(tiny_config(epochs=5, learning_rate=0.01), weight=weight)[1][-1].scores.mean())
        for weight in (0.1, 1.0, 10.0)
    ]
    assert means[0] + 0.05 < means[1] < means[2] - 0.05


def test_a_loss_that_is_no_number_is_refused() -> None:
    features, labels = separable(8)
    config = tiny_config()
    features[3, 2] = float("inf")
    network = head_only(NUM_FEATURES, config)
    records = fit(
        network,
        FoldData(lambda r: Batch(features[r]), labels[:, None], np.arange(8), NONE),
        config,
        0,
    )
    with pytest.raises(DivergedError, match=r"loss is nan in epoch 1 .* learning rate 0\.001"):
        next(records)


@pytest.mark.parametrize("epochs", [1, 4])
def test_a_learning_rate_that_blows_weights_up_is_refused_in_the_last_step_too(
    epochs: int,
) -> None:
    config = tiny_config(learning_rate=1e38, batch_size=24, epochs=epochs)
    with pytest.raises(DivergedError, match=r"a smaller one is needed"):
        train(config)


@pytest.mark.parametrize("epochs", [1, 3])
def test_accuracies_are_the_shares_called_right_at_one_half(epochs: int) -> None:
    config = tiny_config(epochs=epochs, learning_rate=1e-30, weight_decay=0)
    features, labels = separable(24)
    network = head_only(NUM_FEATURES, config)
    seen: list[Tensor] = []

    def inputs(rows: Tensor) -> Batch:
        seen.append(rows)
        return Batch(features[rows])

    rows = np.arange(24)
    *_, last = fit(network, FoldData(inputs, labels[:, None], rows[:17], rows[17:]), config, 0)
    assert last.valid_accuracy == (np.round(last.scores[:, 0]) == labels[17:].numpy()).mean()
    # weights that do not move call the batches of the last epoch, of 8 and 9 rows, the same again
    network.train()
    right = [(network.head(features[r]).argmax(1) == labels[r]).sum().item() for r in seen[-3:-1]]
    assert last.train_accuracy == pytest.approx(sum(right) / 17)
    assert 0 < last.train_accuracy < 1


def test_what_is_learnt_is_called_right() -> None:
    _, records = train(tiny_config(epochs=20, learning_rate=0.02))
    assert records[0].train_accuracy < 0.9
    assert records[-1].train_accuracy > 0.9
    assert [record.valid_accuracy for record in records] == [None] * 19 + [1.0]


@pytest.mark.parametrize("batch_size", [2, 5, 64])
def test_logits_do_not_depend_on_the_batch_they_are_computed_in(batch_size: int) -> None:
    network, _ = train(tiny_config(dropout=0.5))
    features, _ = separable(9)
    rows = np.array([8, 0, 3, 3, 1])
    logits = predict_logits(network, lambda r: Batch(features[r]), rows, batch_size, CPU)
    torch.testing.assert_close(logits, network.eval().head(features[rows]))
