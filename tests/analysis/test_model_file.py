"""A retrained model on disk is the same model, whatever its cut, head and trained stages."""

from pathlib import Path
from typing import Any

import pytest
import torch
from fixtures.networks import STATISTICS, noise, random_model, tiny_config

from analysis.model_file import FinalModel, load_model, save_model
from trainable.images.batches import Batch
from trainable.trial.cross_validation import build_network


@pytest.mark.parametrize(
    "settings",
    [
        {"head_layers": ()},
        {"cut": "classifier", "head_layers": (6, 4), "seed": 3},
        {"head": "logistic", "positive_weight": 3.5, "positive_copies": 2},
        {"cut": "classifier", "unfreeze": 1, "optimizer": "sgd", "schedule": "step"},
        {
            "backbone": "densenet121",
            "cut": "features.denseblock2.denselayer6",
            "unfreeze": 1,
            "head": "plain",
            "head_layers": (),
        },
    ],
)
def test_a_model_comes_back_with_its_configuration_and_its_scores(
    tmp_path: Path, settings: dict[str, Any]
) -> None:
    config = tiny_config(**settings)
    network = build_network(random_model(str(config.backbone)), config).eval()
    saved = FinalModel(config, (network,), (0.4,), STATISTICS, ("alive", "dead"), "digest")
    save_model(saved, tmp_path / "model")
    found = load_model(tmp_path / "model")
    assert found.config == config
    exams = Batch(noise(2, 64))
    with torch.inference_mode():
        assert torch.equal(found.networks[0](exams), network(exams))
