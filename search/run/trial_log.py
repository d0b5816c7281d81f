"""The logs of trials: how each one ended, and what it had scored after some of its folds."""

import csv
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from trainable.config import TrialConfig
from trainable.errors import InputError
from trainable.evaluation.metrics import Evaluation
from trainable.files import drop_partial_line, replacing, write_text, writing
from trainable.run.places import (
    fold_scores_file,
    race_scores_file,
    read_scores,
    scores_file,
    trial_name,
)

TrialState = Literal["complete", "stopped", "failed", "lost", "interrupted"]

BASELINE = 0
"""Number of the baseline configuration; others are compared with it, so it is never stopped."""

METRIC = "objective"
"""Column that trials are compared by."""

ENDED: tuple[TrialState, ...] = ("complete", "stopped", "failed")
"""States that count towards the number of trials asked for.

Trials that were interrupted, or lost to the machine, run again under a new number.
"""

COLUMNS = (
    *("number", "state", METRIC, *Evaluation.__annotations__),
    *TrialConfig.model_fields,
    *("weights", "fold", "num_steps"),
    *("train_loss", "train_accuracy", "valid_loss", "valid_accuracy"),
    *("source", "num_forwarded", "seconds", "ended", "error"),
)
"""Columns of `trials.csv`, one row per trial, in the order in which the trials ended."""

Step = Literal["fold", "percent"]
"""What a trial reports after: some of its folds, or all of them on a share of the patients."""


class TrialLog:
    """The only reader and writer of `trials.csv` and `errors/`; alone it writes files of scores.

    The first state of a number stays: a later one changes nothing. The scores are written before
    the row, so a complete row always has its scores. A trial without a row is one to run again.
    """

    def __init__(self, run: Path) -> None:
        """Name the files in the folder `run`; `create` makes them."""
        self.csv = run / "trials.csv"
        self.errors = run / "errors"
        self.folders = (run / "scores", self.errors)
        self._run = run
        self._states: dict[int, str] | None = None

    def create(self) -> None:
        """Begin an empty log."""
        (self._run / "scores").mkdir(parents=True, exist_ok=True)
        self._append(COLUMNS)

    def fits_this_version(self) -> bool:
        """Whether the file has the columns that this version of cxr writes."""
        return self.csv.read_text().partition("\n")[0] == ",".join(COLUMNS)

    def table(self) -> pd.DataFrame:
        """All rows."""
        return pd.read_csv(self.csv, dtype={"state": str, "error": str, "head_layers": str})

    def states(self) -> dict[int, str]:
        """The state of each trial that has a row, by its number."""
        if self._states is None:
            table = self.table()
            self._states = dict(zip(table["number"].tolist(), table["state"], strict=True))
        return self._states

    def num_ended(self) -> int:
        """Number of trials that count towards the number asked for."""
        return sum(state in ENDED for state in self.states().values())

    def add(
        self,
        number: int,
        state: TrialState,
        config: Mapping[str, Any],
        metrics: Mapping[str, Any],
        error: str = "",
        account: str = "",
        scores: NDArray[np.float32] | None = None,
    ) -> None:
        """Keep how a trial ended, unless its number has a row already.

        Args:
            number: Optuna's number of the trial.
            state: How the trial ended.
            config: Fields of its `TrialConfig`; empty if they are not known.
            metrics: Metrics of the last fold. Keys that are no column are left out.
            error: Why the trial did not complete, in a sentence.
            account: The same at length, such as a traceback; kept in a file of its own.
            scores: Out-of-fold scores of a complete trial, float32 (num_exams, num_findings).
        """
        states = self.states()
        if number in states:
            return
        with writing(self._run, "--out"):
            if account:
                self.keep_account(trial_name(number), account)
            if scores is not None:
                with replacing(scores_file(self._run, number)) as partial:
                    np.save(partial, scores)
            self._append(self._row(number, state, config, metrics, error))
        states[number] = state

    def _row(
        self,
        number: int,
        state: TrialState,
        config: Mapping[str, Any],
        metrics: Mapping[str, Any],
        error: str,
    ) -> list[Any]:
        values = {**metrics, **config, "number": number, "state": state}
        values |= {"ended": datetime.now(UTC).isoformat(timespec="seconds"), "error": error}
        return ["" if values.get(name) is None else values[name] for name in COLUMNS]

    def keep_account(self, name: str, account: str) -> Path:
        """Keep a traceback in `errors/NAME.txt`."""
        file = self.errors / f"{name}.txt"
        write_text(file, account)
        return file

    def scores(self, number: int) -> NDArray[np.float32]:
        """Out-of-fold scores (num_exams, num_findings) of a complete trial.

        Raises:
            InputError: If their file is missing or damaged.
        """
        return read_scores(self._run, number)

    def check_scores(self, shape: tuple[int, ...]) -> list[int]:
        """Find the complete trials whose scores are missing or damaged, and mark them as lost.

        Args:
            shape: (num_exams, num_findings), that of the labels.

        Returns:
            Their numbers; these trials run again.
        """
        states = self.states()
        damaged = [
            number
            for number, state in states.items()
            if state == "complete" and not self._has_scores(number, shape)
        ]
        if damaged:
            table = pd.read_csv(self.csv, dtype=str, keep_default_na=False)
            rows = table["number"].isin([str(number) for number in damaged])
            table.loc[rows, ["state", "error"]] = ["lost", "its file of scores is damaged"]
            with writing(self._run, "--out"), replacing(self.csv) as partial:
                table.to_csv(partial, index=False)
            self._states = None
        return damaged

    def _has_scores(self, number: int, shape: tuple[int, ...]) -> bool:
        try:
            scores = self.scores(number)
        except InputError:
            return False
        return scores.shape == shape and scores.dtype == np.float32

    def _append(self, row: Any) -> None:
        # the end of a line marks a whole row, so no value may hold one
        cells = [str(cell).replace("\r", "").replace("\n", " | ") for cell in row]
        with self.csv.open("a", newline="") as file:
            csv.writer(file, lineterminator="\n").writerow(cells)


