"""Networks that share frozen stages give the same scores, and run the shared stages once.

Stages are run as they are for the features that the heads were trained on.
"""

from collections.abc import Callable

import pytest
import torch
from fixtures.networks import (
    CPU,
    RANDOM,
    STATISTICS,
    noise,
    random_images,
    random_model,
    tiny_config,
)
from torch import Tensor, nn

from analysis.model_file import FinalModel
from analysis.shared_stages import SharedStage, describe_cost, share_stages
from trainable.backbones.encoder import Encoder
from trainable.backbones.table import BACKBONES
from trainable.config import TrialConfig
from trainable.device import place
from trainable.features.body import Body
from trainable.images.batches import Batch
from trainable.trial.cross_validation import build_network


def final_model(config: TrialConfig) -> FinalModel:
    network = build_network(random_model(str(config.backbone)), config).eval()
    return FinalModel(config, (network,), (0.5,), STATISTICS, ("alive", "dead"), "digest")


def team(backbone: str, cuts: list[str], **settings: object) -> list[FinalModel]:
    return [final_model(tiny_config(backbone=backbone, cut=cut, **settings)) for cut in cuts]


def counted(models: list[FinalModel]) -> Callable[[], int]:
    """How often stages were run since."""
    calls: list[nn.Module] = []
    stages = {id(stage): stage for one in models for stage in one.networks[0].frozen}
    for stage in stages.values():
        assert isinstance(stage, SharedStage)
        stage.stage.register_forward_hook(lambda module, *_: calls.append(module))
    return lambda: len(calls)


@torch.inference_mode()
@pytest.mark.parametrize("backbone", ["squeezenet1_0", "resnet18", "densenet121"])
def test_sharing_changes_no_score(backbone: str) -> None:
    cuts = list(BACKBONES[backbone].cuts)
    models = team(backbone, cuts) + team(backbone, cuts[-2:], unfreeze=1)
    for one in models:  # an unlucky random head makes much of the rounding of float32
        one.networks[0].double()
    batches = [noise(2, 32).double(), noise(3, 32).double()]

    def scores() -> list[Tensor]:
        return [one.networks[0](Batch(images)) for images in batches for one in models]

    before = scores()
    share_stages(models)
    for alone, shared in zip(before, scores(), strict=True):
        torch.testing.assert_close(alone, shared, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("backbone", ["resnet18", "mobilenet_v3_large", "densenet121"])
def test_a_prediction_sees_the_features_that_its_head_was_trained_on(backbone: str) -> None:
    config = tiny_config(backbone=backbone, cut=BACKBONES[backbone].cuts[-1])
    images = random_images(4)
    body = Body(images, config, RANDOM, CPU)
    # as a prediction places it; kernels of other layouts round otherwise on some processors
    network = build_network(RANDOM.build(Encoder(backbone)), config).eval()
    place(network, CPU)
    share_stages([FinalModel(config, (network,), (0.5,), STATISTICS, ("alive", "dead"), "digest")])
    rows = torch.arange(4)
    seen = network.prefix(images.as_seen_by(config.preprocessing, CPU)(rows))
    trained_on = body.pooled(rows)[:, BACKBONES[backbone].pooled_columns(config.cut)]
    torch.testing.assert_close(seen, trained_on, rtol=0, atol=0)


@torch.inference_mode()
def test_a_shared_stage_is_run_once_per_batch() -> None:
    models = team("squeezenet1_0", ["features.5", "features", "features"])
    share_stages(models)
    num_run = counted(models)
    for images in (noise(2, 64), noise(2, 64)):
        for model in models:
            model.networks[0](Batch(images))
    assert num_run() == 2 * len(models[1].networks[0].frozen)


def test_the_cost_counts_passes_that_are_not_part_of_another() -> None:
    models = team("squeezenet1_0", ["features.5", "features"]) + team("resnet18", ["layer4"])
    models += team("squeezenet1_0", ["features"], normalization="imagenet")
    share_stages(models)
    assert describe_cost(models) == "cost per image: 3 forward passes of frozen stages"
    trained = team("squeezenet1_0", ["features"], unfreeze=1)
    share_stages(trained)
    expected = "cost per image: 1 forward pass of frozen stages, and 1 of trained stages"
    assert describe_cost(trained) == expected


def test_stages_with_other_weights_are_not_shared() -> None:
    models = team("squeezenet1_0", ["features", "features"])
    with torch.no_grad():
        next(models[1].networks[0].frozen.parameters()).add_(1)
    share_stages(models)
    first, second = (one.networks[0].frozen for one in models)
    assert all(a is not b for a, b in zip(first, second, strict=True))
