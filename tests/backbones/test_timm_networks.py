"""timm's networks of many families: stages, features, trained stages and saved models."""

import copy
import functools
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from fixtures.networks import CPU, STATISTICS, prepared_model, random_images, tiny_config
from safetensors.torch import save_file
from torch import Tensor, nn

from analysis.model_file import FinalModel, load_model, save_model
from trainable.backbones import timm_networks
from trainable.backbones.backbone import FUSED
from trainable.backbones.encoder import Encoder, find_backbone
from trainable.backbones.weights import Weights, find_weights
from trainable.errors import InputError
from trainable.features.body import Body
from trainable.features.tables import frozen_inputs
from trainable.images.batches import Batch
from trainable.model.network import ConcatPool, pool_each
from trainable.store.arrays import ArrayStore
from trainable.training.loop import FoldData, fit
from trainable.trial.cross_validation import new_network

CONVOLUTIONAL = (
    *("timm/resnet10t", "timm/regnety_002", "timm/tf_efficientnet_lite0", "timm/convnext_atto"),
    *("timm/mobilenetv3_small_050", "timm/resnetv2_18", "timm/efficientvit_b0"),
)
TRANSFORMERS = (
    *("timm/vit_tiny_patch16_224", "timm/vit_small_patch14_reg4_dinov2"),
    *("timm/eva02_tiny_patch14_224", "timm/vit_tiny_patch16_dinov3_qkvb"),
)
FAMILIES = (*CONVOLUTIONAL, *TRANSFORMERS, "timm/swin_tiny_patch4_window7_224")
SIZE = 64
ROWS = torch.arange(4)


@functools.cache
def random_weights() -> Weights:
    """Found by the first test that asks, as timm takes seconds."""
    return find_weights("none", FAMILIES)


@functools.cache
def random_timm(name: str) -> nn.Module:
    """A network with random weights, its batch norms fitted to noise."""
    model = random_weights().build(Encoder.read(name))
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = 1.0
    with torch.no_grad():
        model.train()(images(4))
    for norm in norms:
        norm.momentum = 0.1
    return model.eval()


@functools.cache
def placed_timm(name: str) -> nn.Module:
    """A copy that bodies share; they lay out its tensors otherwise, and change no value."""
    return copy.deepcopy(random_timm(name))


