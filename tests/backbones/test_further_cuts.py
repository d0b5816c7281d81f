"""Cut points that are not searched by default: layers of dense blocks, SqueezeNet's classifier."""

from pathlib import Path

import pytest
import torch
from fixtures.networks import (
    CPU,
    noise,
    random_images,
    random_model,
    save_state,
    tiny_config,
)
from torch import Tensor, nn

from trainable.backbones.table import BACKBONES
from trainable.backbones.weights import find_weights
from trainable.features.body import Body
from trainable.features.tables import features_name, frozen_inputs
from trainable.model.network import ConcatPool, count_parameters
from trainable.store.arrays import ArrayStore
from trainable.trial.cross_validation import build_network

DENSENET = BACKBONES["densenet121"]
LAYERS = {1: 6, 2: 12, 3: 24, 4: 16}
SQUEEZENETS = ("squeezenet1_0", "squeezenet1_1")


def dense_cut(block: int, layer: int) -> str:
    return f"features.denseblock{block}.denselayer{layer}"


@pytest.fixture(scope="module")
def densenet() -> nn.Module:
    return random_model("densenet121")


def test_every_layer_of_every_dense_block_is_a_cut_point() -> None:
    expected = [dense_cut(b, n) for b, length in LAYERS.items() for n in range(1, length + 1)]
    assert list(DENSENET.further) == expected
    assert DENSENET.all_cuts == (*DENSENET.cuts, "fused", *expected)
    assert len(DENSENET.cuts) == 4, "no more are searched than before"


def tapped(model: nn.Module, images: Tensor) -> dict[str, Tensor]:
    """Output of each module of a network by its path, as torchvision's own forward runs it."""
    outputs: dict[str, Tensor] = {}
    handles = [
        module.register_forward_hook(
            lambda _module, _inputs, output, path=path: outputs.update({path: output.clone()})
        )
        for path, module in model.named_modules()
    ]
    with torch.inference_mode():
        model(images)
    for handle in handles:
        handle.remove()
    return outputs


def pooled_table(model: nn.Module, images: Tensor, cut: str) -> Tensor:
    """What one pass over the images stores for a cut, as `Body.pooled` computes it."""
    maps, pooled = images, []
    stages = DENSENET.pooled_stages(cut)
    modules = DENSENET.pooled_modules(model, cut)
    for module, stage in zip(modules, stages, strict=True):
        maps = module(maps)
        assert maps.shape[1] == stage.width
        pooled.append(ConcatPool()(maps))
    return torch.cat(pooled, dim=1)


@torch.inference_mode()
def test_a_truncated_block_gives_the_first_stored_channels_of_the_whole_block(
    densenet: nn.Module,
) -> None:
    images = noise(2, 64, seed=5)
    outputs = tapped(densenet, images)
    table = pooled_table(densenet, images, "features")
    before = {1: "pool0"} | {n: f"transition{n - 1}" for n in (2, 3, 4)}
    for block, length in LAYERS.items():
        # the long way: what enters the block, and what each layer adds to it
        parts = [outputs[f"features.{before[block]}"]]
        for layer in range(1, length + 1):
            cut = dense_cut(block, layer)
            parts.append(outputs[f"features.denseblock{block}.denselayer{layer}"])
            expected = ConcatPool()(torch.cat(parts, dim=1))
            assert DENSENET.pooled_stages(cut) == DENSENET.pooled_stages("features")
            found = table[:, DENSENET.pooled_columns(cut)]
            torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
            assert found.shape[1] == 2 * DENSENET.stages_until(cut)[-1].width
            assert (expected[0] - expected[1]).abs().max() > 0.01, "nothing to compare"
        if block < 4:
            whole = table[:, DENSENET.pooled_columns(f"features.denseblock{block}")]
            assert torch.equal(found, whole)
    last = torch.relu(outputs["features.norm5"])
    found = table[:, DENSENET.pooled_columns("features")]
    torch.testing.assert_close(found, ConcatPool()(last), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("block", "layer"), [(1, 1), (2, 6), (3, 24), (4, 16)])
