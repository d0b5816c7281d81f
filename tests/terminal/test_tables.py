"""Tables of experiments: the cells are those of the counts, and luck is told from signal."""

from collections.abc import Sequence

import numpy as np
import pytest

from search.space.experiments import Experiments, Row, TableName
from search.terminal.tables import COMPARISONS, Result, average_lines, experiment_lines
from trainable.cohort.scored import Scored
from trainable.config import TrialConfig
from trainable.evaluation.metrics import evaluate
from trainable.evaluation.scoring import Scoring

RNG = np.random.default_rng(0)
LABELS = np.repeat([1, 0], [30, 248])


def result(tp: int, fn: int, fp: int, tn: int) -> Result:
    """A row with these counts at a threshold of 0.5."""
    positives = np.repeat([True, False, True, False], [tp, fn, fp, tn])
    scores = np.where(positives, 0.75, 0.25).astype(np.float32)
    labels = np.repeat([1, 1, 0, 0], [tp, fn, fp, tn])
    scored = Scored(labels[:, None], np.arange(len(labels)), scores[:, None])
    [found] = evaluate(scored.labels, scored.scores, np.array([0.5], np.float32), Scoring())
    metrics = {
        **found,
        **{"train_loss": 0.5, "train_accuracy": 0.75, "valid_loss": 0.25, "seconds": 1.25},
        "valid_accuracy": (tp + tn) / len(labels),
    }
    return Result(metrics, scored, 0.98)


def listed(
    learning_rates: Sequence[float], titles: Sequence[str] = (), table: TableName = "counts"
) -> Experiments:
    rows = tuple(
        Row(title, f"row {seed}", TrialConfig(learning_rate=rate, seed=seed))
        for seed, (title, rate) in enumerate(
            zip(titles or ["e"] * len(learning_rates), learning_rates, strict=True)
        )
    )
    return Experiments(rows, table=table)


def test_the_documents_cuts_print_their_counts_and_no_signal() -> None:
    counts = [(12, 18, 47, 201), (14, 16, 43, 205), (19, 11, 45, 203)]
    results = dict(enumerate(result(*row) for row in counts))
    lines = list(experiment_lines(listed([1e-3, 1e-3, 1e-3]), results))
    assert lines[0] == "e"
    assert lines[1].split() == ["TP", "FN", "FP", "TN", "F1", "95", "%", "CI"]
    assert lines[2].split()[:7] == ["row", "0", "12", "18", "47", "201", "0.270"]
    assert "row 0; row 1; row 2: the same network" in lines
    assert "by F1, no two of the 3 rows differ by more than chance" in lines
    assert any("Its F1 is 0.270 to 0.404: the seed alone" in line for line in lines)


def test_rows_that_differ_are_named() -> None:
    results = {0: result(28, 2, 8, 240), 1: result(10, 20, 48, 200)}
    lines = list(experiment_lines(listed([1e-3, 1e-2]), results))
    assert any("row 0 and row 1 differ by more than chance (p = " in line for line in lines)


def test_a_difference_that_equal_networks_show_too_is_no_signal() -> None:
    results = {0: result(28, 2, 8, 240), 1: result(10, 20, 48, 200), 2: result(28, 2, 8, 240)}
    rows = listed([1e-3, 1e-2, 1e-2], ["one", "one", "another"], "accuracy")
    lines = list(experiment_lines(rows, results))
    assert not any("differ by more than chance (p" in line for line in lines)
    assert any("but not by more than the same network with other seeds" in line for line in lines)


def test_a_row_without_a_result_is_named_and_left_out_of_the_comparison() -> None:
    lines = list(experiment_lines(listed([1e-3, 1e-2]), {1: result(15, 15, 44, 204)}))
    assert "without a result: row 0" in lines
    assert not any("by F1" in line for line in lines)


def test_accuracy_loss_and_time_are_those_of_the_trial() -> None:
    lines = list(experiment_lines(listed([1e-3], table="accuracy"), {0: result(15, 15, 44, 204)}))
    assert lines[2].split() == ["row", "0", "0.5000", "75.00", "0.2500", "78.78", "1.2"]


def test_a_sensitivity_of_one_has_an_interval_that_is_not() -> None:
    cells = COMPARISONS["detection"].cells(result(30, 0, 44, 204))
    assert cells["sensitivity"] == "1.000 (0.886 to 1.000)"
    assert cells["specificity at 0.98"].startswith("0.823 (")
    assert float(cells["AUC"].split()[0]) == pytest.approx((1 + 204 / 248) / 2, abs=1e-3)


def test_rows_of_several_findings_have_the_f1_over_them() -> None:
    only = Result({"f1": 0.282}, result(1, 1, 1, 1).scored, 0.98)
    lines = list(average_lines(listed([1e-3, 1e-2], ["one", "another"]), {0: only}, "macro F1"))
    assert lines == [
        *("one", "       macro F1", "row 0     0.282", ""),
        *("another", "       macro F1", "row 1      none", ""),
    ]
