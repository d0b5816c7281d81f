"""What a person sees while a search runs: how far it is, the best so far, and a short table."""

import time
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pandas as pd
from rich.console import Group, RenderableType
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from search.options.types import duration_text
from search.plan.plan import SearchPlan
from search.results.search_result import PASSES, SECONDS, TIED
from search.run.run_folder import RunFolder
from search.run.trial_log import TrialLog, complete_best_first, has_left_race
from search.terminal.output import Voice
from trainable.backbones.encoder import Encoder
from trainable.config import TrialConfig
from trainable.evaluation.intervals import Estimate, estimate
from trainable.evaluation.metrics import f1_at
from trainable.evaluation.thresholds import own_thresholds
from trainable.run.places import trial_name
from trainable.training.heads import HEADS

_ROWS = 5
_REFRESH_SECONDS = 0.5
_REFRESH_SHARE = 0.1  # of the time: reading a log of thousands of rows takes a while


class SearchDisplay:
    """A live view on a terminal; elsewhere a line for each trial as it ends."""

    def __init__(self, run: RunFolder, plan: SearchPlan, voice: Voice) -> None:
        """Show progress towards the trials of `plan`."""
        self._log = run.log
        self._num_trials = plan.num_trials
        self._voice = voice
        self._best = BestSoFar(plan, run.log)
        self._pace = Pace(run.log.num_ended(), plan.num_trials, None)
        self._live: Live | None = None
        self._progress: Progress | None = None
        self._num_shown = 0
        self._next_refresh = 0.0

    def begin(self, ends_at: float | None) -> None:
        """Begin the view of trials whose time is over at `ends_at`, by `time.monotonic`."""
        self._pace = Pace(self._log.num_ended(), self._num_trials, ends_at)
        self._num_shown = len(self._log.table())
        self._voice.tell("begin", num_trials=self._num_trials)
        console = self._voice.console
        if not console.is_terminal:
            return
        self._progress = Progress(
            TextColumn("trials"), BarColumn(30), MofNCompleteColumn(), TimeElapsedColumn(),
            TextColumn("{task.fields[left]}"), console=console,
        )  # fmt: skip
        self._progress.add_task("trials", total=self._num_trials, left="")
        self._live = Live(console=console, auto_refresh=False, transient=True)
        self._live.start()
        self._refresh(0)

    def show(self, num_running: int) -> None:
        """Show what has changed, at most twice a second."""
        began = time.monotonic()
        if began >= self._next_refresh:
            self._refresh(num_running)
            now = time.monotonic()
            self._next_refresh = now + max(_REFRESH_SECONDS, (now - began) / _REFRESH_SHARE)

    def say(self, line: str) -> None:
        """Print a line that stays."""
        self._voice.say(line)

    def end(self) -> None:
        """Show the last trials and end the view."""
        self._refresh(0)
        if self._live:
            self._live.stop()

    def _refresh(self, num_running: int) -> None:
        trials, num_ended = self._log.table(), self._log.num_ended()
        row: Any
        for row in trials.iloc[self._num_shown :].itertuples():
            is_said = not self._live or self._voice.is_verbose
            text = trial_line(row, verbose=self._voice.is_verbose) if is_said else ""
            f1 = float(row.f1) if row.state == "complete" else None
            self._voice.tell(
                "trial", text, number=int(row.number), state=row.state, f1=f1, num_ended=num_ended
            )
        self._num_shown = len(trials)
        if self._live and self._progress:
            [task] = self._progress.task_ids
            self._progress.update(task, completed=num_ended, left=self._pace.describe(num_ended))
            states = Text(describe_states(trials, num_running), style="dim")
            best = Text(self._best.describe(trials))
            parts: list[RenderableType] = [self._progress, states, best, best_table(trials)]
            self._live.update(Group(*parts), refresh=True)


class Pace:
    """How long the trials that are left will take, by those that have ended since the start."""

    def __init__(self, num_ended: int, num_trials: int, ends_at: float | None) -> None:
        """Begin now; `ends_at` is the end of the time budget by `time.monotonic`."""
        self._began = time.monotonic()
        self._first = num_ended
        self._num_trials = num_trials
        self._ends_at = ends_at

    def describe(self, num_ended: int) -> str:
        """The time left, in words."""
        now, done = time.monotonic(), num_ended - self._first
        budget = None if self._ends_at is None else max(0.0, self._ends_at - now)
        if not done:
            return "" if budget is None else f"at most {_roughly(budget)} left"
        left = (now - self._began) / done * max(0, self._num_trials - num_ended)
        return f"about {_roughly(left if budget is None else min(left, budget))} left"


def _roughly(seconds: float) -> str:
    return duration_text(timedelta(seconds=seconds), roughly=True)


def describe_states(trials: pd.DataFrame, num_running: int) -> str:
    """How many trials run, and how the others ended.

    >>> describe_states(pd.DataFrame({"state": ["complete", "failed"]}), 2)
    '2 running, 1 complete, 1 failed'
    """
    counts = Counter(trials["state"])
    return ", ".join([f"{num_running} running", *(f"{n} {state}" for state, n in counts.items())])


