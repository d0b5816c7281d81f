"""DICOM files: known by their name or their preamble, read by pydicom."""

import io
import re
from collections.abc import Collection
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from trainable.errors import InputError, UnreadableImageError

_MOST_PIXELS = 2 * (Image.MAX_IMAGE_PIXELS or 89_478_485)
TOO_LARGE = f"the image has more than {_MOST_PIXELS // 10**6} million pixels; save it smaller"
"""Why a file is refused whose head asks for so much memory; pillow has the same limit."""

_MAGIC, _PREAMBLE = b"DICM", 128
# of group 2 or 8, little-endian, with a kind of value (explicit) or a short length (implicit); some
# archives write no preamble before it
_FIRST_ELEMENT = re.compile(
    rb"[\x02\x08]\x00[\x00-\x20]\x00(?:[A-Z]{2}|[\x00-\xff]\x00\x00\x00)", re.DOTALL
)
_SOP_CLASS = re.compile(
    rb"(?:\x02\x00\x02\x00|\x08\x00\x16\x00)(?:UI..|..\x00\x00)([0-9.]+)", re.DOTALL
)
_RAW_CLASSES = frozenset(
    f"1.2.840.10008.5.1.4.1.1.1.{kind}.1"  # digital X-ray, mammography and teeth, for processing
    for kind in (1, 2, 3)
)


def is_dicom(file: Path | bytes) -> bool:
    """Whether a file, or its content, begins as a DICOM file does, with a preamble or without."""
    if isinstance(file, bytes):
        has_preamble = file[_PREAMBLE : _PREAMBLE + len(_MAGIC)] == _MAGIC
        return has_preamble or bool(_FIRST_ELEMENT.match(file))
    with file.open("rb") as opened:
        return is_dicom(opened.read(_PREAMBLE + len(_MAGIC)))


def sop_class(file: Path) -> str:
    """The UID of what a DICOM file holds, from its first KiB; "" if it is not there."""
    try:
        with file.open("rb") as opened:
            found = _SOP_CLASS.search(opened.read(1024))
    except OSError:  # who reads the picture says why it cannot be read
        return ""
    return found[1].decode() if found else ""


class DicomPicture(NamedTuple):
    """The picture of a DICOM file.

    Attributes:
        values: (height, width), after rescaling and window.
        limits: The values of black and white, where a window, a lookup table or 8 bits give them.
        is_inverted: Whether low values are bright (MONOCHROME1).
        channels: Of the stored pixels, before colour became grey.
        maker: Maker and model of the machine; "" where the file has none.
        is_raw: Whether the picture is for processing by the machine, and not for viewing.
    """

    values: NDArray[np.float32]
    limits: tuple[float, float] | None
    is_inverted: bool = False
    channels: int = 1
    maker: str = ""
    is_raw: bool = False


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
        dataset = pydicom.dcmread(
            file, stop_before_pixels=True, specific_tags=[keyword], force=is_dicom(file)
        )
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
        from pydicom.pixels import apply_color_lut, apply_modality_lut, apply_voi_lut

        dataset = pydicom.dcmread(io.BytesIO(data), force=True)
        _name_encoding(dataset)
        _drop_empty(dataset)
        if "PixelData" not in dataset:
            raise UnreadableImageError("the DICOM file has no picture")
        _require_one_frame(int(dataset.get("NumberOfFrames") or 1))
        if int(dataset.Rows) * int(dataset.Columns) > _MOST_PIXELS:
            raise UnreadableImageError(TOO_LARGE)
        pixels: NDArray[Any] = dataset.pixel_array  # colour comes as RGB, whatever it is stored as
        channels = int(dataset.SamplesPerPixel)
        if pixels.ndim > (2 if channels == 1 else 3):
            _require_one_frame(len(pixels))  # they are counted by the bytes, whatever the file says
        maker, is_raw = _maker(dataset), _is_raw(dataset)
        colour, bits = dataset.PhotometricInterpretation, int(dataset.BitsStored)
        if colour == "PALETTE COLOR":
            pixels = apply_color_lut(pixels, dataset)
            bits = int(dataset.RedPaletteColorLookupTableDescriptor[2])
        if pixels.ndim == 3:
            grey = _luminance(pixels, bits)
            return DicomPicture(grey, (0.0, 255.0), False, channels, maker, is_raw)
        if not colour.startswith("MONOCHROME"):
            raise UnreadableImageError(f"a DICOM picture of {colour} is not read; save it as PNG")
        if int(dataset.HighBit) + 1 != bits:
            raise UnreadableImageError(
                f"the DICOM file keeps {bits} bits below bit {int(dataset.HighBit)}, which is not "
                "read; save it as PNG"
            )
        values = np.asarray(apply_modality_lut(pixels, dataset))
        shown = np.asarray(apply_voi_lut(values, dataset), np.float32)
        is_inverted = colour == "MONOCHROME1"
        return DicomPicture(shown, _limits(dataset), is_inverted, channels, maker, is_raw)
    except UnreadableImageError:
        raise
    except Exception as error:  # a foreign file can make the reader raise anything
        raise ValueError(f"DICOM: {str(error).strip() or type(error).__name__}") from error


