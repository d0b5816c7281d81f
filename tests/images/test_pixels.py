"""The images of a cohort are decoded once into one array."""

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest
from fixtures.stores import numbered
from numpy.typing import NDArray

from trainable.errors import InputError
from trainable.images.decoding import decode
from trainable.images.pixels import (
    count_greys,
    load_grey_counts,
    load_looks,
    load_pixels,
    pixel_statistics,
    pixels_name,
)
from trainable.images.preprocessing import Square
from trainable.images.usual_look import look_at
from trainable.reading.image_files import hash_files
from trainable.store.arrays import ArrayStore
from trainable.store.lazy import LazyArray

SIZE = 16


@pytest.fixture
def store(tmp_path: Path) -> ArrayStore:
    return ArrayStore(tmp_path / "store")


@pytest.fixture
def paths(tmp_path: Path, write_images: Callable[[Path, Iterable[str]], None]) -> list[str]:
    """Image files that are not in the order of their names."""
    names = ["c.png", "a.jpg", "d.bmp", "b.tif"]
    write_images(tmp_path, names)
    return [str(tmp_path / name) for name in names]


def test_pixels_are_the_decoded_images_in_the_order_asked_for(
    paths: list[str], store: ArrayStore
) -> None:
    for order in (paths, paths[::-1]):
        pixels = load_pixels(order, hash_files(order), Square(SIZE), store)
        assert pixels.shape == (len(order), SIZE, SIZE)
        assert pixels.dtype == np.uint8
        for image, path in zip(pixels, order, strict=True):
            np.testing.assert_array_equal(image, decode(Path(path).read_bytes(), SIZE))


def test_decoded_images_are_found_again_though_their_files_are_gone(
    paths: list[str], store: ArrayStore
) -> None:
    hashes = hash_files(paths)
    before = load_pixels(paths, hashes, Square(SIZE), store)
    for path in paths:
        Path(path).unlink()
    after = load_pixels(paths, hashes, Square(SIZE), ArrayStore(store.folder))
    np.testing.assert_array_equal(after, before)
    assert isinstance(after, np.memmap)


def test_the_name_changes_with_content_order_number_and_size() -> None:
    def named(hashes: list[str], square: Square) -> str:
        return pixels_name(hashes, square).key

    keys = [
        named(["a", "b"], Square(SIZE)),
        named(["a", "c"], Square(SIZE)),
        named(["b", "a"], Square(SIZE)),
        named(["a"], Square(SIZE)),
        named(["a", "b", "b"], Square(SIZE)),
        named(["a", "b"], Square(SIZE + 1)),
    ]
    assert len(set(keys)) == len(keys)
    assert named(["a", "b"], Square(SIZE)) == keys[0]


def test_changed_image_is_decoded_anew(paths: list[str], store: ArrayStore) -> None:
    load_pixels(paths, hash_files(paths), Square(SIZE), store)
    Path(paths[0]).write_bytes(Path(paths[1]).read_bytes())
    pixels = load_pixels(paths, hash_files(paths), Square(SIZE), store)
    np.testing.assert_array_equal(pixels[0], pixels[1])


def test_unreadable_files_are_all_named_and_nothing_is_kept(
    paths: list[str], store: ArrayStore
) -> None:
    whole = Path(paths[0]).read_bytes()
    hashes = hash_files(paths)
    Path(paths[0]).write_bytes(whole[:50])
    Path(paths[2]).unlink()
    Path(paths[3]).write_text("no image")
    with pytest.raises(InputError) as refusal:
        load_pixels(paths, hashes, Square(SIZE), store)
    (problem,) = refusal.value.problems
    assert "3 are not" in problem
    assert [path in problem for path in paths] == [True, False, True, True]
    Path(paths[0]).write_bytes(whole)
    assert load_pixels(paths[:2], hashes[:2], Square(SIZE), store).shape == (2, SIZE, SIZE)
    assert store.get(pixels_name(hashes, Square(SIZE))) is None


@pytest.mark.parametrize("seed", range(3))
def test_statistics_are_near_the_mean_and_deviation_of_all_pixels(seed: int) -> None:
    rng = np.random.default_rng(seed)
    brightest = rng.integers(1, 256, (7, 1, 1))
    pixels = rng.integers(0, brightest + 1, (7, 20, 20)).astype(np.uint8)
    statistics = pixel_statistics(count_greys(pixels))
    std = float(np.std(pixels / 255))
    assert statistics.mean == pytest.approx(np.mean(pixels / 255), abs=std / 32)
    assert statistics.std == pytest.approx(std, abs=std / 32)


def test_statistics_stay_when_a_few_images_are_added() -> None:
    rng = np.random.default_rng(0)
    pixels = rng.normal(120, 60, (40, 20, 20)).clip(0, 255).astype(np.uint8)
    known = [pixel_statistics(count_greys(pixels[:number])) for number in (36, 38, 40)]
    assert known[0] == known[1] == known[2]
    assert known[0] != pixel_statistics(count_greys(pixels // 2))


SEEN, OTHERS = numbered("pixels-20-a", 70), numbered("pixels-20-a", 9)


def test_counts_and_looks_are_found_again_and_no_pixel_is_read(store: ArrayStore) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (70, 20, 20)).astype(np.uint8)

    def fail() -> NDArray[np.uint8]:
        raise AssertionError("no pixel is needed")

    counts = load_grey_counts(lambda: pixels, SEEN, store)
    np.testing.assert_array_equal(counts, np.bincount(pixels.ravel(), minlength=256))
    looks = load_looks(pixels, SEEN, store)
    for one, other in zip(looks, look_at(pixels), strict=True):
        np.testing.assert_array_equal(one, other)
    later, unread = ArrayStore(store.folder), LazyArray(pixels.shape, np.uint8, fail)
    np.testing.assert_array_equal(load_grey_counts(fail, SEEN, later), counts)
    for one, other in zip(load_looks(unread, SEEN, later), looks, strict=True):
        np.testing.assert_array_equal(one, other)
    assert load_grey_counts(lambda: pixels[:9], OTHERS, later).sum() == 9 * 400


@pytest.mark.parametrize("level", [0, 77, 255])
def test_one_grey_has_no_deviation(level: int) -> None:
    statistics = pixel_statistics(count_greys(np.full((2, 4, 4), level, np.uint8)))
    assert statistics.mean == pytest.approx(level / 255)
    assert statistics.std == 0
