"""DICOM files are read as a viewer shows them, or refused in a sentence; pydicom makes them."""

from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from fixtures.dicoms import RAMP, SIZE, dataset, written
from numpy.typing import NDArray
from PIL import Image
from pydicom.pixels import convert_color_space
from pydicom.uid import (
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)

from trainable.errors import UnreadableImageError
from trainable.images.decoding import decode
from trainable.images.dicom import is_dicom
from trainable.images.preprocessing import Limits
from trainable.images.survey import survey


def test_twelve_bits_are_shown_by_the_limits_of_the_cohort(tmp_path: Path) -> None:
    data = written(dataset())
    assert survey(data)[2:6] == (1, 1, 0, 4095)
    found = decode(data, SIZE, Limits(0, 4095))
    assert (found[0, 0], found[-1, -1]) == (0, 255)
    plain = tmp_path / "IM0001"  # known by its preamble, not by an ending
    plain.write_bytes(data)
    assert is_dicom(plain)


def test_monochrome1_is_inverted() -> None:
    plain = decode(written(dataset()), SIZE, Limits(0, 4095)).astype(int)
    data = written(dataset(PhotometricInterpretation="MONOCHROME1"))
    inverted = decode(data, SIZE, Limits(0, 4095))
    np.testing.assert_allclose(inverted, 255 - plain, atol=1)


def test_a_window_says_what_is_black_and_white() -> None:
    windowed = dataset(WindowCenter=1024, WindowWidth=512)
    found = decode(written(windowed), SIZE)
    assert (found[RAMP < 700] == 0).all()
    assert (found[RAMP > 1400] == 255).all()


@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless, JPEGLSLossless])
def test_compressed_pixels_are_those_of_the_plain_file(syntax: pydicom.uid.UID) -> None:
    found = dataset()
    plain = decode(written(found), SIZE, Limits(0, 4095))
    try:
        found.compress(syntax)
    except (RuntimeError, NotImplementedError) as error:
        pytest.skip(f"no encoder here: {error}")
    assert (decode(written(found), SIZE, Limits(0, 4095)) == plain).all()


BYTES = np.linspace(0, 255, SIZE * SIZE).reshape(SIZE, SIZE).astype(np.uint8)


@pytest.mark.parametrize(("slope", "intercept"), [(16, 0), (1, -1024), (-1, 255)])
def test_eight_bits_are_shown_in_full_after_rescaling(slope: float, intercept: float) -> None:
    found = decode(written(dataset(BYTES, RescaleSlope=slope, RescaleIntercept=intercept)), SIZE)
    assert (found == (BYTES if slope > 0 else 255 - BYTES)).all()


@pytest.mark.parametrize(
    "elements",
    [
        {"WindowCenter": None, "WindowWidth": None},
        {"WindowCenter": 2048},
        {"WindowCenter": 2048, "WindowWidth": 0},
        {"WindowCenter": [2048, 1024], "WindowWidth": [0, 0]},
        {"RescaleSlope": None, "RescaleIntercept": None},
        {"VOILUTSequence": pydicom.Sequence([])},
        {"VOILUTSequence": pydicom.Sequence([pydicom.Dataset()])},
        {"ModalityLUTSequence": pydicom.Sequence([])},
    ],
)
def test_elements_without_values_are_as_if_absent(elements: dict[str, Any]) -> None:
    absent = dataset(BitsStored=16, HighBit=15)
    empty = dataset(BitsStored=16, HighBit=15, **elements)
    assert survey(written(empty)) == survey(written(absent))
    limits = Limits(0, 4095)
    assert (decode(written(empty), SIZE, limits) == decode(written(absent), SIZE, limits)).all()


def colour_dataset(pixels: NDArray[np.uint8], colour: str) -> pydicom.Dataset:
    found = dataset(BYTES, SamplesPerPixel=3, PlanarConfiguration=0)
    found.PhotometricInterpretation, found.PixelData = colour, pixels.tobytes()
    return found


@pytest.mark.parametrize("colour", ["RGB", "YBR_FULL"])
@pytest.mark.parametrize("is_compressed", [False, True])
def test_colours_are_made_grey_as_those_of_a_png(colour: str, is_compressed: bool) -> None:
    rgb = np.stack([BYTES, BYTES.T, 255 - BYTES], axis=-1)
    stored = rgb if colour == "RGB" else convert_color_space(rgb, "RGB", colour)
    found = colour_dataset(stored, colour)
    if is_compressed:
        found.compress(RLELossless)
    grey = np.asarray(Image.fromarray(rgb).convert("L"), int)
    np.testing.assert_allclose(decode(written(found), SIZE), grey, atol=2)


def test_a_palette_says_which_grey_a_number_is() -> None:
    found = dataset(BYTES // 16, PhotometricInterpretation="PALETTE COLOR")
    for colour in ("Red", "Green", "Blue"):
        setattr(found, f"{colour}PaletteColorLookupTableDescriptor", [16, 0, 16])
        table = (np.linspace(255, 0, 16) * 257).astype(np.uint16)
        setattr(found, f"{colour}PaletteColorLookupTableData", table.tobytes())
    grey = decode(written(found), SIZE)
    assert (grey[0, 0], grey[-1, -1]) == (255, 0)


def test_bits_in_an_unusual_place_are_refused() -> None:
    with pytest.raises(UnreadableImageError, match="12 bits below bit 15"):
        decode(written(dataset(RAMP << 4, HighBit=15)), SIZE)


def test_several_frames_and_files_without_a_picture_are_refused() -> None:
    frames = dataset(np.stack([RAMP, RAMP]), NumberOfFrames=2)
    with pytest.raises(UnreadableImageError, match="2 frames"):
        decode(written(frames), SIZE)
    for header in ({}, {"NumberOfFrames": 1}):
        for read in (survey, lambda data: decode(data, SIZE)):
            with pytest.raises(UnreadableImageError, match="2 frames"):
                read(written(dataset(np.stack([RAMP, RAMP]), **header)))
    colours = colour_dataset(np.stack([np.stack([BYTES] * 3, axis=-1)] * 2), "RGB")
    colours.Rows, colours.Columns = SIZE, SIZE
    with pytest.raises(UnreadableImageError, match="2 frames"):
        survey(written(colours))
    empty = dataset()
    del empty.PixelData
    with pytest.raises(UnreadableImageError, match="no picture"):
        survey(written(empty))
    with pytest.raises(UnreadableImageError, match="DICOM"):
        decode(written(dataset())[:300], SIZE)


@pytest.mark.parametrize(
    "elements",
    [
        {"PresentationIntentType": "FOR PROCESSING"},
        {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.1.1.1"},
        {"PresentationIntentType": "FOR PROCESSING", "WindowCenter": 2048, "WindowWidth": 4096},
    ],
)
def test_a_picture_for_processing_is_known_and_so_is_its_machine(elements: dict[str, Any]) -> None:
    raw, plain = survey(written(dataset(**elements))), survey(written(dataset()))
    assert (raw.is_raw, plain.is_raw) == (1, 0)
    one, other = (survey(written(dataset(Manufacturer=name))).maker for name in ("A", "B"))
    assert len({one, other, plain.maker, 0}) == 3