def _name_encoding(dataset: Any) -> None:
    """Say how the pixels of a file without a header are stored: uncompressed, as its elements."""
    from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

    is_implicit, is_little = dataset.original_encoding
    if "TransferSyntaxUID" not in dataset.file_meta and is_little:
        syntax = ImplicitVRLittleEndian if is_implicit else ExplicitVRLittleEndian
        dataset.file_meta.TransferSyntaxUID = syntax


def _require_one_frame(frames: int) -> None:
    if frames > 1:
        raise UnreadableImageError(
            f"the DICOM file has {frames} frames; save the one to use as a file of its own"
        )


def _maker(dataset: Any) -> str:
    names = (dataset.get(keyword) for keyword in ("Manufacturer", "ManufacturerModelName"))
    return " ".join(str(name).strip() for name in names if name)


def _is_raw(dataset: Any) -> bool:
    intent = str(dataset.get("PresentationIntentType") or "").strip().upper()
    return intent == "FOR PROCESSING" or str(dataset.get("SOPClassUID")) in _RAW_CLASSES


def _drop_empty(dataset: Any) -> None:
    """Remove lookup tables, windows and rescaling without values: anonymized files have them.

    A window of width 0 is none either: the standard forbids it, and it shows nothing.
    """
    for keyword in ("VOILUTSequence", "ModalityLUTSequence"):
        if keyword in dataset and not any("LUTData" in item for item in dataset[keyword].value):
            del dataset[keyword]
    width = dataset.get("WindowWidth")
    if width is not None and not np.atleast_1d(np.asarray(width, float))[0]:
        del dataset.WindowWidth
    for pair in (("WindowCenter", "WindowWidth"), ("RescaleSlope", "RescaleIntercept")):
        if any(dataset.get(keyword) is None for keyword in pair):
            for keyword in pair:
                dataset.pop(keyword, None)


def _limits(dataset: Any) -> tuple[float, float] | None:
    """Black and white of what a lookup table, a window or 8 bits give: all values it can have."""
    if "VOILUTSequence" in dataset:
        return 0.0, float(2 ** int(dataset.VOILUTSequence[0].LUTDescriptor[2]) - 1)
    bits, is_signed = int(dataset.BitsStored), int(dataset.PixelRepresentation)
    is_windowed = "WindowCenter" in dataset
    if not is_windowed and (bits > 8 or is_signed):
        return None
    if "ModalityLUTSequence" in dataset:
        return 0.0, float(2 ** int(dataset.ModalityLUTSequence[0].LUTDescriptor[2]) - 1)
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if is_signed else (0, 2**bits - 1)
    slope, intercept = float(dataset.get("RescaleSlope", 1)), dataset.get("RescaleIntercept", 0)
    ends = low * slope + float(intercept), high * slope + float(intercept)
    # pydicom spreads a window from the first to the second, also where a slope turns them round
    return ends if is_windowed else (min(ends), max(ends))


def _luminance(rgb: NDArray[Any], bits: int) -> NDArray[np.float32]:
    weights = np.array([0.299, 0.587, 0.114], np.float32) * np.float32(255.0 / (2**bits - 1))
    return np.asarray(rgb[..., :3].astype(np.float32) @ weights, np.float32)
