"""What a search reports at its end: what failed, and its winner, in lines and as JSON."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from search.run.trial_log import ENDED
from search.terminal.output import Line
from trainable.errors import listing, num_of
from trainable.evaluation.intervals import notes_on
from trainable.evaluation.metrics import counts_of
from trainable.files import as_typed
from trainable.report.recalibration import recalibration_sentences
from trainable.report.table_lines import table_lines
from trainable.run.places import winner_file
from trainable.run.winner import TestResult, Winner, read_winner

_NAMES = {"average_precision": "average precision", "auc": "AUC", "log_loss": "log loss"}
_BEYOND_F1 = (
    "F1 depends on one threshold and ignores true negatives; judge a model for patients also by "
    "its AUC, average precision and calibration (Van Calster 2025)"
)
_MOST_LISTED = 10
_SHOWN = ("F1", "sensitivity", "specificity", "AUC")


def describe_next(winner: Winner, run: Path) -> Iterator[Line]:
    """The commands that take a winner further, a line each."""
    new = "CSV" if winner.needs_table else "FOLDER"
    yield Line(f"predict with: cxr-predict {as_typed(run)} --images {new}")
    yield Line(f"all results in one page: cxr-report {as_typed(run)}")


def describe_winner(winner: Winner, trials: pd.DataFrame, *, is_sampled: bool) -> Iterator[Line]:
    """What to expect of the winner, its trials, and the facts about it; see `winner_sentences`."""
    promise, *facts = winner_sentences(winner, trials, is_sampled=is_sampled)
    yield Line(promise)
    if not winner.findings.is_one:
        yield from (Line(text, 1) for text in table_lines(findings_table(winner)))
    yield from _describe_team(winner, trials)
    yield from (Line(fact, 1) for fact in facts)


def winner_sentences(winner: Winner, trials: pd.DataFrame, *, is_sampled: bool) -> Iterator[str]:
    """Facts about the winner, the first of them what to expect of it; without the full stops.

    Args:
        winner: The winner.
        trials: All trials of the run.
        is_sampled: Whether the search began with the baseline configuration, as a sampled one does.
    """
    corrected, f1 = winner.corrected, winner.f1_name
    low, high = corrected.interval
    yield (
        f"winner: {_chosen(winner)} among {winner.num_trials} complete; expected {f1} "
        f"{corrected.f1:.3f} on {winner.promised_to} (95 % CI {low:.3f} to {high:.3f})"
    )
    yield from notes_on(one.estimate for one in winner.corrected_each)
    if by := winner.folds_by:
        yield (
            f"no {by} was scored by models that had seen it; the interval is of patients, and how "
            f"one {by} differs from another is not in it"
        )
    at = ""
    if winner.findings.is_one:
        at = f" at a threshold of {winner.out_of_fold[0]['threshold']:.3f}"
    best_of = f"choosing the best of {winner.num_trials}"
    luck = f"{corrected.optimism:.3f} of it comes from {best_of}"
    if corrected.optimism < 0.0005:
        luck = f"{best_of} has added nothing to it"
    yield f"out-of-fold {f1} {corrected.apparent:.3f}{at}; {luck}"
    yield from winner.history.sentences()
    yield from recalibration_sentences(winner)
    yield from _beside_f1(winner)
    yield _BEYOND_F1
    if winner.scoring.objective != "f1":
        yield f"trials were compared by {_NAMES[winner.scoring.objective]}, not by F1"
    if winner.findings.is_one:
        [found] = winner.out_of_fold
        yield (
            f"TP {found['tp']}  FN {found['fn']}  FP {found['fp']}  TN {found['tn']}; precision "
            f"{found['precision']:.3f}, recall {found['recall']:.3f}, specificity "
            f"{found['specificity']:.3f}"
        )
    first = trials[(trials["number"] == 0) & (trials["state"] == "complete")]
    if is_sampled and len(first):
        yield f"baseline configuration (trial 0): {f1} {first['f1'].iloc[0]:.3f}"
    num_others = len(winner.tied) - 1
    if winner.preferred_simple:
        top = winner.tied[0]
        yield (
            f"the simplest of {num_others + 1} statistically tied trials; the best of them is "
            f"trial {top.trial} (F1 {top.f1:.3f})"
        )
    elif num_others:
        yield (
            f"{num_of(num_others, 'other trial is', 'other trials are')} statistically tied with "
            "trial "
            f"{winner.tied[0].trial}; use --resume --prefer-simple to pick the simplest"
        )


def _chosen(winner: Winner) -> str:
    size = len(winner.members)
    if size == 1:
        return f"trial {winner.best.trial}"
    if winner.findings.can_stand_together:
        return f"a team for each finding, {size} trials in all,"
    return f"a team of {size} trials"


def _beside_f1(winner: Winner) -> Iterator[str]:
    """The F1 without a model, and metrics that need no threshold."""
    if winner.findings.is_one:
        [found] = winner.out_of_fold
        yield (
            f"every image positive: F1 {winner.all_positive_f1:.3f}; the winner's AUC "
            f"{found['auc']:.3f}, average precision {found['average_precision']:.3f}"
        )
    elif winner.findings.exclusive:
        yield f"every image of one class, the best one: F1 {winner.all_positive_f1:.3f}"
    else:
        yield f"every image positive for all findings: F1 {winner.all_positive_f1:.3f}"
    yield from _no_better(winner)


def _no_better(winner: Winner) -> Iterator[str]:
    """Whether an expected F1 may be no better than that of a constant answer, by its interval."""
    if winner.findings.is_one or winner.findings.exclusive:
        if winner.corrected.interval[0] <= winner.all_positive_f1:
            yield "the winner is not shown to be better than that: its 95 % CI reaches down to it"
        return
    true_positive, false_negative, false_positive, true_negative = counts_of(winner.out_of_fold)
    positive, negative = true_positive + false_negative, false_positive + true_negative
    constant = 2 * positive / (2 * positive + negative)
    each = zip(winner.findings.names, winner.corrected_each, constant, strict=True)
    weak = [f"{name} ({f1:.3f})" for name, one, f1 in each if one.interval[0] <= f1]
    if weak:
        yield (
            "not shown to be better than every image positive (its F1 in brackets): "
            f"{listing(weak, most=len(weak))}"
        )


def findings_table(winner: Winner) -> pd.DataFrame:
    """A row per finding or class: how often it occurs, and what the search promises for it."""
    found = pd.DataFrame(winner.out_of_fold)
    return pd.DataFrame(
        {
            winner.findings.kind: winner.findings.names,
            "positive": [f"{count:,}" for count in found["tp"] + found["fn"]],
            "expected F1": [f"{one.f1:.3f}" for one in winner.corrected_each],
            "95 % CI": [
                f"{low:.3f} to {high:.3f}"
                for low, high in (one.interval for one in winner.corrected_each)
            ],
            "AUC": [
                "" if one["auc"] is None else f"{one['auc']:.3f}" for one in winner.out_of_fold
            ],
            "threshold": [f"{level:.3f}" for level in winner.thresholds],
        }
    )


def _describe_team(winner: Winner, trials: pd.DataFrame) -> Iterator[Line]:
    """Which trials are in the team, the share of each, and what each scores alone."""
    size = len(winner.members)
    if size == 1:
        return
    how = "the score is the mean of"
    if winner.findings.can_stand_together:
        how = "each finding's score is the mean of some of"
    yield Line(f"{how} {size} trials:", 1)
    f1 = trials.set_index("number")["f1"]
    for member in winner.members[:_MOST_LISTED]:
        config = member.config
        yield Line(
            f"trial {member.trial}: {config.backbone.short} to {config.cut}, "
            f"{config.head} head{' with columns' * config.covariates}, "
            f"F1 {f1[member.trial]:.3f} alone",
            2,
        )
    if size > _MOST_LISTED:
        rest = listing((member.trial for member in winner.members[_MOST_LISTED:]), most=size)
        yield Line(f"and trials {rest}", 2)


def look_sentences(winner: Winner) -> Iterator[str]:
    """Each look at the test rows, the first one first; without the full stops."""
    for number, look in enumerate(winner.test_looks, start=1):
        of = f"{'trial' if len(look.trials) == 1 else 'trials'} {listing(look.trials, most=100)}"
        at = f"look {number} at the {look.result.num_exams} test images, {look.date}"
        yield f"{at}, {of}: F1 {look.result.estimates['F1']}"
    if len(winner.test_looks) > 1:
        yield (
            "only look 1 had no part in any choice: report that one, and that there were "
            f"{len(winner.test_looks)}"
        )


def describe_test(winner: Winner) -> Iterator[Line]:
    """The winner's metrics on the test rows, and the looks before, one line each."""
    look = winner.own_look
    if look is None:
        return
    result = look.result
    yield Line(
        f"on the {result.num_exams} test images ({result.num_positive} positive), trained on all "
        f"{result.num_trained} others, with 95 % CIs by patient:"
    )
    yield from (Line(f"{name} {result.estimates[name]}", 1) for name in _SHOWN)
    yield from (Line(note, 1) for note in notes_on(result.estimates[name] for name in _SHOWN))
    if result.each:
        yield from (Line(text, 1) for text in table_lines(_test_table(winner, result)))
    if len(winner.test_looks) > 1:
        yield from (Line(text, 1) for text in look_sentences(winner))


