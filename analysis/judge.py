"""Judge predictions by labels that the model has not seen."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.predict import NewImages
from trainable.cohort import Cohort
from trainable.cohort_files import find_column
from trainable.metrics import F1Average, all_positive_f1, evaluate
from trainable.problems import Problems, listing


def overlap(new: NewImages, cohort: Cohort) -> list[str]:
    """What the new images share with those that the model was trained on, a sentence each."""
    found = []
    names = new.table[new.image_column]
    same = names[np.isin(new.hashes, cohort.manifest["sha256"])]
    if len(same):
        found.append(f"images that the model was trained on: {listing(same)}")
    if new.patients is not None:
        known = new.patients[new.patients.isin(cohort.manifest["patient"])].unique()
        if len(known):
            found.append(f"patients that the model was trained on: {listing(known)}")
    return found


def read_labels(csv: Path, new: NewImages, classes: tuple[str, str]) -> NDArray[np.int64]:
    """Labels (num_images,) of the new images, 1 positive, from a CSV in any order.

    Raises:
        InputProblemsError: naming images without a label, and unknown labels.
    """
    problems = Problems()
    if not csv.is_file():
        problems.add(f"--labels must be a CSV file; not found: {csv}")
        problems.refuse()
    raw = pd.read_csv(csv, dtype=str, keep_default_na=False)
    image_column = find_column("image", raw, None, problems)
    label_column = find_column("label", raw, None, problems)
    problems.refuse()
    labels = raw.set_index(image_column)[label_column].str.strip()
    labels = labels[~labels.index.duplicated()]
    asked = labels.reindex(new.table[new.image_column])
    without = asked.index[asked.isna()]
    if len(without):
        problems.add(f"--labels must name every image; not in {csv}: {listing(without)}")
    unknown = set(asked.dropna()) - set(classes)
    if unknown:
        problems.add(
            f"labels must be {' or '.join(classes)}, as in the search; {label_column} also "
            f"has {listing(sorted(unknown))}"
        )
    problems.refuse()
    return np.asarray(asked == classes[1], dtype=np.int64)


def describe(
    labels: NDArray[np.int64], scores: NDArray[np.float32], threshold: float, average: F1Average
) -> Iterator[str]:
    """The confusion matrix and the metrics, a line each."""
    found = evaluate(labels, scores, threshold, average)
    yield f"{'':18s}{'predicted +':>12s}{'predicted -':>12s}"
    yield f"{'actually +':18s}{found['tp']:12d}{found['fn']:12d}"
    yield f"{'actually -':18s}{found['fp']:12d}{found['tn']:12d}"
    yield (
        f"F1 {found['f1']:.3f} (every image positive: {all_positive_f1(labels, average):.3f}), "
        f"precision {found['precision']:.3f}, recall {found['recall']:.3f}, specificity "
        f"{found['specificity']:.3f}"
    )
    if found["auc"] is not None:
        yield f"AUC {found['auc']:.3f}, average precision {found['average_precision']:.3f}"
