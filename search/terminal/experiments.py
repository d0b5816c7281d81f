"""Results of experiments: their tables, the work that they shared, and the figures."""

from collections.abc import Iterator

import pandas as pd

from search.plan.plan import SearchPlan
from search.run.run_folder import RunFolder
from search.terminal.tables import Result, experiment_lines
from search.tune.study import rows_run
from trainable.cohort.splits import trial_rows
from trainable.config import TrialConfig

_OPERATING_POINT = 0.98
"""Sensitivity at which the specificity is reported, if the threshold is not chosen by one."""


def describe_experiments(run: RunFolder, prepared: SearchPlan) -> Iterator[str]:
    """The tables of all experiments, the work that rows shared, and the paths of the figures."""
    experiments = prepared.space.experiments
    results = _results(run, prepared)
    yield from experiment_lines(experiments, results)
    yield _forward_passes(prepared, results, run.log.table())
    if experiments.figures and results:
        from search.terminal.figures import draw_figures  # matplotlib is slow to import

        named = {
            experiments.rows[number].name: result for number, result in sorted(results.items())
        }
        yield f"figures: {', '.join(str(path) for path in draw_figures(named, run.path))}"


def _results(run: RunFolder, prepared: SearchPlan) -> dict[int, Result]:
    """Results of the complete rows, by their number."""
    trials = run.log.table()
    complete = {
        row["number"]: row for row in trials.to_dict("records") if row["state"] == "complete"
    }
    policy = prepared.task.scoring.threshold
    operating_point = policy.value if policy.kind == "sensitivity" else _OPERATING_POINT
    results = {}
    for number, row in rows_run(run).items():
        if number in complete:
            results[row] = Result(
                metrics={str(name): value for name, value in complete[number].items()},
                scored=prepared.cohort.scored(run.log.scores(number)),
                operating_point=operating_point,
            )
    return results


def _forward_passes(prepared: SearchPlan, results: dict[int, Result], trials: pd.DataFrame) -> str:
    """How often images went through frozen bodies, and how often they would have without sharing.

    Without, each row runs its body on every training image in every epoch and on each scored one.
    """
    num_run = int(trials["num_forwarded"].sum())
    rows = prepared.space.experiments.rows
    alone = sum(_passes_alone(prepared, rows[number].config) for number in results)
    return (
        f"images through frozen bodies: {num_run:,} run, {max(0, alone - num_run):,} saved of the "
        f"{alone:,} that training each row by itself takes"
    )


def _passes_alone(prepared: SearchPlan, config: TrialConfig) -> int:
    task, data = prepared.task, prepared.task.data
    rows = trial_rows(data.exam_images, data.labels, config.positive_copies)
    images = (rows.images >= 0).sum(axis=1)
    folds = [rows.fold(fold) for fold in task.folds]
    passes = [config.epochs * images[fold.train].sum() + images[fold.valid].sum() for fold in folds]
    return int(sum(passes))
