"""Copies of an image look the same, whatever their format and size; other images do not."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageOps

from search.demo.films import draw_phantom
from trainable.images import perceptual_hash
from trainable.images.decoding import decode
from trainable.images.perceptual_hash import (
    ALIKE,
    bits_apart,
    find_alike,
    load_perceptual_hashes,
)
from trainable.images.preprocessing import Limits
from trainable.store.arrays import ArrayStore

SIZE = 128


def saved(image: Image.Image, **how: object) -> bytes:
    file = io.BytesIO()
    image.save(file, **how)  # type: ignore[arg-type]
    return file.getvalue()


def perceptual_hashes_of(files: list[bytes], tmp_path: Path) -> NDArray[np.uint8]:
    pixels = np.stack([decode(data, SIZE) for data in files])
    names = [f"{number} {len(data)}" for number, data in enumerate(files)]
    return load_perceptual_hashes(pixels, names, ArrayStore(tmp_path))


def test_copies_are_found_and_other_patients_are_not(tmp_path: Path) -> None:
    drawn = [Image.fromarray(draw_phantom(0.2, seed, seed)) for seed in range(12)]
    originals = perceptual_hashes_of([saved(image, format="PNG") for image in drawn], tmp_path)
    deep = np.asarray(drawn[2], np.uint16) * 257
    copies = [
        saved(drawn[0], format="JPEG", quality=50),
        saved(drawn[1].resize((150, 150)), format="BMP"),
        saved(Image.fromarray(deep), format="TIFF"),
        saved(drawn[3].convert("RGB"), format="WEBP"),
    ]
    pairs = find_alike(perceptual_hashes_of(copies, tmp_path), originals)
    assert pairs.tolist() == [[0, 0], [1, 1], [2, 2], [3, 3]]
    own = find_alike(originals, originals)
    assert own.tolist() == [[number, number] for number in range(12)]


CONTRASTS: dict[str, Callable[[Image.Image], Image.Image]] = {
    "negative": ImageOps.invert,
    "gamma": lambda image: image.point([int(255 * (grey / 255) ** 0.6) for grey in range(256)]),
    "window": lambda image: image.point([max(0, min(255, 2 * grey - 90)) for grey in range(256)]),
    "negative of a window": lambda image: ImageOps.invert(
        image.point([max(0, min(255, 2 * grey - 90)) for grey in range(256)])
    ),
}


@pytest.mark.parametrize("contrast", CONTRASTS)
def test_copies_of_another_contrast_and_negatives_are_found(contrast: str, tmp_path: Path) -> None:
    drawn = [Image.fromarray(draw_phantom(0.2, seed, seed)) for seed in range(12)]
    changed = [CONTRASTS[contrast](image) for image in drawn]
    originals, copies = (
        perceptual_hashes_of([saved(image, format="PNG") for image in images], tmp_path / name)
        for name, images in (("a", drawn), ("b", changed))
    )
    found = find_alike(copies, originals)
    assert (found[:, 0] == found[:, 1]).all()
    assert len(found) >= 11


def in_brute_force(hashes: NDArray[np.uint8], others: NDArray[np.uint8]) -> list[Any]:
    one, other = (np.unpackbits(some, axis=1).astype(int) for some in (hashes, others))
    apart = (one[:, None] != other[None]).sum(axis=2)
    empty = (one.sum(axis=1) < 64)[:, None] | (other.sum(axis=1) < 64)
    pairs: list[Any] = np.argwhere(((apart <= ALIKE) | (apart >= 256 - ALIKE)) & ~empty).tolist()
    return pairs


def test_bands_find_every_pair_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    hashes = rng.integers(0, 256, (40, 32), np.uint8)
    hashes[3] = 0
    others = [hashes]
    for turned in (1, ALIKE - 1, ALIKE, ALIKE + 1, 256 - ALIKE - 1, 256 - ALIKE, 255):
        bits = np.unpackbits(hashes, axis=1)
        for row in bits:
            row[rng.choice(256, turned, replace=False)] ^= 1
        others.append(np.packbits(bits, axis=1))
    everything = np.concatenate(others)
    expected = in_brute_force(hashes, everything)
    assert len(expected) >= 39 * 5
    rows, other_rows = np.array(expected).T
    assert bits_apart(hashes[rows], everything[other_rows]).max() == ALIKE
    assert find_alike(hashes, everything).tolist() == expected
    monkeypatch.setattr(perceptual_hash, "_CANDIDATES", 3)
    assert find_alike(hashes, hashes).tolist() == in_brute_force(hashes, hashes)


def test_images_of_one_grey_look_like_nothing(tmp_path: Path) -> None:
    flat = [saved(Image.new("L", (50, 50), grey), format="PNG") for grey in (0, 90, 255)]
    hashes = perceptual_hashes_of(flat, tmp_path)
    assert find_alike(hashes, hashes).shape == (0, 2)


def test_no_images_look_like_nothing(tmp_path: Path) -> None:
    hashes = perceptual_hashes_of(
        [saved(Image.fromarray(draw_phantom(0, 1, 1)), format="PNG")], tmp_path
    )
    assert find_alike(hashes, hashes[:0]).shape == (0, 2)


def test_hashes_are_kept_apart_by_the_black_and_white_of_deep_images(tmp_path: Path) -> None:
    film, store = draw_phantom(0.2, 0, 0).astype(np.uint16) * 16, ArrayStore(tmp_path)
    file = saved(Image.fromarray(film), format="PNG")
    found = []
    for limits in (Limits(0, 4095), Limits(0, 900)):
        pixels = decode(file, SIZE, limits)[None]
        found.append(load_perceptual_hashes(pixels, ["one"], store, limits))
    assert (found[0] != found[1]).any()