def _test_table(winner: Winner, result: TestResult) -> pd.DataFrame:
    """What each finding scored on the test rows."""
    columns = {name: [one[name].short for one in result.each] for name in ("F1", "AUC")}
    return pd.DataFrame({winner.findings.kind: winner.findings.names, **columns})


def describe_failures(trials: pd.DataFrame, errors: Path) -> Iterator[str]:
    """How many trials failed by themselves, and how many the machine failed, a line each."""
    num_failed = int((trials["state"] == "failed").sum())
    lost = trials.loc[trials["state"] == "lost", "error"]
    if num_failed:
        num_ended = int(trials["state"].isin(ENDED).sum())
        yield f"{num_failed} of {num_of(num_ended, 'trial')} failed; see {errors}"
    if len(lost):
        do = "It does" if len(lost) == 1 else "They do"
        yield (
            f"{num_of(len(lost), 'trial was', 'trials were')} lost to errors of the machine. "
            f"{do} not count, and will run "
            f"again. The last error: {lost.iloc[-1]}"
        )
    if mostly_failed(trials):
        num_complete = int((trials["state"] == "complete").sum())
        yield (
            f"most trials did not work; {num_of(num_complete, 'is', 'are')} "
            "complete. Look at the errors before you rely on a winner"
        )


def mostly_failed(trials: pd.DataFrame) -> bool:
    """Whether more trials failed, or were lost, than worked."""
    worked = trials["state"].isin(["complete", "stopped"]).sum()
    return bool(trials["state"].isin(["failed", "lost"]).sum() > worked)


