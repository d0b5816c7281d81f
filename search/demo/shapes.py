"""Shapes and noise that phantoms are drawn with."""

from functools import lru_cache, reduce

import numpy as np
from numpy.random import Generator as Rng
from numpy.typing import NDArray

Plane = NDArray[np.float64]  # One value a pixel: (size, size).


def edge(*outlines: Plane, width: float = 1.0) -> Plane:
    """Smooth step from 0 (outside) to 1 (width / 2 inside every one of the outlines)."""
    # A polynomial, since exp may differ between machines in the last digit.
    t = np.clip(reduce(np.minimum, outlines) / width + 0.5, 0.0, 1.0)
    return (3.0 - 2.0 * t) * t * t


def ellipse(x: Plane, y: Plane, centre: tuple[float, float], radii: tuple[float, float]) -> Plane:
    """Signed closeness to an ellipse: 1 at its centre, 0 on its rim, negative outside."""
    across, down = (x - centre[0]) / radii[0], (y - centre[1]) / radii[1]
    return 1.0 - np.sqrt(across * across + down * down)


@lru_cache(maxsize=64)
def _spline(size: int, cells: int) -> Plane:
    """Cubic B-spline basis (size, cells + 3), which turns random knots into smooth noise."""
    offset = np.abs((np.arange(size)[:, None] + 0.5) / size * cells + 1.0 - np.arange(cells + 3))
    near = 2.0 / 3.0 - offset**2 + offset**3 / 2.0
    return np.where(offset < 1.0, near, np.clip(2.0 - offset, 0.0, None) ** 3 / 6.0)


def blur(rng: Rng, cells: tuple[int, int], shape: tuple[int, ...]) -> Plane:
    """Smooth noise of about unit variance that looks the same at every number of pixels."""
    knots = 2.0 * rng.normal(size=(cells[0] + 3, cells[1] + 3))
    return _spline(shape[0], cells[0]) @ knots @ _spline(shape[1], cells[1]).T
