"""What is run of the frozen stages is faster, and computes the same at every cut."""

import copy

import pytest
import torch
from fixtures.networks import CPU, noise, random_model
from torch import Tensor, nn

from trainable.backbones.encoder import find_backbone
from trainable.backbones.table import BACKBONES
from trainable.device import place
from trainable.features.body import folded

KEEP_NORMS = {"densenet121": 62}
"""Norms before a convolution, and the last: their factors cannot enter the convolution."""


@pytest.mark.parametrize("name", BACKBONES)
@torch.no_grad()
def test_folded_stages_compute_the_same_at_every_cut(name: str) -> None:
    backbone = find_backbone(name)
    model = place(random_model(name), CPU)
    maps = noise(2, 64).div(10).contiguous(memory_format=torch.channels_last)
    for stage in backbone.body(model, backbone.cuts[-1]):
        found = folded(stage)(maps)
        exact = copy.deepcopy(stage).double()(maps.double())
        assert (found - exact).abs().max() < 1e-5 * exact.abs().max()
        assert found.is_contiguous(memory_format=torch.channels_last)
        maps = found


@pytest.mark.parametrize("name", ["resnet18", "efficientnet_b0", "regnet_y_800mf", "densenet121"])
def test_only_norms_that_do_not_follow_a_convolution_are_left(name: str) -> None:
    backbone = find_backbone(name)
    model = random_model(name)
    before = sum(isinstance(module, nn.BatchNorm2d) for module in model.modules())
    stages = [folded(stage) for stage in backbone.body(model, backbone.cuts[-1])]
    left = sum(isinstance(module, nn.BatchNorm2d) for one in stages for module in one.modules())
    assert left == KEEP_NORMS.get(name, 0) < before
    after = sum(isinstance(module, nn.BatchNorm2d) for module in model.modules())
    assert after == before, "stages that are trained keep their norms"


def test_a_stage_whose_path_depends_on_its_input_stays_as_it_is() -> None:
    class Chooses(nn.Module):
        def forward(self, maps: Tensor) -> Tensor:
            return maps if maps.mean() > 0 else -maps

    stage = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), Chooses()).eval()
    assert folded(stage) is stage
