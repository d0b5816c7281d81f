"""Fastai's `cut` numbers and our names for the bodies that they leave."""

import pytest
import torch
from fixtures.networks import noise, random_model
from torch import nn

from search.space.experiments import fastai_cut
from trainable.backbones.encoder import find_backbone


@pytest.mark.parametrize("name", ["squeezenet1_0", "squeezenet1_1"])
@pytest.mark.parametrize(
    ("cut", "ours"),
    [(-1, "features"), (1, "features"), (None, "features"), (2, "classifier"), (20, "classifier")],
)
def test_the_five_cuts_of_the_assignment_are_two_networks(
    name: str, cut: int | None, ours: str
) -> None:
    assert fastai_cut(find_backbone(name), cut) == ours


@pytest.mark.parametrize(
    ("name", "cut", "ours"),
    [
        ("resnet18", None, "layer4"),
        ("resnet34", -2, "layer4"),
        ("resnet50", 8, "layer4"),
        ("resnet50", 5, "layer1"),
        ("mobilenet_v3_large", None, "features"),
        ("regnet_y_800mf", None, "trunk_output"),
    ],
)
def test_other_networks_are_cut_where_the_slice_ends(name: str, cut: int | None, ours: str) -> None:
    backbone, model = find_backbone(name), random_model(name)
    assert fastai_cut(backbone, cut) == ours
    images = noise(2, 32)
    end = cut if cut is not None else len(list(model.children())) - 2
    with torch.inference_mode():
        sliced = nn.Sequential(*list(model.children())[:end])(images)
        body = nn.Sequential(*backbone.body(model, ours))(images)
    assert torch.equal(body, sliced)


@pytest.mark.parametrize(
    ("name", "cut", "why"),
    [
        ("resnet18", 20, "keeps fc, which takes flat features: torchvision flattens the maps"),
        ("resnet18", -1, "ends after avgpool, which is no cut point; cut points: layer1, layer2"),
        ("resnet18", 4, "ends after maxpool, which is no cut point"),
        ("resnet18", 0, "keeps none of its children, conv1, bn1, relu"),
        ("squeezenet1_0", -2, "keeps none of its children, features, classifier"),
        ("densenet121", None, "keeps none of its children, features, classifier"),
        ("densenet121", -1, "keeps features without the ReLU that torchvision applies behind it"),
        ("densenet121", 2, "keeps classifier, which takes flat features"),
        ("mobilenet_v3_large", 20, "keeps classifier, which takes flat features"),
    ],
)
def test_a_cut_that_leaves_none_of_our_bodies_is_refused_with_the_reason(
    name: str, cut: int | None, why: str
) -> None:
    with pytest.raises(ValueError, match=f"fastai's cut {cut} of {name} {why}"):
        fastai_cut(find_backbone(name), cut)


def test_a_slice_that_keeps_a_linear_classifier_cannot_be_run() -> None:
    model = random_model("resnet18")
    with torch.inference_mode(), pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        nn.Sequential(*list(model.children())[:20])(noise(1, 64))
