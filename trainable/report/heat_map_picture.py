"""A heat map as a picture: the X-ray, and beside it the same one under colours."""

import base64
import io
from collections.abc import Iterator, Sequence
from html import escape

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageColor

from trainable.report.figures import MODEL, OTHER
from trainable.store.lazy import AnyArray

_MOST_COLOUR = 0.65  # the X-ray must be seen through the strongest colour
_GAP = 8  # pixels
_PERCENTILE = 99.0
_LEAST = 1e-6


def draw_all(pixels: AnyArray, heat_maps: NDArray[np.float32]) -> Iterator[Image.Image]:
    """Each image, and beside it the image under its heat map; all colours have one scale.

    Args:
        pixels: (num_images, size, size), grey, 0 black to 255 white.
        heat_maps: (num_images, edge, edge), above 0 where a place speaks for the positive class.
    """
    # colours are strongest from the heat of one place in a hundred on
    full_heat = max(float(np.percentile(np.abs(heat_maps), _PERCENTILE)), _LEAST)
    for row, heat_map in enumerate(heat_maps):
        yield _draw(pixels[row], heat_map, full_heat)


def _draw(
    pixels: NDArray[np.uint8], heat_map: NDArray[np.float32], full_heat: float
) -> Image.Image:
    """The image, and beside it the image under its heat map.

    Args:
        pixels: (size, size), grey, 0 black to 255 white.
        heat_map: (edge, edge), above 0 where a place speaks for the positive class.
        full_heat: Heat of the strongest colour.

    Returns:
        RGB, (2 * size + 8) by size.
    """
    size = len(pixels)
    grown = Image.fromarray(heat_map.astype(np.float32)).resize(
        (size, size), Image.Resampling.BILINEAR
    )
    heat = np.clip(np.asarray(grown) / full_heat, -1, 1)[:, :, None]
    towards, against = (np.array(ImageColor.getrgb(colour)) for colour in (OTHER, MODEL))
    colour = np.where(heat > 0, towards, against)
    share = _MOST_COLOUR * np.abs(heat)
    grey = np.repeat(pixels[:, :, None], 3, axis=2)
    coloured = (grey * (1 - share) + colour * share).round().astype(np.uint8)
    both = Image.new("RGB", (2 * size + _GAP, size), "white")
    both.paste(Image.fromarray(grey), (0, 0))
    both.paste(Image.fromarray(coloured), (size + _GAP, 0))
    return both


def stacked(pictures: Sequence[Image.Image]) -> Image.Image:
    """Pictures of one size, one below the other."""
    width, height = pictures[0].size
    step = height + _GAP
    whole = Image.new("RGB", (width, step * len(pictures) - _GAP), "white")
    for place, picture in enumerate(pictures):
        whole.paste(picture, (0, place * step))
    return whole


def as_svg(picture: Image.Image, title: str) -> str:
    """The picture inside SVG, as a figure of a page has it."""
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=85)
    data = base64.b64encode(file.getvalue()).decode()
    width, height = picture.size
    return (
        f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{escape(title)}">'
        f'<image width="{width}" height="{height}" href="data:image/jpeg;base64,{data}"/></svg>'
    )
