"""The experiments of the source documents, by name: `cxr-search --preset NAME`.

Each is a list of rows, of which every one is a trial like any other. What the documents leave open
is the default configuration's, which is the assignment's own.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from search import demo
from search.options import DEMO, PresetName, SearchOptions
from search.report.tables import ACCURACY, COUNTS, DETECTION, Table
from search.space.fastai_cuts import fastai_cut
from search.space.grid import Grid, Row, reason, with_left_out
from trainable.backbones.table import find_backbone
from trainable.config import TrialConfig
from trainable.errors import InputError
from trainable.unfreeze import count_trained

Changes = Mapping[str, Any]
"""Settings of a row that differ from its preset's; `fastai_cut` is a cut as fastai counts it."""


@dataclass(frozen=True)
class Preset:
    """One document's experiments.

    Attributes:
        about: what it is, in a sentence.
        table: what is printed of each row.
        experiments: for each title the rows by name.
        base: settings of all rows.
        settings: options of the search.
        figures: whether curves and histograms are drawn.
    """

    about: str
    table: Table
    experiments: Mapping[str, Mapping[str, Changes]]
    base: Changes = field(default_factory=dict)
    settings: Changes = field(default_factory=dict)
    figures: bool = False


_NETWORKS = {
    "ResNet-18": {"backbone": "resnet18"},
    "ResNet-34": {"backbone": "resnet34"},
    "ResNet-50": {"backbone": "resnet50"},
    "SqueezeNet 1.0": {"backbone": "squeezenet1_0"},
    "SqueezeNet 1.1": {"backbone": "squeezenet1_1"},
}
_LAYER = "features.denseblock2.denselayer{}"
_BEST_CUT = {"cut": _LAYER.format(6)}
"""Of the mammogram paper: two dense blocks, six layers in the last."""

PRESETS: Mapping[PresetName, Preset] = {
    "assignment": Preset(
        about="30-day mortality of COVID-19 patients, fastai's learner on a frozen body",
        table=COUNTS,
        # the defaults: 320 px, batches of 64, 5 epochs, fastai's Adam (our adamw) at 1e-3
        settings={"shares": (80, 20), "threshold": "0.5"},
        experiments={
            "1: backbone": _NETWORKS,
            "2: normalize": {"no": {"normalization": "none"}, "yes": {"normalization": "imagenet"}},
            # fastai only watches the average, so the rows have nothing to differ by
            "3: F1 average": {"macro": {}, "micro": {}, "weighted": {}, "binary": {}},
            "4: fastai's cut": {
                "-1": {"fastai_cut": -1},
                "1": {"fastai_cut": 1},
                "2": {"fastai_cut": 2},
                "20": {"fastai_cut": 20},
                "None": {"fastai_cut": None},
            },
        },
    ),
    "mammogram": Preset(
        about="a DenseNet-121 cut short for mammograms (2018); theirs is --weights chexnet:FILE",
        table=ACCURACY,
        settings={"shares": (60, 20, 20), "threshold": "0.5"},
        base={
            "backbone": "densenet121", "optimizer": "adam", "schedule": "constant",
            "weight_decay": 0.0, "epochs": 20,
        },
        experiments={
            "dense blocks": {
                "4": {"cut": "features"},
                **{str(n): {"cut": f"features.denseblock{n}"} for n in (3, 2, 1)},
            },
            "layers of the last of two blocks": {
                "12": {"cut": "features.denseblock2"},
                **{str(n): {"cut": _LAYER.format(n)} for n in range(11, 0, -1)},
            },
            # the paper names these three comparisons; what they compared is not in our source
            "learning rate": {
                f"{rate:g}": {**_BEST_CUT, "learning_rate": rate} for rate in (1e-2, 1e-3, 1e-4)
            },
            "dropout": {f"{p:g}": {**_BEST_CUT, "dropout": p} for p in (0.0, 0.25, 0.5, 0.75)},
            "L2": {f"{l2:g}": {**_BEST_CUT, "weight_decay": l2} for l2 in (0.0, 1e-4, 1e-3, 1e-2)},
        },
    ),
    "deep-covid": Preset(
        about="Deep-COVID (2020): only the last layer learns, positive images five times",
        table=DETECTION,
        # 2,084 images for training of 5,184
        settings={"shares": (40, 60), "threshold": "sensitivity:0.98"},
        # size, optimizer, rate, batch and epochs are not in our source: as we remember the paper
        base={
            "head": "plain", "head_layers": "none", "dropout": 0.0, "positive_copies": 5,
            "normalization": "imagenet", "optimizer": "adam", "schedule": "constant",
            "weight_decay": 0.0, "learning_rate": 1e-4, "image_size": 224, "batch_size": 20,
            "epochs": 100,
        },
        experiments={
            "networks": {
                "ResNet-18": _NETWORKS["ResNet-18"],
                "ResNet-50": _NETWORKS["ResNet-50"],
                "SqueezeNet": _NETWORKS["SqueezeNet 1.0"],
                "DenseNet-121": {"backbone": "densenet121"},
            }
        },
        figures=True,
    ),
    "frozen-sgd": Preset(
        about="the assignment's other trials: a frozen network with a new last layer, and SGD",
        table=COUNTS,
        settings={"shares": (80, 20), "threshold": "0.5"},
        # rate, batch, epochs and size are not in our source: as we remember PyTorch's tutorial of
        # transfer learning, which has this step
        base={
            "head": "plain", "head_layers": "none", "dropout": 0.0, "normalization": "imagenet",
            "optimizer": "sgd", "momentum": 0.9, "schedule": "step", "step_epochs": 7,
            "weight_decay": 0.0, "image_size": 224, "batch_size": 4, "epochs": 25,
        },
        experiments={
            "last layer": {name: _NETWORKS[name] for name in ("ResNet-18", "ResNet-50")},
            "own layers above": {
                f"{name}, 256 and 64": {**_NETWORKS[name], "head_layers": "256,64"}
                for name in ("SqueezeNet 1.0", "ResNet-18")
            },
        },
    ),
}  # fmt: skip


