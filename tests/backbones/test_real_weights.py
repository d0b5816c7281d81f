"""Weights that were learned from photographs, in a network of timm: it knows what it sees."""

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.datasets import load_sample_images
from torch import Tensor
from torch.nn import functional

from trainable.backbones.encoder import Encoder, find_backbone
from trainable.backbones.weights import find_weights

FOLDER = Path(__file__).parents[3] / "shared" / "weights-imagenet"
NAME = "timm/tf_efficientnet_lite0"
CROP = 0.875  # as these weights were evaluated

pytestmark = pytest.mark.skipif(
    not FOLDER.is_dir(), reason=f"needs the weights of {NAME} in {FOLDER}"
)


def central_square(photograph: NDArray[np.uint8], size: int) -> Tensor:
    """The middle of a photograph, (1, 3, size, size), 0 to 1."""
    colours = torch.tensor(photograph).permute(2, 0, 1)[None] / 255
    scale = round(size / CROP) / min(colours.shape[2:])
    height, width = (round(scale * edge) for edge in colours.shape[2:])
    small = functional.interpolate(colours, (height, width), mode="bicubic", antialias=True)
    top, left = (height - size) // 2, (width - size) // 2
    return small[:, :, top : top + size, left : left + size]


def test_sample_photographs_are_classified_right() -> None:
    encoder, backbone = f"{NAME}@{FOLDER}", find_backbone(NAME)
    weights = find_weights("none", [encoder], [encoder])
    model = weights.build(Encoder.read(encoder), backbone.classifier).eval()
    mean, std = (torch.tensor(values).view(1, -1, 1, 1) for values in backbone.own)
    classes = []
    for photograph in load_sample_images().images:
        square = central_square(photograph, backbone.size)
        with torch.inference_mode():
            classes.append(int(model((square - mean) / std).argmax()))
    palace, daisy = 698, 985
    assert classes == [palace, daisy]
