"""Trials on an accelerator that is not there: no tensor is on the wrong device, no step waits.

The numbers are the processor's, so a trial must give the same scores as on it.
"""

import dataclasses
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fixtures.accelerator import AMPERE, CPU, accelerator
from fixtures.device_trials import NOTHING_KEPT, device_config, device_task, first_fold, trial_on
from fixtures.networks import random_images

from trainable.backbones.encoder import Encoder
from trainable.backbones.table import BACKBONES
from trainable.backbones.weights import find_weights
from trainable.features import body

TIMM = (
    *("timm/resnet10t", "timm/regnety_002", "timm/tf_efficientnet_lite0", "timm/convnext_atto"),
    *("timm/mobilenetv3_small_050", "timm/resnetv2_18", "timm/efficientvit_b0"),
    *("timm/vit_tiny_patch16_224", "timm/vit_small_patch14_reg4_dinov2"),
    *("timm/eva02_tiny_patch14_224", "timm/vit_tiny_patch16_dinov3_qkvb"),
    "timm/swin_tiny_patch4_window7_224",
)
RESNET = {"backbone": "resnet18", "unfreeze": 1}

TRIALS: dict[str, dict[str, Any]] = {
    "convex": {"cut": "fused", "head": "logistic"},
    "normalized by the cohort": {"normalization": "cohort", "pool": "average"},
    "normalized by the image": {"normalization": "image", "pool": "maximum"},
    "by place": {"cut": "fused", "head": "logistic", "pool": "grid+average"},
    "highest places": {"pool": "top"},
    "fastai": {"head": "fastai", "dropout": 0.5, "schedule": "one_cycle"},
    "plain": {"head": "plain", "optimizer": "sgd", "schedule": "step"},
    "adam": {"optimizer": "adam", "norm_statistics": "running"},
    "weighted": {"positive_weight": 4.0},
    "covariates and convex": {"covariates": True, "head": "logistic", "pool": "average"},
    "covariates": {"covariates": True},
    "views and convex": {"views": 2, "head": "logistic"},
    "views": {"views": 2, "backbone": "resnet18", "cut": "layer2", "unfreeze": 1},
    "one stage": {**RESNET, "cut": "layer3"},
    "two stages": {"backbone": "resnet18", "cut": "layer2", "unfreeze": 2, "augment": "light"},
    "all stages": {"backbone": "mobilenet_v3_large", "cut": "features.6", "unfreeze": 2},
    "copies of positives": {"positive_copies": 3},
}


@pytest.mark.parametrize("name", TRIALS)
def test_a_trial_scores_as_on_the_processor(tmp_path: Path, name: str) -> None:
    config = device_config(**TRIALS[name])
    expected = first_fold(device_task(tmp_path / "cpu", config), config, CPU)
    with accelerator() as gpu:
        found = trial_on(gpu, tmp_path / "gpu", config)
    np.testing.assert_allclose(found.scores, expected.scores, rtol=1e-4, atol=1e-5)
    assert found.source == expected.source


@pytest.mark.parametrize("findings", [2, 3])
@pytest.mark.parametrize("head", ["logistic", "fastai"])
def test_a_trial_of_several_findings_scores_as_on_the_processor(
    tmp_path: Path, head: str, findings: int
) -> None:
    config = device_config(head=head)
    tasks = [device_task(tmp_path / name, config, findings) for name in ("cpu", "gpu")]
    if findings == 3:  # classes, of which one and only one is there
        one_hot = np.eye(3, dtype=np.int64)[np.arange(len(tasks[0].data.labels)) % 3]
        kind = dataclasses.replace(tasks[0].data.findings, exclusive=True)
        tasks = [
            dataclasses.replace(
                task,
                data=dataclasses.replace(task.data, labels=one_hot, findings=kind),
                scoring=dataclasses.replace(task.scoring, exclusive=True),
            )
            for task in tasks
        ]
    expected = first_fold(tasks[0], config, CPU)
    with accelerator() as gpu:
        found = first_fold(tasks[1], config, gpu.device)
    # the solver of several classes may end a step earlier where memory lies otherwise
    np.testing.assert_allclose(found.scores, expected.scores, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("config", [RESNET | {"cut": "layer3"}, {"cut": "fused"}])
@pytest.mark.parametrize("memory", [0, 80 << 30])
def test_tables_that_have_no_room_on_the_device_are_read_from_the_processor(
    tmp_path: Path, config: dict[str, Any], memory: int
) -> None:
    with accelerator(memory=memory) as gpu:
        trial_on(gpu, tmp_path / "gpu", device_config(**config))
    at_once = [line for line in gpu.waits.copies if "np.array(table)" in line]
    assert bool(at_once) == bool(memory)


@pytest.mark.parametrize("budget", [NOTHING_KEPT, 2**30])
@pytest.mark.parametrize("settings", [{"head": "fastai"}, RESNET | {"cut": "layer3"}])
def test_no_training_step_waits_for_the_device(
    tmp_path: Path, settings: dict[str, Any], budget: int
) -> None:
    """Twice as many steps wait no more often."""
    waits = []
    for batch_size in (3, 6):
        config = device_config(batch_size=batch_size, epochs=2, **settings)
        task = device_task(tmp_path / str(batch_size), config)
        with accelerator() as gpu:
            first_fold(task, config, gpu.device, budget)
        waits.append(gpu.waits.reads + gpu.waits.copies)
    assert waits[0] - waits[1] == Counter()


def test_bfloat16_is_used_where_the_card_has_it(tmp_path: Path) -> None:
    config = device_config(cut="layer2", backbone="resnet18", pool="average")
    with accelerator(capability=AMPERE) as gpu:
        halves = trial_on(gpu, tmp_path / "gpu", config)
    with accelerator() as older:
        whole = trial_on(older, tmp_path / "older", config)
    assert not np.array_equal(halves.scores, whole.scores, equal_nan=True)
    np.testing.assert_allclose(halves.scores, whole.scores, atol=0.05)


@pytest.mark.parametrize("kind", ["xpu", "mps"])
@pytest.mark.parametrize("name", ["convex", "fastai", "covariates", "one stage"])
def test_a_trial_runs_on_gpus_of_apple_and_intel(tmp_path: Path, kind: str, name: str) -> None:
    config = device_config(**TRIALS[name])
    expected = first_fold(device_task(tmp_path / "cpu", config), config, CPU)
    with accelerator(kind) as gpu:
        found = trial_on(gpu, tmp_path / "gpu", config)
    np.testing.assert_allclose(found.scores, expected.scores, rtol=1e-4, atol=1e-5)


def _features(name: str, device: torch.device) -> torch.Tensor:
    """What one pass stores of two images, of all stages."""
    encoder = Encoder.read(name)
    size = encoder.network.size if encoder.network.size and "swin" in name else 64
    config = device_config(backbone=name, cut="fused", image_size=size)
    torch.manual_seed(0)
    weights = find_weights("none", (name,))
    return body.Body(random_images(2, size), config, weights, device).pooled(torch.arange(2))


@pytest.mark.parametrize("name", [*BACKBONES, *TIMM])
def test_every_encoder_gives_the_same_features_on_a_device(name: str) -> None:
    if name in TIMM:
        pytest.importorskip("timm", reason="the extra `timm` is not installed")
    expected = _features(name, CPU)
    with accelerator() as gpu:
        found = _features(name, gpu.device)
        assert found in gpu.marked
        found = found.cpu()
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
