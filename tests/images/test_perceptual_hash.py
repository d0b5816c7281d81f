"""Copies of an image look the same, whatever their format and size; other images do not."""

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from search.demo.phantoms import draw_phantom
from trainable.images.decoding import decode
from trainable.images.perceptual_hash import find_alike, load_perceptual_hashes
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


def test_images_of_one_grey_look_like_nothing(tmp_path: Path) -> None:
    flat = [saved(Image.new("L", (50, 50), grey), format="PNG") for grey in (0, 90, 255)]
    hashes = perceptual_hashes_of(flat, tmp_path)
    assert find_alike(hashes, hashes).shape == (0, 2)


def test_no_images_look_like_nothing(tmp_path: Path) -> None:
    hashes = perceptual_hashes_of(
        [saved(Image.fromarray(draw_phantom(0, 1, 1)), format="PNG")], tmp_path
    )
    assert find_alike(hashes, hashes[:0]).shape == (0, 2)
