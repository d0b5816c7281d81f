"""Tables of experiments, as the source documents print them, and which rows really differ."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from search.space.experiments import Experiments, TableName
from trainable.cohort.scored import Scored
from trainable.errors import num_of
from trainable.evaluation.counts import f1_of_counts
from trainable.evaluation.intervals import Estimate, estimate
from trainable.evaluation.metrics import auc, specificity_at
from trainable.evaluation.significance import (
    CAVEAT,
    differing_pairs,
    proportion_interval,
    wilson_f1_interval,
)


@dataclass(frozen=True)
class Result:
    """Result of one row of an experiment.

    Attributes:
        metrics: Row of the trial in `trials.csv`.
        scored: The scored examinations.
        operating_point: Sensitivity at which the specificity is reported.
    """

    metrics: Mapping[str, Any]
    scored: Scored
    operating_point: float

    @property
    def counts(self) -> tuple[int, int, int, int]:
        """TP, FN, FP and TN."""
        tp, fn, fp, tn = (int(self.metrics[name]) for name in ("tp", "fn", "fp", "tn"))
        return tp, fn, fp, tn


@dataclass(frozen=True)
class Comparison:
    """Columns of a table, and the measure that its rows are compared by.

    Attributes:
        measure: Name of the measure.
        cells: Gives the cells of a row by the name of the column.
        hits_and_misses: Gives the two counts of a row whose share is compared.
        value: Gives the measure of a row.
    """

    measure: str
    cells: Callable[[Result], dict[str, str]]
    hits_and_misses: Callable[[Result], tuple[int, int]]
    value: Callable[[Result], float]


def _f1(result: Result) -> float:
    return float(f1_of_counts(np.array(result.counts), "binary"))


def _count_cells(result: Result) -> dict[str, str]:
    tp, fn, fp, tn = result.counts
    low, high = wilson_f1_interval(tp, fn + fp)
    counts = {"TP": str(tp), "FN": str(fn), "FP": str(fp), "TN": str(tn)}
    return {**counts, "F1": f"{_f1(result):.3f}", "95 % CI": f"{low:.3f} to {high:.3f}"}


def _accuracy_cells(result: Result) -> dict[str, str]:
    found = result.metrics
    return {
        "train loss": f"{found['train_loss']:.4f}",
        "train acc %": f"{100 * found['train_accuracy']:.2f}",
        "val loss": f"{found['valid_loss']:.4f}",
        "val acc %": f"{100 * found['valid_accuracy']:.2f}",
        "seconds": f"{found['seconds']:.1f}",
    }


def _detection_cells(result: Result) -> dict[str, str]:
    metrics = {"AUC": auc, "specificity": specificity_at(result.operating_point)}
    found = estimate(result.scored, metrics)
    tp, fn, _, _ = result.counts
    # a share of 1 is 1 in every resample: Wilson's interval of the count has a width there too
    sensitivity = Estimate(tp / (tp + fn), *proportion_interval(tp, fn))
    return {
        "sensitivity": str(sensitivity),
        f"specificity at {result.operating_point:g}": str(found["specificity"]),
        "AUC": str(found["AUC"]),
    }


def _right_and_wrong(result: Result) -> tuple[int, int]:
    tp, fn, fp, tn = result.counts
    return tp + tn, fn + fp


COMPARISONS: Mapping[TableName, Comparison] = {
    "counts": Comparison(
        "F1", _count_cells, lambda r: (r.counts[0], r.counts[1] + r.counts[2]), _f1
    ),
    "accuracy": Comparison(
        "accuracy", _accuracy_cells, _right_and_wrong, lambda r: float(r.metrics["valid_accuracy"])
    ),
    "detection": Comparison(
        "specificity",
        _detection_cells,
        lambda r: (r.counts[3], r.counts[2]),
        lambda r: float(r.metrics["specificity"]),
    ),
}
"""Tables by the name that a list of experiments gives."""


def experiment_lines(experiments: Experiments, results: Mapping[int, Result]) -> Iterator[str]:
    """Each experiment as a table, and the rows that differ by more than chance."""
    table, rows = COMPARISONS[experiments.table], experiments.rows
    values = {number: table.value(result) for number, result in results.items()}
    same = experiments.same_networks(sorted(results))
    by_seed = max((_spread(values, numbers) for numbers in same), default=0.0)
    for title, numbers in experiments.by_title():
        done = [number for number in numbers if number in results]
        yield title
        names = [rows[number].name for number in done]
        yield from _aligned(names, [table.cells(results[number]) for number in done])
        missing = [rows[number].name for number in numbers if number not in results]
        if missing:
            yield f"without a result: {'; '.join(missing)}"
        for twins in experiments.same_networks(done):
            yield f"{'; '.join(rows[n].name for n in twins)}: the same network"
        if len(done) > 1:
            yield from _differences(table, {rows[n].name: results[n] for n in done}, by_seed)
        yield ""
    for twins in same:
        titles = [rows[n].title for n in twins]
        low, high = min(values[n] for n in twins), max(values[n] for n in twins)
        yield (
            f"the same network with other seeds: {'; '.join(titles)}. Its {table.measure} is "
            f"{low:.3f} to {high:.3f}: the seed alone makes this difference"
        )
    yield f"(Fisher's exact test of all pairs of a table, {CAVEAT})"


def average_lines(
    experiments: Experiments, results: Mapping[int, Result], average: str
) -> Iterator[str]:
    """Each experiment of several findings as a table of its F1 over the findings, no more.

    Args:
        experiments: The rows of a search.
        results: Results of the complete ones, by their number.
        average: What the F1 over the findings is called.
    """
    for title, numbers in experiments.by_title():
        yield title
        f1s = [f"{results[n].metrics['f1']:.3f}" if n in results else "none" for n in numbers]
        names = [experiments.rows[number].name for number in numbers]
        yield from _aligned(names, [{average: f1} for f1 in f1s])
        yield ""


def _spread(values: Mapping[int, float], numbers: Sequence[int]) -> float:
    return max(values[n] for n in numbers) - min(values[n] for n in numbers)


def _differences(table: Comparison, results: Mapping[str, Result], by_seed: float) -> Iterator[str]:
    """Which rows differ by more than chance, and by more than a change of the seed.

    Args:
        table: Table of the experiment.
        results: Results of the rows by their names.
        by_seed: Largest difference between two rows that differ only by their seed.
    """
    names = list(results)
    hits, misses = zip(*(table.hits_and_misses(one) for one in results.values()), strict=True)
    pairs = differing_pairs(names, hits, misses)
    values = {name: table.value(one) for name, one in results.items()}
    beyond = [pair for pair in pairs if abs(values[pair[0]] - values[pair[1]]) > by_seed]
    by = f"by {table.measure}"
    for one, other, chance in beyond:
        yield f"{by}, {one} and {other} differ by more than chance (p = {chance:.2g})"
    within = len(pairs) - len(beyond)
    if within:
        yield (
            f"{by}, {num_of(within, 'pair of rows differs', 'pairs of rows differ')} by more "
            "than the chance of the images, but not "
            f"by more than the same network with other seeds ({by_seed:.3f}, below)"
        )
    if not pairs:
        yield f"{by}, no two of the {len(names)} rows differ by more than chance"


def _aligned(names: Sequence[str], rows: Sequence[Mapping[str, str]]) -> Iterator[str]:
    """Names to the left, cells to the right, as wide as each column needs."""
    if not rows:
        return
    first = max(map(len, names))
    widths = {head: max(len(head), *(len(row[head]) for row in rows)) for head in rows[0]}
    yield "  ".join([" " * first, *(head.rjust(width) for head, width in widths.items())])
    for name, row in zip(names, rows, strict=True):
        yield "  ".join([name.ljust(first), *(row[head].rjust(w) for head, w in widths.items())])
