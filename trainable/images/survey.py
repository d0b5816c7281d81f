"""What is known of an image file before its pixels are used."""

import io
import zlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from trainable.images.dicom import is_dicom, read_dicom
from trainable.images.intensity import is_whole, value_range
from trainable.images.opening import deep_values, is_deep, readable, require_supported

SURVEY_RULE = "survey v2"
"""Part of the key of stored surveys: change it whenever a survey could change."""

KINDS = ("PNG", "JPEG", "BMP", "TIFF", "WEBP", "JPEG2000", "DICOM")
_OTHER = len(KINDS)


class Survey(NamedTuple):
    """What a file says of its image, in numbers.

    Attributes:
        width: In pixels, as stored.
        height: In pixels, as stored.
        is_deep: 1 if its values need the limits of the cohort, else 0.
        is_whole: 1 if the values are whole numbers, else 0.
        low: Of the range of deep values.
        high: Of the range of deep values.
        kind: Place of the kind of file in `KINDS`, or their number for others.
        channels: 1 in grey, 3 and more in colour.
        maker: A number that stands for maker and model of the machine; 0 where the file has none.
        is_raw: 1 if it is not meant for viewing (DICOM's FOR PROCESSING), else 0.
    """

    width: float
    height: float
    is_deep: float = 0
    is_whole: float = 1
    low: float = 0
    high: float = 255
    kind: float = _OTHER
    channels: float = 1
    maker: float = 0
    is_raw: float = 0


def survey(data: bytes) -> Survey:
    """Look at one image file; only images with deep values are decoded.

    Raises:
        UnreadableImageError: If the file is no image.
    """
    with readable(data):
        if is_dicom(data):
            return _survey_dicom(data)
        with Image.open(io.BytesIO(data)) as image:
            require_supported(image, data)
            width, height = image.size
            seen = Survey(width, height, kind=_kind(image.format), channels=len(image.getbands()))
            if not is_deep(image):
                return seen
            return _with_range(seen, deep_values(image, image.format, data))


def by_field(surveys: NDArray[np.float64]) -> Mapping[str, NDArray[np.float64]]:
    """The columns of surveys (num_images, number of fields), by the fields of `Survey`."""
    return dict(zip(Survey._fields, surveys.T, strict=True))


def _survey_dicom(data: bytes) -> Survey:
    picture = read_dicom(data)
    height, width = picture.values.shape
    seen = Survey(
        width,
        height,
        kind=KINDS.index("DICOM"),
        channels=picture.channels,
        maker=zlib.crc32(picture.maker.encode()),
        is_raw=picture.is_raw,
    )
    return seen if picture.limits is not None else _with_range(seen, picture.values)


def _with_range(seen: Survey, values: NDArray[Any]) -> Survey:
    low, high = value_range(values)
    return seen._replace(is_deep=1, is_whole=is_whole(values), low=low, high=high)


def _kind(file_format: str | None) -> int:
    known = "JPEG" if file_format == "MPO" else file_format
    return KINDS.index(known) if known in KINDS else _OTHER
