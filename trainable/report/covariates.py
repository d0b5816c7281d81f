"""Does the image add anything to age, sex, view and site, and is it as good within each of them?"""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from trainable.cohort.cohort import Cohort
from trainable.cohort.splits import Fold
from trainable.evaluation.bootstrap import NUM_RESAMPLES, resample_patients
from trainable.evaluation.covariates import covariate_scores, with_image
from trainable.evaluation.intervals import Estimate, estimate_aucs, f1_interval
from trainable.evaluation.metrics import evaluate
from trainable.evaluation.scoring import F1Average
from trainable.report.page import Section, Table
from trainable.report.table_one import table_one

_IMAGE, _COLUMNS, _BOTH = "image", "all columns", "image and all columns"
_PAIRS = ((_IMAGE, _COLUMNS), (_BOTH, _COLUMNS))
_INTERVAL = "95 % interval"
_CHANCE = 0.5
_SEEN = (
    "Trials of the winner see the columns too (--use-covariates). So what is called image here is "
    "image and columns, and this part does not say what the image alone is worth."
)


def covariates_section(
    cohort: Cohort,
    folds: Sequence[Fold],
    scores: NDArray[np.float32],
    threshold: float,
    f1_average: F1Average,
    *,
    sees_columns: bool = False,
) -> Section:
    """The further columns against the image, and the image within each value of them.

    Args:
        cohort: Labelled images, with their further columns.
        folds: Folds that the image was scored on.
        scores: (num_exams,), out-of-fold scores of the image; NaN where never scored.
        threshold: A score of at least this is predicted positive.
        f1_average: Kind of average of the F1.
        sees_columns: Whether the image's scores are of heads that see the columns too.
    """
    title, columns = "Does the image add anything?", cohort.covariates
    if columns.empty:
        return Section(title, ["Not known: no column of age, sex, view or site was read."])
    found = _all_scores(columns, cohort.labels, folds, scores)
    scored = ~np.isnan(scores)
    labels, patients = cohort.labels[scored], cohort.patients[scored]
    pairs = [pair for pair in _PAIRS if set(pair) <= found.keys()]
    within = {name: one[scored] for name, one in found.items()}
    aucs, differences = estimate_aucs(labels, patients, within, pairs)
    strata = [
        {"column": column, "value": value}
        | {f"{cohort.grouping.unit}s": int(rows.sum())}
        | _stratum(labels[rows], patients[rows], scores[scored][rows], threshold, f1_average)
        for column, value, rows in _strata(columns[scored])
    ]
    tables = [
        Table(_aucs(aucs), "AUC of each column, of all columns, of the image, and of both."),
        Table(_differences(differences), "Paired differences of AUC, in the same resamples."),
        Table(
            pd.DataFrame(strata),
            "The image within each value of a column, at the threshold of the winner.",
        ),
        table_one(columns, cohort.labels, cohort.classes, f"{cohort.grouping.unit}s"),
    ]
    sentences = list(_sentences(aucs, differences))
    if sees_columns:
        sentences.insert(0, _SEEN)
    return Section(title, sentences, tables=tables)


def _all_scores(
    columns: pd.DataFrame,
    labels: NDArray[np.int64],
    folds: Sequence[Fold],
    image: NDArray[np.float32],
) -> dict[str, NDArray[np.float32]]:
    """Out-of-fold scores by their names; no score of both where training rows have no score."""
    found = {f"{name} alone": covariate_scores(columns[[name]], labels, folds) for name in columns}
    found |= {_COLUMNS: covariate_scores(columns, labels, folds), _IMAGE: image}
    if not any(np.isnan(image[fold.train]).any() for fold in folds):
        found[_BOTH] = covariate_scores(with_image(columns, image), labels, folds)
    return found


def _sentences(
    aucs: dict[str, Estimate], differences: dict[tuple[str, str], Estimate]
) -> Iterator[str]:
    gain = differences.get((_BOTH, _COLUMNS))
    if gain is None:
        yield (
            "Image and columns together are not shown: with one split, the training images have "
            "no out-of-fold score."
        )
    elif gain.low > 0 and aucs[_BOTH].low > _CHANCE:  # worthless columns fall below chance
        yield (
            f"The image adds to the columns: the AUC of both differs by {gain.value:+.3f} from "
            f"that of the columns alone ({_range(gain)})."
        )
    else:
        yield (
            "It is not shown that the image adds to the columns: the AUC of both differs by "
            f"{gain.value:+.3f} from that of the columns alone ({_range(gain)})."
        )
    yield (
        "Columns are scored by a logistic regression on the same folds. Every score is out of "
        "fold, and every interval is by patient."
    )
    yield (
        "An AUC below 0.5 is chance: what holds on the training folds does not hold on the others."
    )
    yield (
        "The AUC of the image is of a trial or team that was chosen, so it is somewhat too high."
    )


def _range(estimate: Estimate) -> str:
    return f"95 % interval {estimate.low:+.3f} to {estimate.high:+.3f}"


def _aucs(aucs: dict[str, Estimate]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {"score of": name, "AUC": one.value, _INTERVAL: f"{one.low:.3f} to {one.high:.3f}"}
            for name, one in aucs.items()
        ]
    )


def _differences(differences: dict[tuple[str, str], Estimate]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "difference": f"{one} less {other}",
                "AUC": f"{found.value:+.3f}",
                _INTERVAL: f"{found.low:+.3f} to {found.high:+.3f}",
            }
            for (one, other), found in differences.items()
        ]
    )


def _strata(columns: pd.DataFrame) -> Iterator[tuple[str, str, NDArray[np.bool_]]]:
    """Name of the column, name of the value, and the rows (num_exams,) that have it."""
    for name, values in columns.items():
        parts = values if values.dtype == object else _thirds(values)
        for part in sorted(parts.dropna().unique()):
            rows = (parts == part).to_numpy(bool)
            inside = values[rows]
            text = str(part) if values.dtype == object else f"{inside.min():g} to {inside.max():g}"
            yield str(name), text, rows
        if values.isna().any():
            yield str(name), "missing", values.isna().to_numpy(bool)


def _thirds(values: pd.Series) -> pd.Series:
    """0, 1 or 2 for each number, by size; equal numbers are in one third."""
    first, second = values.quantile([1 / 3, 2 / 3])
    thirds = (values > first).astype(float) + (values > second)
    return thirds.where(values.notna())


def _stratum(
    labels: NDArray[np.int64],
    patients: NDArray[np.int64],
    scores: NDArray[np.float32],
    threshold: float,
    f1_average: F1Average,
) -> dict[str, object]:
    """Counts, F1 and AUC of the image in one stratum; no metric where there is one class."""
    counts: dict[str, object] = {
        "positive": int(labels.sum()),
        "patients": len(np.unique(patients)),
    }
    if len(np.unique(labels)) < 2:
        return counts | {"F1": "one class only", "AUC": "one class only"}
    resamples = resample_patients(labels, patients, NUM_RESAMPLES, seed=0, stratified=False)
    f1 = evaluate(labels, scores, threshold, f1_average)["f1"]
    interval = f1_interval(labels, patients, scores >= threshold, f1_average, resamples)
    aucs, _ = estimate_aucs(labels, patients, {_IMAGE: scores})
    return counts | {"F1": str(Estimate(f1, *interval)), "AUC": str(aucs[_IMAGE])}
