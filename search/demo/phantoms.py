"""The demo cohort: chest X-ray phantoms drawn by code, no patient's data in them.

Lung opacities carry a severity and death is drawn from it with a known probability, so the best F1
that any model can reach on the demo is known too.
"""

from collections.abc import Iterator
from dataclasses import fields
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.random import Generator as Rng
from numpy.typing import NDArray
from PIL import Image

from search.demo.shapes import Plane, blur, edge, ellipse
from search.demo.signs import NO_SIGNS, Signs
from trainable.files import replacing

IMAGES_OF_PATIENTS = (0.6, 0.25, 0.1, 0.05)
"""Shares of the patients who have 1, 2, 3 and 4 images."""

SLOPE, MIDPOINT = 13.0, 0.68  # Probability of death = logistic(SLOPE * (severity - MIDPOINT)).


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


def sample_patients(num_patients: int, seed: int) -> pd.DataFrame:
    """Draw patients with 1 to 4 images each, and their deaths; no image is drawn yet.

    Returns:
        One row per image: `image` (file name), `died` (0 or 1) and `probability` (of that death),
        both the same for every image of a `patient` (id), `severity` in [0, 1] of that image,
        `anatomy_seed` and `day_seed` for `draw_phantom`. More patients only add rows.
    """
    rng, rows = np.random.default_rng(seed), []
    for number in range(num_patients):
        num_images = 1 + rng.choice(4, p=IMAGES_OF_PATIENTS)
        severities = np.clip(rng.beta(1.0, 1.6) + rng.normal(0.0, 0.08, num_images), 0.0, 1.0)
        chance = 1.0 / (1.0 + np.exp(-SLOPE * (severities.mean() - MIDPOINT)))
        patient, died = f"patient{number:04d}", int(rng.random() < chance)
        anatomy, *day_seeds = rng.integers(2**62, size=1 + num_images).tolist()
        for day, (severity, day_seed) in enumerate(zip(severities, day_seeds, strict=True), 1):
            image = f"{patient}_day{day}.png"
            rows.append((image, died, patient, severity, chance, anatomy, day_seed))
    columns = ["image", "died", "patient", "severity", "probability", "anatomy_seed", "day_seed"]
    return pd.DataFrame(rows, columns=columns)


def write_demo(
    folder: Path,
    num_patients: int = 300,
    num_test_patients: int = 120,
    size: int = 160,
    seed: int = 0,
) -> None:
    """Write the demo cohort; `folder` appears whole or not at all.

    It gets `train/`, `train.csv` (image, died, patient), `test/` (other patients, in no order),
    `prediction_example.csv` (image, died: all 0) and, kept apart for judging, `test_labels.csv`
    (image, died, patient) and `truth.csv` (image, patient, probability, severity, split). A
    patient has 1.6 images on average, each size x size pixels.

    Raises:
        FileExistsError: If folder is there and is not an empty folder.
    """
    rows = sample_patients(num_patients + num_test_patients, seed)
    write_phantoms(folder, rows, ["died"], ["probability", "severity"], num_patients, size, seed)


def write_phantoms(
    folder: Path,
    rows: pd.DataFrame,
    labels: list[str],
    truth: list[str],
    num_patients: int,
    size: int,
    seed: int,
) -> None:
    """Write phantoms as `write_demo` does.

    Args:
        folder: Folder to make.
        rows: One row per image: `image`, `patient`, `severity`, `anatomy_seed`, `day_seed`, signs
            by their names where there are any, `labels` and `truth`.
        labels: Columns that are to be learned.
        truth: Columns that are kept apart.
        num_patients: The first patients, who are not for the test.
        size: Pixels a side.
        seed: Seed of the order of the test images.

    Raises:
        FileExistsError: If folder is there and is not an empty folder.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise FileExistsError(f"{folder} is there and not empty: name another folder or delete it")
    is_test = rows["patient"].isin(rows["patient"].unique()[num_patients:])
    # Test names in the patients' order would tell which images are of one patient.
    numbers = np.random.default_rng(seed).permutation(int(is_test.sum())) + 1
    rows.loc[is_test, "image"] = [f"test_{number:04d}.png" for number in numbers]
    rows = rows.assign(split=np.where(is_test, "test", "train")).sort_values("image")
    with replacing(folder) as partial:
        for split, table in (("train", "train.csv"), ("test", "test_labels.csv")):
            (partial / split).mkdir(parents=True)
            part = rows.loc[rows["split"] == split, ["image", *labels, "patient"]]
            part.to_csv(partial / table, index=False)
        example = part[["image"]].assign(**dict.fromkeys(labels, 0))
        example.to_csv(partial / "prediction_example.csv", index=False)
        rows[["image", "patient", *truth, "split"]].to_csv(partial / "truth.csv", index=False)
        # One by one: a pool of threads was measured, and was no faster.
        for (_, row), film in zip(rows.iterrows(), draw_rows(rows, size), strict=True):
            Image.fromarray(film).save(partial / row["split"] / row["image"])


def draw_rows(rows: pd.DataFrame, size: int) -> Iterator[NDArray[np.uint8]]:
    """Draw the phantom of each row, as `write_phantoms` takes them, size x size pixels."""
    signs = [sign.name for sign in fields(Signs) if sign.name in rows]
    row: Any
    for row in rows.itertuples():
        drawn = Signs(**{name: getattr(row, name) for name in signs})
        yield draw_phantom(row.severity, row.anatomy_seed, row.day_seed, size, drawn)


def best_possible_f1(
    probability: NDArray[np.float64], groups: NDArray[Any], num_draws: int = 2000, seed: int = 0
) -> float:
    """Expected F1 over images, in [0, 1], of a model that knows each patient's true probability.

    Takes `probability` in [0, 1] and the patient (`groups`) of each image, both (images,). Deaths
    are drawn per patient; the one threshold that is best in expectation is kept for all draws.

    Raises:
        ValueError: If shapes differ or are empty, or a patient's images differ in probability.
    """
    if probability.ndim != 1 or probability.shape != groups.shape or probability.size == 0:
        raise ValueError("need one probability and one group an image, and at least one image")
    _, first, who, images = np.unique(groups, True, True, True)
    chance = probability[first]
    if not np.array_equal(chance[who], probability) or chance.min() < 0.0 or chance.max() > 1.0:
        raise ValueError("need probabilities in [0, 1], the same for every image of a group")
    order = np.argsort(-chance)
    chance, images = chance[order], images[order]
    hits = np.random.default_rng(seed).random((num_draws, chance.size)) < chance
    found = np.cumsum(hits * images, axis=1)
    f1 = 2.0 * found / (np.cumsum(images) + found[:, -1:])
    is_cut = np.append(chance[1:] < chance[:-1], True)  # A threshold cannot part equal patients.
    return float(f1.mean(axis=0)[is_cut].max())
