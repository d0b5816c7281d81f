"""The backbones: torchvision networks, each with named cut points in order and their widths."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from torch import nn

from trainable.problems import did_you_mean


@dataclass(frozen=True)
class Stage:
    """Consecutive torchvision modules; a body can be cut after the last of them.

    Attributes:
        cut: name of the cut point, the torchvision path of the module that it follows.
        modules: torchvision paths of the stage's modules, in order of execution.
        width: channels of the stage's output.
        relu: whether torchvision applies a ReLU after the last module without a module for it.
    """

    cut: str
    modules: tuple[str, ...]
    width: int
    relu: bool = False


@dataclass(frozen=True)
class Backbone:
    """One torchvision classification network as a sequence of stages.

    Attributes:
        name: torchvision's name of the network.
        stages: in order of execution; each ends in a cut point.
        classifier: torchvision's child after the stages, which the head replaces.
    """

    name: str
    stages: tuple[Stage, ...]
    classifier: str

    @property
    def cuts(self) -> tuple[str, ...]:
        """Names of the cut points, in order."""
        return tuple(stage.cut for stage in self.stages)

    def stages_until(self, cut: str) -> tuple[Stage, ...]:
        """The stages of a body that is cut at `cut`.

        Raises:
            ValueError: if this backbone has no such cut.
        """
        if cut not in self.cuts:
            raise ValueError(
                f"cut must be a cut point of {self.name}; got {cut!r}; "
                f"{did_you_mean(cut, self.cuts)}"
            )
        return self.stages[: self.cuts.index(cut) + 1]

    def build(self) -> nn.Module:
        """The whole torchvision network, its weights random."""
        # slow to import, and needless to a trial that finds its features stored
        import torchvision

        model: nn.Module = torchvision.models.get_model(self.name, weights=None)
        return model

    def body(self, model: nn.Module, cut: str) -> list[nn.Sequential]:
        """The stages of `model` until `cut`, sharing its parameters."""
        return [_stage_module(model, stage) for stage in self.stages_until(cut)]


def _stage_module(model: nn.Module, stage: Stage) -> nn.Sequential:
    modules = {path.replace(".", "_"): model.get_submodule(path) for path in stage.modules}
    if stage.relu:
        modules["relu"] = nn.ReLU(inplace=True)
    return nn.Sequential(OrderedDict(modules))


def _sliced(lengths: Sequence[int], widths: Sequence[int]) -> tuple[Stage, ...]:
    """Stages of a network whose `features` is one long sequence, by their number of modules."""
    ends = list(accumulate(lengths))
    stages = []
    for end, length, width in zip(ends, lengths, widths, strict=True):
        modules = tuple(f"features.{index}" for index in range(end - length, end))
        stages.append(Stage("features" if end == ends[-1] else modules[-1], modules, width))
    return tuple(stages)


def _resnet(widths: Sequence[int]) -> tuple[Stage, ...]:
    before = {"layer1": ("conv1", "bn1", "relu", "maxpool")}
    return tuple(
        Stage(layer, (*before.get(layer, ()), layer), width)
        for layer, width in zip(("layer1", "layer2", "layer3", "layer4"), widths, strict=True)
    )


def _densenet() -> tuple[Stage, ...]:
    stem = ("features.conv0", "features.norm0", "features.relu0", "features.pool0")
    blocks = [
        Stage("features.denseblock1", (*stem, "features.denseblock1"), 256),
        Stage(
            "features.denseblock2",
            ("features.transition1", "features.denseblock2"),
            512,
        ),
        Stage(
            "features.denseblock3",
            ("features.transition2", "features.denseblock3"),
            1024,
        ),
    ]
    last = ("features.transition3", "features.denseblock4", "features.norm5")
    return (*blocks, Stage("features", last, 1024, relu=True))


def _regnet(widths: Sequence[int]) -> tuple[Stage, ...]:
    paths = [f"trunk_output.block{number}" for number in range(1, 5)]
    cuts = [*paths[:3], "trunk_output"]
    return tuple(
        Stage(cut, ("stem", path) if path == paths[0] else (path,), width)
        for cut, path, width in zip(cuts, paths, widths, strict=True)
    )


BACKBONES = {
    backbone.name: backbone
    for backbone in (
        # the assignment's five, then the source documents' DenseNet, then newer networks of a
        # similar size; every one in four stages, each at half the resolution of the one before
        # (but SqueezeNet's second at that of its first, which ends in a pool)
        Backbone("squeezenet1_0", _sliced((3, 3, 5, 2), (96, 256, 512, 512)), "classifier"),
        Backbone("squeezenet1_1", _sliced((3, 2, 3, 5), (64, 128, 256, 512)), "classifier"),
        Backbone("resnet18", _resnet((64, 128, 256, 512)), "fc"),
        Backbone("resnet34", _resnet((64, 128, 256, 512)), "fc"),
        Backbone("resnet50", _resnet((256, 512, 1024, 2048)), "fc"),
        Backbone("densenet121", _densenet(), "classifier"),
        Backbone(
            "mobilenet_v3_large",
            _sliced((4, 3, 6, 4), (24, 40, 112, 960)),
            "classifier",
        ),
        Backbone("efficientnet_b0", _sliced((3, 1, 2, 3), (24, 40, 112, 1280)), "classifier"),
        Backbone(
            "efficientnet_v2_s",
            _sliced((3, 1, 2, 2), (48, 64, 160, 1280)),
            "classifier",
        ),
        Backbone("convnext_tiny", _sliced((2, 2, 2, 2), (96, 192, 384, 768)), "classifier"),
        Backbone("regnet_y_800mf", _regnet((64, 144, 320, 784)), "fc"),
    )
}
"""Every backbone that can be searched, by torchvision's name."""


def find_backbone(name: str) -> Backbone:
    """The backbone of this name.

    Raises:
        ValueError: if there is none, with the nearest name.
    """
    if name not in BACKBONES:
        raise ValueError(f"unknown backbone {name!r}; {did_you_mean(name, BACKBONES)}")
    return BACKBONES[name]
