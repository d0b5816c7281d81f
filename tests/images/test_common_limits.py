"""Black and white of a cohort are those of nearly all its images; what does not fit is named."""

import io

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from trainable.images.decoding import decode
from trainable.images.outliers import describe_outliers
from trainable.images.pixels import cohort_limits
from trainable.images.preprocessing import Limits
from trainable.images.survey import Survey, survey
from trainable.images.usual_look import look_at

SIZE = 32
Values = NDArray[np.generic]


def xray(number: int, white: float = 4095) -> Values:
    rng = np.random.default_rng(number)
    y, x = np.mgrid[0:1:64j, 0:1:64j]
    grey = 0.35 + 0.35 * y + 0.15 * x
    for middle in (0.3, 0.7):
        grey -= 0.3 * np.exp(-(((x - middle) / 0.13) ** 2) - ((y - 0.45) / 0.25) ** 2)
    noisy = np.clip(grey + rng.normal(0, 0.02, grey.shape), 0, 1)
    return np.asarray(noisy * white, np.uint16)


def boxed() -> Values:
    image = xray(7)
    image[:16, :16] = 65535  # 6 % of the image, burnt in
    return image


def shown(images: list[Values]) -> tuple[Limits | None, NDArray[np.uint8], list[str]]:
    files = []
    for image in images:
        file = io.BytesIO()
        Image.fromarray(image).save(file, "TIFF" if image.dtype == np.float32 else "PNG")
        files.append(file.getvalue())
    surveys = np.array([survey(data) for data in files], np.float64)
    limits = cohort_limits(surveys)
    pixels = np.stack([decode(data, SIZE, limits) for data in files])
    names = [f"{number}.png" for number in range(len(files))]
    return limits, pixels, list(describe_outliers(names, surveys, look_at(pixels), limits))


@pytest.mark.parametrize("count", [7, 99])
@pytest.mark.parametrize(
    "odd", [xray(999, 65535), boxed(), xray(3).astype(np.float32) * 20 - 30_000]
)
def test_one_odd_image_does_not_change_the_others(odd: Values, count: int) -> None:
    usual: list[Values] = [xray(number) for number in range(count)]
    limits, alone, quiet = shown(usual)
    assert (limits, quiet) == (Limits(0, 4095), [])
    together, pixels, notes = shown([*usual, odd])
    assert together == limits
    np.testing.assert_array_equal(pixels[:-1], alone)
    (told,) = [note for note in notes if "are cut off there (1)" in note]
    assert f"{count}.png" in told


def test_two_detectors_are_both_shown_and_a_note_says_that_most_images_are_dark() -> None:
    twelve: list[Values] = [xray(number) for number in range(16)]
    limits, _, notes = shown([*twelve, *(xray(100 + number, 65535) for number in range(4))])
    assert limits == Limits(0, 65535)
    (told,) = [note for note in notes if "16 times the range of the median image" in note]
    assert "(4): 16.png, 17.png, 18.png, 19.png" in told
    limits, _, notes = shown([*twelve[:4], *(xray(9 + number, 65535) for number in range(16))])
    assert limits == Limits(0, 65535)
    assert not any("white is" in note for note in notes)


def test_a_few_images_have_no_odd_one() -> None:
    limits, _, notes = shown([xray(1), xray(2), xray(3, 65535)])
    assert limits == Limits(0, 65535)
    assert any("white is 65535" in note and "2.png" in note for note in notes)


def test_other_numbers_keep_the_range_of_all_but_far_images() -> None:
    usual: list[Values] = [xray(n).astype(np.float32) - 1000 - 10 * n for n in range(20)]
    limits, _, quiet = shown(usual)
    far, _, notes = shown([*usual, xray(3).astype(np.float32) * 50 - 1000])
    assert limits is not None
    assert far is not None
    assert quiet == []
    assert limits.black <= far.black < far.white <= limits.white
    assert any("20.png" in note for note in notes)


def test_raw_pictures_among_those_for_viewing_are_named() -> None:
    surveys = np.tile(np.array(Survey(SIZE, SIZE), np.float64), (12, 1))
    pixels = np.tile(np.arange(SIZE, dtype=np.uint8) * 8, (12, SIZE, 1))
    names = [f"{number}.dcm" for number in range(12)]
    surveys[[3, 5], Survey._fields.index("is_raw")] = 1
    (told,) = describe_outliers(names, surveys, look_at(pixels))
    assert "FOR PROCESSING" in told
    assert "(2): 3.dcm, 5.dcm" in told
    surveys[:, Survey._fields.index("is_raw")] = 1
    assert not list(describe_outliers(names, surveys, look_at(pixels)))
