"""One image file to one square of grey bytes: the only place that decodes."""

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image

from trainable.images.dicom import is_dicom, read_dicom
from trainable.images.intensity import common_limits, is_whole, to_bytes, to_grey, value_range
from trainable.images.opening import deep_values, is_deep, readable, require_supported
from trainable.images.preprocessing import Limits, Resize

DECODE_RULE = (
    "luminance, exif-transposed, stretched to a square, bilinear with antialiasing, deep values by "
    "the limits of the cohort before they are resized, v4"
)
"""Part of the key of every stored array: change it whenever a pixel could change."""

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
    with readable(data):
        resized = _resized(_picture(data, size, limits), size, resize)
        return _padded(to_bytes(np.asarray(resized)), size)


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
    with readable(data):
        return np.asarray(_picture(data, size, limits), np.float32)


def _picture(data: bytes, size: int, limits: Limits | None) -> Image.Image:
    """The image before it is resized: grey bytes, or fractions of grey levels."""
    if is_dicom(data):
        dicom = read_dicom(data)
        own = Limits(*dicom.limits) if dicom.limits else limits
        return _deep_picture(dicom.values, own, is_inverted=dicom.is_inverted)
    with Image.open(io.BytesIO(data)) as image:
        require_supported(image, data)
        # JPEG can be decoded at a fraction of its size; twice the target keeps the
        # last, antialiased step to us. It does nothing to other formats.
        image.draft("L", (2 * size, 2 * size))
        upright = _turned(image)
        if is_deep(image):
            inverted = _tag(image, _PHOTOMETRIC) == _WHITE_IS_ZERO
            values = deep_values(upright, image.format, data)
            return _deep_picture(values, limits, is_inverted=inverted)
        return _to_grey(upright)


def _tag(image: Image.Image, number: int) -> Any:
    tags = getattr(image, "tag_v2", None)
    return None if tags is None else tags.get(number)


def _turned(image: Image.Image) -> Image.Image:
    """The image upright; the rest of its EXIF is not looked at, and may be damaged."""
    image.load()  # which turns a TIFF, and no other image, and takes the tag away
    turn = _TURNS.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    return image if turn is None else image.transpose(turn)


def _deep_picture(values: NDArray[Any], limits: Limits | None, *, is_inverted: bool) -> Image.Image:
    if limits is None:
        limits = common_limits(np.array([value_range(values)]), np.array([is_whole(values)]))
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
