"""The page of an evaluation on new labels, side by side with the out-of-fold figures."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.evaluate import TrueLabels
from trainable.cohort.cohort import Cohort
from trainable.evaluation.intervals import Estimate, estimate_metrics
from trainable.places import scores_file
from trainable.report.page import Section, Slider, Table, write_page
from trainable.report.scores import score_figures
from trainable.winner import Winner, read_winner


def write_evaluation(
    page: Path,
    run: Path,
    truth: TrueLabels,
    scores: NDArray[np.float32],
    lines: Sequence[str],
    operating_point: float,
) -> None:
    """Write the metrics and figures of new labels, beside those of the search.

    Args:
        page: File to write.
        run: Run folder of the search.
        truth: True labels and patients of the new images; both classes occur.
        scores: Probability of the positive class, (num_rows,).
        lines: What the command prints of them.
        operating_point: Specificity at which sensitivity is reported, and the reverse.
    """
    winner, cohort = read_winner(run), Cohort.load(run)
    found = estimate_metrics(
        truth.labels, truth.patients, scores, winner.threshold, winner.f1_average, operating_point
    )
    before = _out_of_fold(run, winner, cohort, operating_point)
    table = pd.DataFrame(
        {
            "metric": list(found),
            "new images": [str(estimate) for estimate in found.values()],
            "out of fold, in the search": [str(before[name]) for name in found],
        }
    )
    low, high = winner.corrected.interval
    num_patients = len(np.unique(truth.patients))
    sections = [
        Section(
            "Result",
            [
                f"{len(scores)} new {cohort.grouping.unit}s of {num_patients} patients, "
                f"{int(truth.labels.sum())} positive.",
                f"The search promised an F1 of {winner.corrected.f1:.3f} on new patients "
                f"({low:.3f} to {high:.3f}); here it is {found['F1']}.",
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
    write_page(page, f"Evaluation of {run.name}", sections)


def _out_of_fold(
    run: Path, winner: Winner, cohort: Cohort, operating_point: float
) -> dict[str, Estimate]:
    """The same metrics of the mean out-of-fold scores of the winner's members."""
    files = [scores_file(run, member.trial) for member in winner.members]
    scores: NDArray[np.float32] = np.mean([np.load(file) for file in files], axis=0)
    scored = ~np.isnan(scores)
    return estimate_metrics(
        cohort.labels[scored], cohort.patients[scored], scores[scored],
        winner.threshold, winner.f1_average, operating_point,
    )  # fmt: skip
