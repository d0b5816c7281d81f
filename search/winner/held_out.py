"""The winner on the test rows of a split, which had no part in the search."""

import numpy as np

from search.plan.plan import SearchPlan
from trainable.cohort.splits import Fold, rows_of, seen_rows
from trainable.defaults import NUM_SEEDS
from trainable.device import default_num_gpus, pick_device
from trainable.evaluation.intervals import estimate_metrics
from trainable.run.winner import TestResult, Winner, team_scores
from trainable.store.arrays import ArrayStore
from trainable.trial.assembly import assemble
from trainable.trial.final import fit_final

_WANTED = 0.9
"""Specificity at which the sensitivity is reported, and the other way round."""


def evaluate_on_test(plan: SearchPlan, winner: Winner) -> TestResult:
    """Retrain the winner as `cxr-predict` does, on all other rows, and score the test rows.

    The threshold is the winner's own.

    Returns:
        Metrics with intervals by patient.
    """
    cohort, task = plan.cohort, plan.task
    fold = Fold(seen_rows(cohort), rows_of(cohort, "test"))
    store = ArrayStore(task.cache.expanduser(), task.cache_bytes)
    device = pick_device(default_num_gpus())
    by_member = []
    for member in winner.members:
        parts = assemble(member.config, task.data, task.weights, store, device)
        fit = fit_final(parts, member.num_steps, fold, NUM_SEEDS, lambda *_: None)
        by_member.append(fit.scores)
    scores = team_scores(np.stack(by_member))
    labels, patients = task.data.labels[fold.valid], cohort.patients[fold.valid]
    estimates = estimate_metrics(
        labels, patients, scores, winner.threshold, task.f1_average, _WANTED
    )
    return TestResult(
        num_exams=len(labels),
        num_positive=int(labels.sum()),
        num_trained=len(fold.train),
        estimates=estimates,
    )
