"""What must hold of every backbone and every cut point, so that adding one needs no new test."""

from collections.abc import Callable

import pytest
import torch
from fixtures.networks import ALL_CUTS, noise, random_model
from torch import Tensor, nn
from torchvision.models import list_models

from trainable.backbones.backbone import Backbone
from trainable.backbones.encoder import find_backbone
from trainable.backbones.table import BACKBONES
from trainable.model.network import count_parameters

Built = tuple[Backbone, nn.Module]


@pytest.fixture(scope="module", params=BACKBONES)
def built(request: pytest.FixtureRequest) -> Built:
    name: str = request.param
    return find_backbone(name), random_model(name)


def classified(model: nn.Module, maps: Tensor) -> Tensor:
    """The rest of torchvision's forward, as each of its networks writes it."""
    rest: dict[str, Callable[[Tensor], Tensor]] = {
        "SqueezeNet": lambda x: model.get_submodule("classifier")(x).flatten(1),
        "DenseNet": lambda x: model.get_submodule("classifier")(x.mean(dim=(2, 3))),
        "ResNet": lambda x: model.get_submodule("fc")(model.get_submodule("avgpool")(x).flatten(1)),
        "RegNet": lambda x: model.get_submodule("fc")(model.get_submodule("avgpool")(x).flatten(1)),
        "ConvNeXt": lambda x: model.get_submodule("classifier")(model.get_submodule("avgpool")(x)),
        "MobileNetV3": lambda x: _pooled_and_classified(model, x),
        "EfficientNet": lambda x: _pooled_and_classified(model, x),
    }
    return rest[type(model).__name__](maps)


def _pooled_and_classified(model: nn.Module, maps: Tensor) -> Tensor:
    pooled = model.get_submodule("avgpool")(maps).flatten(1)
    output: Tensor = model.get_submodule("classifier")(pooled)
    return output


def test_stages_compute_what_torchvision_does_and_have_the_widths_of_the_table(
    built: Built,
) -> None:
    backbone, model = built
    images = noise(2, 64, seed=1)
    sizes = []
    with torch.inference_mode():
        expected = model(images)
        maps = images
        for stage, module in zip(
            backbone.stages, backbone.body(model, backbone.cuts[-1]), strict=True
        ):
            maps = module(maps)
            assert maps.shape[:2] == (2, stage.width), stage.cut
            assert maps.std(dim=(1, 2, 3)).min() > 0, f"{stage.cut}: nothing left to compare"
            sizes.append(maps.shape[2])
        found = classified(model, maps)
    assert sizes == sorted(sizes, reverse=True)
    assert not torch.allclose(expected[0], expected[1], rtol=1e-2), "nothing to compare"
    torch.testing.assert_close(found, expected)


def test_every_cut_adds_parameters_to_the_one_before(built: Built) -> None:
    backbone, model = built
    totals = [
        count_parameters(nn.ModuleList(backbone.body(model, cut))).total for cut in backbone.cuts
    ]
    assert totals[0] > 0
    assert totals == sorted(set(totals))


def test_the_body_shares_the_parameters_of_the_model_all_but_the_classifier(built: Built) -> None:
    backbone, model = built
    body = nn.ModuleList(backbone.body(model, backbone.cuts[-1]))
    expected = {
        id(parameter)
        for name, parameter in model.named_parameters()
        if not name.startswith(f"{backbone.classifier}.")
    }
    assert {id(parameter) for parameter in body.parameters()} == expected
    assert len(expected) < len(list(model.parameters()))


def test_cuts_and_stages_are_torchvision_modules_in_order_of_execution(built: Built) -> None:
    backbone, model = built
    order = {name: position for position, (name, _) in enumerate(model.named_modules())}
    paths = [path for stage in backbone.stages for path in stage.modules]
    assert [order[path] for path in paths] == sorted(order[path] for path in paths)
    for stage in backbone.stages:
        cut = model.get_submodule(stage.cut)
        modules = list(cut.modules())
        assert model.get_submodule(stage.modules[-1]) in modules, "the cut follows this module"
    assert len(set(backbone.cuts)) == len(backbone.cuts)


@pytest.mark.parametrize(("name", "cut"), ALL_CUTS)
def test_a_body_ends_at_its_cut(name: str, cut: str) -> None:
    stages = BACKBONES[name].stages_until(cut)
    assert stages == BACKBONES[name].stages[: len(stages)]
    assert stages[-1].cut == cut


def test_the_table_holds_the_baseline_backbones_by_torchvisions_names() -> None:
    assert {"squeezenet1_0", "squeezenet1_1", "resnet18", "resnet34", "resnet50"} <= set(BACKBONES)
    assert set(BACKBONES) <= set(list_models())


@pytest.mark.parametrize(
    ("wrong", "meant"), [("resnet81", "resnet18"), ("densenet", "densenet121")]
)
def test_an_unknown_backbone_is_refused_with_the_nearest_name(wrong: str, meant: str) -> None:
    with pytest.raises(ValueError, match=f"unknown backbone '{wrong}'; did you mean '{meant}'"):
        find_backbone(wrong)


def test_a_backbone_that_resembles_none_is_refused_with_all_names() -> None:
    with pytest.raises(ValueError, match=r"choose from: squeezenet1_0, .*, regnet_y_800mf"):
        find_backbone("xyz")


def test_an_unknown_cut_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(ValueError, match=r"resnet18 \(got 'layer5'\); did you mean 'layer\d'"):
        BACKBONES["resnet18"].stages_until("layer5")


def test_the_cut_of_another_backbone_is_refused() -> None:
    with pytest.raises(
        ValueError, match=r"cut must be a cut point of squeezenet1_0 \(got 'layer4'\)"
    ):
        BACKBONES["squeezenet1_0"].stages_until("layer4")
