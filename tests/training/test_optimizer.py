"""The optimizers and schedules of a trial are PyTorch's, by their textbook steps."""

from typing import Any, Literal

import numpy as np
import pytest
import torch
from fixtures.networks import head_only, snapshot, tiny_config
from torch import Tensor, nn

from trainable.config import TrialConfig
from trainable.images.batches import Batch
from trainable.model.network import Network
from trainable.training.heads import HEADS
from trainable.training.loop import FoldData, fit
from trainable.training.steps import build_optimizer, build_schedule

OPTIMIZERS = ("adamw", "adam", "sgd")


def one_weight(value: float) -> tuple[Network, Tensor]:
    """A network of one decayed weight."""
    linear = nn.Linear(1, 1, bias=False)
    nn.init.constant_(linear.weight, value)
    return Network([], [], nn.Sequential(linear)), linear.weight


def moved(gradients: list[float], start: float = 1.0, **settings: Any) -> list[float]:
    """Where one weight is after each of these gradients."""
    network, weight = one_weight(start)
    optimizer = build_optimizer(network, TrialConfig(**settings))
    path = []
    for gradient in gradients:
        weight.grad = torch.tensor([[gradient]])
        optimizer.step()
        path.append(weight.item())
    return path


def test_sgd_keeps_its_momentum_and_adds_the_penalty_to_the_gradient() -> None:
    settings: dict[str, Any] = {
        "optimizer": "sgd",
        "learning_rate": 0.1,
        "momentum": 0.5,
        "weight_decay": 0.2,
    }
    first, second = moved([1.0, 0.0], **settings)
    assert first == pytest.approx(1 - 0.1 * (1 + 0.2 * 1))
    velocity = 0.5 * 1.2 + 0.2 * first
    assert second == pytest.approx(first - 0.1 * velocity)


def test_without_momentum_sgd_is_the_gradient_alone() -> None:
    settings: dict[str, Any] = {
        "optimizer": "sgd",
        "learning_rate": 0.1,
        "momentum": 0.0,
        "weight_decay": 0.0,
    }
    assert moved([1.0, -3.0], **settings) == pytest.approx([0.9, 1.2])


def test_adam_scales_the_penalty_with_the_gradient_and_adamw_does_not() -> None:
    settings: dict[str, Any] = {"learning_rate": 0.1, "weight_decay": 0.5}
    # Adam's first step is the learning rate, whatever the gradient and the penalty in it
    assert moved([1e-3], optimizer="adam", **settings) == pytest.approx([1 - 0.1], rel=1e-4)
    assert moved([1e-3], optimizer="adamw", **settings) == pytest.approx(
        [1 - 0.1 * 0.5 - 0.1], rel=1e-4
    )


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_decay_is_on_matrices_and_filters_alone_and_frozen_weights_are_left_out(
    name: Literal["adamw", "adam", "sgd"],
) -> None:
    stages = [
        nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)),
        nn.Sequential(nn.Conv2d(4, 5, 3), nn.BatchNorm2d(5), nn.GroupNorm(1, 5)),
    ]
    network = Network(stages[:1], stages[1:], HEADS["fastai"].build(10, tiny_config()))
    config = TrialConfig(optimizer=name, learning_rate=0.1, weight_decay=0.02)
    groups = build_optimizer(network, config).param_groups
    decayed = [p for group in groups if group["weight_decay"] == 0.02 for p in group["params"]]
    plain = [p for group in groups if group["weight_decay"] == 0 for p in group["params"]]
    assert {p.shape for p in decayed} == {(5, 4, 3, 3), (8, 10), (2, 8)}
    assert all(p.ndim == 1 for p in plain)
    given = {id(p) for p in (*decayed, *plain)}
    assert given == {id(p) for p in network.parameters() if p.requires_grad}
    assert len(plain) == 5 + 4
    assert not given & {id(p) for p in network.frozen.parameters()}


