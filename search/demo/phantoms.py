"""The demo cohort: patients whose chest X-rays are phantoms.

Lung opacities carry a severity and death is drawn from it with a known probability, so the best F1
that any model can reach on the demo is known too.
"""

from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from search.demo.films import Film, write_films
from search.demo.signs import Signs
from trainable.files import replacing

IMAGES_OF_PATIENTS = (0.6, 0.25, 0.1, 0.05)
"""Shares of the patients who have 1, 2, 3 and 4 images."""

SLOPE, MIDPOINT = 13.0, 0.68  # Probability of death = logistic(SLOPE * (severity - MIDPOINT)).


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
        names = rows["split"] + "/" + rows["image"]
        write_films(partial, dict(zip(names, films_of(rows), strict=True)), size)


def films_of(rows: pd.DataFrame) -> Iterator[Film]:
    """The film of each row, as `write_phantoms` takes them."""
    signs = [sign.name for sign in fields(Signs) if sign.name in rows]
    row: Any
    for row in rows.itertuples():
        shown = Signs(**{name: getattr(row, name) for name in signs})
        yield Film(row.severity, row.anatomy_seed, row.day_seed, shown)


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
