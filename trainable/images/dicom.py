"""DICOM files: known by their name or their preamble, read by pydicom."""

import io
from collections.abc import Collection
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from trainable.errors import InputError, UnreadableImageError

DICOM_SUFFIXES = frozenset({".dcm", ".dicom", ".dic"})
"""File endings (lower case) of DICOM files; many have none."""

_MOST_PIXELS = 2 * (Image.MAX_IMAGE_PIXELS or 89_478_485)
TOO_LARGE = f"the image has more than {_MOST_PIXELS // 10**6} million pixels; save it smaller"
"""Why a file is refused whose head asks for so much memory; pillow has the same limit."""

_MAGIC, _PREAMBLE = b"DICM", 128


def is_dicom(file: Path | bytes) -> bool:
    """Whether a file, or its content, begins as a DICOM file does."""
    if isinstance(file, bytes):
        return file[_PREAMBLE : _PREAMBLE + len(_MAGIC)] == _MAGIC
    with file.open("rb") as opened:
        return is_dicom(opened.read(_PREAMBLE + len(_MAGIC)))


class DicomPicture(NamedTuple):
    """The picture of a DICOM file.

    Attributes:
        values: (height, width), after rescaling and window.
        limits: The values of black and white, where a window, a lookup table or 8 bits give them.
        is_inverted: Whether low values are bright (MONOCHROME1).
    """

    values: NDArray[np.float32]
    limits: tuple[float, float] | None
    is_inverted: bool


def _pydicom() -> Any:
    try:
        import pydicom
    except ImportError as error:
        raise InputError(
            "a DICOM file needs pydicom: install the extra `dicom` (uv sync --extra dicom)"
        ) from error
    return pydicom


def known_keywords() -> Collection[str]:
    """The keywords of all elements that DICOM names, such as PatientID.

    Raises:
        InputError: If pydicom is missing.
    """
    keywords: Collection[str] = _pydicom().datadict.keyword_dict.keys()
    return keywords


def read_element(file: Path, keyword: str) -> str:
    """The value of an element of a file, as text; "" if the file has none.

    Raises:
        InputError: If the file is no DICOM file, or pydicom is missing.
    """
    pydicom = _pydicom()
    try:
        dataset = pydicom.dcmread(file, stop_before_pixels=True, specific_tags=[keyword])
        return str(dataset.get(keyword) or "").strip()
    except Exception as error:  # a foreign file can make the reader raise anything
        raise InputError(f"{file}: {str(error).strip() or type(error).__name__}") from error


def read_dicom(data: bytes) -> DicomPicture:
    """Read the picture in a DICOM file.

    The modality's rescaling and the viewer's lookup table or window are applied (DICOM PS3.3,
    C.11.1 and C.11.2).

    Raises:
        UnreadableImageError: If this is no DICOM file of one frame of a grey or colour picture.
        InputError: If pydicom is missing.
        ValueError: If the file is damaged.
    """
    pydicom = _pydicom()
    try:
        from pydicom.pixels import apply_modality_lut, apply_voi_lut

        dataset = pydicom.dcmread(io.BytesIO(data), force=True)
        if "PixelData" not in dataset:
            raise UnreadableImageError("the DICOM file has no picture")
        frames = int(dataset.get("NumberOfFrames") or 1)
        if frames > 1:
            raise UnreadableImageError(
                f"the DICOM file has {frames} frames; save the one to use as a file of its own"
            )
        if int(dataset.Rows) * int(dataset.Columns) > _MOST_PIXELS:
            raise UnreadableImageError(TOO_LARGE)
        pixels: NDArray[Any] = dataset.pixel_array
        if pixels.ndim == 3:
            return DicomPicture(_luminance(dataset, pixels), (0.0, 255.0), False)
        values = np.asarray(apply_modality_lut(pixels, dataset))
        shown = np.asarray(apply_voi_lut(values, dataset), np.float32)
        limits = _limits(dataset)
        is_inverted = dataset.PhotometricInterpretation == "MONOCHROME1"
        return DicomPicture(shown, limits, is_inverted)
    except UnreadableImageError:
        raise
    except Exception as error:  # a foreign file can make the reader raise anything
        raise ValueError(f"DICOM: {str(error).strip() or type(error).__name__}") from error


def _limits(dataset: Any) -> tuple[float, float] | None:
    """Black and white of what a lookup table or a window gives: all values that it can have."""
    if "VOILUTSequence" in dataset:
        return 0.0, float(2 ** int(dataset.VOILUTSequence[0].LUTDescriptor[2]) - 1)
    bits, is_signed = int(dataset.BitsStored), int(dataset.PixelRepresentation)
    if "WindowCenter" not in dataset:
        return (0.0, float(2**bits - 1)) if bits <= 8 and not is_signed else None
    if "ModalityLUTSequence" in dataset:
        return 0.0, float(2 ** int(dataset.ModalityLUTSequence[0].LUTDescriptor[2]) - 1)
    # pydicom spreads a window over the range of the stored values, after rescaling
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if is_signed else (0, 2**bits - 1)
    slope = float(dataset.get("RescaleSlope") or 1)
    intercept = float(dataset.get("RescaleIntercept") or 0)
    return low * slope + intercept, high * slope + intercept


def _luminance(dataset: Any, pixels: NDArray[Any]) -> NDArray[np.float32]:
    from pydicom.pixels import convert_color_space

    colour = dataset.PhotometricInterpretation
    rgb = convert_color_space(pixels, colour, "RGB") if colour.startswith("YBR") else pixels
    scale = 255.0 / (2 ** int(dataset.BitsStored) - 1)
    weights = np.array([0.299, 0.587, 0.114], np.float32) * np.float32(scale)
    return np.asarray(rgb[..., :3].astype(np.float32) @ weights, np.float32)
