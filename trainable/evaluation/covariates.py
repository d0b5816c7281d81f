"""What the further columns of a table predict by themselves, and together with the image."""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from trainable.cohort.splits import Fold
from trainable.evaluation.objective import rank_objectives

SUSPICIOUS_AUC = 0.8
"""A column that predicts the label so well is named before the first trial."""

_IMAGE = "logit of the image's score"
_LEAST = 1e-6  # keeps the logit finite


def covariate_scores(
    covariates: pd.DataFrame, labels: NDArray[np.int64], folds: Sequence[Fold]
) -> NDArray[np.float32]:
    """Out-of-fold scores of a logistic regression on further columns.

    Numbers are standardized, and categories are one-hot. A missing number is the median, with a
    column that marks it; a missing category is a category. All is fitted on the training rows.

    Args:
        covariates: One row per examination; see `Cohort.covariates`. At least one column.
        labels: (num_exams,), 1 positive, 0 negative.
        folds: Rows of the examinations to train on and to score.

    Returns:
        (num_exams,), mean over the repeats; NaN where no fold scores the examination.
    """
    totals, counts = np.zeros(len(labels)), np.zeros(len(labels))
    for fold in folds:
        model = _model(covariates).fit(covariates.iloc[fold.train], labels[fold.train])
        totals[fold.valid] += model.predict_proba(covariates.iloc[fold.valid])[:, 1]
        counts[fold.valid] += 1
    means = np.divide(totals, counts, out=np.full(len(labels), np.nan), where=counts > 0)
    return np.asarray(means, np.float32)


def with_image(covariates: pd.DataFrame, scores: NDArray[np.float32]) -> pd.DataFrame:
    """The columns, and beside them the logit of the image's out-of-fold score."""
    bounded = np.clip(scores.astype(np.float64), _LEAST, 1 - _LEAST)
    return covariates.assign(**{_IMAGE: np.log(bounded / (1 - bounded))})


def suspicious_columns(
    covariates: pd.DataFrame, labels: NDArray[np.int64], folds: Sequence[Fold]
) -> Iterator[str]:
    """A sentence on each column that alone predicts the label suspiciously well."""
    for name in covariates:
        scores = covariate_scores(covariates[[name]], labels, folds)
        scored = ~np.isnan(scores)
        once = np.ones((1, int(scored.sum())), np.float32)
        auc = float(rank_objectives("auc", labels[scored], scores[scored], once)[0])
        if auc >= SUSPICIOUS_AUC:
            yield (
                f"{name} alone has an AUC of {auc:.2f}, without any image. A network may learn "
                f"{name} in place of the disease: the report shows the image within its values"
            )


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
