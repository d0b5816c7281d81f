"""The cut, frozen network with its head."""

import copy

import pytest
import torch
from fixtures.networks import noise, random_model, same_state, snapshot, tiny_config
from torch import nn
from torch.nn import functional

from trainable.backbones.backbone import Backbone
from trainable.backbones.encoder import find_backbone
from trainable.backbones.table import BACKBONES
from trainable.commands.model_tables import layer_table
from trainable.config import TrialConfig
from trainable.images.batches import Batch
from trainable.model.network import ConcatPool, Network, count_parameters, split_body
from trainable.training.steps import build_optimizer
from trainable.trial.cross_validation import build_network

Built = tuple[Backbone, nn.Module]


@pytest.fixture(scope="module", params=BACKBONES)
def built(request: pytest.FixtureRequest) -> Built:
    name: str = request.param
    return find_backbone(name), random_model(name)


@pytest.fixture(scope="module")
def assignment() -> Network:
    """The assignment's own network."""
    model = find_backbone("squeezenet1_0").build()
    return build_network(model, TrialConfig())


def network_of(built: Built, unfreeze: int) -> Network:
    """A network of the whole body, always with the same head."""
    backbone, model = built
    torch.manual_seed(0)
    model.requires_grad_(True)
    config = tiny_config(backbone=backbone.name, cut=backbone.cuts[-1], unfreeze=unfreeze)
    return build_network(model, config)


def test_the_assignments_network_has_the_parameters_of_its_summary(assignment: Network) -> None:
    count = count_parameters(assignment)
    assert (count.total, count.trainable, count.frozen) == (1_263_808, 528_384, 735_424)


def test_the_assignments_network_has_the_feature_maps_of_its_summary(assignment: Network) -> None:
    table = layer_table(assignment, 320)
    convolution = table[table["kind"] == "Conv2d"].iloc[0]
    assert convolution["output"] == "96 x 157 x 157"
    pools = table[table["kind"] == "MaxPool2d"]["output"]
    assert list(pools) == ["96 x 78 x 78", "256 x 39 x 39", "512 x 19 x 19"]
    assert table[table["kind"] == "ConcatPool"]["output"].item() == "1024"
    assert table["output"].iloc[-1] == "2"


def test_the_head_is_fastais(assignment: Network) -> None:
    kinds = (nn.BatchNorm1d, nn.Dropout, nn.Linear, nn.ReLU, nn.BatchNorm1d, nn.Dropout, nn.Linear)
    assert tuple(type(layer) for layer in assignment.head) == kinds
    norms = [layer for layer in assignment.head if isinstance(layer, nn.BatchNorm1d)]
    dropouts = [layer for layer in assignment.head if isinstance(layer, nn.Dropout)]
    linears = [layer for layer in assignment.head if isinstance(layer, nn.Linear)]
    assert [norm.num_features for norm in norms] == [1024, 512]
    assert [dropout.p for dropout in dropouts] == [0.25, 0.5]
    assert [linear.weight.shape for linear in linears] == [(512, 1024), (2, 512)]
    assert [linear.bias for linear in linears] == [None, None]


def test_concat_pool_is_the_adaptive_maximum_then_the_adaptive_average() -> None:
    maps = noise(4, 7)
    expected = torch.cat(
        [functional.adaptive_max_pool2d(maps, 1), functional.adaptive_avg_pool2d(maps, 1)], dim=1
    )
    torch.testing.assert_close(ConcatPool()(maps), expected.flatten(1))


def test_only_the_unfrozen_stages_and_the_head_require_gradients(built: Built) -> None:
    backbone, model = built
    for cut in backbone.cuts:
        num_stages = len(backbone.stages_until(cut))
        for unfreeze in range(num_stages + 1):
            model.requires_grad_(True)
            config = tiny_config(backbone=backbone.name, cut=cut, unfreeze=unfreeze)
            network = build_network(model, config)
            stages = [*network.frozen, *network.trained]
            assert [len(list(stage.parameters())) for stage in stages] == [
                len(list(stage.parameters())) for stage in backbone.body(model, cut)
            ]
            trained = {
                id(parameter)
                for module in (*stages[num_stages - unfreeze :], network.head)
                for parameter in module.parameters()
            }
            for name, parameter in network.named_parameters():
                assert parameter.requires_grad == (id(parameter) in trained), (cut, unfreeze, name)


@pytest.mark.parametrize("unfreeze", [1, 4])
def test_a_step_changes_what_is_trained_and_not_a_bit_of_what_is_frozen(
    built: Built, unfreeze: int
) -> None:
    network = copy.deepcopy(network_of(built, unfreeze)).train()
    frozen, before = snapshot(network.frozen), snapshot(network)
    optimizer = build_optimizer(network, TrialConfig(learning_rate=0.01, weight_decay=0.1))
    functional.cross_entropy(network(Batch(noise(4, 32))), torch.tensor([0, 1, 1, 0])).backward()
    optimizer.step()
    assert same_state(network.frozen, frozen)
    assert len(frozen) > 0 or unfreeze == 4
    for name, parameter in network.named_parameters():
        assert torch.equal(parameter, before[name]) != parameter.requires_grad, name
    for name, value in network.state_dict().items():
        if name.startswith(("trained.", "head.")) and name.endswith("running_mean"):
            assert not torch.equal(value, before[name]), name


@pytest.mark.parametrize("unfreeze", [0, 2])
def test_the_frozen_part_stays_in_evaluation_mode(built: Built, unfreeze: int) -> None:
    network = network_of(built, unfreeze)
    for mode in (True, False):
        assert network.train(mode) is network
        assert not any(module.training for module in network.frozen.modules())
        assert all(module.training == mode for module in network.trained.modules())
        assert all(module.training == mode for module in network.head.modules())


def test_where_the_freeze_boundary_is_changes_no_logit(built: Built) -> None:
    backbone, _ = built
    images = noise(2, 32, seed=3)
    whole = network_of(built, 0).eval()
    stages, head = backbone.body(built[1], backbone.cuts[-1]), whole.head
    with torch.inference_mode():
        expected = head(ConcatPool()(nn.Sequential(*stages)(images)))
        assert expected.shape == (2, 2)
        assert not torch.allclose(expected[0], expected[1], rtol=1e-2)
        for unfreeze in range(len(backbone.stages) + 1):
            network = Network(*split_body(stages, unfreeze), head).eval()
            assert torch.equal(network(Batch(images)), expected), unfreeze
            assert torch.equal(network.suffix(Batch(network.prefix(images))), expected), unfreeze


def test_a_network_without_its_body_goes_on_from_pooled_features(built: Built) -> None:
    backbone, _ = built
    whole = network_of(built, 0).eval()
    headless = Network([], [], whole.head).eval()
    images = noise(2, 32, seed=4)
    pooled = whole.prefix(images)
    assert pooled.shape == (2, 2 * backbone.stages[-1].width)
    assert not pooled.requires_grad
    assert torch.equal(headless.suffix(Batch(pooled)), whole(Batch(images)))
    assert count_parameters(headless).total == count_parameters(whole.head).total