class ReportLog:
    """The only reader and writer of `folds.csv` or `race.csv`: a row per report before the last.

    Beside `folds.csv` are the scores of each trial at each of the `rungs` of
    `trainable.trial.rungs`; beside `race.csv`, those of each of its rows.
    """

    def __init__(self, run: Path, step: Step) -> None:
        """Name the file in the folder `run`; the first row makes it."""
        self.csv = run / ("folds.csv" if step == "fold" else "race.csv")
        self._columns = ("number", step, METRIC)
        self._file = fold_scores_file if step == "fold" else race_scores_file

    def add(
        self,
        number: int,
        step: int,
        objective: float,
        scores: NDArray[np.float32] | None = None,
    ) -> None:
        """Keep the objective of a trial after a step, and its scores if there are any."""
        with writing(self.csv.parent, "--out"):
            if scores is not None:
                with replacing(self._file(self.csv.parent, number, step)) as partial:
                    np.save(partial, scores)
            is_new = not self.csv.exists()
            with self.csv.open("a", newline="") as file:
                writer = csv.writer(file, lineterminator="\n")
                if is_new:
                    writer.writerow(self._columns)
                writer.writerow([number, step, objective])

    def scores(self, number: int, step: int) -> NDArray[np.float32] | None:
        """Scores (num_exams, num_findings) of a trial after a step; None if none were kept."""
        file = self._file(self.csv.parent, number, step)
        return np.load(file) if file.exists() else None

    def rows(self) -> list[tuple[int, int, float]]:
        """Number, step and objective of each report, in their order."""
        if not self.csv.exists():
            return []
        drop_partial_line(self.csv)
        table = pd.read_csv(self.csv, names=self._columns, skiprows=1)
        numbers, steps, objectives = (table[name].tolist() for name in self._columns)
        return list(zip(numbers, steps, objectives, strict=True))


def complete_best_first(trials: pd.DataFrame) -> pd.DataFrame:
    """The complete trials among rows of `trials.csv`; of equal ones the earlier first."""
    complete = trials[trials["state"] == "complete"]
    return complete.sort_values(["objective", "number"], ascending=[False, True])


def has_left_race(row: Mapping[Any, Any]) -> bool:
    """Whether a trial was stopped in the race, which comes before its first fold."""
    return bool(row["state"] == "stopped" and row["fold"] == 0)


def config_of(row: Mapping[Any, Any]) -> TrialConfig:
    """Configuration of a row of `trials.csv`."""
    return TrialConfig(**{name: row[name] for name in TrialConfig.model_fields})
