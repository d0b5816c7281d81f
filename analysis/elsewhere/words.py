"""Promise and result in words: what a terminal and a page say of them."""

from collections.abc import Iterator

import pandas as pd

from analysis.elsewhere.compare import ComparedFinding, Comparison
from trainable.errors import num_of
from trainable.evaluation.intervals import Estimate
from trainable.evaluation.transport import Causes, Compared
from trainable.report.table_lines import table_lines

_IN_SHORT = (
    "F1", "AUC", "sensitivity", "specificity", "PPV", "NPV", "prevalence", "mean score"
)  # fmt: skip
NOT_EXPLAINED = "other patients, images or labels, or chance"


def describe(comparison: Comparison) -> Iterator[str]:
    """What was told and what was found, a line each, at most 80 cells long but for notes."""
    if not comparison.findings:
        return
    yield f"what {comparison.by} told, and what these labels show:"
    if comparison.kind:
        yield from _indented(findings_table(comparison))
        if parts := [one for one in comparison.findings if one.causes]:
            yield f"why the F1 differs, a {comparison.kind} each:"
            yield from _indented(_parts_table(comparison.kind, parts))
    else:
        [one] = comparison.findings
        yield from _indented(_short_table(one))
        yield from describe_causes(one)
    if comparison.num_unlike:
        yield f"  {unlike_sentence(comparison)}"
        if not comparison.kind:
            yield from (f"    {line}" for line in like_sentence(comparison.findings[0]))
    for note in comparison.notes:
        yield f"note: {note}"


def _indented(table: pd.DataFrame) -> Iterator[str]:
    return (f"  {line}" for line in table_lines(table))


def _short_table(one: ComparedFinding) -> pd.DataFrame:
    """A row for each of some metrics, short enough for a line of 80."""
    rows = [(name, *_cells(one.metrics[name])) for name in _IN_SHORT if name in one.metrics]
    return pd.DataFrame(rows, columns=["", "told", "here", "change", "verdict"])


def findings_table(comparison: Comparison) -> pd.DataFrame:
    """The F1 of each finding, or class, in a row."""
    rows = [(one.name, *_cells(one.f1)) for one in comparison.findings]
    columns = [comparison.kind, "F1 told", "F1 here", "change", "verdict"]
    return pd.DataFrame(rows, columns=columns)


def _cells(both: Compared) -> tuple[str, str, str, str]:
    change = f"{both.difference.value:+z.3f}"
    return _short(both.told), _short(both.found), change, both.verdict


def metrics_table(one: ComparedFinding) -> pd.DataFrame:
    """A row per metric with all intervals."""
    rows = [
        (name, _long(both.told), _long(both.found), signed(both.difference), both.verdict)
        for name, both in one.metrics.items()
    ]
    return pd.DataFrame(rows, columns=["metric", "told", "here", "difference", "verdict"])


def _parts_table(kind: str, findings: list[ComparedFinding]) -> pd.DataFrame:
    rows = [
        (
            one.name,
            *(f"{part.value:+z.3f}" for part in (why.prevalence, why.calibration, why.rest)),
        )
        for one in findings
        if (why := one.causes)
    ]
    return pd.DataFrame(rows, columns=[kind, "prevalence", "calibration", "not explained"])


def causes_table(why: Causes) -> pd.DataFrame:
    """The parts of the difference, which add up to it."""
    rows = [
        ("another prevalence", signed(why.prevalence)),
        ("calibration: the threshold is another point of the same curve", signed(why.calibration)),
        (f"not explained: {NOT_EXPLAINED}", signed(why.rest)),
    ]
    return pd.DataFrame(rows, columns=["part", "of the difference of the F1"])


def describe_causes(one: ComparedFinding) -> Iterator[str]:
    """Why the F1 of the only finding is another one, a line each."""
    why = one.causes
    if why is None:
        return
    then, now = why.prevalences
    yield f"why the F1 differs by {signed(one.f1.difference)}:"
    yield f"  prevalence {now:.3f}, was {then:.3f}: {signed(why.prevalence)}"
    yield (
        f"    to expect: F1 {_short(why.expected)}, PPV {why.expected_ppv.value:.3f}, "
        f"NPV {why.expected_npv.value:.3f}"
    )
    yield f"  calibration: {signed(why.calibration)}"
    yield from (f"    {line}" for line in calibration_words(why))
    yield f"  not explained ({NOT_EXPLAINED}):"
    yield f"    {signed(why.rest)}"
    yield f"  {smallest_sentence(one)}"


def calibration_words(why: Causes) -> Iterator[str]:
    """What is wrong with the level and the spread of the scores, a short sentence each."""
    mean, now = why.mean_score, why.prevalences[1]
    if why.intercept.low > 0 or why.intercept.high < 0:
        how = "low" if why.intercept.value > 0 else "high"
        yield f"scores are too {how} here: {mean:.3f} on average, and {now:.3f} are positive"
        ends = sorted(abs(end) for end in (why.intercept.low, why.intercept.high))
        yield (
            f"too {how} by {abs(why.intercept.value):.2f} in log-odds "
            f"({ends[0]:.2f} to {ends[1]:.2f}); {_by_prevalence(why, how)}"
        )
    else:
        yield f"mean score {mean:.3f}, and {now:.3f} are positive: not clearly too high or low"
    spread = f"(slope {why.slope.value:.2f}, {why.slope.low:.2f} to {why.slope.high:.2f})"
    if why.slope.high < 1:
        yield f"scores are too extreme here {spread}"
    elif why.slope.low > 1:
        yield f"scores are too timid here {spread}"
    else:
        yield f"scores are not clearly too extreme or too timid {spread}"


def _by_prevalence(why: Causes, how: str) -> str:
    """How much of a wrong level another prevalence alone makes."""
    share = why.by_prevalence.value if how == "low" else -why.by_prevalence.value
    if share <= 0:
        return "prevalence makes none of it"
    return f"prevalence makes {share:.2f}"


def smallest_sentence(one: ComparedFinding) -> str:
    """What so many patients could not show."""
    return f"differences below {one.f1.smallest:.2f} are likely to be missed with so few patients"


def unlike_sentence(comparison: Comparison) -> str:
    """How many images are unlike those of the training."""
    unit = comparison.unit
    num = num_of(comparison.num_unlike, f"{unit} is", f"{unit}s are")
    return f"{num} unlike the training, of {comparison.num_exams}"


def like_sentence(one: ComparedFinding) -> Iterator[str]:
    """The F1 of the others, where some are unlike."""
    if one.f1_of_like is not None:
        yield f"without them, the F1 is {one.f1_of_like}"


def signed(difference: Estimate) -> str:
    """A difference with its interval, each with its sign."""
    if difference.low == difference.high:
        return f"{difference.value:+z.3f}"
    return f"{difference.value:+z.3f} ({difference.low:+z.3f} to {difference.high:+z.3f})"


def _long(one: Estimate) -> str:
    """Without the interval where none is known."""
    return f"{one.value:.3f}" if one.low == one.high else str(one)


def _short(one: Estimate) -> str:
    return f"{one.value:.3f}" if one.low == one.high else one.short
