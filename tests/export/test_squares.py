"""Squares of the graph are pillow's squares, to the bit."""

import io
from typing import get_args

import numpy as np
import pytest
import torch
from PIL import Image

from analysis.export.squares import PillowSquare
from trainable.images.decoding import decode, grey_values
from trainable.images.preprocessing import Limits, Resize

SHAPES = [(120, 96), (48, 48), (641, 333), (50, 70), (300, 599), (1, 9), (7, 1), (200, 60)]


def png(values: object) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.asarray(values)).save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize("resize", get_args(Resize))
@pytest.mark.parametrize("size", [48, 100])
def test_grey_bytes_become_the_same_square(size: int, resize: Resize) -> None:
    square, rng = PillowSquare(size, resize), np.random.default_rng(0)
    for shape in SHAPES:
        data = png(rng.integers(0, 256, shape).astype(np.uint8))
        grey = torch.from_numpy(grey_values(data, size).copy())[None]
        assert np.array_equal(square(grey)[0].numpy(), decode(data, size, None, resize)), shape


def test_deep_values_become_the_same_square_but_for_rounding() -> None:
    values = np.random.default_rng(0).integers(0, 4096, (90, 70)).astype(np.uint16)
    limits = Limits(100.0, 3500.0)
    grey = grey_values(png(values), 48, limits)
    assert grey.min() < 0
    assert grey.max() > 255
    found = PillowSquare(48, "stretch")(torch.from_numpy(grey)[None])[0].numpy()
    apart = np.abs(found.astype(int) - decode(png(values), 48, limits))
    assert apart.max() <= 1
    assert (apart > 0).mean() < 0.05