class BestSoFar:
    """The best trial with the interval of its F1, computed once for each best trial."""

    def __init__(self, plan: SearchPlan, log: TrialLog) -> None:
        """Look at the trials of `log`."""
        self._plan = plan
        self._log = log
        self._number: int | None = None
        self._text = "no trial is complete yet"

    def describe(self, trials: pd.DataFrame) -> str:
        """The best complete trial, in words."""
        best = complete_best_first(trials).head(1).to_dict("records")
        if best and best[0]["number"] != self._number:
            self._number = best[0]["number"]
            interval = self._estimate(best[0]["number"])
            f1 = replace(interval, value=best[0]["f1"])
            self._text = f"best so far: trial {self._number}, F1 {f1}, not corrected for selection"
        return self._text

    def _estimate(self, number: int) -> Estimate:
        scored = self._plan.cohort.scored(self._log.scores(number))
        scoring = self._plan.task.scoring
        f1 = f1_at(own_thresholds(scored.labels, scored.scores, scoring), scoring)
        return estimate(scored, {"F1": f1})["F1"]


def describe(row: Any) -> str:
    """One configuration in a few words."""
    trained = "frozen" if not row.unfreeze else f"{row.unfreeze:.0f} trained"
    learner = HEADS[row.head].describe(row)
    columns = ", with columns" if row.covariates else ""
    encoder = Encoder.read(row.backbone).short
    return f"{encoder} to {row.cut}, {trained}, normalize {row.normalization}, {learner}{columns}"


def trial_line(row: Any, *, verbose: bool = False) -> str:
    """One ended trial in a line."""
    if row.state == "complete":
        more = f"; {_all_of(row)}" if verbose else ""
        return (
            f"trial {row.number:3d}  F1 {row.f1:.3f}  {row.seconds:6.1f} s  {describe(row)}{more}"
        )
    trace = f" (see errors/{trial_name(row.number)}.txt)" if row.state == "failed" else ""
    which = f" ({describe(row)})" if row.state == "stopped" else ""
    return f"trial {row.number:3d}  {row.state}: {row.error}{trace}{which}"


def _all_of(row: Any) -> str:
    """Every metric and setting that the short line leaves out."""
    found = row._asdict()
    shown = {"backbone", "cut", "unfreeze", "normalization"}
    own = (name for name in TrialConfig.model_fields if name not in shown)
    settings = ", ".join(f"{name} {found[name]}" for name in own)
    if pd.isna(row.tp):  # of several findings, findings.csv has the metrics of each
        return settings
    counts = " ".join(f"{name.upper()} {found[name]:.0f}" for name in ("tp", "fn", "fp", "tn"))
    metrics = {"AUC": row.auc, "average precision": row.average_precision}
    metrics["threshold"] = row.threshold
    numbers = ", ".join(f"{name} {value:.3f}" for name, value in metrics.items())
    return f"{counts}; {numbers}; {settings}"


def best_table(trials: pd.DataFrame, num_rows: int = _ROWS) -> Table:
    """The best complete trials, best first; one confusion matrix is of one finding alone."""
    table = Table(box=None, pad_edge=False, header_style="bold", expand=True)
    shown = ("TP", "FN", "FP", "TN") if trials["tp"].notna().any() else ()
    for name in ("trial", "F1", *shown):
        table.add_column(name, justify="right", no_wrap=True, min_width=len(name))
    table.add_column("configuration", overflow="fold", ratio=1)
    row: Any
    for row in complete_best_first(trials).head(num_rows).itertuples():
        counts = [f"{getattr(row, name.lower()):.0f}" for name in shown]
        table.add_row(f"{row.number}", f"{row.f1:.3f}", *counts, describe(row))
    return table


def left_out_in_race(trials: pd.DataFrame) -> list[str]:
    """Short names of the encoders that were stopped in the race, and in no trial went on."""
    left = trials.apply(has_left_race, axis=1)
    names = set(trials.loc[left, "backbone"]) - set(trials.loc[~left, "backbone"].dropna())
    return sorted(Encoder.read(name).short_name for name in names)


def encoder_table(rows: pd.DataFrame) -> Table:
    """The best trial of each encoder, from the rows of `by_encoder`."""
    table = Table(box=None, pad_edge=False, header_style="bold", expand=True)
    table.add_column("encoder", overflow="fold", ratio=1)
    shown = ("trial", "F1", "95 % CI", TIED, PASSES, SECONDS)
    for name in shown:
        table.add_column(name, justify="right", no_wrap=True)
    same_start = rows["weights"].nunique() == 1
    for row in rows.to_dict("records"):
        encoder = row["network"] if same_start else f"{row['network']}\n  {row['weights']}"
        cells = [f"{row['F1']:.3f}" if name == "F1" else str(row[name]) for name in shown]
        table.add_row(encoder, *cells)
    return table
