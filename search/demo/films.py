"""Chest X-ray phantoms drawn by code, no patient's data in them; the same pixels everywhere.

Imports little: a second process draws half of them where there are many.
"""

import contextlib
import pickle
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import reduce
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.random import Generator as Rng
from numpy.typing import NDArray
from PIL import Image

from search.demo.shapes import Plane, blur, edge, ellipse
from search.demo.signs import NO_SIGNS, Signs

_MANY = 200
"""Films that take longer to draw than a second process takes to begin."""


@dataclass(frozen=True)
class Film:
    """What one phantom shows, as `draw_phantom` takes it."""

    severity: float
    anatomy_seed: int
    day_seed: int
    signs: Signs = NO_SIGNS

    def draw(self, size: int) -> NDArray[np.uint8]:
        """Its grey levels (size, size), 0 black to 255 white."""
        return draw_phantom(self.severity, self.anatomy_seed, self.day_seed, size, self.signs)


def write_films(folder: Path, films: Mapping[str, Film], size: int) -> None:
    """Draw films into PNG files, half of them in a second process where there are many.

    Args:
        folder: Where they go.
        films: Each by its file's name in `folder`, in folders that are there.
        size: Pixels a side.
    """
    names = iter(films)
    apart = {name: films[name] for name in islice(names, len(films) // 2 * (len(films) >= _MANY))}
    with _written_apart(folder, apart, size):
        _write(folder, {name: films[name] for name in names}, size)


@contextlib.contextmanager
def _written_apart(folder: Path, films: Mapping[str, Film], size: int) -> Iterator[None]:
    """Draw films in a second process meanwhile; what it could not do is done here, and told."""
    if not films:
        yield
        return
    with subprocess.Popen(
        [sys.executable, "-P", "-m", __name__],
        stdin=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C is for the first process
    ) as process:
        try:
            assert process.stdin
            with contextlib.suppress(BrokenPipeError), process.stdin as pipe:
                pickle.dump((folder, films, size), pipe)
            yield
        except BaseException:
            process.kill()
            raise
    if process.returncode:
        _write(folder, films, size)


def _write(folder: Path, films: Mapping[str, Film], size: int) -> None:
    for name, film in films.items():
        # noise hardly shrinks, and the least compression takes a third less time
        Image.fromarray(film.draw(size)).save(folder / name, compress_level=1)


def _frame(anatomy: Rng, day: Rng, size: int) -> tuple[Plane, Plane]:
    """Body coordinates (x, y) of every pixel: build, positioning, a slight organic warp."""
    axis = (np.arange(size) + 0.5) / size * 2.0 - 1.0
    width, height = anatomy.uniform(0.98, 1.2), anatomy.uniform(0.96, 1.14)
    angle, zoom = day.normal(0.0, 0.04), day.uniform(0.94, 1.06)
    across, down = axis[None, :] - day.normal(0.0, 0.035), axis[:, None] - day.normal(0.0, 0.035)
    x = (across * np.cos(angle) + down * np.sin(angle)) / (width * zoom)
    y = (down * np.cos(angle) - across * np.sin(angle)) / (height * zoom)
    warp_x, warp_y = blur(anatomy, (5, 5), x.shape), blur(anatomy, (5, 5), x.shape)
    return x + 0.014 * warp_x, y + 0.014 * warp_y


def _organs(anatomy: Rng, breath: float, x: Plane, y: Plane) -> tuple[Plane, Plane, Plane]:
    """Depth in the lungs (negative outside), height (0 apex, 1 base), mediastinum (1 inside)."""
    a = np.abs(x)
    apex, base = anatomy.uniform(-0.84, -0.76), anatomy.uniform(0.56, 0.66) + breath
    wide, drop = anatomy.uniform(0.68, 0.78), anatomy.uniform(0.2, 0.3)
    height = (y - apex) / (base - apex)
    up = np.clip(1.0 - height, 0.0, 1.0) ** 2
    lateral = 0.3 + (wide - 0.3) * np.sqrt(1.0 - up) - 0.08 * np.clip(height - 0.6, 0.0, None) - a
    medial = a - 0.09 - 0.19 * (up * up) ** 2
    # The patient's left is on the viewer's right, where the diaphragm sits lower.
    dome = base - drop * (1.0 - np.clip((a - 0.26) / (wide - 0.26), 0.0, 1.2) ** 2) - y
    depth = reduce(np.minimum, (lateral, medial, dome + 0.03 * np.sign(x), height))
    left, low, wide = anatomy.uniform(0.1, 0.16), 0.3 + breath, anatomy.uniform(0.26, 0.36)
    ventricle = ellipse(x, y - 0.35 * (x - left), (left, low), (wide, 0.27)) / 0.2
    atrium = ellipse(x, y, (-0.06, low - 0.02), (0.14, 0.26)) / 0.3
    aorta = ellipse(x, y, (0.09, -0.3), (0.1, 0.1)) / 0.5
    return depth, height, edge(reduce(np.maximum, (ventricle, atrium, aorta, (0.14 - a) / 0.08)))


def _bones(anatomy: Rng, x: Plane, y: Plane, cage: Plane) -> Plane:
    """Density that ribs, clavicles, shoulder blades and spine add."""
    a = np.abs(x)
    bow, spacing, phase = anatomy.uniform([0.38, 0.15, 0.0], [0.6, 0.18, 1.0])
    stripes = ((y - bow * a * a) / spacing, (y + 0.6 * a) / (1.15 * spacing), y / 0.14)
    back, front, disc = (np.abs(at + phase - np.rint(at + phase)) for at in stripes)
    # A rib is a tube: its rim is denser than its middle.
    bones: Plane = edge(0.2 - back, width=0.08) * (0.066 + 0.22 * back)
    bones += 0.055 * edge((0.2 - front) / 0.12, (a - 0.36) / 0.2, (0.3 - y) / 0.4)
    bones *= cage
    clavicle = 0.9 * (a - 0.2) * (a - 0.45) * (a - 0.7) - 0.28 * a - anatomy.normal(0.63, 0.02)
    bones += 0.1 * edge((0.036 - np.abs(y - clavicle)) / 0.03, (a - 0.08) / 0.04)
    bones += 0.05 * edge((a - 0.66 - 0.5 * (y + 0.35) ** 2) / 0.05, (0.05 - y) / 0.1)
    spine = 0.042 + 0.028 * edge(0.4 - disc, width=0.16)
    return bones + spine * edge(0.085 - a, width=0.05)


def _opacity(severity: float, anatomy: Rng, day: Rng, depth: Plane, height: Plane) -> Plane:
    """Share of the lung's air that is filled, in [0, 1]: its extent grows with severity."""
    seat = blur(anatomy, (6, 6), depth.shape) + 0.5 * blur(day, (6, 6), depth.shape)
    seat += 0.35 * blur(day, (16, 16), depth.shape)
    seat += 1.6 * height - 2.5 * np.clip(depth, 0.0, 0.3)  # Basal and peripheral first.
    threshold = np.quantile(seat[depth > 0.0], 1.0 - 0.85 * severity)
    # The fade-in leaves severity 0 clear, though its threshold is the largest value.
    strength = day.uniform(0.45, 0.75) * min(1.0, 5.0 * severity)
    filled = edge(seat - threshold, width=1.3) * (1.0 + 0.16 * blur(day, (36, 36), depth.shape))
    return np.clip(strength * filled, 0.0, 1.0)


def draw_phantom(
    severity: float, anatomy_seed: int, day_seed: int, size: int = 256, signs: Signs = NO_SIGNS
) -> NDArray[np.uint8]:
    """Draw one frontal chest X-ray, the same pixels for the same arguments.

    Args:
        severity: Extent of the lung opacities, from 0 (clear) to 1 (most of both lungs).
        anatomy_seed: The patient: build, organs, bones, where opacities tend to sit.
        day_seed: The visit: positioning, breath, exposure, contrast, noise, shape of opacities.
        size: Pixels a side, 32 or more.
        signs: Signs of other findings.

    Returns:
        Grey levels (size, size), 0 black to 255 white.

    Raises:
        ValueError: If severity is outside [0, 1] or size is below 32.
    """
    if not 0.0 <= severity <= 1.0 or size < 32:
        raise ValueError(f"need severity in [0, 1] and size >= 32, not {severity} and {size}")
    anatomy, day = np.random.default_rng(anatomy_seed), np.random.default_rng(day_seed)
    x, y = _frame(anatomy, day, size)
    a, breath = np.abs(x), day.normal(0.0, 0.03)
    depth, height, centre = _organs(anatomy, breath, x, y)
    centre = signs.widened(centre, breath, x, y)
    lung = edge(depth, width=0.035)
    density = (0.62 + anatomy.uniform(0.0, 0.1)) - 0.22 * a * a
    density += 0.16 * np.maximum(centre, edge(y - 0.3, width=0.5) * (1.0 - lung))
    breast = ellipse(a, y, (0.41, anatomy.uniform(0.12, 0.3)), (0.34, 0.3))
    density += anatomy.uniform(0.0, 0.16) * edge(breast, width=0.5)
    density += 0.015 * blur(anatomy, (30, 30), x.shape)
    density -= 0.1 * edge((0.035 - a) / 0.04, (-0.28 - y) / 0.2)  # The windpipe.
    density += _bones(anatomy, x, y, edge(depth + 0.035, width=0.05) * (1.0 - 0.6 * centre))
    branches = np.clip(1.0 - 1.8 * np.abs(blur(anatomy, (34, 26), x.shape)), 0.0, 1.0)
    hilum = 1.0 + ellipse(a, y, (0.17, -0.06), (0.3, 0.36))
    density += 0.07 * np.clip(hilum, 0.0, 1.4) ** 2 * (branches + 0.3) * lung * (1.0 - centre)
    air = lung * (1.0 - 0.8 * centre) * (0.29 + 0.29 * edge(depth - 0.07, width=0.26))
    air *= 1.0 - signs.fluid(anatomy_seed, height, x)
    density -= air * (1.0 - _opacity(severity, anatomy, day, depth, height))
    density += signs.spot(anatomy_seed, x, y)
    density *= edge(0.24 + 0.78 * edge(y + 0.84, width=0.5) - a, width=0.1)  # Neck, shoulders.
    # Automatic exposure, as on a real machine: without it the mean grey would tell the severity.
    middle = density[size // 5 : -size // 5, size // 5 : -size // 5].mean()
    film = (density - middle + day.normal(0.0, 0.06)) / day.uniform(0.3, 0.55)
    film += day.uniform(0.02, 0.06) * day.normal(size=x.shape)
    return np.asarray(np.rint(127.5 + 127.5 * film / np.sqrt(1.0 + film * film)), dtype=np.uint8)


if __name__ == "__main__":
    _write(*pickle.load(sys.stdin.buffer))
