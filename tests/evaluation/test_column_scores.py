"""Scores of covariates, and intervals of several AUCs on the same resamples."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from trainable.cohort.findings import Findings
from trainable.cohort.scored import Scored
from trainable.cohort.splits import Fold
from trainable.evaluation.covariates import covariate_scores, suspicious_columns, with_image
from trainable.evaluation.intervals import estimate
from trainable.evaluation.metrics import auc, difference, of_scores

RNG = np.random.default_rng(0)
LABELS = np.tile([0, 0, 1], 40)
COLUMN = LABELS[:, None]
ONE = Findings(("dead",))
PATIENTS = np.arange(120)
COLUMNS = pd.DataFrame(
    {
        "age": np.where(RNG.random(120) < 0.2, np.nan, RNG.normal(60 + 8 * LABELS, 10)),
        "view": np.where(RNG.random(120) < 0.9, LABELS, 1 - LABELS).astype(str),
        "sex": ["F", np.nan] * 60,
    }
).astype({"view": object, "sex": object})


def folds(num_rows: int = 120) -> list[Fold]:
    parts = [np.arange(start, num_rows, 4) for start in range(4)]
    return [Fold(np.setdiff1d(np.arange(num_rows), part), part) for part in parts]


def test_a_row_is_scored_by_a_model_that_never_saw_it() -> None:
    scores = covariate_scores(COLUMNS, COLUMN, folds())
    assert 0.85 < roc_auc_score(LABELS, scores) < 1
    changed = LABELS.copy()
    changed[folds()[0].valid] = 1 - changed[folds()[0].valid]
    again = covariate_scores(COLUMNS, changed[:, None], folds())
    assert again[folds()[0].valid] == pytest.approx(scores[folds()[0].valid])
    assert again[folds()[1].valid] != pytest.approx(scores[folds()[1].valid])


def test_rows_of_no_fold_have_no_score_and_repeats_are_averaged() -> None:
    once = covariate_scores(COLUMNS, COLUMN, folds(80))
    assert np.isnan(once[80:]).all()
    assert not np.isnan(once[:80]).any()
    assert covariate_scores(COLUMNS, COLUMN, folds(80) * 2)[:80] == pytest.approx(once[:80])


def test_that_a_value_is_missing_is_seen() -> None:
    hidden = pd.DataFrame({"age": np.where(LABELS == 1, np.nan, RNG.normal(60, 10, 120))})
    assert roc_auc_score(LABELS, covariate_scores(hidden, COLUMN, folds())) == 1


def test_a_category_that_only_scored_rows_have_is_no_error() -> None:
    rare = pd.DataFrame({"site": np.where(np.arange(120) == 5, "far", "near")}, dtype=object)
    assert not np.isnan(covariate_scores(rare, COLUMN, folds())).any()


def test_the_image_is_one_more_column_even_where_it_is_sure() -> None:
    sure = COLUMN.astype(np.float32)
    both = with_image(COLUMNS, sure)
    assert roc_auc_score(LABELS, covariate_scores(both, COLUMN, folds())) == 1
    assert with_image(COLUMNS.iloc[:, :0], sure).shape == (120, 1)


def test_only_the_column_that_predicts_the_label_is_named() -> None:
    (said,) = suspicious_columns(COLUMNS, COLUMN, folds(), ONE)
    expected = roc_auc_score(LABELS, covariate_scores(COLUMNS[["view"]], COLUMN, folds()))
    assert said.startswith(f"view alone has an AUC of {expected:.2f}")
    assert list(suspicious_columns(COLUMNS.iloc[:, :0], COLUMN, folds(), ONE)) == []


def test_differences_are_paired_and_in_their_order() -> None:
    good = (0.5 * LABELS + RNG.random(120)).astype(np.float32)
    better = (good + 0.1 * LABELS).astype(np.float32)
    scores = {"good": good, "better": better}
    metrics = {name: of_scores(one[:, None], auc) for name, one in scores.items()}
    metrics["both"] = difference(metrics["better"], metrics["good"])
    aucs = estimate(Scored(COLUMN, PATIENTS, good[:, None]), metrics)
    for name, one in scores.items():
        assert aucs[name].value == pytest.approx(roc_auc_score(LABELS, one))
        assert aucs[name].low < aucs[name].value < aucs[name].high
    found = aucs["both"]
    assert found.value == pytest.approx(aucs["better"].value - aucs["good"].value)
    assert 0 < found.low < found.value < found.high
    # far narrower than if the two scores were of other patients
    apart = aucs["better"].high - aucs["better"].low + aucs["good"].high - aucs["good"].low
    assert found.high - found.low < apart / 2


def test_unknown_labels_of_a_finding_teach_nothing_and_the_best_finding_is_named() -> None:
    both = np.stack([RNG.integers(0, 2, 120), LABELS], axis=1)
    some = both.copy()
    some[RNG.random(120) < 0.2, 1] = -1
    known = some[:, 1] >= 0
    scores = covariate_scores(COLUMNS, some, folds())
    assert not np.isnan(scores).any()
    [first] = folds()[:1]
    alone = Fold(first.train[known[first.train]], first.valid)
    expected = covariate_scores(COLUMNS, COLUMN, [alone])[first.valid, 0]
    assert scores[first.valid, 1] == pytest.approx(expected)
    (said,) = suspicious_columns(COLUMNS, some, folds(), Findings(("Mass", "Edema")))
    assert said.startswith("view alone has an AUC of 0.")
    assert " for Edema, without any image" in said
