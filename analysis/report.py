"""The page of an evaluation on new labels, side by side with the out-of-fold figures."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from analysis.check import Checked
from trainable.cohort.scored import Scored
from trainable.errors import num_of
from trainable.evaluation.intervals import Estimate, estimate
from trainable.report.page import Section, Slider, Table, write_page
from trainable.report.scores import score_figures


def write_evaluation(
    page: Path,
    checked: Checked,
    scored: Scored,
    estimates: Mapping[str, Estimate],
    lines: Sequence[str],
    operating_point: float,
) -> None:
    """Write the metrics and figures of new labels, beside those of the search.

    Args:
        page: File to write.
        checked: The run that predicted.
        scored: True labels, patients and scores of the new images; both classes occur.
        estimates: Metrics of the scores.
        lines: What the command prints of them.
        operating_point: Specificity at which sensitivity is reported, and the reverse.
    """
    winner, cohort = checked.winner, checked.cohort
    table = pd.DataFrame(
        {"metric": list(estimates), "new images": [str(one) for one in estimates.values()]}
    )
    if not checked.models:  # an exported team leaves the scores of the search behind
        then = cohort.scored(winner.out_of_fold_scores(checked.run))
        before = estimate(then, winner.metrics(operating_point))
        table["out of fold, in the search"] = [str(before[name]) for name in estimates]
    low, high = winner.corrected.interval
    [threshold] = winner.thresholds
    sections = [
        Section(
            "Result",
            [
                f"{num_of(len(scored), f'new {cohort.grouping.unit}')} of "
                f"{num_of(scored.num_patients, 'patient')}, "
                f"{int(scored.labels.sum())} positive.",
                f"The search expected an F1 of {winner.corrected.f1:.3f} on new patients "
                f"({low:.3f} to {high:.3f}); here it is {estimates['F1']}.",
                *(f"Note: {note}." for note in checked.unlike),
            ],
            tables=[Table(table, "Each metric with its 95 % CI by patient.")],
        ),
        Section(
            "How good are the scores?",
            figures=score_figures(scored, threshold),
            slider=Slider.of(scored, threshold),
        ),
        Section("As printed", listing="\n".join(lines)),
    ]
    write_page(page, f"Evaluation of {checked.run.name}", sections)
