"""An image file as Pillow opens it: what is refused, and deep values as the detector gave them."""

import contextlib
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from trainable.errors import InputError, UnreadableImageError
from trainable.images.dicom import TOO_LARGE
from trainable.images.jpeg2000 import depth_of

_JPEG2000 = "JPEG2000"
_SEVERAL_IN_ONE = "MPO"  # a photograph with previews of itself; the first is the picture
_DEEP_MODES = ("I", "I;16", "I;16B", "I;16L", "I;16N", "F")
_CUT = re.compile("truncated|unexpected end|end of file", re.IGNORECASE)


@contextlib.contextmanager
def readable(data: bytes) -> Iterator[None]:
    """Turn whatever a decoder raises of a file into why the file cannot be read.

    Raises:
        UnreadableImageError: In place of every error.
    """
    try:
        yield
    except Exception as error:  # a foreign file can make a decoder raise anything
        raise UnreadableImageError(_reason(error, data)) from error


def is_deep(image: Image.Image) -> bool:
    """Whether the values need limits to become grey bytes."""
    return image.mode in _DEEP_MODES


def require_supported(image: Image.Image, data: bytes) -> None:
    """Refuse several pages, and what Pillow would cut to its upper 8 bits.

    Those are dark, where a detector has 12 bits of 16.

    Raises:
        UnreadableImageError: Saying what to save instead.
    """
    pages = getattr(image, "n_frames", 1)
    if pages > 1 and image.format != _SEVERAL_IN_ONE:
        raise UnreadableImageError(
            f"the file has {pages} pages; save the one to use as a file of its own"
        )
    if is_deep(image):
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


def deep_values(image: Image.Image, file_format: str | None, data: bytes) -> NDArray[Any]:
    """Values of more than 8 bits as the detector gave them, whatever the format of the file.

    Args:
        image: The image, upright or as stored.
        file_format: Pillow's name of the format, which an image that was turned has lost.
        data: The bytes of the file.
    """
    values = np.asarray(image)
    if file_format != _JPEG2000:
        return values
    return values >> (16 - min(16, depth_of(data).bits))  # pillow shifts them up to 16 bits


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
