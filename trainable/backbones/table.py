"""The networks of torchvision that can be searched, and their cut points."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate

from trainable.backbones.backbone import Backbone
from trainable.backbones.stage import Stage


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


_DENSE_LAYERS, _GROWTH = (6, 12, 24, 16), 32


def _densenet() -> Backbone:
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
    fourth = Stage("features.denseblock4", ("features.transition3", "features.denseblock4"), 1024)
    norm = ("features.norm5",)
    last = Stage("features", fourth.modules + norm, 1024, relu=True)
    further = {}
    for number, (block, length) in enumerate(zip((*blocks, fourth), _DENSE_LAYERS, strict=True)):
        for layers in range(1, length + 1):
            cut = f"{block.cut}.denselayer{layers}"
            width = block.width - (length - layers) * _GROWTH
            kept = replace(block, cut=cut, width=width, layers=layers)
            further[cut] = (*blocks[:number], kept)
    taps = (*blocks, fourth, replace(last, modules=norm))
    return Backbone("densenet121", (*blocks, last), "classifier", further, taps)


def _squeezenet(name: str, lengths: Sequence[int], widths: Sequence[int]) -> Backbone:
    """SqueezeNet, whose classifier is a convolution over the maps, and can stay in the body.

    Its dropout is left out: in a frozen body it does nothing, and a head has its own.
    """
    stages = _sliced(lengths, widths)
    modules = tuple(f"classifier.{index}" for index in range(1, 4))
    classifier = Stage("classifier", modules, 1000)
    return Backbone(name, stages, "classifier", {"classifier": (*stages, classifier)})


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
        _squeezenet("squeezenet1_0", (3, 3, 5, 2), (96, 256, 512, 512)),
        _squeezenet("squeezenet1_1", (3, 2, 3, 5), (64, 128, 256, 512)),
        Backbone("resnet18", _resnet((64, 128, 256, 512)), "fc"),
        Backbone("resnet34", _resnet((64, 128, 256, 512)), "fc"),
        Backbone("resnet50", _resnet((256, 512, 1024, 2048)), "fc"),
        _densenet(),
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
