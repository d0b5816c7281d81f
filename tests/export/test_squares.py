"""Squares of the graph are pillow's squares, to the bit."""

import io
from typing import get_args

import numpy as np
import pytest
import torch
from fixtures.networks import STATISTICS, random_model, tiny_config
from fixtures.winners import make_winner
from PIL import Image
from torch._subclasses.fake_tensor import FakeTensorMode

from analysis.export.graph import TeamGraph
from analysis.export.squares import PillowSquare
from analysis.model_file import FinalModel
from trainable.images.decoding import decode, grey_values
from trainable.images.preprocessing import Limits, Resize
from trainable.trial.cross_validation import build_network

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


DEEP = [Limits(0.0, white) for white in (255.0, 1023.0, 4095.0, 16383.0, 65535.0)]


@pytest.mark.parametrize("resize", get_args(Resize))
@pytest.mark.parametrize("limits", [*DEEP, Limits(100.0, 3500.0)])
def test_deep_values_become_the_same_square(limits: Limits, resize: Resize) -> None:
    """Also where the limits leave whole grey levels (0 to 255), or cut off both ends."""
    square, rng = PillowSquare(48, resize), np.random.default_rng(0)
    for shape in SHAPES:
        values = rng.integers(0, int(min(4096, limits.white + 1)), shape).astype(np.uint16)
        grey = grey_values(png(values), 48, limits)
        assert grey.min() >= 0
        assert grey.max() <= 255
        found = square(torch.from_numpy(grey.copy())[None])[0].numpy()
        assert np.array_equal(found, decode(png(values), 48, limits, resize)), shape


def test_images_of_bytes_and_of_fractions_share_a_batch() -> None:
    rng, square = np.random.default_rng(0), PillowSquare(48, "stretch")
    whole = rng.integers(0, 256, (60, 90)).astype(np.float32)
    mixed = torch.from_numpy(np.stack([whole, whole / 2]))
    alone = [square(one[None])[0] for one in mixed]
    assert torch.equal(square(mixed), torch.stack(alone))


@pytest.mark.parametrize("resize", get_args(Resize))
def test_a_square_is_made_where_the_image_is(resize: Resize) -> None:
    with FakeTensorMode():  # refuses operands on two devices, as CUDA does
        square = PillowSquare(48, resize)(torch.empty(2, 60, 90, device="cuda"))
    assert square.device.type == "cuda"


def test_a_whole_team_follows_to_another_device() -> None:
    config = tiny_config(views=2)
    network = build_network(random_model("squeezenet1_0"), config)
    model = FinalModel(config, (network,), (0.5,), STATISTICS, ("alive", "dead"), "digest")
    views = torch.empty(2, 3, 60, 90, device="meta")
    assert (
        TeamGraph([model], make_winner(config)).eval().to("meta")(list(views)).device.type == "meta"
    )
