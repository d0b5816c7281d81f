"""Pools of labelled images, parts of which are cohorts to search on and images to judge by."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.model_selection import train_test_split

from search.demo.findings import FINDINGS, best_possible_f1_each, write_findings
from trainable.cohort.cohort import LABEL_OF, Cohort
from trainable.cohort.label_rule import LabelRule
from trainable.reading.image_files import hash_files

_CLASSES = {
    "normal": r"((?:NORMAL2-)?IM-\d+)",
    "bacterial": r"(person\d+)_bacteria",
    "viral": r"(person\d+)_virus",
}
_PER_COHORT = 300  # patients of a cohort of phantoms, as in the demo


@dataclass(frozen=True)
class Part:
    """One cohort of a pool, and the images that its search is judged on.

    Attributes:
        number: Number of the part, also its seed.
        train: Rows of the cohort.
        test: Rows to judge by.
    """

    number: int
    train: NDArray[np.int64]
    test: NDArray[np.int64]


@dataclass(frozen=True)
class Pool:
    """Images, their labels, and the parts to search on.

    Attributes:
        cohort: All images; one each is an examination.
        truth: (num_images, num_findings), what an image is worth as a positive of each finding:
            the true risk where it is known, else the label.
        parts: The parts.
        best: Best possible F1 of each finding, by the true risk; none if it is not known.
    """

    cohort: Cohort
    truth: NDArray[np.float64]
    parts: tuple[Part, ...]
    best: tuple[float, ...] = ()


def phantoms(folder: Path, num_cohorts: int, num_new: int, size: int) -> Pool:
    """Fresh cohorts of `--data demo:findings`, all judged on the same new phantoms.

    Args:
        folder: Folder of the images.
        num_cohorts: Number of cohorts of 300 patients.
        num_new: Patients to judge by, of 1.6 images each.
        size: Pixels a side.
    """
    num_patients = _PER_COHORT * num_cohorts + num_new
    write_findings(folder, num_patients, num_test_patients=0, size=size)
    rows = pd.read_csv(folder / "train.csv").merge(pd.read_csv(folder / "truth.csv"))
    labels = {f"{LABEL_OF}{name}": rows[name].fillna(-1).astype(np.int64) for name in FINDINGS}
    paths = [str(folder / "train" / name) for name in rows["image"]]
    rules = tuple(LabelRule(("0", "1"), missing="drop", finding=name) for name in FINDINGS)
    group = rows["patient"].str.removeprefix("patient").astype(int).to_numpy() // _PER_COHORT
    test = np.flatnonzero(group >= num_cohorts)
    parts = tuple(Part(n, np.flatnonzero(group == n), test) for n in range(num_cohorts))
    return Pool(
        _cohort(paths, rows["patient"], pd.DataFrame(labels), rules),
        rows[[f"probability:{name}" for name in FINDINGS]].to_numpy(),
        parts,
        tuple(best_possible_f1_each(rows.iloc[test]).values()),
    )


def children(folder: Path, num_resplits: int, train_share: float) -> Pool:
    """X-rays of children (Kermany 2018): normal, bacterial and viral pneumonia by their file names.

    Args:
        folder: Folder of JPEG files, in folders of any names.
        num_resplits: Number of splits by patient, stratified by class.
        train_share: Share of the patients to train on.
    """
    found = sorted(_labelled(folder))
    paths, patients, classes = (pd.Series(column) for column in zip(*found, strict=True))
    names = tuple(_CLASSES)
    cohort = _cohort(
        paths.tolist(), patients, pd.DataFrame({"label": classes}), (LabelRule(names),)
    )
    # some patients have X-rays of two classes
    by_patient = classes.groupby(patients).max()
    parts = []
    for number in range(num_resplits):
        chosen, _ = train_test_split(
            by_patient.index.to_numpy(object), train_size=train_share, stratify=by_patient,
            random_state=number,
        )  # fmt: skip
        is_train = patients.isin(chosen).to_numpy()
        parts.append(Part(number, np.flatnonzero(is_train), np.flatnonzero(~is_train)))
    return Pool(cohort, cohort.labels.astype(np.float64), tuple(parts))


def _labelled(folder: Path) -> Iterator[tuple[str, str, int]]:
    """Path, patient and number of the class of each file whose name says it."""
    for path in folder.rglob("*.jpeg"):
        for number, pattern in enumerate(_CLASSES.values()):
            if match := re.search(pattern, path.name):
                yield str(path), match[1], number


def _cohort(
    paths: list[str], patients: pd.Series, labels: pd.DataFrame, rules: tuple[LabelRule, ...]
) -> Cohort:
    names = {"image": [Path(path).name for path in paths], "path": paths}
    manifest = pd.DataFrame(names).assign(patient=patients, split="", sha256=hash_files(paths))
    return Cohort(pd.concat([manifest, labels], axis=1), rules)
