"""Evaluate predictions by labels that the model has not seen."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.calibration import calibration_curve

from analysis.new_images import NewImages
from trainable.cohort.cohort import Cohort
from trainable.cohort.columns import find_column
from trainable.cohort.exams import Grouping
from trainable.errors import Problems, listing
from trainable.evaluation.intervals import estimate_metrics
from trainable.evaluation.metrics import F1Average, all_positive_f1, evaluate


def leakage(new: NewImages, cohort: Cohort) -> list[str]:
    """What the new images share with the images of the training, a sentence each."""
    found = []
    trained_on = cohort.manifest[cohort.manifest["split"] != "test"]
    names = pd.Series(new.images)
    same = names[np.isin(new.hashes, trained_on["sha256"])]
    if len(same):
        found.append(f"images that the model was trained on: {listing(same)}")
    if new.patients is not None:
        known = new.patients[new.patients.isin(trained_on["patient"])].unique()
        if len(known):
            found.append(f"patients that the model was trained on: {listing(known)}")
    return found


@dataclass(frozen=True)
class TrueLabels:
    """True labels and patients of the new images.

    Attributes:
        labels: (num_rows,), 1 positive, 0 negative.
        patients: (num_rows,), rows of one patient share a number.
    """

    labels: NDArray[np.int64]
    patients: NDArray[np.int64]


def read_true_labels(csv: Path, new: NewImages, cohort: Cohort) -> TrueLabels:
    """Labels and patients of the new images or examinations, from a CSV in any order.

    Patients come from the CSV of the labels, else from the CSV that lists the images. Without
    either, each image or examination counts as its own patient.

    Raises:
        InputError: naming images without a label or with two labels, and unknown labels.
    """
    grouping, classes = cohort.grouping, cohort.classes
    problems = Problems()
    if not csv.is_file():
        problems.add(f"--labels must be a CSV file; not found: {csv}")
        problems.raise_if_any()
    raw = pd.read_csv(csv, dtype=str, keep_default_na=False)
    name_column = _name_column(raw, grouping, problems)
    label_column = find_column("label", raw, None, problems) or ""
    problems.raise_if_any()
    counts = raw.groupby(name_column, sort=False)[label_column].nunique()
    if (counts > 1).any():
        two = counts.index[counts > 1]
        problems.add(f"an {grouping.unit} must have one label in {csv}; with two: {listing(two)}")
    rows = raw.drop_duplicates(name_column).set_index(name_column)
    names = new.table[new.name_column]
    asked = rows[label_column].str.strip().reindex(names)
    without = asked.index[asked.isna()]
    if len(without):
        problems.add(f"--labels must name every {grouping.unit}; not in {csv}: {listing(without)}")
    unknown = set(asked.dropna()) - set(classes)
    if unknown:
        problems.add(
            f"labels must be {' or '.join(classes)}, as in the search; {label_column} also "
            f"has {listing(sorted(unknown))}"
        )
    problems.raise_if_any()
    patient_column = find_column("patient", raw, None, problems)
    if patient_column:
        patients = rows[patient_column].reindex(names)
    else:
        patients = names if new.patients is None else new.patients
    return TrueLabels(
        np.asarray(asked == classes[1], dtype=np.int64), np.asarray(pd.factorize(patients)[0])
    )


def _name_column(raw: pd.DataFrame, grouping: Grouping, problems: Problems) -> str:
    """The column of images, or of examinations of several views."""
    if grouping.views == 1:
        return find_column("image", raw, None, problems) or ""
    return replace(grouping, view_column=None).found_in(raw, problems).exam_column or ""


def describe(
    truth: TrueLabels,
    scores: NDArray[np.float32],
    threshold: float,
    average: F1Average,
    operating_point: float,
) -> Iterator[str]:
    """The confusion matrix and the metrics, a line each.

    Args:
        truth: True labels and patients.
        scores: Probability of the positive class, (num_rows,).
        threshold: Lowest score that is predicted positive.
        average: Kind of F1.
        operating_point: Specificity at which sensitivity is reported, and the reverse.
    """
    labels = truth.labels
    found = evaluate(labels, scores, threshold, average)
    yield f"{'':18s}{'predicted +':>12s}{'predicted -':>12s}"
    yield f"{'actually +':18s}{found['tp']:12d}{found['fn']:12d}"
    yield f"{'actually -':18s}{found['fp']:12d}{found['tn']:12d}"
    yield (
        f"F1 {found['f1']:.3f} (every image positive: {all_positive_f1(labels, average):.3f}), "
        f"precision {found['precision']:.3f}"
    )
    if len(np.unique(labels)) < 2:
        yield "all labels are the same: the other metrics need both classes"
        return
    num_patients = len(np.unique(truth.patients))
    yield f"with 95 % intervals from a bootstrap of the {num_patients} patients:"
    estimates = estimate_metrics(
        labels, truth.patients, scores, threshold, average, operating_point
    )
    yield from (f"  {name} {estimate}" for name, estimate in estimates.items())
    yield (
        f"calibration: the mean score is {scores.mean():.3f}, and {labels.mean():.3f} of the "
        "images are positive"
    )
    shares, means = calibration_curve(labels, scores, n_bins=5, strategy="quantile")
    fifths = [f"{mean:.3f}: {share:.3f}" for mean, share in zip(means, shares, strict=True)]
    yield f"  by fifths of the scores, mean score: share positive  {listing(fifths)}"
