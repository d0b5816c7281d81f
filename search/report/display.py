"""What a person sees while a search runs: a bar, the best so far, and a short table."""

import time
from typing import Any

import pandas as pd
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from search.report.best_trials import PASSES, SECONDS, TIED
from search.run_folder import RunFolder
from search.trial_log import complete_best_first
from trainable.backbones.encoders import short_name
from trainable.places import trial_name

_ROWS = 5
_REFRESH_SECONDS = 0.5
_REFRESH_SHARE = 0.1  # of the time: reading a ledger of thousands of rows takes a while


class SearchDisplay:
    """A live view on a terminal; elsewhere a line for each trial as it ends."""

    def __init__(self, run: RunFolder, num_trials: int, console: Console) -> None:
        """Show progress towards `num_trials` ended trials of `run`."""
        self._log = run.log
        self._num_trials = num_trials
        self._console = console
        self._live: Live | None = None
        self._progress: Progress | None = None
        self._num_shown = 0
        self._next_refresh = 0.0

    def begin(self) -> None:
        """Begin the view."""
        self._num_shown = len(self._log.table())
        if not self._console.is_terminal:
            return
        self._progress = Progress(
            TextColumn("trials"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
            console=self._console,
        )  # fmt: skip
        self._progress.add_task("trials", total=self._num_trials)
        self._live = Live(console=self._console, auto_refresh=False, transient=True)
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
        self._console.print(line, highlight=False, soft_wrap=True)

    def end(self) -> None:
        """Show the last trials and end the view."""
        self._refresh(0)
        if self._live:
            self._live.stop()

    def _refresh(self, num_running: int) -> None:
        trials = self._log.table()
        if self._live and self._progress:
            self._progress.update(self._progress.task_ids[0], completed=self._log.num_ended())
            running = Text(f"{num_running} running", style="dim")
            parts: list[RenderableType] = [self._progress, running, best_table(trials)]
            self._live.update(Group(*parts), refresh=True)
            return
        for row in trials.iloc[self._num_shown :].itertuples():
            self.say(trial_line(row))
        self._num_shown = len(trials)


def describe(row: Any) -> str:
    """One configuration in a few words."""
    trained = "frozen" if not row.unfreeze else f"{row.unfreeze:.0f} trained"
    learner = f"logistic C {row.C:.1e}" if row.head == "logistic" else f"lr {row.learning_rate:.1e}"
    encoder = short_name(row.backbone)
    return f"{encoder} to {row.cut}, {trained}, normalize {row.normalization}, {learner}"


def trial_line(row: Any) -> str:
    """One ended trial in a line."""
    if row.state == "complete":
        return f"trial {row.number:3d}  F1 {row.f1:.3f}  {row.seconds:6.1f} s  {describe(row)}"
    trace = f" (see errors/{trial_name(row.number)}.txt)" if row.state == "failed" else ""
    return f"trial {row.number:3d}  {row.state}: {row.error}{trace}"


def best_table(trials: pd.DataFrame, num_rows: int = _ROWS) -> Table:
    """The best complete trials, best first."""
    table = Table(box=None, pad_edge=False, header_style="bold", expand=True)
    for name in ("trial", "F1", "TP", "FN", "FP", "TN"):
        table.add_column(name, justify="right", no_wrap=True, min_width=len(name))
    table.add_column("configuration", no_wrap=True, overflow="ellipsis", ratio=1)
    row: Any
    for row in complete_best_first(trials).head(num_rows).itertuples():
        counts = [f"{count:.0f}" for count in (row.tp, row.fn, row.fp, row.tn)]
        table.add_row(f"{row.number}", f"{row.f1:.3f}", *counts, describe(row))
    return table


def encoder_table(rows: pd.DataFrame) -> Table:
    """The best trial of each encoder, from the rows of `by_encoder`."""
    table = Table(box=None, pad_edge=False, header_style="bold", expand=True)
    table.add_column("encoder", overflow="fold", ratio=1)
    shown = {"trial": "trial", "F1": "F1", "95 % interval": "95 % interval", TIED: "tied"}
    shown |= {PASSES: "passed", SECONDS: "CPU s"}
    for name in shown.values():
        table.add_column(name, justify="right", no_wrap=True)
    same_start = rows["weights"].nunique() == 1
    for row in rows.to_dict("records"):
        encoder = row["network"] if same_start else f"{row['network']}\n  {row['weights']}"
        cells = [f"{row['F1']:.3f}" if name == "F1" else str(row[name]) for name in shown]
        table.add_row(encoder, *cells)
    return table
