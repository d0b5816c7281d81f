"""What a search reports of its winner."""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from trainable.errors import listing
from trainable.evaluation.intervals import Estimate, notes_on
from trainable.files import as_typed
from trainable.run.winner import TestResult, Winner

_NAMES = {"average_precision": "average precision", "auc": "AUC", "log_loss": "log loss"}
_BEYOND_F1 = (
    "F1 depends on one threshold and ignores true negatives; judge a model for patients also by "
    "its AUC, average precision and calibration (Van Calster 2025)"
)
_MOST_LISTED = 10
_SHOWN = ("F1", "sensitivity", "specificity", "AUC")


def describe_next(winner: Winner, run: Path) -> Iterator[str]:
    """The commands that take a winner further, a line each."""
    new = "CSV" if winner.needs_table else "FOLDER"
    yield f"predict with: cxr-predict {as_typed(run)} --images {new}"
    yield f"all results in one page: cxr-report {as_typed(run)}"


def describe_winner(winner: Winner, trials: pd.DataFrame, *, is_sampled: bool) -> Iterator[str]:
    """Facts about the winner, one line each.

    Args:
        winner: The winner.
        trials: All trials of the run.
        is_sampled: Whether the search began with the baseline configuration, as a sampled one does.
    """
    [found], corrected, best = winner.out_of_fold, winner.corrected, winner.best
    low, high = corrected.interval
    chosen = f"trial {best.trial}"
    if len(winner.members) > 1:
        chosen = f"a team of {len(winner.members)} trials"
    yield (
        f"winner: {chosen} among {winner.num_trials} complete; expect an F1 of "
        f"{corrected.f1:.3f} on new patients, 95 % interval {low:.3f} to {high:.3f}"
    )
    yield from notes_on([Estimate(corrected.f1, low, high)])
    yield from _describe_team(winner, trials)
    yield (
        f"  out-of-fold F1 {found['f1']:.3f} at a threshold of {found['threshold']:.3f}; "
        f"{corrected.optimism:.3f} of it comes from choosing the best of {winner.num_trials}"
    )
    yield (
        f"  every image positive: F1 {winner.all_positive_f1:.3f}; the winner's AUC "
        f"{found['auc']:.3f}, average precision {found['average_precision']:.3f}"
    )
    yield f"  {_BEYOND_F1}"
    if winner.scoring.objective != "f1":
        yield f"  trials were compared by {_NAMES[winner.scoring.objective]}, not by F1"
    yield (
        f"  TP {found['tp']}  FN {found['fn']}  FP {found['fp']}  TN {found['tn']}; precision "
        f"{found['precision']:.3f}, recall {found['recall']:.3f}, specificity "
        f"{found['specificity']:.3f}"
    )
    first = trials[(trials["number"] == 0) & (trials["state"] == "complete")]
    if is_sampled and len(first):
        yield f"  baseline configuration (trial 0): F1 {first['f1'].iloc[0]:.3f}"
    num_others = len(winner.tied) - 1
    if winner.preferred_simple:
        top = winner.tied[0]
        yield (
            f"  the simplest of {num_others + 1} statistically tied trials; the best of them is "
            f"trial {top.trial} (F1 {top.f1:.3f})"
        )
    elif num_others:
        others = "trial is" if num_others == 1 else "trials are"
        yield (
            f"  {num_others} other {others} statistically tied with trial "
            f"{winner.tied[0].trial}; use --resume --prefer-simple to pick the simplest"
        )


def _describe_team(winner: Winner, trials: pd.DataFrame) -> Iterator[str]:
    """Which trials are in the team, the share of each, and what each scores alone."""
    size = len(winner.members)
    if size == 1:
        return
    yield f"  the score is the mean of {size} trials:"
    f1 = trials.set_index("number")["f1"]
    for member in winner.members[:_MOST_LISTED]:
        config = member.config
        yield (
            f"    trial {member.trial}: {config.backbone.short} to {config.cut}, "
            f"{config.head} head{' with columns' * config.covariates}, "
            f"F1 {f1[member.trial]:.3f} alone"
        )
    if size > _MOST_LISTED:
        rest = listing((member.trial for member in winner.members[_MOST_LISTED:]), most=size)
        yield f"    and trials {rest}"


def describe_test(result: TestResult) -> Iterator[str]:
    """The winner's metrics on the test rows, one line each."""
    yield (
        f"on the {result.num_exams} test images ({result.num_positive} positive), trained on all "
        f"{result.num_trained} others, with 95 % intervals by patient:"
    )
    yield from (f"  {name} {result.estimates[name]}" for name in _SHOWN)
    yield from notes_on(result.estimates[name] for name in _SHOWN)
