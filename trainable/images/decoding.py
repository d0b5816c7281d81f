"""One image file to one square of grey bytes: the only place that decodes."""

import io
import re
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, UnidentifiedImageError

from trainable.errors import InputError, UnreadableImageError
from trainable.images.dicom import TOO_LARGE, is_dicom, read_dicom
from trainable.images.intensity import common_limits, is_whole, to_bytes, to_grey, value_range
from trainable.images.jpeg2000 import depth_of
from trainable.images.preprocessing import Limits, Resize

DECODE_RULE = (
    "luminance, exif-transposed, stretched to a square, bilinear with antialiasing, deep values by "
    "the limits of the cohort before they are resized, v4"
)
"""Part of the key of every stored array: change it whenever a pixel could change."""

SUFFIXES = frozenset(
    {".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".bmp", ".tif", ".tiff", ".webp", ".jp2", ".j2k"}
)
"""File endings (lower case) that count as images when a folder is listed, beside DICOM's."""

_CUT = re.compile("truncated|unexpected end|end of file", re.IGNORECASE)
_DEEP_MODES = ("I", "I;16", "I;16B", "I;16L", "I;16N", "F")
_SEVERAL_IN_ONE = "MPO"  # a photograph with previews of itself; the first is the picture
_JPEG2000 = "JPEG2000"
_PHOTOMETRIC, _WHITE_IS_ZERO = 262, 0
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class Survey(NamedTuple):
    """What is known of an image before its pixels are used.

    Attributes:
        width: In pixels, as stored.
        height: In pixels, as stored.
        is_deep: 1 if its values need the limits of the cohort, else 0.
        is_whole: 1 if the values are whole numbers, else 0.
        low: Of the range of deep values.
        high: Of the range of deep values.
    """

    width: float
    height: float
    is_deep: float = 0
    is_whole: float = 1
    low: float = 0
    high: float = 255


def survey(data: bytes) -> Survey:
    """Look at one image file; only images with deep values are decoded.

    Raises:
        UnreadableImageError: If the file is no image.
    """
    try:
        if is_dicom(data):
            picture = read_dicom(data)
            height, width = picture.values.shape
            if picture.limits is not None:
                return Survey(width, height)
            return _deep_survey(picture.values)
        with Image.open(io.BytesIO(data)) as image:
            _require_one_page(image)
            _require_few_bits(image, data)
            if image.mode not in _DEEP_MODES:
                return Survey(*image.size)
            return _deep_survey(_deep_values(image, image.format, data))
    except Exception as error:  # a foreign file can make a decoder raise anything
        raise UnreadableImageError(_reason(error, data)) from error


def _deep_survey(values: NDArray[Any]) -> Survey:
    height, width = values.shape
    return Survey(width, height, 1, is_whole(values), *value_range(values))


def decode(
    data: bytes, size: int, limits: Limits | None = None, resize: Resize = "stretch"
) -> NDArray[np.uint8]:
    """Decode one image file into grey bytes.

    An X-ray has one channel, whatever its file says: colour is reduced to luminance, transparency
    is laid over black, and values of more than 8 bits are scaled by the limits of the cohort. EXIF
    rotation is applied.

    Args:
        data: The bytes of a PNG, JPEG, BMP, TIFF, WebP, JPEG 2000 or DICOM file.
        size: Edge of the square in pixels, at least 1.
        limits: Black and white of deep values; None to take them from the image itself.
        resize: How the image becomes a square.

    Returns:
        Array of shape (size, size), 0 black to 255 white.

    Raises:
        UnreadableImageError: If the file is no image, is truncated, or has several pages.
    """
    try:
        resized = _resized(_picture(data, size, limits), size, resize)
        return _padded(to_bytes(np.asarray(resized)), size)
    except Exception as error:  # a foreign file can make a decoder raise anything
        raise UnreadableImageError(_reason(error, data)) from error


def grey_values(data: bytes, size: int, limits: Limits | None = None) -> NDArray[np.float32]:
    """The grey values of an image file that `decode` makes a square of this size from.

    Args:
        data: The bytes of an image file.
        size: Edge of the square; a JPEG much larger is decoded at a fraction of its size.
        limits: Black and white of deep values; None to take them from the image itself.

    Returns:
        Array of shape (height, width), 0 black to 255 white.

    Raises:
        UnreadableImageError: As `decode` does.
    """
    try:
        return np.asarray(_picture(data, size, limits), np.float32)
    except Exception as error:  # a foreign file can make a decoder raise anything
        raise UnreadableImageError(_reason(error, data)) from error


def _picture(data: bytes, size: int, limits: Limits | None) -> Image.Image:
    """The image before it is resized: grey bytes, or fractions of grey levels."""
    if is_dicom(data):
        dicom = read_dicom(data)
        own = Limits(*dicom.limits) if dicom.limits else limits
        return _deep_picture(dicom.values, own, is_inverted=dicom.is_inverted)
    with Image.open(io.BytesIO(data)) as image:
        _require_one_page(image)
        _require_few_bits(image, data)
        # JPEG can be decoded at a fraction of its size; twice the target keeps the
        # last, antialiased step to us. It does nothing to other formats.
        image.draft("L", (2 * size, 2 * size))
        upright = _turned(image)
        if image.mode in _DEEP_MODES:
            inverted = _tag(image, _PHOTOMETRIC) == _WHITE_IS_ZERO
            values = _deep_values(upright, image.format, data)
            return _deep_picture(values, limits, is_inverted=inverted)
        return _to_grey(upright)


def _reason(error: Exception, data: bytes) -> str:
    """Why a file cannot be read, for people."""
    if not data:
        return "the file is empty"
    if isinstance(error, UnreadableImageError | InputError):
        return str(error)
    if isinstance(error, UnidentifiedImageError):
        return "no image, or of a kind that is not read"
    if isinstance(error, Image.DecompressionBombError):
        return TOO_LARGE
    if isinstance(error, MemoryError):
        return "the image needs more memory than there is"
    text = re.sub(r"\s+", " ", str(error)).strip(" .") or type(error).__name__
    return "the file ends too early" if _CUT.search(text) else f"the file is damaged: {text}"


def _require_one_page(image: Image.Image) -> None:
    pages = getattr(image, "n_frames", 1)
    if pages > 1 and image.format != _SEVERAL_IN_ONE:
        raise UnreadableImageError(
            f"the file has {pages} pages; save the one to use as a file of its own"
        )


def _require_few_bits(image: Image.Image, data: bytes) -> None:
    """Refuse what Pillow would cut to its upper 8 bits: dark, where a detector has 12 of 16."""
    if image.mode in _DEEP_MODES:
        return
    if ";16" in str(getattr(image, "tile", "")):
        raise UnreadableImageError(
            "the file has 16 bits per pixel and several channels; save it in grey (one channel)"
        )
    depth = depth_of(data) if image.format == _JPEG2000 else None
    if depth and depth.bits > 8:
        raise UnreadableImageError(
            f"the JPEG 2000 file has {depth.bits} bits in {depth.components} channel(s), of which "
            "8 would be read; save it in grey as PNG"
        )


def _deep_values(image: Image.Image, file_format: str | None, data: bytes) -> NDArray[Any]:
    """Values of more than 8 bits as the detector gave them, whatever the format of the file."""
    values = np.asarray(image)
    if file_format != _JPEG2000:
        return values
    return values >> (16 - min(16, depth_of(data).bits))  # pillow shifts them up to 16 bits


def _tag(image: Image.Image, number: int) -> Any:
    tags = getattr(image, "tag_v2", None)
    return None if tags is None else tags.get(number)


def _turned(image: Image.Image) -> Image.Image:
    """The image upright; the rest of its EXIF is not looked at, and may be damaged."""
    image.load()  # which turns a TIFF, and no other image, and takes the tag away
    turn = _TURNS.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    return image if turn is None else image.transpose(turn)


def _deep_picture(
    values: NDArray[Any], limits: Limits | None, *, is_inverted: bool
) -> Image.Image:
    if limits is None:
        limits = common_limits(np.array([value_range(values)]), whole=is_whole(values))
    grey = to_grey(values.astype(np.float32), limits, is_inverted=is_inverted)
    # whole grey levels are those of an image of 8 bits, and are resized as it is
    return Image.fromarray(grey.astype(np.uint8) if is_whole(grey) else grey)


def _resized(image: Image.Image, size: int, resize: Resize) -> Image.Image:
    """The image in a square of this size: all of the square, but with `pad` a part."""
    width, height = image.size
    inner, box = (size, size), (0.0, 0.0, float(width), float(height))
    if resize == "pad":
        scale = size / max(width, height)
        inner = max(1, round(width * scale)), max(1, round(height * scale))
    elif resize == "crop":
        edge = min(width, height)
        left, top = (width - edge) / 2, (height - edge) / 2
        box = (left, top, left + edge, top + edge)
    return image.resize(inner, Image.Resampling.BILINEAR, box)


def _padded(grey: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """The image in the middle of a black square."""
    height, width = grey.shape
    if height == width == size:
        return grey
    square = np.zeros((size, size), np.uint8)
    top, left = (size - height) // 2, (size - width) // 2
    square[top : top + height, left : left + width] = grey
    return square


def _to_grey(image: Image.Image) -> Image.Image:
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        over_black = Image.new("RGBA", image.size, (0, 0, 0, 255))
        return Image.alpha_composite(over_black, image.convert("RGBA")).convert("L")
    if image.mode in ("L", "RGB"):
        return image.convert("L")
    return image.convert("RGB").convert("L")