def summarize(run: Path, trials: pd.DataFrame, why_ended: str, exit_status: int) -> dict[str, Any]:
    """What `--json` prints; the winner is None where no trial completed."""
    states = trials["state"].value_counts()
    winner = read_winner(run) if winner_file(run).is_file() else None
    return {
        "run": str(run),
        "ended_by": why_ended,
        "exit_status": exit_status,
        "trials": {str(state): int(count) for state, count in states.items()},
        "winner": None if winner is None else _of_winner(winner),
    }


def _of_winner(winner: Winner) -> dict[str, Any]:
    found: dict[str, Any]
    if winner.findings.is_one:
        [of_one] = winner.out_of_fold
        found = {"threshold": of_one["threshold"], "out_of_fold": dict(of_one)}
    else:
        found = {"findings": [_of_finding(winner, n) for n in range(len(winner.findings))]}
    return {
        "trials": [member.trial for member in winner.members],
        "expected_f1": winner.corrected.f1,
        "interval": list(winner.corrected.interval),
        **found,
        "test": winner.test and winner.test.model_dump(mode="json"),
        "test_looks": [look.model_dump(mode="json") for look in winner.test_looks],
    }


def _of_finding(winner: Winner, number: int) -> dict[str, Any]:
    corrected, of_finding = winner.corrected_each[number], winner.out_of_fold[number]
    return {
        "finding": winner.findings.names[number],
        "trials": list(winner.teams[number]),
        "expected_f1": corrected.f1,
        "interval": list(corrected.interval),
        "threshold": of_finding["threshold"],
        "out_of_fold": dict(of_finding),
    }
