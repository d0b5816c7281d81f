"""DICOM files: known by their name or their preamble, read by pydicom."""

import io
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

DICOM_SUFFIXES = frozenset({".dcm", ".dicom", ".dic"})
"""File endings (lower case) of DICOM files; many have none."""

_MAGIC, _PREAMBLE = b"DICM", 128


def is_dicom(file: Path | bytes) -> bool:
    """Whether a file, or its content, begins as a DICOM file does."""
    if isinstance(file, bytes):
        return file[_PREAMBLE : _PREAMBLE + len(_MAGIC)] == _MAGIC
    with file.open("rb") as opened:
        return is_dicom(opened.read(_PREAMBLE + len(_MAGIC)))


def read_dicom(data: bytes) -> tuple[NDArray[np.float32], tuple[float, float] | None]:
    """The picture in a DICOM file, black to white, before it is made grey bytes.

    The modality's rescaling and the viewer's lookup table or window are applied, and MONOCHROME1 is
    inverted (DICOM PS3.3, C.11.1, C.11.2 and C.7.6.3.1.2).

    Returns:
        (height, width); and the values of black and white, where a window, a lookup table or 8 bits
        give them. None: they are a property of the cohort.

    Raises:
        ValueError: If this is no DICOM file of one frame of a grey or colour picture, or pydicom
            is missing.
    """
    try:
        import pydicom
        from pydicom.pixels import apply_modality_lut, apply_voi_lut
    except ImportError as error:
        raise ValueError(
            "a DICOM file needs pydicom: install the extra `dicom` (uv sync --extra dicom)"
        ) from error
    try:
        dataset = pydicom.dcmread(io.BytesIO(data), force=True)
        if "PixelData" not in dataset:
            raise ValueError("it has no picture")
        frames = int(dataset.get("NumberOfFrames") or 1)
        if frames > 1:
            raise ValueError(f"it has {frames} frames; save the one to use as a file of its own")
        pixels: NDArray[Any] = dataset.pixel_array
        if pixels.ndim == 3:
            return _luminance(dataset, pixels), (0.0, 255.0)
        modality = apply_modality_lut(pixels, dataset)
        has_view = "VOILUTSequence" in dataset or "WindowCenter" in dataset
        values = np.asarray(apply_voi_lut(modality, dataset), np.float32)
        limits = _limits(dataset, values, modality) if has_view else None
        if limits is None and int(dataset.BitsStored) <= 8:
            limits = (0.0, float(2 ** int(dataset.BitsStored) - 1))
        if dataset.PhotometricInterpretation == "MONOCHROME1":
            low, high = limits or (0.0, _white_of(values))
            values = low + high - values
        return values, limits
    except Exception as error:  # a foreign file can make the reader raise anything
        raise ValueError(f"DICOM: {str(error).strip() or type(error).__name__}") from error


def _limits(
    dataset: Any, values: NDArray[np.float32], modality: NDArray[Any]
) -> tuple[float, float]:
    """Black and white of what a lookup table or window gives: all values that it can have."""
    if "VOILUTSequence" in dataset:
        return 0.0, float(2 ** int(dataset.VOILUTSequence[0].LUTDescriptor[2]) - 1)
    # pydicom spreads a window over the range of the stored values, after rescaling
    bits, is_signed = int(dataset.BitsStored), int(dataset.PixelRepresentation)
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if is_signed else (0, 2**bits - 1)
    if "ModalityLUTSequence" in dataset:
        return 0.0, float(2 ** int(dataset.ModalityLUTSequence[0].LUTDescriptor[2]) - 1)
    slope = float(dataset.get("RescaleSlope") or 1)
    intercept = float(dataset.get("RescaleIntercept") or 0)
    return low * slope + intercept, high * slope + intercept


def _white_of(values: NDArray[np.float32]) -> float:
    """The largest value of the detector: the smallest of 8, 10, 12, 14 and 16 bits that fits."""
    most = float(values.max(initial=0.0))
    return float(next((2**bits - 1 for bits in (8, 10, 12, 14, 16) if most < 2**bits), most))


def _luminance(dataset: Any, pixels: NDArray[Any]) -> NDArray[np.float32]:
    from pydicom.pixels import convert_color_space

    colour = dataset.PhotometricInterpretation
    rgb = convert_color_space(pixels, colour, "RGB") if colour.startswith("YBR") else pixels
    scale = 255.0 / (2 ** int(dataset.BitsStored) - 1)
    weights = np.array([0.299, 0.587, 0.114], np.float32) * np.float32(scale)
    return np.asarray(rgb[..., :3].astype(np.float32) @ weights, np.float32)
