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
from trainable.cohort.label_rule import Judged, LabelRule
from trainable.cohort.scored import Scored
from trainable.errors import Checks, InputError, listing, num_of
from trainable.evaluation.intervals import Estimate, notes_on
from trainable.evaluation.metrics import all_positive_f1
from trainable.reading.exams import same_grouping
from trainable.reading.listing import Wanted
from trainable.reading.tables import read_table
from trainable.run.winner import Winner

_UNKNOWN_TRAINING = (
    "this exported team does not know its training images, so none is looked for among these; "
    "export it with --keep-identifiers to find them"
)


@dataclass(frozen=True)
class TrueLabels:
    """True labels and patients of the new images.

    Attributes:
        labels: (num_judged, num_findings), 1 positive, 0 negative.
        patients: (num_judged,), rows of one patient share a number.
        rows: (num_judged,), numbers of the rows that were written, all but those whose labels are
            left out as in the search.
        names: (num_rows,), those patients, where the table of labels has them; else None.
        notes: Remarks on how the labels were read.
    """

    labels: NDArray[np.int64]
    patients: NDArray[np.int64]
    rows: NDArray[np.int64]
    names: pd.Series | None = None
    notes: tuple[str, ...] = ()

    def scored(self, scores: NDArray[np.float32]) -> Scored:
        """With the scores (num_rows, num_findings) of the images."""
        return Scored(self.labels, self.patients, scores[self.rows])


def read_true_labels(csv: Path, new: NewImages, cohort: Cohort) -> TrueLabels:
    """Labels and patients of the new images or examinations, from a table in any order.

    The labels are read by the rule of the search. Patients come from the table of the labels, else
    from the table that lists the images. Without either, each image or examination counts as its
    own patient.

    Raises:
        InputError: naming images without a label or with two labels, and unknown labels.
    """
    grouping, [rule] = cohort.grouping, cohort.label_rules
    wanted = Wanted(grouping, cohort.found_by)
    checks = Checks()
    if not csv.is_file():
        raise InputError(f"--labels must be a table; not found: {csv}")
    raw, _ = read_table(csv, "--labels")
    name_column = _name_column(raw, new, wanted, checks)
    label_column = wanted.column("label", raw, checks) or ""
    patient_column = wanted.column("patient", raw, checks)
    asked = cohort.found_by.get("label", "label")
    if label_column and rule.may_be_opposite(label_column, asked):
        checks.add(
            f"labels must mean the same as in the search ({rule.classes[1]} is positive); the "
            f"column {label_column!r} of {csv} may say the opposite. Add a column {asked!r}"
        )
    checks.raise_if_any()
    # one row of the table for each row that was written, in their order
    row = new.rows_named(raw[name_column], checks)
    rows = raw.assign(row=row)[row >= 0]
    said = rule.judge(rows[label_column]).values
    counts = said[said >= 0].groupby(rows["row"]).nunique()
    if (counts > 1).any() and not rule.one_row_is_enough:
        two = listing(rows.loc[rows["row"].isin(counts.index[counts > 1]), name_column].unique())
        checks.add(f"an {grouping.unit} must have one label in {csv}; with two: {two}")
    # as in the search, a row of no use says nothing beside another: the highest value comes first
    rows = rows.loc[(-said).sort_values(kind="stable").index].drop_duplicates("row")
    rows = rows.set_index("row").reindex(range(len(new.table)))
    is_named = rows[name_column].notna()
    without = new.table.loc[~is_named.to_numpy(), new.name_column]
    if len(without):
        checks.add(f"--labels must name every {grouping.unit}; not in {csv}: {listing(without)}")
    judged = rule.judge(rows.loc[is_named, label_column])
    _check_labels(judged, rows[is_named], name_column, csv, rule, checks)
    known = np.flatnonzero(judged.values >= 0)
    if not len(known):
        checks.add(f"some label must be known; all in {label_column} of {csv} are left out")
    checks.raise_if_any()
    names = rows[patient_column] if patient_column else None
    numbers = pd.factorize(new.groups if names is None else names)[0]
    return TrueLabels(
        judged.values.to_numpy()[known, None],
        np.asarray(numbers, dtype=np.int64)[known],
        known,
        names,
        (
            *(f"{remark}, as in the search" for remark in rule.remarks(judged)),
            *([_UNKNOWN_TRAINING] if cohort.manifest.empty else []),
        ),
    )


def _check_labels(
    judged: Judged,
    rows: pd.DataFrame,
    name_column: str,
    csv: Path,
    rule: LabelRule,
    checks: Checks,
) -> None:
    """Refuse labels that the search would not have taken, or took for neither class."""
    label_column = str(judged.values.name)
    if judged.is_missing.any() and rule.missing is None:
        checks.add(
            f"labels must be known; without in {label_column} of {csv} "
            f"({int(judged.is_missing.sum())}): "
            f"{listing(rows.loc[judged.is_missing, name_column])}. Leave these out of --images"
        )
    others = rows.loc[judged.is_other, label_column]
    if len(others):
        checks.add(
            f"labels must be {' or '.join(rule.classes)}, as in the search; {label_column} "
            f"also has {listing(sorted(set(others)))}"
        )


def _name_column(raw: pd.DataFrame, new: NewImages, wanted: Wanted, checks: Checks) -> str:
    """The column of images, or of examinations of several views."""
    if wanted.grouping.views == 1:
        return wanted.image_column(raw, new.are_named_in, checks) or ""
    return same_grouping(replace(wanted.grouping, view_column=None), raw, checks).exam_column or ""


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
    all_positive = all_positive_f1(scored.labels, winner.scoring)
    yield (
        f"F1 {found['f1']:.3f} (every image positive: {all_positive:.3f}), "
        f"precision {found['precision']:.3f}"
    )
    if not estimates:
        yield "all labels are the same: the other metrics need both classes"
        return
    who = f"the {num_of(scored.num_patients, 'patient')}"
    yield f"with 95 % confidence intervals (CI) from a bootstrap of {who}:"
    yield from (
        f"  {name}{':' * name.split()[-1][0].isdigit()} {estimate}"
        for name, estimate in estimates.items()
    )
    yield from (f"  {note}" for note in notes_on(estimates.values()))
    [labels], [scores] = scored.labels.T, scored.scores.T
    yield (
        f"calibration: the mean score is {scores.mean():.3f}, and {labels.mean():.3f} of the "
        "images are positive"
    )
    shares, means = calibration_curve(labels, scores, n_bins=5, strategy="quantile")
    yield "  by fifths of the scores: mean score, share positive"
    yield from (f"  {mean:10.3f} {share:14.3f}" for mean, share in zip(means, shares, strict=True))
