"""Encoders: networks that name the weights that they start from, several in one search."""

import os
from pathlib import Path
from typing import cast

import pytest
import torch
from fixtures.networks import CPU, random_images, save_state, tiny_config
from optuna.trial import FixedTrial, Trial

from search.space.files import Layer, make_space
from trainable.backbones.encoder import Encoder, find_backbone
from trainable.backbones.start import Published
from trainable.backbones.weights import Weights, find_weights
from trainable.config import TrialConfig
from trainable.errors import InputError
from trainable.features.body import Body
from trainable.features.tables import features_name

NAME = "squeezenet1_1"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two files with different weights of one network."""
    folder = tmp_path_factory.mktemp("weights")
    made = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        state = find_backbone(NAME).build().state_dict()
        made.append(save_state(folder / f"{seed}", f"{NAME}.pth", state))
    return made[0], made[1]


def first_weight(encoder: str, kind: str = "none") -> torch.Tensor:
    weights = find_weights(kind, [encoder])
    return next(weights.build(Encoder.read(encoder)).parameters())


def test_encoders_with_different_weights_stand_side_by_side(files: tuple[Path, Path]) -> None:
    one, other = (f"{NAME}@{file}" for file in files)
    weights = find_weights("none", [one, NAME, other])
    assert weights.names == (one, NAME, other)
    assert weights.files == {Encoder.read(one): files[0], Encoder.read(other): files[1]}
    assert len(set(weights.fingerprints.values())) == 3
    assert [str(weights.start_of(one)) for one in weights.encoders] == [
        *(str(files[0]), "none", str(files[1]))
    ]
    built = [next(weights.build(one).parameters()) for one in weights.encoders]
    assert not torch.equal(built[0], built[1])
    assert not torch.equal(built[0], built[2])


def test_a_licence_is_known_for_published_weights_alone(files: tuple[Path, Path]) -> None:
    weights = find_weights("none", [f"{NAME}@{files[0]}", NAME])
    assert weights.licence_of(Encoder.read(f"{NAME}@{files[0]}")) == "not known: weights in a file"
    assert weights.licence_of(Encoder(NAME)) == "none needed: random weights"
    assert (
        Weights(Published(), (Encoder(NAME),)).licence_of(Encoder(NAME))
        == "not stated by torchvision"
    )


def test_an_own_start_is_the_short_form_for_one_encoder(files: tuple[Path, Path]) -> None:
    folder = files[0].parent
    by_file, by_folder = first_weight(f"{NAME}@{files[0]}"), first_weight(f"{NAME}@{folder}")
    assert torch.equal(by_file, by_folder)
    assert torch.equal(by_file, first_weight(NAME, str(folder)))
    assert torch.equal(first_weight(f"{NAME}@none", str(folder)), first_weight(NAME))


def test_features_are_shared_by_content_and_not_by_name(files: tuple[Path, Path]) -> None:
    copy = files[0].with_name("squeezenet1_1-copy.pth")
    copy.write_bytes(files[0].read_bytes())
    names = [f"{NAME}@{path}" for path in (files[0], copy, files[1])]
    images = random_images(2)
    keys = []
    for name in names:
        weights = find_weights("none", [name])
        body = Body(images, tiny_config(backbone=name), weights, CPU)
        keys.append(features_name(body, images).key)
    assert keys[0] == keys[1] != keys[2]
    assert os.sep not in keys[0]


def test_a_relative_file_is_named_in_full(
    files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(files[0].parent)
    config = TrialConfig(backbone=f"{NAME}@{files[0].name}")
    assert str(config.backbone) == f"{NAME}@{files[0]}"


def test_a_space_samples_encoders_each_with_the_cuts_of_its_network(
    files: tuple[Path, Path],
) -> None:
    encoders = [NAME, f"{NAME}@{files[0]}", "resnet18@none"]
    cuts = {NAME: "features.4", encoders[1]: "features"}
    space = make_space(Layer("{}", {"backbone": encoders, "cut": cuts, "unfreeze": "none"}))
    space = space.restricted_to(encoders, has_gpu=False)
    firsts = space.first_trials()
    assert {first["backbone"] for first in firsts} == set(encoders)
    configs = [space.sample(cast("Trial", FixedTrial(first))) for first in firsts]
    found = {(str(config.backbone), config.cut) for config in configs}
    assert {cut for name, cut in found if name == NAME} == {"features.4"}
    assert {cut for name, cut in found if name == encoders[1]} == {"features"}
    assert {cut for name, cut in found if name == encoders[2]} <= {"layer4", "fused"}


def test_everything_wrong_with_encoders_is_said_at_once(
    files: tuple[Path, Path], tmp_path: Path
) -> None:
    wanted = [
        *(f"resnet18@{files[0]}", f"resnet81@{files[0]}", f"{NAME}@{tmp_path / 'no.pth'}"),
        *(f"{NAME}@{tmp_path}", f"{NAME}@{files[0]}"),
    ]
    with pytest.raises(InputError) as caught:
        find_weights("none", wanted)
    found = "\n".join(caught.value.problems)
    assert len(caught.value.problems) == 4
    assert f"{files[0]} must be a torchvision state dict of resnet18" in found
    assert "unknown backbone 'resnet81'; did you mean 'resnet18'?" in found
    assert f"{NAME}@ must name a file of weights, a folder of them" in found
    assert f"no state dict for {NAME} in {tmp_path}" in found
