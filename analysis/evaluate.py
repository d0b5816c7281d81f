"""Evaluate predictions by labels that the model has not seen."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.calibration import calibration_curve

from analysis.new_images import NewImages
from trainable.cohort.cohort import Cohort
from trainable.cohort.scored import Scored
from trainable.errors import Checks, InputError, listing
from trainable.evaluation.intervals import Estimate, notes_on
from trainable.evaluation.metrics import all_positive_f1
from trainable.reading.classes import REST, only_say_yes_or_no, same_value
from trainable.reading.columns import find_column
from trainable.reading.labels import UNKNOWN_WORDS, says_survival
from trainable.reading.tables import read_table
from trainable.run.winner import Winner


@dataclass(frozen=True)
class TrueLabels:
    """True labels and patients of the new images.

    Attributes:
        labels: (num_rows, num_findings), 1 positive, 0 negative.
        patients: (num_rows,), rows of one patient share a number.
        names: of those patients, where the table of labels has them; else None.
    """

    labels: NDArray[np.int64]
    patients: NDArray[np.int64]
    names: pd.Series | None = None

    def scored(self, scores: NDArray[np.float32]) -> Scored:
        """With the scores (num_rows, num_findings) of the images."""
        return Scored(self.labels, self.patients, scores)


def read_true_labels(csv: Path, new: NewImages, cohort: Cohort) -> TrueLabels:
    """Labels and patients of the new images or examinations, from a CSV in any order.

    Patients come from the CSV of the labels, else from the CSV that lists the images. Without
    either, each image or examination counts as its own patient.

    Raises:
        InputError: naming images without a label or with two labels, and unknown labels.
    """
    grouping, before = cohort.grouping, cohort.found_by
    checks = Checks()
    if not csv.is_file():
        raise InputError(f"--labels must be a table; not found: {csv}")
    raw, _ = read_table(csv, "--labels")
    name_column = _name_column(raw, cohort, checks)
    label_column = (
        find_column("label", raw, None, checks, before=before.get("label"), has_option=False) or ""
    )
    patient_column = find_column(
        "patient", raw, None, checks, before=before.get("patient"), has_option=False
    )
    _check_meaning(label_column, csv, cohort, checks)
    checks.raise_if_any()
    asked = new.rows_named(raw[name_column], checks)
    rows = raw.assign(row=asked, said=raw[label_column].map(same_value))[asked >= 0]
    counts = rows.groupby("row")["said"].nunique()
    if (counts > 1).any():
        two = listing(rows.loc[rows["row"].isin(counts.index[counts > 1]), name_column].unique())
        checks.add(f"an {grouping.unit} must have one label in {csv}; with two: {two}")
    rows = rows.drop_duplicates("row").set_index("row").reindex(range(len(new.table)))
    without = new.table.loc[rows[name_column].isna().to_numpy(), new.name_column]
    if len(without):
        checks.add(f"--labels must name every {grouping.unit}; not in {csv}: {listing(without)}")
    is_unknown = rows["said"].isin(UNKNOWN_WORDS - {same_value(name) for name in cohort.classes})
    if is_unknown.any():
        checks.add(
            f"labels must be known; without in {label_column} of {csv} ({int(is_unknown.sum())}): "
            f"{listing(rows.loc[is_unknown, name_column])}. Leave these out of --images"
        )
    said = _classes_of(rows[~is_unknown], label_column, cohort, checks)
    checks.raise_if_any()
    names = rows[patient_column] if patient_column else None
    numbers = pd.factorize(new.groups if names is None else names)[0]
    return TrueLabels(said[:, None], np.asarray(numbers, dtype=np.int64), names)


def _check_meaning(label_column: str, csv: Path, cohort: Cohort, checks: Checks) -> None:
    """Refuse yes and no of a column that says who survived, after a search for who died."""
    asked = cohort.found_by.get("label", "label")
    is_opposite = says_survival(label_column) != says_survival(asked)
    if label_column and is_opposite and only_say_yes_or_no(map(same_value, cohort.classes)):
        checks.add(
            f"labels must mean the same as in the search ({cohort.classes[1]} is positive); the "
            f"column {label_column!r} of {csv} may say the opposite. Add a column {asked!r}"
        )


def _classes_of(
    rows: pd.DataFrame, label_column: str, cohort: Cohort, checks: Checks
) -> NDArray[np.int64]:
    """1 positive, 0 negative, by the classes of the search."""
    negative, positive = (same_value(name) for name in cohort.classes)
    said = rows["said"].dropna()
    parts = said.str.split("|", regex=False)
    if negative == REST:
        is_positive = parts.map(lambda found: positive in map(same_value, found))
    else:
        unknown = rows.loc[said.index[~said.isin([negative, positive])], label_column]
        if len(unknown):
            checks.add(
                f"labels must be {' or '.join(cohort.classes)}, as in the search; {label_column} "
                f"also has {listing(sorted(set(unknown)))}"
            )
        is_positive = said == positive
    return np.asarray(is_positive, dtype=np.int64)


def _name_column(raw: pd.DataFrame, cohort: Cohort, checks: Checks) -> str:
    """The column of images, or of examinations of several views."""
    grouping = cohort.grouping
    if grouping.views == 1:
        before = cohort.found_by.get("image")
        return find_column("image", raw, None, checks, before=before, has_option=False) or ""
    return replace(grouping, view_column=None).found_in(raw, checks).exam_column or ""


def describe(scored: Scored, winner: Winner, estimates: Mapping[str, Estimate]) -> Iterator[str]:
    """The confusion matrix and the metrics, a line each.

    Args:
        scored: True labels, patients and scores of one finding.
        winner: Whose thresholds and kind of F1 are used.
        estimates: Metrics with their intervals; none where all labels are the same.
    """
    [found] = winner.evaluate(scored)
    yield f"{'':18s}{'predicted +':>12s}{'predicted -':>12s}"
    yield f"{'actually +':18s}{found['tp']:12d}{found['fn']:12d}"
    yield f"{'actually -':18s}{found['fp']:12d}{found['tn']:12d}"
    all_positive = all_positive_f1(scored.labels, winner.scoring.f1_average)
    yield (
        f"F1 {found['f1']:.3f} (every image positive: {all_positive:.3f}), "
        f"precision {found['precision']:.3f}"
    )
    if not estimates:
        yield "all labels are the same: the other metrics need both classes"
        return
    yield f"with 95 % intervals from a bootstrap of the {scored.num_patients} patients:"
    yield from (f"  {name} {estimate}" for name, estimate in estimates.items())
    yield from notes_on(estimates.values())
    [labels], [scores] = scored.labels.T, scored.scores.T
    yield (
        f"calibration: the mean score is {scores.mean():.3f}, and {labels.mean():.3f} of the "
        "images are positive"
    )
    shares, means = calibration_curve(labels, scores, n_bins=5, strategy="quantile")
    fifths = [f"{mean:.3f}: {share:.3f}" for mean, share in zip(means, shares, strict=True)]
    yield f"  by fifths of the scores, mean score: share positive  {listing(fifths)}"
