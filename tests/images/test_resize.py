"""How an image becomes a square: stretched, padded with black, or cropped to its centre."""

import io
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from numpy.typing import DTypeLike, NDArray
from PIL import Image

from search.options.options import SearchOptions
from search.plan.planner import plan_search
from trainable.config import TrialConfig
from trainable.images.decoding import decode
from trainable.images.pixels import pixels_name
from trainable.images.preprocessing import Resize, Square

HEIGHT, WIDTH, RADIUS = 200, 300, 60
SIZE = 96


def circle_file(dtype: DTypeLike) -> bytes:
    """A bright circle in the middle of a grey picture that is wider than high."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    inside = np.hypot(x - (WIDTH - 1) / 2, y - (HEIGHT - 1) / 2) < RADIUS
    white = np.iinfo(np.dtype(dtype)).max
    values = np.where(inside, white, white // 4).astype(dtype)
    file = io.BytesIO()
    Image.fromarray(values).save(file, "PNG")
    return file.getvalue()


def extent(square: NDArray[np.uint8]) -> tuple[int, int]:
    """Width and height of what is bright."""
    bright = square > 160
    return int(bright.any(axis=0).sum()), int(bright.any(axis=1).sum())


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize(
    ("resize", "across", "down"),
    [
        ("stretch", 2 * RADIUS / WIDTH, 2 * RADIUS / HEIGHT),
        ("pad", 2 * RADIUS / WIDTH, 2 * RADIUS / WIDTH),
        ("crop", 2 * RADIUS / HEIGHT, 2 * RADIUS / HEIGHT),
    ],
)
def test_a_circle_stays_a_circle_unless_it_is_stretched(
    dtype: DTypeLike, resize: Resize, across: float, down: float
) -> None:
    square = decode(circle_file(dtype), SIZE, resize=resize)
    assert square.shape == (SIZE, SIZE)
    assert extent(square) == pytest.approx((SIZE * across, SIZE * down), abs=1.5)


def test_only_padding_adds_black_and_only_cropping_loses_the_sides() -> None:
    image = np.full((HEIGHT, WIDTH), 90, np.uint8)
    image[:, :30] = 200
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG")
    squares = {kind: decode(file.getvalue(), SIZE, resize=kind) for kind in get_args(Resize)}
    assert {kind: int(square.min()) for kind, square in squares.items()} == {
        **{"stretch": 90, "pad": 0, "crop": 90}
    }
    assert {kind: int(square.max()) for kind, square in squares.items()} == {
        **{"stretch": 200, "pad": 200, "crop": 90}
    }
    black = (squares["pad"] == 0).all(axis=1)
    assert black.sum() == SIZE - SIZE * HEIGHT // WIDTH
    assert (black == black[::-1]).all()  # as much above as below


def test_a_square_image_is_the_same_by_every_way() -> None:
    file = io.BytesIO()
    Image.fromarray(np.arange(64 * 64).reshape(64, 64).astype(np.uint8)).save(file, "PNG")
    found = [decode(file.getvalue(), SIZE, resize=kind) for kind in get_args(Resize)]
    assert all((square == found[0]).all() for square in found)


def test_each_way_is_stored_by_a_name_of_its_own() -> None:
    names = [pixels_name(["a"], Square(SIZE, kind)) for kind in get_args(Resize)]
    assert len(set(names)) == 3
    assert names[0] == pixels_name(["a"], Square(SIZE))  # what is stored stays


def test_a_search_decodes_each_way_that_it_is_asked_to_try(tmp_path: Path, xray_csv: Path) -> None:
    asked = SearchOptions.of(
        data=xray_csv, weights="none", backbones="squeezenet1_1", image_size=32,
        resize="stretch,crop", folds=2, cache=tmp_path / "cache",
    )  # fmt: skip
    plan = plan_search(asked)
    assert set(plan.pixels) == {(32, "stretch"), (32, "crop")}
    assert not np.array_equal(plan.pixels[Square(32, "stretch")], plan.pixels[Square(32, "crop")])
    assert TrialConfig(image_size=32, resize="crop").preprocessing.square in plan.pixels
