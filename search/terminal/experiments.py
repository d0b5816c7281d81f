"""Results of experiments: their tables, the work that they shared, and the figures."""

from collections.abc import Iterator

import pandas as pd

from search.plan.plan import SearchPlan
from search.run.run_folder import RunFolder
from search.terminal.tables import Result, average_lines, experiment_lines
from search.tune.study import rows_run
from trainable.config import TrialConfig

_OPERATING_POINT = 0.98
"""Sensitivity at which the specificity is reported, if the threshold is not chosen by one."""


def describe_experiments(run: RunFolder, plan: SearchPlan) -> Iterator[str]:
    """The tables of all experiments, the work that rows shared, and the paths of the figures."""
    experiments = plan.space.experiments
    results, is_one = _results(run, plan), plan.cohort.findings.is_one
    if is_one:
        yield from experiment_lines(experiments, results)
    else:
        average = f"{plan.task.scoring.f1_average} F1"
        yield from average_lines(experiments, results, average)
        yield f"F1 of each finding: {run.path / 'findings.csv'}"
    yield _forward_passes(plan, results, run.log.table())
    if experiments.figures and results and is_one:
        from trainable.report.scores import save_comparison  # matplotlib is slow to import

        named = {experiments.rows[number].name: one for number, one in sorted(results.items())}
        paths = save_comparison(
            {name: one.scored for name, one in named.items()},
            {name: float(one.metrics["threshold"]) for name, one in named.items()},
            run.path,
        )
        yield f"figures: {', '.join(map(str, paths))}"


def _results(run: RunFolder, plan: SearchPlan) -> dict[int, Result]:
    """Results of the complete rows, by their number."""
    trials = run.log.table()
    complete = {
        row["number"]: row for row in trials.to_dict("records") if row["state"] == "complete"
    }
    policy = plan.task.scoring.threshold
    operating_point = policy.value if policy.kind == "sensitivity" else _OPERATING_POINT
    results = {}
    for number, row in rows_run(run).items():
        if number in complete:
            results[row] = Result(
                metrics={str(name): value for name, value in complete[number].items()},
                scored=plan.cohort.scored(run.log.scores(number)),
                operating_point=operating_point,
            )
    return results


def _forward_passes(plan: SearchPlan, results: dict[int, Result], trials: pd.DataFrame) -> str:
    """How often images went through frozen bodies, and how often they would have without sharing.

    Without, each row runs its body on every training image in every epoch and on each scored one.
    """
    num_run = int(trials["num_forwarded"].sum())
    rows = plan.space.experiments.rows
    alone = sum(_passes_alone(plan, rows[number].config) for number in results)
    return (
        f"images through frozen bodies: {num_run:,} run, {max(0, alone - num_run):,} saved of the "
        f"{alone:,} that training each row by itself takes"
    )


def _passes_alone(plan: SearchPlan, config: TrialConfig) -> int:
    task = plan.task
    rows = task.data.rows(config.positive_copies)
    images = (rows.images >= 0).sum(axis=1)
    folds = [rows.fold(fold) for fold in task.folds]
    passes = [config.epochs * images[fold.train].sum() + images[fold.valid].sum() for fold in folds]
    return int(sum(passes))
