"""Simulated searches whose trials were chosen before the winner was."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from benchmarks.quality.judged_search import JudgedSearch
from benchmarks.selection.simulated_searches import NUM_FOLDS, NUM_TRIALS, simulate_search
from search.tune.race import Race
from search.winner.entry import Earlier, Entry, Lap, Rung
from search.winner.selection import TEAM_SIZES, TeamRule, select
from trainable.backbones.encoder import Encoder
from trainable.cohort.scored import Scored
from trainable.cohort.stratified import draw_parts
from trainable.evaluation.scoring import Scoring
from trainable.evaluation.thresholds import judge
from trainable.features.passes import PERCENTS, FrozenPass
from trainable.images.preprocessing import Square

NUM_EARLIER, NUM_TAKEN, NUM_RESAMPLES = 200, 10, 300
_RUNGS = (2, 4, 8)
HISTORIES: Mapping[str, tuple[bool, bool, bool]] = {
    "early stops": (True, False, False),
    "warm start": (False, True, False),
    "early stops and warm start": (True, True, False),
    "race": (False, False, True),
    "race and early stops": (True, False, True),
}
"""Whether trials stop early, whether some came from an earlier search, and whether passes race."""

_CHOICES = {"single": (1,), "team": TEAM_SIZES}


def judge_history(
    num_images: int, num_positive: int, name: str, seed: int
) -> list[dict[str, float | str]]:
    """One row per choice and pool of candidates: bias and coverage of what is claimed."""
    stops, warm, races = HISTORIES[name]
    search = simulate_search(num_images, num_positive, seed, NUM_TRIALS + NUM_EARLIER)
    own = np.arange(NUM_TRIALS)
    pools: dict[str, _Pool] = {"fresh": (own, search.scored.scores[own], None)}
    earlier = np.arange(NUM_TRIALS, NUM_TRIALS + NUM_EARLIER)
    if warm:
        objectives = [_objective(search, search.scored.scores[trial]) for trial in earlier]
        best = earlier[np.argsort(-np.array(objectives), kind="stable")[:NUM_TAKEN]]
        own = np.concatenate([best, own[NUM_TAKEN:]])
    pools |= _pools(
        search, own, earlier if warm else earlier[:0], stops=stops, races=races, seed=seed
    )
    rows: list[dict[str, float | str]] = []
    for candidates, (trials, scores, entry) in pools.items():
        scored = Scored(search.scored.labels, search.scored.patients, scores)
        for choice, sizes in _CHOICES.items():
            rule = TeamRule(sizes, entry=entry)
            found = select(scored, Scoring(), rule, NUM_RESAMPLES, seed)
            members = trials[list(found.members)].tolist()
            true_f1 = search.truth.f1(members, found.thresholds[0])
            low, high = found.corrected.interval
            rows.append(
                {
                    "choice": choice,
                    "candidates": candidates,
                    "bias": found.corrected.f1 - true_f1,
                    "coverage": float(low <= true_f1 <= high),
                }
            )
    return rows


_Pool = tuple[NDArray[np.int64], NDArray[np.float32], Entry | None]


def _pools(
    search: JudgedSearch,
    own: NDArray[np.int64],
    earlier: NDArray[np.int64],
    *,
    stops: bool,
    races: bool,
    seed: int,
) -> dict[str, _Pool]:
    """The complete trials alone, and with those that stopped and those of before."""
    scores = search.scored.scores
    alive, reports = [*own], []
    stopped: list[int] = []
    parts: list[NDArray[np.float32]] = []
    race = Race(search.scored.labels, ())
    if stops or races:
        alive = np.random.default_rng(seed).permutation(own).tolist()
    if races:
        alive, stopped, parts = _run_race(search, alive, race, seed)
    if stops:
        for rung in _RUNGS:
            goes_on, partial = _run_rung(search, alive, rung)
            reports.append((alive, partial))
            behind = [place for place, ahead in enumerate(goes_on) if not ahead]
            stopped += [alive[place] for place in behind]
            parts += [partial[place] for place in behind]
            alive = [trial for trial, ahead in zip(alive, goes_on, strict=True) if ahead]
    complete = sorted(alive)
    # what a stopped trial has not scored is as a complete one scored it
    filled = [
        np.where(np.isnan(part), scores[complete[number % len(complete)]], part)
        for number, part in enumerate(parts)
    ]
    rows = {trial: row for row, trial in enumerate((*complete, *stopped))}
    entry = Entry(
        len(complete),
        tuple(Rung(np.array([rows[one] for one in who]), partial) for who, partial in reports),
        Earlier(len(rows), np.array([rows.get(one, -1) for one in earlier]), NUM_TAKEN)
        if len(earlier)
        else None,
        tuple(Lap(race, percent, {_pass(one): np.array([row]) for one, row in rows.items()})
              for percent in PERCENTS if races),
    )  # fmt: skip
    every = np.array([*complete, *stopped, *earlier])
    whole = np.stack([*scores[complete], *filled, *scores[earlier]])
    return {
        "alone": (np.array(complete), scores[complete], None),
        "repeated": (every, whole, entry),
    }


def _pass(trial: int) -> FrozenPass:
    """The pass of a trial: each has its own, so that the race is as lucky as can be."""
    encoder = Encoder("resnet18")
    return FrozenPass(
        encoder, encoder.preprocessing(Square(32, "stretch"), "none"), f"{trial}", True
    )


def _run_race(
    search: JudgedSearch, alive: list[int], race: Race, seed: int
) -> tuple[list[int], list[int], list[NDArray[np.float32]]]:
    """Trials that go on after the race, those that stop, and what these had scored by then."""
    scored = search.scored
    stopped: list[int] = []
    parts: list[NDArray[np.float32]] = []
    drawn = draw_parts(scored.labels, scored.patients, np.array([0.25, 0.25, 0.5]), seed)
    every = np.ones((1, len(drawn)), np.float32)
    for number, percent in enumerate(PERCENTS):
        for trial in alive:
            seen = (drawn <= number)[:, None]
            race.scores[percent][_pass(trial)] = np.where(seen, scored.scores[trial], np.nan)
        going_on = race.going_on(percent, every)
        behind = [trial for trial in alive if not going_on[_pass(trial)][0]]
        stopped += behind
        parts += [race.scores[percent][_pass(trial)] for trial in behind]
        alive = [trial for trial in alive if trial not in behind]
    return alive, stopped, parts


def _run_rung(
    search: JudgedSearch, alive: list[int], rung: int
) -> tuple[list[bool], NDArray[np.float32]]:
    """Which trials go on after so many folds, one after the other, and their scores by then."""
    seen = search.folds < min(rung, NUM_FOLDS)
    partial = np.where(seen[:, None], search.scored.scores[alive], np.float32(np.nan))
    objectives = [_objective(search, one) for one in partial]
    goes_on = [
        not place or one >= np.median(objectives[:place]) for place, one in enumerate(objectives)
    ]
    return [bool(one) for one in goes_on], partial


def _objective(search: JudgedSearch, scores: NDArray[np.float32]) -> float:
    rows = ~np.isnan(scores[:, 0])
    return judge(search.scored.labels[rows], scores[rows], Scoring())[0]
