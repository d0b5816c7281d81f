"""Black and white are properties of the cohort: deep images keep their order of brightness."""

import io
import struct
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from trainable.errors import InputError, UnreadableImageError
from trainable.images.decoding import decode
from trainable.images.intensity import common_limits, value_range
from trainable.images.outliers import describe_outliers
from trainable.images.pixels import cohort_limits, load_pixels, load_surveys, pixels_name
from trainable.images.preprocessing import Limits, Square
from trainable.images.survey import survey
from trainable.images.usual_look import look_at
from trainable.reading.image_files import hash_files
from trainable.store.arrays import ArrayStore

SIZE = 32


def ramp(brightest: float, size: int = SIZE) -> NDArray[np.float64]:
    return np.linspace(0, brightest, size * size).reshape(size, size)


def saved(folder: Path, images: list[NDArray[np.generic]], suffix: str = ".png") -> list[str]:
    paths = []
    for number, image in enumerate(images):
        path = folder / f"{number}{suffix}"
        Image.fromarray(image).save(path)
        paths.append(str(path))
    return paths


def read(paths: list[str], folder: Path) -> tuple[NDArray[np.uint8], Limits | None]:
    store, hashes = ArrayStore(folder / "cache"), hash_files(paths)
    limits = cohort_limits(load_surveys(paths, hashes, store))
    return load_pixels(paths, hashes, Square(SIZE), store, limits), limits


@pytest.mark.parametrize(
    ("most", "white"), [(200, 255), (900, 1023), (4000, 4095), (4200, 16383), (50_000, 65535)]
)
def test_white_is_the_smallest_detector_that_fits_the_cohort(
    tmp_path: Path, most: int, white: int
) -> None:
    images = [ramp(most / divisor).astype(np.uint16) for divisor in (1, 2, 4)]
    pixels, limits = read(saved(tmp_path, list(images)), tmp_path)
    assert limits == Limits(0, white)
    brightest = pixels.max(axis=(1, 2)).astype(int)
    np.testing.assert_allclose(brightest, [255 * most / white / d for d in (1, 2, 4)], atol=3)


def test_a_hot_pixel_or_a_burnt_in_marker_does_not_darken_the_image() -> None:
    hot, marked = ramp(4000).astype(np.uint16), ramp(4000).astype(np.uint16)
    hot[0, 0] = 65535
    marked[:6, :6] = 65535
    assert value_range(hot) == value_range(marked) == (0, 4095)


def test_fractions_and_other_numbers_are_shown_by_the_range_of_the_cohort(tmp_path: Path) -> None:
    fractions = [ramp(most).astype(np.float32) for most in (1.0, 0.5)]
    pixels, limits = read(saved(tmp_path, list(fractions), ".tiff"), tmp_path)
    assert limits == Limits(0, 1)
    assert pixels.max(axis=(1, 2)).tolist() == pytest.approx([255, 127], abs=2)
    assert common_limits(np.array([[-3.0, 5.0], [-1.0, 9.0]]), np.zeros(2, bool)) == Limits(-3, 9)


def test_white_is_zero_is_inverted_at_every_depth() -> None:
    files = []
    for image in (ramp(255).astype(np.uint8), ramp(4095).astype(np.uint16)):
        file = io.BytesIO()
        Image.fromarray(image).save(file, "TIFF")
        # pillow writes BlackIsZero (1) alone
        tag = struct.pack("<HHI", 262, 3, 1)
        assert file.getvalue().count(tag + b"\1") == 1
        data = file.getvalue().replace(tag + b"\1", tag + b"\0")
        files.append(decode(data, SIZE, Limits(0, 4095)))
    for found in files:
        assert found[0, 0] > 250
        assert found[-1, -1] < 5


def test_the_limits_name_the_array_and_images_of_8_bits_have_none(tmp_path: Path) -> None:
    _, limits = read(saved(tmp_path, [ramp(255).astype(np.uint8)]), tmp_path)
    assert limits is None
    assert pixels_name(["a"], Square(8)) != pixels_name(["a"], Square(8), Limits(0, 1))


def test_a_file_of_several_pages_and_values_that_are_no_numbers_are_refused() -> None:
    pages, file = [Image.fromarray(ramp(255).astype(np.uint8))] * 2, io.BytesIO()
    pages[0].save(file, "TIFF", save_all=True, append_images=pages[1:])
    with pytest.raises(UnreadableImageError, match="2 pages"):
        decode(file.getvalue(), SIZE)
    broken, file = ramp(1).astype(np.float32), io.BytesIO()
    broken[3, 3] = np.nan
    Image.fromarray(broken).save(file, "TIFF")
    with pytest.raises(UnreadableImageError, match="no numbers"):
        survey(file.getvalue())


def test_files_that_are_no_images_are_named_all_at_once(tmp_path: Path) -> None:
    paths = saved(tmp_path, [ramp(255).astype(np.uint8)] * 40)
    for number in (3, 39):
        Path(paths[number]).write_bytes(b"not an image")
    with pytest.raises(InputError, match=r"2 are not: .*3\.png .*39\.png"):
        load_surveys(paths, hash_files(paths), ArrayStore(tmp_path / "cache"))


def test_images_that_stand_out_are_named(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    usual = [np.clip(ramp(200) + rng.normal(0, 8, (SIZE, SIZE)), 0, 255) for _ in range(12)]
    odd = [np.full((SIZE, SIZE), 90.0), 255 - usual[0], usual[1] / 10, np.ones((10, 60)) * 99]
    paths = saved(tmp_path, [image.astype(np.uint8) for image in (*usual, *odd)])
    store, hashes = ArrayStore(tmp_path / "cache"), hash_files(paths)
    surveys = load_surveys(paths, hashes, store)
    pixels = load_pixels(paths, hashes, Square(SIZE), store)
    notes = list(describe_outliers([Path(path).name for path in paths], surveys, look_at(pixels)))
    by_kind = {note.partition(": ")[0]: note.partition(": ")[2] for note in notes}
    assert by_kind["images that are (nearly) of one grey (2)"] == "12.png, 15.png"
    assert by_kind["images that look inverted, or upside down, against the rest (1)"] == "13.png"
    assert by_kind["images that are far darker than the rest (1)"] == "14.png"
    assert any("times as long as wide" in note and "15.png" in note for note in notes)
    assert not list(describe_outliers(paths[:12], surveys[:12], look_at(pixels[:12])))
