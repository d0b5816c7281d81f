"""Weights that were learned from photographs, in a network of timm: it knows what it sees."""

from pathlib import Path

import pytest
import torch
from sklearn.datasets import load_sample_images
from torch.nn import functional

from trainable.backbones.table import find_backbone
from trainable.backbones.weights import find_weights

FOLDER = Path(__file__).parents[3] / "shared" / "weights-imagenet"
NAME = "timm/tf_efficientnet_lite0"

pytestmark = pytest.mark.skipif(
    not FOLDER.is_dir(), reason=f"needs the weights of {NAME} in {FOLDER}"
)


def test_sample_photographs_are_classified_right() -> None:
    encoder, backbone = f"{NAME}@{FOLDER}", find_backbone(NAME)
    weights = find_weights("none", [encoder], [encoder])
    model = weights.build(encoder, backbone.classifier).eval()
    mean, std = (torch.tensor(values).view(1, -1, 1, 1) for values in backbone.own)
    classes = []
    for photograph in load_sample_images().images:
        colours = torch.tensor(photograph).permute(2, 0, 1)[None] / 255
        square = functional.interpolate(colours, (backbone.size, backbone.size), mode="bilinear")
        with torch.inference_mode():
            classes.append(model((square - mean) / std).topk(3).indices[0].tolist())
    palace, daisy = 698, 985
    assert palace in classes[0]
    assert classes[1][0] == daisy
