"""A network is scored with the batch-norm statistics of its own training rows."""

from typing import Any

import numpy as np
import pytest
import torch
from fixtures.networks import CPU, RANDOM, head_only, noise, same_state, snapshot, tiny_config
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from trainable.backbones.encoder import Encoder, find_backbone
from trainable.images.batches import Batch
from trainable.model.network import Network
from trainable.training.loop import FoldData, fit
from trainable.training.norm_statistics import set_exact_statistics
from trainable.trial.cross_validation import new_network

NUM_ROWS, NUM_TRAIN = 41, 30
LABELS = torch.arange(NUM_ROWS) % 2
# far from the start of a running average, mean 0 and variance 1
FEATURES = 3 + torch.randn(NUM_ROWS, 6, generator=torch.Generator().manual_seed(0)) / 20


def norms(module: nn.Module) -> list[Any]:
    return [one for one in module.modules() if isinstance(one, _BatchNorm)]


def seen_by(network: nn.Module, inputs: Tensor | Batch, norm: nn.Module) -> Tensor:
    """What a norm takes in while the network is run in evaluation mode."""
    seen: list[Tensor] = []
    hook = norm.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    with torch.no_grad():
        network.eval()(inputs)
    hook.remove()
    return torch.cat(seen)


def fitted(**changes: Any) -> Network:
    config = tiny_config(dropout=0.5, head_layers=(8, 4), **changes)
    network = head_only(6, config)
    rows = np.arange(NUM_ROWS)
    train, valid = rows[:NUM_TRAIN], rows[NUM_TRAIN:]
    list(
        fit(
            network,
            FoldData(lambda r: Batch(FEATURES[r]), LABELS[:, None], train, valid),
            config,
            0,
        )
    )
    return network


def test_norms_of_the_head_have_the_statistics_of_all_training_rows() -> None:
    network = fitted()
    assert len(norms(network.head)) == 3
    for norm in norms(network.head):
        seen = seen_by(network.head, FEATURES[:NUM_TRAIN], norm)
        torch.testing.assert_close(norm.running_mean, seen.mean(dim=0))
        torch.testing.assert_close(norm.running_var, seen.var(dim=0))


def test_running_averages_are_an_option_and_exact_ones_change_nothing_else() -> None:
    exact, running = fitted(), fitted(norm_statistics="running")
    assert not torch.allclose(norms(running.head)[0].running_mean, FEATURES.mean(dim=0), atol=0.1)
    for one, other in zip(exact.parameters(), running.parameters(), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("unfreeze", [1, 2])
def test_trained_stages_take_the_statistics_of_images_frozen_ones_keep_theirs(
    unfreeze: int,
) -> None:
    config = tiny_config(backbone="resnet18", cut="layer2", unfreeze=unfreeze, dropout=0.5)
    stages = find_backbone("resnet18").body(RANDOM.build(Encoder("resnet18")), "layer2")
    network = new_network(config, stages[: 2 - unfreeze], stages[2 - unfreeze :], 0, CPU)
    frozen = snapshot(network.frozen)
    images = noise(16, 32) / 5 + 1
    set_exact_statistics(network, lambda r: Batch(network.prefix(images[r])), [torch.arange(16)])
    assert same_state(network.frozen, frozen)
    assert not any(module.training for module in network.modules())
    for norm in norms(nn.ModuleList([network.trained, network.head])):
        seen = seen_by(network, Batch(images), norm).transpose(0, 1).flatten(1)
        torch.testing.assert_close(norm.running_mean, seen.mean(dim=1), rtol=0.01, atol=0.01)
        torch.testing.assert_close(norm.running_var, seen.var(dim=1), rtol=0.01, atol=0.01)
        assert norm.momentum == 0.1


def test_small_batches_average_to_the_statistics_of_the_images() -> None:
    config = tiny_config(backbone="resnet18", cut="layer1", unfreeze=1)
    stages = find_backbone("resnet18").body(RANDOM.build(Encoder("resnet18")), "layer1")
    network = new_network(config, [], stages, 0, CPU)
    images = noise(64, 32) / 5 + 1
    set_exact_statistics(network, lambda r: Batch(images[r]), list(torch.randperm(64).split(8)))
    first = norms(network.trained)[0]
    seen = seen_by(network, Batch(images), first).transpose(0, 1).flatten(1)
    torch.testing.assert_close(first.running_mean, seen.mean(dim=1), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(first.running_var, seen.var(dim=1), rtol=0.01, atol=1e-4)
