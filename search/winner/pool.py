"""The trials of a run to choose among, and how they came to be there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from search.plan.plan import SearchPlan
from search.run.run_folder import RunFolder
from search.run.trial_log import BASELINE, config_of
from search.run.warm_start import WarmStart
from search.tune.study import Origin, origins
from search.winner.entry import Earlier, Entry, Rung
from trainable.cohort.scored import Scored, is_scored
from trainable.config import TrialConfig
from trainable.run.winner import History, WarmStarted
from trainable.trial.rungs import rungs


@dataclass(frozen=True)
class Pool:
    """All rows to choose among: the complete trials, those that stopped, and those of before.

    Attributes:
        complete: Rows of `trials.csv` of the complete trials.
        configs: Configuration of each row.
        scored: Scores of all rows.
        planned: (num_rows,), whether a trial was planned before any score was seen.
        entry: How the rows came to be there.
        history: What of it a reader must know.
    """

    complete: Sequence[Mapping[Any, Any]]
    configs: Sequence[TrialConfig]
    scored: Scored
    planned: NDArray[np.bool_]
    entry: Entry
    history: History


def gather(run: RunFolder, plan: SearchPlan) -> Pool | None:
    """The trials of a run; None if no trial completed."""
    table = run.log.table().sort_values("number")
    complete = table[table["state"] == "complete"].to_dict("records")
    if not complete:
        return None
    stopped = table[table["state"] == "stopped"].to_dict("records")
    scores = np.stack([run.log.scores(row["number"]) for row in complete])
    rows = is_scored(scores)
    came = _rungs(run, len(plan.task.folds), complete, stopped)
    found: tuple[Rung, ...] = () if came is None else came
    num_stopped = len(stopped)
    if came is None:
        stopped = []
    parts = [scores, *_filled(stopped, found, scores)]
    numbers = [row["number"] for row in (*complete, *stopped)]
    of = origins(run)
    earlier, start = None, plan.warm_start
    if start is not None and start.scores is not None:
        earlier = _earlier(start, numbers, of)
        parts.append(start.scores)
    num_planned = len(plan.space_here(has_gpu=False).first_trials())
    planned = np.zeros(sum(map(len, parts)), np.bool_)
    planned[: len(numbers)] = [of[number].number < num_planned for number in numbers]
    configs = [config_of(row) for row in (*complete, *stopped)]
    configs += [one.config for one in start.search.trials] if start and earlier else []
    seen = tuple(Rung(one.rows, one.scores[:, rows]) for one in found)
    labels, patients = plan.cohort.labels, plan.cohort.patients
    return Pool(
        complete=complete,
        configs=configs,
        scored=Scored(labels, patients, np.concatenate(parts)).take(rows),
        planned=planned,
        entry=Entry(len(complete), seen, earlier),
        history=History(
            num_stopped=num_stopped,
            are_stops_repeated=came is not None,
            warm_start=start and _describe(start, of),
        ),
    )


def _rungs(
    run: RunFolder,
    num_folds: int,
    complete: Sequence[Mapping[Any, Any]],
    stopped: Sequence[Mapping[Any, Any]],
) -> tuple[Rung, ...] | None:
    """Where trials were stopped, if any was; None if the scores of some report are missing."""
    if not stopped:
        return ()
    reports = pd.DataFrame(run.folds.rows(), columns=["number", "fold", "objective"])
    place = {row["number"]: n for n, row in enumerate((*complete, *stopped))}
    if complete[0]["number"] == BASELINE:
        del place[BASELINE]  # it went on wherever it stood
    found = []
    for fold in (every := rungs(num_folds)):
        numbers = reports.loc[reports["fold"] == fold, "number"].tolist()
        kept = {number: run.folds.scores(number, fold) for number in numbers}
        if any(scores is None for scores in kept.values()):
            return None
        if fold == every[-1]:
            # a logistic head comes once, at its end, and never stops
            whole = {row["number"] for row in complete} - set(reports["number"])
            kept |= {number: run.log.scores(number) for number in whole}
            numbers = sorted(kept)
            place = {number: n for number, n in place.items() if number not in whole}
        if numbers:
            rows = np.array([place.get(number, -1) for number in numbers])
            found.append(Rung(rows, np.stack([kept[number] for number in numbers])))  # type: ignore[misc]
    return tuple(found)


def _filled(
    stopped: Sequence[Mapping[Any, Any]], found: Sequence[Rung], complete: NDArray[np.float32]
) -> list[NDArray[np.float32]]:
    """Scores (1, num_exams, num_findings) of each stopped trial.

    What a trial has not scored stands there as a complete one scored it, each in turn.
    """
    scores: list[NDArray[np.float32]] = []
    for number in range(len(stopped)):
        row = len(complete) + number
        last = next(one for one in reversed(found) if row in one.rows)
        own = last.scores[int(np.flatnonzero(last.rows == row)[0])]
        other = complete[number % len(complete)]
        scores.append(np.where(np.isnan(own), other, own)[None])
    return scores


def _earlier(start: WarmStart, numbers: Sequence[int], of: Mapping[int, Origin]) -> Earlier:
    tried = {of[number].earlier: row for row, number in enumerate(numbers)}
    twins = [tried.get(one.trial, -1) for one in start.search.trials]
    return Earlier(len(numbers), np.array(twins), start.search.num_queued)


def _describe(start: WarmStart, of: Mapping[int, Origin]) -> WarmStarted:
    search = start.search
    return WarmStarted(
        run=search.run,
        num_configurations=len({one.earlier for one in of.values()} - {None}),
        num_trials=len(search.trials),
        num_shared=search.num_shared,
        is_repeated=start.scores is not None and not search.has_history,
    )