def images(count: int) -> Tensor:
    return torch.randn(count, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("name", FAMILIES)
def test_stages_in_turn_give_what_timm_gives(name: str) -> None:
    backbone, model = find_backbone(name), random_timm(name)
    with torch.inference_mode():
        expected = model.forward_features(images(2))  # type: ignore[operator]
        found = nn.Sequential(*backbone.body(model, backbone.cuts[-1]))(images(2))
        assert torch.equal(found, expected)
        assert found.shape[-1 if found.ndim == 3 or backbone.layout.channels_last else 1] == (
            backbone.stages[-1].width
        )
        places = [info["module"] for info in model.feature_info]  # type: ignore[union-attr]
        cuts = [cut for cut in backbone.cuts if cut in places]
        assert len(cuts) >= 3
        pool = ConcatPool(backbone.layout)
        pooled = pool_each(backbone.body(model, cuts[-1]), images(2), pool)
        maps = model.forward_intermediates(  # type: ignore[operator]
            images(2), indices=[places.index(cut) for cut in cuts], intermediates_only=True
        )
        columns = np.concatenate([backbone.pooled_columns(cut) for cut in cuts])
        for cut, one in zip(cuts, maps, strict=True):
            average = pooled[:, backbone.pooled_columns(cut)].unflatten(1, (-1, one.shape[1]))[:, 1]
            torch.testing.assert_close(average, one.mean(dim=(2, 3)), rtol=1e-4, atol=1e-4)
        assert len(set(columns)) == len(columns)


@pytest.mark.parametrize("name", FAMILIES)
def test_features_and_activations_are_those_of_the_whole_network(tmp_path: Path, name: str) -> None:
    table, store = random_images(4, SIZE), ArrayStore(tmp_path)
    backbone = find_backbone(name)
    cuts = (backbone.cuts[1], backbone.cuts[-1])
    for cut, unfreeze in ((FUSED, 0), (cuts[0], 0), (cuts[1], 0), (cuts[1], 1)):
        settings = {"cut": cut, "unfreeze": unfreeze, "normalization": "own", "image_size": SIZE}
        weights = prepared_model(placed_timm(name), random_weights())
        body = Body(table, tiny_config(backbone=name, **settings), weights, CPU)
        stored, source = frozen_inputs(body, store)
        assert source == ("activations" if unfreeze else "features")
        network = new_network(body.config, body.frozen, body.trained, 0, CPU).eval()
        prefix = network.prefix(table.as_seen_by(body.config.preprocessing, CPU)(ROWS))
        torch.testing.assert_close(stored(ROWS), prefix, rtol=2e-3, atol=2e-3)
    assert len(list(tmp_path.glob("features-*.npy"))) == 1, "all cuts come from one pass"


@pytest.mark.parametrize("name", FAMILIES)
def test_one_trained_stage_learns_and_is_saved_and_the_rest_stays(
    tmp_path: Path, name: str
) -> None:
    backbone, table = find_backbone(name), random_images(8, SIZE)
    config = tiny_config(
        backbone=name, cut=backbone.cuts[-1], unfreeze=1, image_size=SIZE, epochs=1
    )
    body = Body(table, config, prepared_model(placed_timm(name), random_weights()), CPU)
    stored, _ = frozen_inputs(body, ArrayStore(tmp_path / "store"))
    network = new_network(config, body.frozen, body.trained, 1, CPU)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    labels = torch.tensor([0, 1] * 4)
    list(
        fit(
            network,
            FoldData(lambda r: Batch(stored(r)), labels[:, None], np.arange(8), np.arange(8)),
            config,
            2,
        )
    )
    changed = {
        key.partition(".")[0]
        for key, value in network.state_dict().items()
        if not torch.equal(value, before[key])
    }
    assert changed == {"trained", "head"}
    network.eval()
    save_model(FinalModel(config, (network,), (0.5,), STATISTICS, ("a", "b"), "d"), tmp_path / "m")
    found = load_model(tmp_path / "m").networks[0]
    with torch.inference_mode():
        torch.testing.assert_close(
            found(Batch(images(2))), network(Batch(images(2))), rtol=1e-4, atol=1e-4
        )


@pytest.mark.parametrize("pool", ["class", "class+average", "both"])
def test_a_head_sees_the_class_token_if_it_is_asked_to(pool: str) -> None:
    name = "timm/vit_tiny_patch16_224"
    config = tiny_config(backbone=name, cut="norm", pool=pool, head="plain", head_layers=())
    model = random_timm(name)
    network = new_network(config, find_backbone(name).body(model, "norm"), [], 0, CPU).eval()
    linear = network.head[-1]
    assert isinstance(linear, nn.Linear)
    with torch.inference_mode():
        tokens = model.forward_features(images(2))  # type: ignore[operator]
        class_token, places = tokens[:, 0], tokens[:, 1:]
        seen = {
            "class": class_token,
            "class+average": torch.cat([places.mean(1), class_token], 1),
            "both": torch.cat([places.amax(1), places.mean(1)], 1),
        }[pool]
        torch.testing.assert_close(network(Batch(images(2))), linear(seen))


def test_a_network_without_a_class_token_has_no_such_pool() -> None:
    with pytest.raises(ValueError, match="has no class token"):
        tiny_config(backbone="timm/resnet10t", cut="layer4", pool="class")


def test_images_of_any_size_are_taken_in_by_transformers() -> None:
    name = "timm/vit_small_patch14_reg4_dinov2"
    body = find_backbone(name).body(random_timm(name), "norm")
    with torch.inference_mode():
        assert nn.Sequential(*body)(torch.zeros(1, 3, 50, 50)).shape == (1, 5 + 4 * 4, 384)


def test_weights_arrive_from_a_file_without_a_hub(tmp_path: Path) -> None:
    name = "timm/resnet10t"
    model = random_timm(name)
    save_file(dict(model.state_dict()), tmp_path / "mine.safetensors")
    encoder = f"{name}@{tmp_path / 'mine.safetensors'}"
    built = find_weights("none", [encoder]).build(Encoder.read(encoder))
    for key, value in built.state_dict().items():
        assert key.startswith("fc.") or torch.equal(value, model.state_dict()[key])


def test_a_dinov2_file_of_the_original_project_is_converted(tmp_path: Path) -> None:
    name = "timm/vit_small_patch14_dinov2"
    model = find_backbone(name).build()
    state = dict(model.state_dict())
    state["mask_token"] = torch.zeros(1, 384)
    torch.save(state, tmp_path / "dinov2.pth")
    encoder = f"{name}@{tmp_path / 'dinov2.pth'}"
    built = find_weights("none", [encoder]).build(Encoder.read(encoder)).state_dict()
    assert all(torch.equal(built[key], value) for key, value in model.state_dict().items())


def test_everything_wrong_with_networks_of_timm_is_said_at_once(tmp_path: Path) -> None:
    nan = dict(random_timm("timm/resnet10t").state_dict())
    nan["layer1.0.conv1.weight"] = nan["layer1.0.conv1.weight"] * torch.nan
    torch.save(nan, tmp_path / "nan.pth")
    grey = dict(random_timm("timm/resnetv2_18").state_dict())
    grey["stem.conv.weight"] = grey["stem.conv.weight"][:, :1]
    torch.save(grey, tmp_path / "grey.pth")
    wanted = [
        *("timm/resnet10tt@none", "timm/beit_base_patch16_224@none"),
        *(f"timm/resnet10t@{tmp_path / 'nan.pth'}", f"timm/regnety_002@{tmp_path / 'nan.pth'}"),
        f"timm/resnetv2_18@{tmp_path / 'grey.pth'}",
    ]
    with pytest.raises(InputError) as caught:
        find_weights("none", wanted)
    found = "\n".join(caught.value.problems)
    assert len(caught.value.problems) == 5
    assert "unknown backbone 'timm/resnet10tt'; did you mean 'timm/resnet10t'?" in found
    assert "timm/beit_base_patch16_224 cannot be built or cut into stages" in found
    assert "must hold finite numbers; NaN or infinite: layer1.0.conv1.weight" in found
    assert "must be a timm state dict of timm/regnety_002" in found
    assert "for images of 1 channel, and the network takes in 3" in found


def test_a_machine_without_timm_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    timm_networks.cut_timm.cache_clear()
    with pytest.raises(InputError, match=re.escape("run `uv sync --extra timm`")):
        find_weights("none", ["timm/resnet10t"])
