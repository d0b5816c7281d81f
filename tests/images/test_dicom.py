"""DICOM files are read as a viewer shows them, or refused in a sentence; pydicom makes them."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from pydicom.uid import (
    DigitalXRayImageStorageForPresentation,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)

from trainable.images.decoding import UnreadableImageError, decode, survey
from trainable.images.dicom import is_dicom
from trainable.images.intensity import Limits

SIZE = 32
RAMP = np.linspace(0, 4095, SIZE * SIZE).reshape(SIZE, SIZE).astype(np.uint16)


def dataset(pixels: NDArray[Any] = RAMP, **elements: Any) -> pydicom.Dataset:
    found = pydicom.Dataset()
    found.file_meta = pydicom.dataset.FileMetaDataset()
    found.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    found.file_meta.MediaStorageSOPClassUID = DigitalXRayImageStorageForPresentation
    found.file_meta.MediaStorageSOPInstanceUID = pydicom.uid.generate_uid()
    found.SOPClassUID = found.file_meta.MediaStorageSOPClassUID
    found.SOPInstanceUID = found.file_meta.MediaStorageSOPInstanceUID
    found.Rows, found.Columns = pixels.shape[-2:]
    found.BitsAllocated = 8 * pixels.itemsize
    found.BitsStored = 12 if pixels.itemsize == 2 else 8
    found.HighBit, found.PixelRepresentation, found.SamplesPerPixel = found.BitsStored - 1, 0, 1
    found.PhotometricInterpretation = "MONOCHROME2"
    found.PixelData = pixels.tobytes()
    for name, value in elements.items():
        setattr(found, name, value)
    return found


def written(found: pydicom.Dataset) -> bytes:
    file = io.BytesIO()
    pydicom.dcmwrite(file, found, enforce_file_format=True)
    return file.getvalue()


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
