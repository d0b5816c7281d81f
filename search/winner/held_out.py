"""The winner on the test rows of a split, which had no part in the search."""

import dataclasses
from collections.abc import Iterator
from typing import Any

from search.prepare import SearchPlan
from search.run_folder import RunFolder, write_json
from trainable.assembly import assemble
from trainable.cohort.splits import Fold, rows_of, seen_rows
from trainable.config import TrialConfig
from trainable.device import default_num_gpus, pick_device
from trainable.evaluation.intervals import Estimate, estimate_metrics
from trainable.final import NUM_SEEDS, fit_final
from trainable.store import ArrayStore

_WANTED = 0.9


def evaluate_on_test(run: RunFolder, prepared: SearchPlan, winner: dict[str, Any]) -> Iterator[str]:
    """Train the winner on training and validation rows together, and score the test rows once.

    The threshold is the winner's own. What is found is kept in `winner.json`.

    Yields:
        Lines for the user; none where there are no test rows.
    """
    cohort, task = prepared.cohort, prepared.task
    test = rows_of(cohort, "test")
    if not len(test):
        return
    fold = Fold(seen_rows(cohort), test)
    parts = assemble(
        TrialConfig(**winner["config"]), task.data, task.weights,
        ArrayStore(task.cache.expanduser()), pick_device(default_num_gpus()), task.cache_bytes,
    )  # fmt: skip
    model = fit_final(parts, winner["num_steps"], fold, NUM_SEEDS, lambda *_: None)
    labels = task.data.labels[test]
    found = estimate_metrics(
        labels, cohort.patients[test], model.scores, winner["threshold"], task.f1_average, _WANTED
    )
    kept = {name: dataclasses.asdict(estimate) for name, estimate in found.items()}
    write_json(run.winner_json, {**winner, "test": kept})
    yield (
        f"on the {len(test)} test images ({int(labels.sum())} positive), trained on all "
        f"{len(fold.train)} others, with 95 % intervals by patient:"
    )
    shown: list[tuple[str, Estimate]] = [
        (name, found[name]) for name in ("F1", "sensitivity", "specificity", "AUC")
    ]
    yield from (f"  {name} {estimate}" for name, estimate in shown)