@pytest.mark.parametrize("schedule", ["constant", "one_cycle"])
def test_the_rate_falls_from_the_head_to_the_lowest_trained_stage(
    schedule: Literal["constant", "one_cycle"],
) -> None:
    stages = [nn.Conv2d(3, 3, 1) for _ in range(3)]
    network = Network(stages[:1], stages[1:], nn.Sequential(nn.Linear(6, 2)))
    config = TrialConfig(learning_rate=0.1, stage_decay=0.3, schedule=schedule)
    optimizer = build_optimizer(network, config)
    build_schedule(optimizer, config, 2)
    of_weight = {id(p): group["lr"] for group in optimizer.param_groups for p in group["params"]}
    weights = [network.head[0].weight, stages[2].weight, stages[1].weight]
    start = 1 / 25 if schedule == "one_cycle" else 1
    assert [of_weight[id(weight)] for weight in weights] == pytest.approx(
        [start * 0.1, start * 0.03, start * 0.009]
    )
    assert id(stages[0].weight) not in of_weight


def rates(num_steps: int, setting: str = "lr", **settings: Any) -> list[Any]:
    """The learning rate, or another setting of the optimizer, at each step, two an epoch."""
    network, weight = one_weight(1.0)
    config = TrialConfig(learning_rate=0.08, **settings)
    optimizer = build_optimizer(network, config)
    schedule = build_schedule(optimizer, config, 2)
    found = []
    for _ in range(num_steps):
        weight.grad = torch.zeros(1, 1)
        optimizer.step()
        found.append({group[setting] for group in optimizer.param_groups}.pop())
        if schedule:
            schedule.step()
    return found


def test_the_rate_is_divided_by_ten_every_so_many_epochs() -> None:
    expected = [0.08] * 6 + [0.008] * 6 + [0.0008] * 4
    assert rates(16, schedule="step", step_epochs=3) == pytest.approx(expected)


def test_the_rate_falls_every_seven_epochs_if_nothing_else_is_said() -> None:
    expected = [0.08] * 14 + [0.008] * 14 + [0.0008]
    assert rates(29, schedule="step") == pytest.approx(expected)


def test_a_constant_rate_stays_as_it_is() -> None:
    assert rates(15, schedule="constant") == [0.08] * 15


def test_one_cycle_rises_to_the_learning_rate_and_ends_at_nothing() -> None:
    found = rates(20, schedule="one_cycle", epochs=10)
    assert (found[0], found[5]) == pytest.approx((0.08 / 25, 0.08))
    assert found == sorted(found[:5]) + sorted(found[5:], reverse=True)
    assert found[-1] < 0.08 / 10_000


@pytest.mark.parametrize("epochs", range(1, 6))
def test_one_cycle_fits_into_few_steps(epochs: int) -> None:
    found = rates(2 * epochs, schedule="one_cycle", epochs=epochs)
    assert max(found) > 0.01
    assert found[-1] < 0.08 / 10_000


def test_one_cycle_leaves_sgd_the_momentum_that_was_asked_for() -> None:
    cycled = {"schedule": "one_cycle", "epochs": 10}
    assert rates(20, "momentum", optimizer="sgd", momentum=0.5, **cycled) == [0.5] * 20
    assert min(rates(20, "betas", **cycled))[0] == pytest.approx(0.85)
    assert max(rates(20, "betas", **cycled))[0] == pytest.approx(0.95)


def fitted(epochs: int, schedule: str, **settings: Any) -> Tensor:
    """The weights of a plain head after so many epochs of one step each."""
    config = tiny_config(
        epochs=epochs, optimizer="sgd", momentum=0.0, weight_decay=0.0, learning_rate=0.1,
        head="plain", head_layers=(), schedule=schedule, **settings,
    )  # fmt: skip
    features = torch.randn(8, 4, generator=torch.Generator().manual_seed(0))
    network = head_only(4, config)
    rows = np.arange(8)
    before = snapshot(network)["head.1.weight"]
    list(
        fit(
            network,
            FoldData(lambda r: Batch(features[r]), torch.arange(8)[:, None] % 2, rows, rows[:0]),
            config,
            0,
        )
    )
    return snapshot(network)["head.1.weight"] - before


def test_training_goes_by_the_schedule() -> None:
    constant = [fitted(epochs, "constant") for epochs in (2, 3)]
    two, three = (fitted(epochs, "step", step_epochs=2) for epochs in (2, 3))
    assert torch.equal(two, constant[0])
    last_step = (constant[1] - two).norm().item()
    assert (three - two).norm().item() == pytest.approx(last_step / 10, rel=1e-3)


def test_a_network_learns_in_one_cycle() -> None:
    assert fitted(10, "one_cycle").norm() > 0.1 * fitted(10, "constant").norm()
