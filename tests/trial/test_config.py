"""The settings of one trial, and what is refused."""

import json
from typing import Any

import pytest
from pydantic import ValidationError

from trainable.backbones.table import BACKBONES
from trainable.config import TrialConfig


def test_defaults_are_the_assignments() -> None:
    config = TrialConfig()
    assert (str(config.backbone), config.cut, config.unfreeze) == ("squeezenet1_0", "features", 0)
    assert (config.image_size, config.batch_size, config.epochs) == (320, 64, 5)
    assert (config.learning_rate, config.normalization) == (1e-3, "none")
    assert (config.head_layers, config.positive_weight) == ((512,), 1.0)
    assert (config.positive_copies, config.views) == (1, 1)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"backbone": "resnet81"}, "unknown backbone 'resnet81'; did you mean 'resnet18'?"),
        ({"backbone": "vgg"}, "choose from: squeezenet1_0, "),
        ({"cut": "layer1"}, "cut must be a cut point of squeezenet1_0 (got 'layer1')"),
        ({"backbone": "resnet18"}, "cut must be a cut point of resnet18 (got 'features')"),
        ({"backbone": "resnet18", "cut": "layer5"}, "did you mean 'layer"),
        ({"backbone": "resnet18", "cut": "classifier"}, "cut point of resnet18 (got 'classifier')"),
        (
            {"backbone": "densenet121", "cut": "features.denseblock2.denselayer6", "unfreeze": 3},
            "at most the number of stages until the cut, 2 (got 3)",
        ),
        ({"unfreeze": 5}, "at most the number of stages until the cut, 4 (got 5)"),
        ({"cut": "features.2", "unfreeze": 2}, "at most the number of stages until the cut, 1"),
        ({"augment": "light", "unfreeze": 3}, "all trained, unfreeze 4 (got 3); train all, or"),
        ({"augment": "mirror"}, "'none' or 'light'"),
        ({"stage_decay": 0.0}, "greater than 0"),
        ({"stage_decay": 1.1}, "less than or equal to 1"),
        ({"unfreeze": -1}, "greater than or equal to 0"),
        ({"unfreeze": 0.5}, "valid integer"),
        ({"normalization": "imagnet"}, "'none', 'imagenet', 'cohort', 'image' or 'own'"),
        ({"learning_rate": 0.0}, "greater than 0"),
        ({"learning_rate": float("nan")}, "finite number"),
        ({"learning_rate": float("inf")}, "finite number"),
        ({"weight_decay": -0.1}, "greater than or equal to 0"),
        ({"weight_decay": float("nan")}, "finite number"),
        ({"optimizer": "adamax"}, "'adamw', 'adam' or 'sgd'"),
        ({"momentum": 1.0}, "less than 1"),
        ({"schedule": "cosine"}, "'constant', 'step' or 'one_cycle'"),
        ({"step_epochs": 0}, "greater than or equal to 1"),
        ({"head": "linear"}, "'fastai', 'plain' or 'logistic'"),
        ({"head": "logistic", "unfreeze": 1}, "logistic head needs a frozen body"),
        ({"cut": "fused", "unfreeze": 1}, "the cut fused needs a frozen body"),
        ({"head_layers": (0,)}, "greater than or equal to 1"),
        ({"head_layers": "256,,64"}, "unable to parse string as an integer"),
        ({"head_layers": ""}, "unable to parse string as an integer"),
        ({"head_layers": "256;64"}, "unable to parse string as an integer"),
        ({"seed": -1}, "greater than or equal to 0"),
        ({"dropout": 1.0}, "less than 1"),
        ({"dropout": -0.1}, "greater than or equal to 0"),
        ({"positive_weight": 0.0}, "greater than 0"),
        ({"positive_weight": float("inf")}, "finite number"),
        ({"positive_copies": 0}, "greater than or equal to 1"),
        ({"image_size": 31}, "greater than or equal to 32"),
        ({"batch_size": 1}, "greater than or equal to 2"),
        ({"epochs": 0}, "greater than or equal to 1"),
        ({"learning_rat": 1e-3}, "Extra inputs are not permitted"),
    ],
)
def test_setting_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError) as refusal:
        TrialConfig(**settings)
    assert refusal.value.error_count() == 1
    assert message in str(refusal.value)


def test_all_bad_settings_are_named_at_once() -> None:
    with pytest.raises(ValidationError) as refusal:
        TrialConfig(learning_rate=float("nan"), dropout=2, epochs=0)
    fields = [error["loc"] for error in refusal.value.errors()]
    assert fields == [("learning_rate",), ("dropout",), ("epochs",)]


@pytest.mark.parametrize("name", BACKBONES)
def test_every_cut_allows_to_train_every_stage_before_it(name: str) -> None:
    for number, cut in enumerate(BACKBONES[name].cuts, start=1):
        for unfreeze in range(number + 1):
            assert TrialConfig(backbone=name, cut=cut, unfreeze=unfreeze).unfreeze == unfreeze
        with pytest.raises(ValidationError, match=rf"until the cut, {number} \(got {number + 1}\)"):
            TrialConfig(backbone=name, cut=cut, unfreeze=number + 1)


@pytest.mark.parametrize(
    "config",
    [
        TrialConfig(),
        TrialConfig(
            backbone="densenet121",
            cut="features.denseblock2",
            unfreeze=2,
            normalization="cohort",
            learning_rate=1 / 3 * 1e-5,
            weight_decay=0,
            dropout=0.1 + 0.2,
            positive_weight=7.123456789012345,
            epochs=7,
            optimizer="sgd",
            schedule="step",
            head="plain",
            head_layers=(256, 64),
            seed=3,
        ),
        TrialConfig(head_layers=()),
    ],
)
def test_json_round_trip_is_exact(config: TrialConfig) -> None:
    assert TrialConfig.model_validate_json(config.model_dump_json()) == config
    assert TrialConfig(**json.loads(json.dumps(config.model_dump()))) == config


@pytest.mark.parametrize(("layers", "text"), [((), "none"), ((512,), "512"), ((256, 64), "256,64")])
def test_layers_of_the_head_are_one_text_that_is_read_back(
    layers: tuple[int, ...], text: str
) -> None:
    assert TrialConfig(head_layers=layers).model_dump()["head_layers"] == text
    assert TrialConfig.model_validate({"head_layers": text}).head_layers == layers


def test_config_cannot_be_changed_afterwards() -> None:
    config = TrialConfig()
    with pytest.raises(ValidationError, match="frozen"):
        config.epochs = 6  # type: ignore[misc]
