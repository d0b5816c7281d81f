"""DICOM files are read as a viewer shows them, or refused in a sentence; pydicom makes them."""

from pathlib import Path

import numpy as np
import pydicom
import pytest
from fixtures.dicoms import RAMP, SIZE, dataset, written
from pydicom.uid import (
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)

from trainable.errors import UnreadableImageError
from trainable.images.decoding import decode, survey
from trainable.images.dicom import is_dicom
from trainable.images.intensity import Limits


def test_twelve_bits_are_shown_by_the_limits_of_the_cohort(tmp_path: Path) -> None:
    data = written(dataset())
    assert survey(data)[2:] == (1, 1, 0, 4095)
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


def test_several_frames_and_files_without_a_picture_are_refused() -> None:
    frames = dataset(np.stack([RAMP, RAMP]), NumberOfFrames=2)
    with pytest.raises(UnreadableImageError, match="2 frames"):
        decode(written(frames), SIZE)
    empty = dataset()
    del empty.PixelData
    with pytest.raises(UnreadableImageError, match="no picture"):
        survey(written(empty))
    with pytest.raises(UnreadableImageError, match="DICOM"):
        decode(written(dataset())[:300], SIZE)
