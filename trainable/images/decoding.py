"""One image file to one square of grey bytes: the only place that decodes."""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

DECODE_RULE = "luminance, exif-transposed, stretched to a square, bilinear with antialiasing, v1"
"""Part of the key of every stored array: change it whenever a pixel could change."""

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp"})
"""File endings (lower case) that count as images when a folder is listed."""

_DEEP_MODES = ("I", "I;16", "I;16B", "I;16L", "I;16N")


class UnreadableImageError(ValueError):
    """The file is not a complete image that pillow can decode."""


def decode(data: bytes, size: int) -> NDArray[np.uint8]:
    """Decode one image file into grey bytes.

    An X-ray has one channel, whatever its file says: colour is reduced to luminance, transparency
    is laid over black, and a 16-bit grey image is scaled by its full range (by 4095 where no pixel
    is above that, since detectors of 12 bits store into 16). EXIF rotation is applied. The image is
    stretched to a square, so that nothing of the chest is cropped away.

    Args:
        data: the bytes of a PNG, JPEG, BMP, TIFF or WebP file.
        size: edge of the square in pixels, at least 1.

    Returns:
        Array of shape (size, size), 0 black to 255 white.

    Raises:
        UnreadableImageError: if the file is no image, or is truncated.
    """
    try:
        with Image.open(io.BytesIO(data)) as image:
            # JPEG can be decoded at a fraction of its size; twice the target keeps the
            # last, antialiased step to us. It does nothing to other formats.
            image.draft("L", (2 * size, 2 * size))
            upright = ImageOps.exif_transpose(image)
            grey = _to_grey(upright)
            square = grey.resize((size, size), Image.Resampling.BILINEAR)
    except (
        OSError,
        ValueError,
        SyntaxError,
        EOFError,
        Image.DecompressionBombError,
    ) as error:
        raise UnreadableImageError(str(error) or type(error).__name__) from error
    return np.asarray(square, dtype=np.uint8)


def _to_grey(image: Image.Image) -> Image.Image:
    if image.mode in _DEEP_MODES:
        return _deep_to_grey(np.asarray(image, dtype=np.float64))
    if image.mode == "F":
        values = np.asarray(image, dtype=np.float64)
        return Image.fromarray(np.clip(values, 0, 255).round().astype(np.uint8))
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        over_black = Image.new("RGBA", image.size, (0, 0, 0, 255))
        return Image.alpha_composite(over_black, image.convert("RGBA")).convert("L")
    if image.mode in ("L", "RGB"):
        return image.convert("L")
    return image.convert("RGB").convert("L")


def _deep_to_grey(values: NDArray[np.float64]) -> Image.Image:
    white = 4095.0 if values.max(initial=0.0) <= 4095 else 65535.0
    return Image.fromarray(np.clip(values * (255.0 / white), 0, 255).round().astype(np.uint8))