def preset_grid(options: SearchOptions) -> Grid:
    """The rows of a preset, with what the options change in all of them.

    Raises:
        InputError: if an option has no meaning for a list of rows.
    """
    assert options.space.preset is not None
    preset = PRESETS[options.space.preset]
    base = {**preset.base, **_overrides(options)}
    rows: list[Row] = []
    left_out: Mapping[str, tuple[str, ...]] = {}
    named = [(title, *row) for title, rows in preset.experiments.items() for row in rows.items()]
    # each row draws its own head and order, as each run of the documents did
    for seed, (title, name, changes) in enumerate(named):
        try:
            rows.append(Row(title, name, _config({**base, **changes, "seed": seed})))
        except ValueError as error:
            left_out = with_left_out(left_out, reason(error), [f"{title}, {name}"])
    grid = Grid(tuple(rows), left_out)
    backbones = options.space.backbones
    if not backbones:
        return grid
    return grid.only(lambda config: config.backbone in backbones, "not of --backbones")


def _config(changes: Changes) -> TrialConfig:
    settings = dict(changes)
    backbone = find_backbone(settings.setdefault("backbone", TrialConfig().backbone))
    if "fastai_cut" in settings:
        settings["cut"] = fastai_cut(backbone, settings.pop("fastai_cut"))
    cut = settings.setdefault("cut", backbone.cuts[-1])
    stages = len(backbone.stages_until(cut))
    settings["unfreeze"] = count_trained(settings.get("unfreeze", "none"), stages)
    return TrialConfig(**settings)


def _overrides(options: SearchOptions) -> dict[str, Any]:
    """What the user's options change in every row."""
    sizes = ("image_size", "batch_size")
    found = {name: demo.SPACE[name] for name in sizes if options.data.data == DEMO}
    for name in (*sizes, "epochs"):
        if options.value(name) is not None:
            found[name] = options.value(name)
    problems = []
    for option, name in (("unfreeze", "unfreeze"), ("normalizations", "normalization")):
        values = options.value(option)
        if len(values) > 1:
            problems.append(f"--{option} must be one value with --preset; got {', '.join(values)}")
        elif values:
            found[name] = values[0]
    for name in options.space.backbones:
        try:
            find_backbone(name)
        except ValueError as error:
            problems.append(f"--backbones: {error}")
    if options.space.space is not None:
        problems.append("--preset is a list of configurations of its own: drop --space")
    if problems:
        raise InputError(*problems)
    return found


def describe_preset(options: SearchOptions, left_out: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """What the user should know of a preset before its first trial, a line each."""
    assert options.space.preset is not None
    preset = PRESETS[options.space.preset]
    yield f"preset {options.space.preset}: {preset.about}"
    documents = {"weights": SearchOptions().space.weights, **preset.settings}
    used = {name: options.value(name) for name in documents} | _overrides(options)
    documents |= {**TrialConfig().model_dump(), "unfreeze": "none", **preset.base}
    changed = [
        f"{name.replace('_', ' ')} {_text(value)} in place of {_text(documents[name])}"
        for name, value in used.items()
        if value != documents[name]
    ]
    if changed:
        yield f"changed by options: {'; '.join(changed)}"
    for why, names in left_out.items():
        yield f"left out, since {why}: {'; '.join(names)}"


def _text(value: object) -> str:
    if value is None:
        return "(the given split, or folds)"
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
