"""Choose the winner of a run, and say what it is worth, also on the test rows of a split."""

from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version

import numpy as np

from search.plan.plan import SearchPlan
from search.run.finding_table import write_findings
from search.run.run_folder import RunFolder
from search.winner.gather import gather
from search.winner.resampled import choices_of, counts_in
from search.winner.selection import Selection
from trainable.backbones.weights import Weights
from trainable.cohort.scored import Scored, scores_of_teams
from trainable.cohort.splits import Fold, rows_of, seen_rows
from trainable.config import TrialConfig
from trainable.device import own_device
from trainable.evaluation.intervals import estimate, estimate_each
from trainable.evaluation.metrics import all_positive_f1, evaluate
from trainable.evaluation.recalibration import recalibrated
from trainable.run.winner import (
    FORMAT,
    Member,
    TestLook,
    TestResult,
    TiedTrial,
    UsedWeights,
    Winner,
)
from trainable.trial.cross_validation import assemble
from trainable.trial.final import fit_final

_OPERATING_POINT = 0.9
"""Specificity at which the sensitivity on test rows is reported, and the other way round."""


def choose_winner(run: RunFolder, plan: SearchPlan) -> Winner | None:
    """Choose among the complete trials.

    Returns:
        The winner; None if no trial completed.
    """
    pool = gather(run, plan)
    if pool is None:
        return None
    options, task = plan.options.scoring, plan.task
    rows, configs, scored = pool.complete, pool.configs, pool.scored
    if not plan.cohort.findings.is_one:
        judged = {row["number"]: task.judge(run.log.scores(row["number"]))[1] for row in rows}
        write_findings(run.path, plan.cohort.findings.names, judged)
    found = pool.choose(task.scoring, options, task.seed)
    drawn = found.resampled
    counts = counts_in(plan.cohort, pool.rows, drawn.counts, task.seed + 1)
    choices_of(drawn, counts, configs, task.weights.fingerprints).save(run.path)
    raw = scores_of_teams(scored.scores, found.teams)
    levels = _thresholds(found)
    candidates = [
        {"trial": row["number"], "config": config, "num_steps": int(row["num_steps"])}
        for row, config in zip(rows, configs[: len(rows)], strict=True)
    ]
    return Winner(
        format=FORMAT,
        findings=plan.cohort.findings,
        members=tuple(
            Member(**candidates[row], thresholds=own)
            for row, own in zip(found.members, found.own_thresholds, strict=True)
        ),
        teams=tuple(tuple(rows[row]["number"] for row in team) for team in found.teams),
        thresholds=levels,
        recalibrations=found.recalibrations if any(found.recalibrations) else (),
        answers=found.answers,
        scoring=task.scoring,
        out_of_fold=evaluate(
            scored.labels,
            recalibrated(raw, found.recalibrations, levels),
            np.array(levels, np.float32),
            task.scoring,
        ),
        corrected=found.corrected,
        corrected_each=found.corrected_each,
        tied=tuple(TiedTrial(**candidates[row], f1=rows[row]["f1"]) for row in found.tied),
        preferred_simple=options.prefer_simple,
        all_positive_f1=all_positive_f1(scored.labels, task.scoring),
        num_trials=len(rows),
        history=pool.history,
        weights=_used_weights(task.weights, configs, found),
        statistics=task.data.statistics,
        seed=task.seed,
        folds=len(task.folds) // plan.num_repeats,
        repeats=plan.num_repeats,
        folds_by=options.folds_by,
        versions={name: version(name) for name in ("cxr", "torch", "torchvision", "pillow")},
    )


def _thresholds(found: Selection) -> tuple[float, ...]:
    """Thresholds of the scores, which are recalibrated or raw."""
    both = zip(found.recalibrations, found.thresholds, strict=True)
    return tuple(raw if one is None else one.threshold for one, raw in both)


def _used_weights(
    weights: Weights, configs: Sequence[TrialConfig], found: Selection
) -> UsedWeights:
    """The weights of every backbone that may be retrained."""
    used = sorted({configs[row].backbone for row in (*found.members, *found.tied)}, key=str)
    return UsedWeights(
        kind=str(weights.start),
        fingerprints={str(one): weights.fingerprints[one] for one in used},
        licences={str(one): weights.licence_of(one) for one in used},
    )


def look_at_test(plan: SearchPlan, winner: Winner) -> TestLook:
    """Judge the winner on the test rows, today."""
    return TestLook(
        date=datetime.now(UTC).date().isoformat(),
        trials=tuple(member.trial for member in winner.members),
        thresholds=winner.thresholds,
        result=evaluate_on_test(plan, winner),
    )


def evaluate_on_test(plan: SearchPlan, winner: Winner) -> TestResult:
    """Retrain the winner as `cxr-predict` does, on all other rows, and score the test rows.

    The threshold is the winner's own.

    Returns:
        Metrics with intervals by patient.
    """
    cohort, task = plan.cohort, plan.task
    everything = Fold(seen_rows(cohort), rows_of(cohort, "test"))
    materials = task.materials(own_device(plan.options.compute.own_device))
    by_member = []
    for member in winner.members:
        parts = assemble(member.config, materials)
        fit = fit_final(parts, member.num_steps, everything, winner.repeats, whole=False)
        by_member.append(fit.scores)
    scores = winner.team_scores(np.stack(by_member))
    scored = Scored(cohort.labels[everything.valid], cohort.patients[everything.valid], scores)
    of_each = winner.metrics(_OPERATING_POINT)
    return TestResult(
        num_exams=len(scored),
        num_positive=int((scored.labels == 1).any(axis=1).sum()),
        num_trained=len(everything.train),
        estimates=estimate(scored, of_each | {"F1": winner.f1}),
        each=() if winner.findings.is_one else estimate_each(scored, of_each),
    )
