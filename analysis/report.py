"""The page of an evaluation on new labels, side by side with the out-of-fold figures."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.check import Checked
from analysis.evaluate import TrueLabels
from trainable.evaluation.intervals import Estimate, estimate_metrics
from trainable.report.page import Section, Slider, Table, write_page
from trainable.report.scores import score_figures


def write_evaluation(
    page: Path,
    checked: Checked,
    truth: TrueLabels,
    scores: NDArray[np.float32],
    estimates: Mapping[str, Estimate],
    lines: Sequence[str],
    operating_point: float,
) -> None:
    """Write the metrics and figures of new labels, beside those of the search.

    Args:
        page: File to write.
        checked: The run that predicted.
        truth: True labels and patients of the new images; both classes occur.
        scores: Probability of the positive class, (num_rows,).
        estimates: Metrics of the scores.
        lines: What the command prints of them.
        operating_point: Specificity at which sensitivity is reported, and the reverse.
    """
    winner, cohort = checked.winner, checked.cohort
    table = pd.DataFrame(
        {"metric": list(estimates), "new images": [str(one) for one in estimates.values()]}
    )
    if not checked.models:  # an exported team leaves the scores of the search behind
        before = _out_of_fold(checked, operating_point)
        table["out of fold, in the search"] = [str(before[name]) for name in estimates]
    low, high = winner.corrected.interval
    num_patients = len(np.unique(truth.patients))
    sections = [
        Section(
            "Result",
            [
                f"{len(scores)} new {cohort.grouping.unit}s of {num_patients} patients, "
                f"{int(truth.labels.sum())} positive.",
                f"The search promised an F1 of {winner.corrected.f1:.3f} on new patients "
                f"({low:.3f} to {high:.3f}); here it is {estimates['F1']}.",
            ],
            tables=[Table(table, "Each metric with its 95 % interval by patient.")],
        ),
        Section(
            "How good are the scores?",
            figures=score_figures(truth.labels, truth.patients, scores, winner.threshold),
            slider=Slider.of(truth.labels, scores, winner.threshold),
        ),
        Section("As printed", listing="\n".join(lines)),
    ]
    write_page(page, f"Evaluation of {checked.run.name}", sections)


def _out_of_fold(checked: Checked, operating_point: float) -> dict[str, Estimate]:
    """The same metrics of the mean out-of-fold scores of the winner's members."""
    winner, cohort = checked.winner, checked.cohort
    scores = winner.out_of_fold_scores(checked.run)
    scored = ~np.isnan(scores)
    return estimate_metrics(
        cohort.labels[scored], cohort.patients[scored], scores[scored],
        winner.threshold, winner.f1_average, operating_point,
    )  # fmt: skip