def test_a_truncated_block_is_trained_without_the_layers_after_the_cut(
    densenet: nn.Module, block: int, layer: int
) -> None:
    densenet.requires_grad_(True)
    config = tiny_config(backbone="densenet121", cut=dense_cut(block, layer), unfreeze=1)
    network = build_network(densenet, config)
    layers = {name for name, _ in network.trained.named_modules() if "denselayer" in name}
    numbers = {int(name.partition("denselayer")[2].partition(".")[0]) for name in layers}
    assert numbers == set(range(1, layer + 1))
    names = [name for name, _ in densenet.named_parameters() if name.startswith("features.")]
    inside = max(n for n, name in enumerate(names) if f"{dense_cut(block, layer)}." in name)
    expected = {id(densenet.get_parameter(name)) for name in names[: inside + 1]}
    body = {id(p) for part in (network.frozen, network.trained) for p in part.parameters()}
    assert body == expected


def test_the_whole_body_of_a_densenet_has_the_parameters_that_are_published() -> None:
    network = build_network(DENSENET.build(), tiny_config(backbone="densenet121", cut="features"))
    assert count_parameters(network).frozen == 6_953_856


@pytest.mark.parametrize("name", SQUEEZENETS)
def test_a_body_with_its_classifier_is_torchvisions_whole_network(name: str) -> None:
    model = random_model(name)
    images = noise(2, 64, seed=6)
    body = nn.Sequential(*BACKBONES[name].body(model, "classifier"))
    with torch.inference_mode():
        expected = model(images)
        assert torch.equal(body(images).flatten(1), expected)
    assert expected.shape == (2, 1000)
    assert (expected[0] - expected[1]).abs().max() > 0.01, "nothing to compare"
    assert count_parameters(body).total == count_parameters(model).total


@pytest.mark.parametrize("name", SQUEEZENETS)
def test_the_classifier_has_a_table_of_its_own(name: str) -> None:
    def key_and_stages(cut: str) -> tuple[str, list[str]]:
        config = tiny_config(backbone=name, cut=cut)
        stages = BACKBONES[name].pooled_stages(cut)
        body = Body(random_images(2), config, find_weights("none", [name]), CPU)
        return features_name(body, body.images).key, [stage.cut for stage in stages]

    key, stages = key_and_stages("features")
    assert "classifier" not in stages
    assert key_and_stages(BACKBONES[name].cuts[0]) == (key, stages)
    own_key, own_stages = key_and_stages("classifier")
    assert own_key != key
    assert own_stages == [*stages, "classifier"]


def test_what_is_stored_for_the_classifier_is_computed_by_that_of_the_file(tmp_path: Path) -> None:
    model = random_model("squeezenet1_1")
    save_state(tmp_path, "squeezenet1_1.pth", model.state_dict())
    weights = find_weights(str(tmp_path), whole=["squeezenet1_1"])
    config = tiny_config(backbone="squeezenet1_1", cut="classifier", image_size=64)
    images = random_images(2, size=64)
    inputs, _ = frozen_inputs(Body(images, config, weights, CPU), ArrayStore(tmp_path / "store"))
    rows = torch.arange(2)
    with torch.inference_mode():
        expected = model(images.as_seen_by(config.preprocessing, CPU)(rows))
    # of one pixel a class, maximum and average are the same
    torch.testing.assert_close(inputs(rows), expected.repeat(1, 2), rtol=1e-4, atol=1e-5)


def test_a_cut_that_no_layer_has_is_refused_with_the_nearest() -> None:
    with pytest.raises(ValueError, match=r"did you mean 'features\.denseblock\d\.denselayer\d'"):
        DENSENET.stages_until("features.denseblock1.denselayer7")
    with pytest.raises(ValueError, match=r"cut point of resnet18 \(got 'classifier'\)"):
        BACKBONES["resnet18"].stages_until("classifier")


def test_a_cut_that_resembles_none_is_refused_with_some_of_them() -> None:
    with pytest.raises(ValueError, match=r"choose from: features\.denseblock1, .* more$"):
        DENSENET.stages_until("xyz")
