"""What the covariates of a table predict by themselves, and together with the image."""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from trainable.cohort.findings import Findings
from trainable.cohort.scored import OutOfFold, is_scored
from trainable.cohort.splits import Fold
from trainable.evaluation.metrics import Weighted, auc
from trainable.evaluation.recalibration import bounded

SUSPICIOUS_AUC = 0.8
"""A column that predicts the label so well is named before the first trial."""

_IMAGE = "logit of the image's score"


def covariate_scores(
    covariates: pd.DataFrame, labels: NDArray[np.int64], folds: Sequence[Fold]
) -> NDArray[np.float32]:
    """Out-of-fold scores of a logistic regression on covariates, one per finding.

    Numbers are standardized, and categories are one-hot. A missing number is the median, with a
    column that marks it; a missing category is a category. All is fitted on the training rows whose
    label is known.

    Args:
        covariates: One row per examination; see `Cohort.covariates`. At least one column.
        labels: (num_exams, num_findings), 1 positive, 0 negative, -1 unknown.
        folds: Rows of the examinations to train on and to score.

    Returns:
        (num_exams, num_findings), mean over the repeats; NaN where no fold scores the examination.
    """
    found = OutOfFold(*labels.shape)
    model = _model(covariates)
    for fold in folds:
        valid, by_finding = covariates.iloc[fold.valid], []
        for column in labels.T:
            known = fold.train[column[fold.train] >= 0]
            model.fit(covariates.iloc[known], column[known])
            by_finding.append(model.predict_proba(valid)[:, 1])
        found.add(fold.valid, np.stack(by_finding, axis=1))
    return found.scores


def with_image(covariates: pd.DataFrame, scores: NDArray[np.float32]) -> pd.DataFrame:
    """The columns, and beside them the logits of the image's scores (num_exams, num_findings)."""
    inside = bounded(scores)
    logits = np.log(inside / (1 - inside))
    names = [_IMAGE, *(f"{_IMAGE} {number}" for number in range(2, logits.shape[1] + 1))]
    return covariates.assign(**dict(zip(names, logits.T, strict=True)))


def suspicious_columns(
    covariates: pd.DataFrame,
    labels: NDArray[np.int64],
    folds: Sequence[Fold],
    findings: Findings,
) -> Iterator[str]:
    """A sentence on each column that alone predicts a finding suspiciously well."""
    for name, finding, best in telling_columns(covariates, labels, folds):
        of = "" if findings.is_one else f" for {findings.names[finding]}"
        yield (
            f"{name} alone has an AUC of {best:.2f}{of}, without any image. A network may learn "
            f"{name} in place of the disease: the report shows the image within its values"
        )


def telling_columns(
    covariates: pd.DataFrame, labels: NDArray[np.int64], folds: Sequence[Fold]
) -> Iterator[tuple[str, int, float]]:
    """Each column that alone has an AUC of `SUSPICIOUS_AUC` or more.

    Yields:
        Its name, the number of the finding that it predicts best, and the AUC there.
    """
    for name in covariates:
        scores = covariate_scores(covariates[[name]], labels, folds)
        rows = is_scored(scores)
        [aucs] = auc(Weighted.once(labels[rows], scores[rows]))
        best = int(aucs.argmax())
        if aucs[best] >= SUSPICIOUS_AUC:
            yield str(name), best, float(aucs[best])


def _model(covariates: pd.DataFrame) -> Pipeline:
    numbers = [name for name in covariates if covariates[name].dtype != object]
    categories = [name for name in covariates if covariates[name].dtype == object]
    number = make_pipeline(
        SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True),
        StandardScaler(),
    )
    category = make_pipeline(
        SimpleImputer(strategy="constant", fill_value="(missing)"),
        OneHotEncoder(handle_unknown="ignore"),
    )
    columns = ColumnTransformer([("number", number, numbers), ("category", category, categories)])
    # balanced: a fold that leaves out many positives must not score lower for that
    regression = LogisticRegression(max_iter=1000, class_weight="balanced")
    return Pipeline([("columns", columns), ("regression", regression)])
