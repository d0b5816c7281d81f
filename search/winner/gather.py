"""The trials of a run, with those that were stopped and those of a warm start, to choose among."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from search.plan.plan import SearchPlan
from search.run.run_folder import RunFolder
from search.run.trial_log import BASELINE, config_of, has_left_race
from search.run.warm_start import WarmStart
from search.tune.race import Race
from search.tune.study import Origin, origins
from search.winner.entry import Earlier, Entry, Lap, Rung
from search.winner.pool import Pool
from trainable.cohort.scored import Scored, is_scored
from trainable.features.passes import PERCENTS, pass_of
from trainable.run.winner import History, WarmStarted
from trainable.trial.rungs import rungs


def gather(run: RunFolder, plan: SearchPlan) -> Pool | None:
    """The trials of a run; None if no trial completed."""
    table = run.log.table().sort_values("number")
    complete = table[table["state"] == "complete"].to_dict("records")
    if not complete:
        return None
    of = origins(run)
    again = {one.number for number, one in of.items() if one.number != number}
    stopped = table[(table["state"] == "stopped") & ~table["number"].isin(again)].to_dict("records")
    scores = np.stack([run.log.scores(row["number"]) for row in complete])
    rows = is_scored(scores)
    came = _rungs(run, len(plan.task.folds), complete, stopped)
    found: tuple[Rung, ...] = () if came is None else came
    num_stopped, labels = len(stopped), plan.task.data.labels
    race = Race.of(plan.task.race, labels, plan.first_configs, run.log, run.race)
    partial = [_scored_so_far(row, n, found, race) for n, row in enumerate(stopped, len(complete))]
    if came is None or any(one is None for one in partial):
        came, found, partial, stopped = None, (), [], []
    parts = [scores, *_filled(partial, scores)]
    numbers = [row["number"] for row in (*complete, *stopped)]
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
    served = [pass_of(config) for config in configs[: len(numbers)]]
    serves = {
        one: np.array([n for n, other in enumerate(served) if other == one]) for one in served
    }
    seen_race = race and race.take(rows)
    laps = tuple(
        Lap(seen_race, percent, serves)
        for percent in PERCENTS
        if seen_race and seen_race.scores[percent]
    )
    labels, patients = plan.cohort.labels, plan.cohort.patients
    return Pool(
        complete=complete,
        configs=configs,
        rows=rows,
        scored=Scored(labels, patients, np.concatenate(parts)).take(rows),
        planned=planned,
        entry=Entry(len(complete), seen, earlier, laps),
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
    if all(has_left_race(row) for row in stopped):
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


def _scored_so_far(
    trial: Mapping[Any, Any], row: int, found: Sequence[Rung], race: Race | None
) -> NDArray[np.float32] | None:
    """Scores of a stopped trial, or of its pass if it was stopped in the race; None if missing."""
    for last in reversed(found):
        if row in last.rows:
            return last.scores[int(np.flatnonzero(last.rows == row)[0])]  # type: ignore[no-any-return]
    return race.last_scores(config_of(trial)) if race and has_left_race(trial) else None


def _filled(
    partial: Sequence[NDArray[np.float32] | None], complete: NDArray[np.float32]
) -> list[NDArray[np.float32]]:
    """Scores (1, num_exams, num_findings) of each stopped trial.

    What a trial has not scored stands there as a complete one scored it, each in turn.
    """
    scores: list[NDArray[np.float32]] = []
    for number, own in enumerate(partial):
        assert own is not None
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
