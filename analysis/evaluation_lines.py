"""What a prediction prints of an evaluation by true labels: of one finding, or of several."""

from collections.abc import Iterator, Mapping

import pandas as pd
from sklearn.calibration import calibration_curve

from analysis.evaluate import JudgedFindings, average_name
from trainable.cohort.findings import Findings
from trainable.cohort.scored import Scored
from trainable.errors import num_of
from trainable.evaluation.intervals import Estimate, notes_on
from trainable.evaluation.metrics import all_positive_f1
from trainable.report.confusion import confusion_matrix
from trainable.report.table_lines import WIDEST, table_lines
from trainable.run.winner import Winner

_SHOWN = ("F1", "AUC")
_BESIDE_WHAT_WAS_TOLD = ("PPV", "NPV", "prevalence", "mean score")


def describe(
    judged: JudgedFindings, scored: Scored, findings: Findings, winner: Winner
) -> Iterator[str]:
    """The confusion matrix and the metrics, a line each."""
    if findings.is_one:
        [one] = judged.each
        return describe_one(scored, winner, one.estimates)
    return _describe_several(judged, scored, findings, winner)


def _describe_several(
    judged: JudgedFindings, scored: Scored, findings: Findings, winner: Winner
) -> Iterator[str]:
    """The confusion matrix of several classes, and a table of the findings, a line each."""
    if findings.exclusive:
        yield "labels down, predictions across:"
        yield from _indented(_narrow(confusion_matrix(scored, winner.thresholds, findings)))
    kind = findings.kind
    rows = [
        (one.name, str(one.num_known), str(one.num_positive), *_cells(one.estimates))
        for one in judged.each
    ]
    if judged.averages:
        average = (average_name(winner), str(len(scored)), "", *_cells(judged.averages))
        rows.append(average)
    who = num_of(scored.num_patients, "patient")
    yield f"each {kind} with 95 % CIs from a bootstrap of the {who}:"
    yield from _indented(pd.DataFrame(rows, columns=[kind, "known", "positive", "F1", "AUC"]))
    if judged.averages:
        what = "of one class at best" if findings.exclusive else "positive"
        yield f"every image {what}: F1 {judged.all_positive_f1:.3f}"
    shown = (one[name] for one in judged.estimates for name in _SHOWN if name in one)
    yield from (f"note: {note}" for note in notes_on(shown))
    if one_sided := [one.name for one in judged.each if not one.estimates]:
        yield f"all labels are the same, so that nothing can be judged: {', '.join(one_sided)}"


def _indented(table: pd.DataFrame) -> Iterator[str]:
    return (f"  {line}" for line in table_lines(table))


def _cells(estimates: Mapping[str, Estimate]) -> list[str]:
    """F1 and AUC, short enough for a line of 80; "" where there is none."""
    found = (estimates.get(name) for name in _SHOWN)
    return [one.short if one else "" for one in found]


def _narrow(matrix: pd.DataFrame) -> pd.DataFrame:
    """The matrix with numbers in place of names that do not fit beside each other in a line."""
    longest = max(map(len, matrix.columns))
    if longest + sum(len(name) + 2 for name in matrix.columns) <= WIDEST:
        return matrix
    numbers = [str(number) for number in range(1, len(matrix) + 1)]
    named = [f"{number} {name}" for number, name in zip(numbers, matrix[""], strict=True)]
    return matrix.assign(**{"": named}).set_axis(["", *numbers], axis=1)


def describe_one(
    scored: Scored, winner: Winner, estimates: Mapping[str, Estimate]
) -> Iterator[str]:
    """The confusion matrix and the metrics of one finding, a line each."""
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
        if name not in _BESIDE_WHAT_WAS_TOLD
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
