"""Cohorts split by patient into a small training part and a large test part."""

import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from sklearn.model_selection import train_test_split

from search.demo.films import draw_phantom
from search.demo.phantoms import sample_patients, write_demo
from trainable.reading.options import DataOptions
from trainable.reading.read_cohort import read_cohort

_NEW_PATIENTS_SEED = 10**6


@dataclass(frozen=True)
class Resplit:
    """One split of a cohort.

    Attributes:
        number: Number of the split, also its seed.
        folder: Folder for everything that is computed on it.
        train: table with the columns `image` (absolute path), `label` (0 or 1) and `patient`.
        test: the same of the images to judge by.
    """

    number: int
    folder: Path
    train: pd.DataFrame
    test: pd.DataFrame


def resplits(
    folder: Path,
    data: Path,
    patient_pattern: str | None,
    numbers: Iterable[int],
    train_share: float,
) -> Iterator[Resplit]:
    """Split the patients of a cohort, stratified by whether any of their images is positive.

    The tables keep the covariates of the cohort, such as the age, for `--use-covariates`.
    """
    cohort = read_cohort(DataOptions(data=data, patient_pattern=patient_pattern, split=None))
    images = cohort.manifest[["path", "label", "patient"]].rename(columns={"path": "image"})
    table = images.join(cohort.covariates)
    labels = table.groupby("patient")["label"].max()
    for number in numbers:
        train, _ = train_test_split(
            labels.index.to_numpy(object), train_size=train_share, stratify=labels,
            random_state=number,
        )  # fmt: skip
        is_train = table["patient"].isin(train)
        part = folder / f"resplit-{number}"
        part.mkdir()
        yield Resplit(number, part, table[is_train], table[~is_train])


def demo_resplits(
    folder: Path, numbers: Iterable[int], size: int, num_new: int
) -> Iterator[Resplit]:
    """Fresh demo cohorts, all judged on the same new phantoms."""
    test = new_phantoms(folder / "new", size, num_new)
    for number in numbers:
        part = folder / f"resplit-{number}"
        write_demo(part / "demo", num_test_patients=1, size=size, seed=number + 1)
        listed = pd.read_csv(part / "demo" / "train.csv", dtype={"patient": str})
        images = [str(part / "demo" / "train" / name) for name in listed["image"]]
        train = listed.assign(image=images, label=listed["died"])
        yield Resplit(number, part, train[["image", "label", "patient"]], test)


def new_phantoms(folder: Path, size: int, num_new: int) -> pd.DataFrame:
    """Draw new phantoms, whose patients are in no cohort, as PNG files."""
    folder.mkdir()
    rows = sample_patients(num_new, _NEW_PATIENTS_SEED).head(num_new)
    paths = [str(folder / f"{number:05d}.png") for number in range(len(rows))]
    numbers = (rows["severity"], rows["anatomy_seed"], rows["day_seed"], [size] * len(rows))
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for path, film in zip(paths, pool.map(draw_phantom, *numbers, chunksize=200), strict=True):
            Image.fromarray(film).save(path)
    patients = [f"new{patient}" for patient in rows["patient"]]
    labels = rows["died"].to_numpy(np.int64)
    return pd.DataFrame({"image": paths, "label": labels, "patient": patients})
