"""Networks that share frozen stages give the same scores, and run the shared stages once.

Stages are run as they are for the features that the heads were trained on.
"""

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
from analysis.shared_stages import share_stages
from analysis.team_score import HeadInputs, team_score
from trainable.backbones.encoder import Encoder
from trainable.backbones.stage import Stage
from trainable.backbones.table import BACKBONES
from trainable.config import TrialConfig
from trainable.device import place
from trainable.features.body import Body, cpu_batch
from trainable.images.batches import Batch
from trainable.images.preprocessing import NormalizationName, Preprocessing
from trainable.trial.cross_validation import build_network


def final_model(config: TrialConfig) -> FinalModel:
    network = build_network(random_model(str(config.backbone)), config).eval()
    return FinalModel(config, (network,), (0.5,), STATISTICS, ("alive", "dead"), "digest")


def team(backbone: str, cuts: list[str], **settings: object) -> list[FinalModel]:
    return [final_model(tiny_config(backbone=backbone, cut=cut, **settings)) for cut in cuts]


def seen_by(models: list[FinalModel], images: Tensor) -> dict[Preprocessing, Batch]:
    """The same images in each look, without the normalization that makes it."""
    return {one.preprocessing: Batch(images) for one in models}


@torch.inference_mode()
@pytest.mark.parametrize("backbone", ["squeezenet1_0", "resnet18", "densenet121"])
def test_sharing_changes_no_score(backbone: str) -> None:
    cuts = [*BACKBONES[backbone].cuts, "fused"]
    models = team(backbone, cuts) + team(backbone, cuts[2:4], unfreeze=1)
    models += team(backbone, cuts[-2:], normalization="imagenet") + team(backbone, cuts[:1])
    models += team(backbone, cuts[-2:], pool="grid") + team(backbone, cuts[-1:], pool="top+average")
    for one in models:  # an unlucky random head makes much of the rounding of float32
        one.networks[0].double()
    images = noise(2, 32).double()
    alone = [one.outputs.scores(one.networks[0](Batch(images))) for one in models]
    share_stages(models)
    for order in (models, models[::-1]):
        inputs = HeadInputs.of(order, seen_by(models, images))
        together = [team_score([one], inputs) for one in models]
        for before, shared in zip(alone, together, strict=True):
            torch.testing.assert_close(before, shared, rtol=1e-9, atol=1e-9)
        torch.testing.assert_close(team_score(models, inputs), torch.stack(alone).mean(dim=0))


@pytest.mark.parametrize("backbone", ["resnet18", "mobilenet_v3_large", "densenet121"])
def test_a_prediction_sees_the_features_that_its_head_was_trained_on(backbone: str) -> None:
    config = tiny_config(backbone=backbone, cut=BACKBONES[backbone].cuts[-1])
    # a whole batch, as rows of a table are computed: kernels of other sizes round otherwise
    images = random_images(cpu_batch(config.image_size))
    body = Body(images, config, RANDOM, CPU)
    # as a prediction places it; kernels of other layouts round otherwise on some processors
    network = build_network(RANDOM.build(Encoder(backbone)), config).eval()
    place(network, CPU)
    share_stages([FinalModel(config, (network,), (0.5,), STATISTICS, ("alive", "dead"), "digest")])
    rows = torch.arange(len(images.pixels))
    seen = network.prefix(images.as_seen_by(config.preprocessing, CPU)(rows))
    trained_on = body.pooled(rows)[:, BACKBONES[backbone].pooled_columns(config.cut)]
    torch.testing.assert_close(seen, trained_on, rtol=0, atol=0)


@torch.inference_mode()
def test_each_stage_runs_once_per_look_in_whatever_order_the_members_are() -> None:
    looks: list[NormalizationName] = ["none", "imagenet", "none", "cohort", "imagenet", "none"]
    models = [
        one for look in looks for one in team("squeezenet1_0", ["features"], normalization=look)
    ]
    models += team("squeezenet1_0", ["features.5", "fused"])
    share_stages(models)
    stages = list(models[0].networks[0].frozen)
    runs: list[nn.Module] = []
    for stage in stages:
        stage.register_forward_hook(lambda stage, *_: runs.append(stage))
    inputs = HeadInputs.of(models, seen_by(models, noise(2, 64)))
    assert len(runs) == 3 * len(stages)
    assert inputs.cost == "cost per image: 3 forward passes of frozen stages"
    assert len(inputs.tables) == 3 + 2  # one for each look, and those of two further cuts


@torch.inference_mode()
def test_the_cost_is_that_of_the_passes_that_were_run() -> None:
    models = team("squeezenet1_0", ["features.5", "features"]) + team("resnet18", ["layer4"])
    trained = team("squeezenet1_0", ["features", "features"], unfreeze=1)
    share_stages(models + trained)
    images = noise(2, 64)
    found = HeadInputs.of(models, seen_by(models, images))
    assert found.cost == "cost per image: 2 forward passes of frozen stages"
    found = HeadInputs.of(trained, seen_by(trained, images))
    expected = "cost per image: 1 forward pass of frozen stages, and 2 of trained stages"
    assert found.cost == expected


def test_a_stage_leaves_what_it_takes_in_as_it_is() -> None:
    model = nn.Sequential(nn.Dropout(), nn.ReLU(inplace=True), nn.Linear(3, 3))
    stage = Stage("2", ("0", "1", "2"), 3).module(model).eval()
    taken_in = -torch.ones(2, 3)
    stage(taken_in)
    assert torch.equal(taken_in, -torch.ones(2, 3))


def test_stages_with_other_weights_are_not_shared() -> None:
    models = team("squeezenet1_0", ["features", "features"])
    with torch.no_grad():
        next(models[1].networks[0].frozen.parameters()).add_(1)
    share_stages(models)
    first, second = (one.networks[0].frozen for one in models)
    assert all(a is not b for a, b in zip(first, second, strict=True))
