"""Does the image add anything to age, sex, view and site? And the "table 1" of a study."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from trainable.cohort.cohort import Cohort
from trainable.cohort.covariates import thirds
from trainable.cohort.scored import Scored, is_scored
from trainable.cohort.splits import Fold
from trainable.evaluation.covariates import covariate_scores, with_image
from trainable.evaluation.intervals import Estimate, estimate
from trainable.evaluation.metrics import Metric, auc, difference, of_scores
from trainable.report.page import Section, Table

_IMAGE, _COLUMNS, _BOTH = "image", "all columns", "image and all columns"
_PAIRS = ((_IMAGE, _COLUMNS), (_BOTH, _COLUMNS))
_INTERVAL = "95 % CI"
MISSING = "missing"
"""Name of the value of what is not known."""
_CHANCE = 0.5
_SEEN = (
    "Trials of the winner see the columns too (--use-covariates). So what is called image here is "
    "image and columns, and this part does not say what the image alone is worth."
)


def covariates_section(
    cohort: Cohort,
    folds: Sequence[Fold],
    scores: NDArray[np.float32],
    f1: Metric,
    *,
    sees_columns: bool = False,
) -> Section:
    """The covariates against the image, and the image within each value of them.

    Args:
        cohort: Labelled images, with their covariates.
        folds: Folds that the image was scored on.
        scores: (num_exams, num_findings), out-of-fold scores of the image; NaN where never scored.
        f1: F1 at the thresholds of the winner.
        sees_columns: Whether the image's scores are of heads that see the columns too.
    """
    title, columns = "Does the image add anything?", cohort.covariates
    if columns.empty:
        return Section(title, ["Not known: no column of age, sex, view or site was read."])
    rows, image = is_scored(scores), cohort.scored(scores)
    all_scores = _all_scores(columns, cohort.labels, folds, scores)
    aucs = {name: of_scores(one[rows], auc) for name, one in all_scores.items()}
    pairs = {
        f"{one} less {other}": difference(aucs[one], aucs[other])
        for one, other in _PAIRS
        if {one, other} <= aucs.keys()
    }
    found = estimate(image, aucs | pairs)
    rows_of_values = [
        {"column": column, "value": value}
        | {f"{cohort.grouping.unit}s": int(inside.sum())}
        | _stratum(image.take(inside), f1)
        for column, value, inside in strata(columns[rows])
    ]
    tables = [
        Table(
            _aucs(found, list(aucs)),
            "AUC of each column, of all columns, of the image, and of both.",
        ),
        Table(
            _differences(found, list(pairs)), "Paired differences of AUC, in the same resamples."
        ),
        Table(
            pd.DataFrame(rows_of_values),
            "The image within each value of a column, at the threshold of the winner.",
        ),
        table_one(columns, _outcomes(cohort), f"{cohort.grouping.unit}s"),
    ]
    sentences = list(_sentences(found))
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


def _sentences(found: dict[str, Estimate]) -> Iterator[str]:
    gain = found.get(f"{_BOTH} less {_COLUMNS}")
    if gain is None:
        yield (
            "Image and columns together are not shown: with one split, the training images have "
            "no out-of-fold score."
        )
    elif gain.low > 0 and found[_BOTH].low > _CHANCE:  # worthless columns fall below chance
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
    return f"95 % CI {estimate.low:+.3f} to {estimate.high:+.3f}"


def _aucs(found: dict[str, Estimate], names: Sequence[str]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {"score of": name, "AUC": one.value, _INTERVAL: f"{one.low:.3f} to {one.high:.3f}"}
            for name, one in ((name, found[name]) for name in names)
        ]
    )


def _differences(found: dict[str, Estimate], names: Sequence[str]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "difference": name,
                "AUC": f"{one.value:+.3f}",
                _INTERVAL: f"{one.low:+.3f} to {one.high:+.3f}",
            }
            for name, one in ((name, found[name]) for name in names)
        ]
    )


def strata(columns: pd.DataFrame) -> Iterator[tuple[str, str, NDArray[np.bool_]]]:
    """Name of each column, of each value or third of it, and the rows (num_exams,) that have it.

    Args:
        columns: One row per examination; numbers are float64, categories object.
    """
    for name, values in columns.items():
        parts = values if values.dtype == object else thirds(values)
        for part in sorted(parts.dropna().unique()):
            rows = (parts == part).to_numpy(bool)
            inside = values[rows]
            text = str(part) if values.dtype == object else f"{inside.min():g} to {inside.max():g}"
            yield str(name), text, rows
        if values.isna().any():
            yield str(name), MISSING, values.isna().to_numpy(bool)


def _stratum(image: Scored, f1: Metric) -> dict[str, object]:
    """Counts, F1 and AUC of the image in one stratum; no metric where there is one class."""
    counts: dict[str, object] = {"patients": image.num_patients}
    if image.labels.shape[1] == 1:
        counts = {"positive": int(image.labels.sum())} | counts
    if not image.has_both:
        return counts | {"F1": "one class only", "AUC": "one class only"}
    found = estimate(image, {"F1": f1, "AUC": auc})
    return counts | {name: str(one) for name, one in found.items()}


def _outcomes(cohort: Cohort) -> dict[str, NDArray[np.bool_]]:
    """Examinations (num_exams,) by outcome: of several findings, those with each of them."""
    labels, findings = cohort.labels, cohort.findings
    if findings.is_one:
        negative, positive = cohort.classes
        return {
            f"negative ({negative})": labels[:, 0] == 0,
            f"positive ({positive})": labels[:, 0] == 1,
        }
    return dict(zip(findings.names, (labels == 1).T, strict=True))


def table_one(
    columns: pd.DataFrame, outcomes: Mapping[str, NDArray[np.bool_]], units: str
) -> Table:
    """Each covariate by outcome.

    Args:
        columns: One row per examination; numbers are float64, categories object.
        outcomes: Which examinations (num_exams,) have each outcome.
        units: What is labelled, in the plural.
    """
    groups = {**outcomes, "all": np.ones(len(columns), bool)}
    described = {name: _described(columns[rows], columns, units) for name, rows in groups.items()}
    frame = pd.DataFrame(described).rename_axis("characteristic").reset_index()
    return Table(
        frame,
        f"Table 1: {units} by outcome. Numbers are mean (SD) and median (quartiles); "
        "categories are count (share of the known values).",
    )


def all_characteristics(columns: pd.DataFrame, units: str) -> dict[str, str]:
    """The column "all" of table 1: text of each characteristic of all examinations."""
    return _described(columns, columns, units)


def _described(part: pd.DataFrame, whole: pd.DataFrame, units: str) -> dict[str, str]:
    """Text of each characteristic of some examinations; the rows are those of all of them."""
    cells = {units: f"{len(part):,}"}
    for name, values in part.items():
        known = values.dropna()
        if values.dtype == object:
            for category in sorted(whole[name].dropna().unique()):
                cells[f"{name}: {category}"] = _share(int((known == category).sum()), len(known))
        else:
            cells[f"{name}, mean (SD)"] = f"{known.mean():.1f} ({known.std():.1f})"
            low, middle, high = known.quantile([0.25, 0.5, 0.75])
            cells[f"{name}, median (quartiles)"] = f"{middle:.1f} ({low:.1f} to {high:.1f})"
        if whole[name].isna().any():
            cells[f"{name}, missing"] = _share(int(values.isna().sum()), len(values))
    return cells


def _share(count: int, total: int) -> str:
    return f"{count:,} ({100 * count / total:.1f} %)" if total else f"{count:,}"
