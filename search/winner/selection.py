"""Which trials to take, and what they are worth without the luck of having been chosen.

A team of one is the trial with the best objective. A larger team holds the trials with the least
log loss: it depends on the score of every image (Gneiting and Raftery 2007, "Strictly proper
scoring rules, prediction, and estimation"), where F1 depends on the few images near its threshold.
First come up to five planned trials that are statistically tied with the best one by their log
loss: no luck has led the search to them. Then come at most two trials of each kind: trials of one
kind are lucky on the same patients, so that a search on few patients is led to the luckiest kind.
Of the sizes that are statistically tied with the best size, the largest is taken: the mean of
several trials depends less on luck.

The corrected F1 is that of bootstrap bias corrected cross-validation (BBC-CV: Tsamardinos,
Greasidou and Borboudakis 2018, "Bootstrapping the out-of-sample predictions for efficient and
accurate cross-validation"). The whole choice, of trials, size and threshold, is made again on each
resample of the patients. It is judged on the patients whom the resample left out. They had no part
in the choice. A resample holds two thirds of the patients, so a choice by it is a little worse than
the one by all, and the corrected F1 a little low: by some 0.01 with 15 to 30 positive patients.

Of several findings that can stand together, each has a team of its own among the same trials, as if
it were asked alone. The F1 over the findings is that of all these choices, made again on the same
resamples. Several classes have one team.

Three things differ from the paper. The counts of all resamples are pooled into one F1, since the
mean of F1s of few positives each is biased (Forman and Scholz 2010, "Apples-to-apples in
cross-validation studies"). They are scaled to the share of positives in the cohort: of few positive
patients, fewer are left out than of many negative ones. The interval is not that of the F1s of the
patients left out, who are a third and vary too much. It is that of the chosen team's F1 over
resamples, moved to the corrected F1. There the share of positives varies, as it does among new
patients.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from search.winner.answers import count_answers
from search.winner.entry import Entry
from search.winner.recalibration import ChosenMaps, choose_recalibration
from search.winner.teams import (
    TeamChoice,
    Trials,
    best_first,
    planned_first,
    there_first,
    varied_first,
)
from trainable.cohort.scored import Scored, scores_of_teams
from trainable.evaluation.answers import AnswerSteps
from trainable.evaluation.counts import f1_of_each, f1_over_findings
from trainable.evaluation.intervals import (
    LEVEL,
    NUM_RESAMPLES,
    Estimate,
    estimate,
    estimate_each,
    resample_patients,
)
from trainable.evaluation.metrics import f1_at, f1_of_each_at
from trainable.evaluation.recalibration import Recalibration, recalibrated
from trainable.evaluation.scoring import F1Average, Scoring
from trainable.run.resampled import NUM_KEPT
from trainable.run.winner import CorrectedF1

TEAM_SIZES = (1, 5, 10)
"""Sizes of a team to choose among."""

_PER_KIND = 2
"""Trials of one kind that a team takes before those of other kinds (docs/selection.md)."""

_PLANNED = 5
"""Planned trials that a team takes first: half of the largest team, so that what the search has
found counts too."""


@dataclass(frozen=True)
class TeamRule:
    """Which teams there are to choose among.

    Attributes:
        sizes: Sizes of a team, each at least 1; of fewer trials, all are taken.
        complexity: For each trial something that sorts, the simplest first, to take the simplest
            trial that is tied with the best one, alone; None for a team.
        kinds: (num_trials,), trials of one kind, such as a backbone and its cut, share a number;
            None if all are different.
        planned: (num_trials,), whether a trial was planned before any score was seen; None for
            none.
        entry: How the trials came to be there; None if each is complete, whatever it scored.
        recalibrates: Whether the scores of a team may be recalibrated.
    """

    sizes: Sequence[int] = TEAM_SIZES
    complexity: Sequence[Any] | None = None
    kinds: NDArray[np.int64] | None = None
    planned: NDArray[np.bool_] | None = None
    entry: Entry | None = None
    recalibrates: bool = True


@dataclass(frozen=True)
class Resampled:
    """The same choice on resamples, of which the first are kept.

    Attributes:
        counts: uint8 (num_resamples, num_images), how often each image was drawn.
        teams: For each finding and resample, the trials of its team.
        thresholds: float32 (num_resamples, num_findings), thresholds of the teams' scores.
        maps: float64 (num_resamples, num_findings, 3), what makes probabilities of these.
    """

    counts: NDArray[np.uint8]
    teams: Sequence[Sequence[NDArray[np.int64]]]
    thresholds: NDArray[np.float32]
    maps: NDArray[np.float64]


@dataclass(frozen=True)
class Selection:
    """The teams that were taken; trials are named by their row in the scores.

    Attributes:
        members: Trials of all teams, the best objective first.
        teams: For each finding the trials of its team, the best objective first; its score is
            their mean score.
        thresholds: (num_findings,), thresholds of the teams' scores.
        recalibrations: (num_findings,), what makes probabilities of the teams' scores, if need be.
        answers: (num_findings,), what the surest scores of the teams are worth; none of several
            classes.
        own_thresholds: (num_members, num_findings), thresholds of each member alone.
        corrected: The F1 over the findings to expect of such a choice on patients who had no part
            in it.
        corrected_each: The same of each finding.
        tied: Trials that are statistically tied with the best one, best first.
        resampled: The same choice on resamples.
    """

    members: tuple[int, ...]
    teams: tuple[tuple[int, ...], ...]
    thresholds: tuple[float, ...]
    recalibrations: tuple[Recalibration | None, ...]
    answers: tuple[AnswerSteps, ...]
    own_thresholds: tuple[tuple[float, ...], ...]
    corrected: CorrectedF1
    corrected_each: tuple[CorrectedF1, ...]
    tied: tuple[int, ...]
    resampled: Resampled = field(compare=False)


@dataclass(frozen=True)
class _Team:
    """A team that was taken, with what the same choice was worth.

    Attributes:
        members: (size,), rows of its trials.
        thresholds: (num_findings,), of the findings that it is for.
        counts: (4, num_findings), TP, FN, FP and TN of the same choice, made on resamples, on the
            patients they left out, with each class as often as in the cohort.
        maps: (num_findings,), what makes probabilities of its scores, and of the resamples' ones.
        resampled: The members on each of the resamples that are kept.
        resampled_thresholds: float32 (num_resamples, num_findings), theirs.
        answers: (num_findings,), what its surest scores are worth; none of several classes.
    """

    members: NDArray[np.int64]
    thresholds: NDArray[np.float32]
    counts: NDArray[np.float64]
    maps: Sequence[ChosenMaps]
    resampled: Sequence[NDArray[np.int64]]
    resampled_thresholds: NDArray[np.float32]
    answers: Sequence[AnswerSteps]


@dataclass(frozen=True)
class _Choice:
    """A choice of teams, with what they were chosen by; trials are rows of the scores.

    Attributes:
        alone: Thresholds (num_trials, num_findings) of each trial alone.
        ranked: (num_trials,), trials, the best objective first.
        tied: (num_trials,), whether a trial is statistically tied with the best one.
        teams: One for all findings, or one for each.
        drawn: uint8 (num_resamples, num_images), of the resamples that are kept.
    """

    alone: NDArray[np.float32]
    ranked: NDArray[np.int64]
    tied: NDArray[np.bool_]
    teams: Sequence[_Team]
    drawn: NDArray[np.uint8]


def select(
    scored: Scored,
    scoring: Scoring,
    rule: TeamRule = TeamRule(),
    num_resamples: int = NUM_RESAMPLES,
    seed: int = 0,
) -> Selection:
    """Take the teams of the best trials, or the simplest trial that is tied with the best one.

    Args:
        scored: Out-of-fold scores (num_trials, num_images, num_findings).
        scoring: How scores are judged; the reported F1s are F1s, whatever trials are compared by.
        rule: Which teams there are to choose among.
        num_resamples: Number of resamples.
        seed: Seed of the resamples.
    """
    trials = Trials(scored, scoring)
    chosen = _choose(trials, rule, num_resamples, seed)
    # the resamples of the choice are gone by now: two draws would be the most memory of all
    thresholds = np.concatenate([team.thresholds for team in chosen.teams])
    counts = np.concatenate([team.counts for team in chosen.teams], axis=1)
    num_findings = scored.labels.shape[1]
    teams = [team.members.tolist() for team in chosen.teams]
    teams *= num_findings // len(teams)
    found = replace(scored, scores=scores_of_teams(scored.scores, teams))
    average, f1 = scoring.f1_average, f1_at(thresholds, scoring)
    corrected = _moved(
        estimate(found, {"F1": f1}, num_resamples, seed)["F1"], f1_over_findings(counts, average)
    )
    corrected_each = [corrected]
    if num_findings > 1:
        of_each = {"F1": f1_of_each_at(thresholds, scoring)}
        each = estimate_each(found, of_each, num_resamples, seed)
        f1s = f1_of_each(counts, average)
        corrected_each = [_moved(one["F1"], f1) for one, f1 in zip(each, f1s, strict=True)]
    members = _in_order(chosen.ranked, np.concatenate(teams))
    maps = [one for team in chosen.teams for one in team.maps]
    return Selection(
        members=members,
        teams=tuple(_in_order(chosen.ranked, team) for team in teams),
        thresholds=tuple(thresholds.tolist()),
        recalibrations=tuple(one.recalibration for one in maps),
        answers=tuple(one for team in chosen.teams for one in team.answers),
        own_thresholds=tuple(map(tuple, chosen.alone[list(members)].tolist())),
        corrected=corrected,
        corrected_each=tuple(corrected_each),
        tied=_in_order(chosen.ranked, np.flatnonzero(chosen.tied)),
        resampled=Resampled(
            chosen.drawn,
            [team.resampled for team in chosen.teams] * (num_findings // len(chosen.teams)),
            np.concatenate([team.resampled_thresholds for team in chosen.teams], axis=1),
            np.stack([one.resampled for one in maps], axis=1),
        ),
    )


def _in_order(ranked: NDArray[np.int64], some: ArrayLike) -> tuple[int, ...]:
    return tuple(ranked[np.isin(ranked, some)].tolist())


def _moved(apparent: Estimate, f1: NDArray[np.float64]) -> CorrectedF1:
    """The F1 to expect, with the interval of the apparent one moved to it."""
    moved = float(f1) - apparent.value
    return CorrectedF1(
        f1=float(f1),
        interval=(max(0.0, apparent.low + moved), min(1.0, apparent.high + moved)),
        optimism=apparent.value - float(f1),
    )


def _choose(trials: Trials, rule: TeamRule, num_resamples: int, seed: int) -> _Choice:
    """Choose on all images and anew on each resample, and judge the choice by what those left."""
    # row 0 is all images, the others are resamples: each step treats all of them alike
    weights = resample_patients(
        trials.scored.labels,
        trials.scored.patients,
        num_resamples,
        seed,
        stratified=True,
        with_all=True,
    )
    alone = trials.each(weights)
    there = np.ones(alone.objectives.shape, np.bool_)
    if rule.entry is not None:
        there = rule.entry.candidates(trials, weights, alone.objectives)
    margins = chance_margins(alone.objectives, there)
    objectives = np.where(there, alone.objectives, -np.inf)
    num_findings = trials.scored.labels.shape[1]
    if trials.scoring.exclusive or num_findings == 1 or rule.complexity is not None:
        teams = [_choose_team(trials, weights, objectives, margins, rule)]
    else:
        teams = [
            _choose_for_finding(trials, number, weights, alone.of_each[..., number], there, rule)
            for number in range(num_findings)
        ]
    return _Choice(
        alone=alone.thresholds[:, 0],
        ranked=best_first(objectives)[0],
        tied=_near(objectives, margins)[:, 0],
        teams=teams,
        drawn=weights[1 : 1 + NUM_KEPT].astype(np.uint8),
    )


def _choose_for_finding(
    trials: Trials,
    number: int,
    weights: NDArray[np.float32],
    objectives: NDArray[np.float64],
    there: NDArray[np.bool_],
    rule: TeamRule,
) -> _Team:
    """The choice for one of several findings, by the images whose label of it is known."""
    return _choose_team(
        *_of_finding(trials, number, weights),
        np.where(there, objectives, -np.inf),
        chance_margins(objectives, there),
        rule,
    )


def _of_finding(
    trials: Trials, number: int, weights: NDArray[np.float32]
) -> tuple[Trials, NDArray[np.float32]]:
    """The trials for one of the findings, with the weights of the images that have its label."""
    known = trials.scored.labels[:, number] >= 0
    return trials.of_finding(number), weights if known.all() else weights.T[known].T


def _choose_team(
    trials: Trials,
    weights: NDArray[np.float32],
    objectives: NDArray[np.float64],
    margins: NDArray[np.float64],
    rule: TeamRule,
) -> _Team:
    """Take the largest team that is tied with the best."""
    # the teams to choose among, the largest first
    members = _teams(trials, weights, objectives, margins, rule)
    teams = [trials.teams(one, weights) for one in members]
    places, counts = _largest_of_the_tied(teams, trials.scored.labels, trials.scoring.f1_average)
    by_weighting = [members[place][number] for number, place in enumerate(places)]
    kept = 1 + NUM_KEPT
    thresholds = np.stack(
        [teams[place].thresholds[number] for number, place in enumerate(places[:kept])]
    )
    maps = _maps(trials, weights, by_weighting, thresholds[0], rule)
    answers = _answers(trials, weights, by_weighting, thresholds[0], maps)
    return _Team(
        members=by_weighting[0],
        thresholds=thresholds[0],
        counts=counts,
        maps=maps,
        resampled=by_weighting[1:kept],
        resampled_thresholds=thresholds[1:],
        answers=answers,
    )


def _maps(
    trials: Trials,
    weights: NDArray[np.float32],
    teams: Sequence[NDArray[np.int64]],
    thresholds: NDArray[np.float32],
    rule: TeamRule,
) -> list[ChosenMaps]:
    """What makes probabilities of the scores of each finding.

    The scores of several classes stay, since a map of each would change which one is predicted. So
    do those with a threshold that was given as a number: it is one of the scores as they are.
    """
    scoring = trials.scoring
    if not rule.recalibrates or scoring.exclusive or scoring.threshold.kind == "fixed":
        return [ChosenMaps.none(len(teams) - 1)] * len(thresholds)
    found = []
    for number, threshold in enumerate(thresholds.tolist()):
        of_one, by_image = _of_finding(trials, number, weights)
        found.append(choose_recalibration(of_one.scored, teams, by_image, threshold))
    return found


def _answers(
    trials: Trials,
    weights: NDArray[np.float32],
    teams: Sequence[NDArray[np.int64]],
    thresholds: NDArray[np.float32],
    maps: Sequence[ChosenMaps],
) -> list[AnswerSteps]:
    """What the surest scores of each finding are worth; none of several classes."""
    if trials.scoring.exclusive:
        return []
    found = []
    for number, (raw, chosen) in enumerate(zip(thresholds.tolist(), maps, strict=True)):
        of_one, by_image = _of_finding(trials, number, weights)
        one = chosen.recalibration
        level = raw if one is None else one.threshold
        scores = recalibrated(of_one.mean_scores(teams[0]), [one], [level])[:, 0]
        found.append(count_answers(of_one.scored, teams, by_image, scores, level))
    return found


def _teams(
    trials: Trials,
    weights: NDArray[np.float32],
    objectives: NDArray[np.float64],
    margins: NDArray[np.float64],
    rule: TeamRule,
) -> list[NDArray[np.int64]]:
    """Members (num_weightings, size) of each team to choose among, the largest first.

    A trial whose objective is -inf is none of them.
    """
    there = np.isfinite(objectives)
    if rule.complexity is not None:
        simplest = np.array(sorted(range(len(objectives)), key=rule.complexity.__getitem__))
        return [_take(objectives, margins, simplest)[:, None]]
    fewest = int(there.sum(axis=0).min())
    sizes = sorted({min(size, fewest) for size in rule.sizes}, reverse=True)
    ranked = best_first(objectives)
    order = ranked
    if sizes != [1]:
        order = _team_order(trials.log_likelihoods(weights), there, rule)
    return [(order if size > 1 else ranked)[:, :size] for size in sizes]


def _team_order(
    values: NDArray[np.float64], there: NDArray[np.bool_], rule: TeamRule
) -> NDArray[np.int64]:
    """Trials (num_weightings, num_trials) as a team takes them, by their log likelihoods."""
    count = len(values)
    kinds = np.arange(count) if rule.kinds is None else rule.kinds
    planned = np.zeros(count, np.bool_) if rule.planned is None else rule.planned
    margins = chance_margins(values, there)
    shown = np.where(there, values, -np.inf)
    may_be_first = (_near(shown, margins) & planned[:, None]).T
    varied = varied_first(best_first(shown), kinds, _PER_KIND)
    return there_first(planned_first(varied, may_be_first, _PLANNED), there.T)


def _largest_of_the_tied(
    teams: Sequence[TeamChoice], labels: NDArray[np.int64], average: F1Average
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Places of the first team that is tied with the best; counts of the same choice made anew.

    The first place is on all images, the others on the resamples.

    A team of one is the luckiest of all trials, so it seems better than it is. So each team is
    compared by its F1 on the patients whom the resamples left out: there it has no luck.
    """
    f1s = np.stack([team.f1s for team in teams])
    left_out = np.stack([team.left_out for team in teams])[:, :, 1:]
    pooled = _as_in_the_cohort(np.moveaxis(left_out.sum(axis=2), 0, 1), labels)
    honest = f1_over_findings(pooled, average)[:, None]
    margins, order = chance_margins(f1s), np.arange(len(teams))
    taken = _take(f1s[:, 1:] - f1s[:, :1] + honest, margins, order)
    counts = _as_in_the_cohort(left_out[taken, :, np.arange(len(taken))].sum(axis=0), labels)
    return np.append(_take(honest, margins, order), taken), counts


def _as_in_the_cohort(
    counts: NDArray[np.float64], labels: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Counts TP, FN, FP and TN, (4, ..., num_findings), with each class as often as in `labels`."""
    tp, fn, fp, tn = counts
    num_positive, num_negative = ((labels == label).sum(axis=0) for label in (1, 0))
    of_positives = num_positive / np.maximum(tp + fn, 1)
    of_negatives = num_negative / np.maximum(fp + tn, 1)
    return np.stack([tp * of_positives, fn * of_positives, fp * of_negatives, tn * of_negatives])


def chance_margins(
    values: NDArray[np.float64], there: NDArray[np.bool_] | None = None
) -> NDArray[np.float64]:
    """Margin within which each candidate may trail the best one by chance alone.

    Multiple comparisons with the best (Hsu 1981, "Simultaneous confidence intervals for all
    distances from the best"), by a paired bootstrap: all are scored on the same resamples.

    Args:
        values: (num_candidates, 1 + num_resamples), on all images, then on the resamples.
        there: Of the same shape, who is a candidate; None for all.

    Returns:
        (num_candidates,), 0 or more: what the lead of the luckiest other one stays below in 95 % of
        the resamples.
    """
    luck = values[:, 1:] - values[:, :1]
    rivals = luck if there is None else np.where(there[:, 1:], luck, -np.inf)
    lead = rivals.max(axis=0) - luck
    return np.asarray(np.quantile(lead, LEVEL, axis=1))


def _take(
    objectives: NDArray[np.float64], margins: NDArray[np.float64], order: NDArray[np.int64]
) -> NDArray[np.int64]:
    """In each column the first candidate, in this order, that is within its margin of the best."""
    return np.asarray(order[_near(objectives, margins)[order].argmax(axis=0)])


def _near(objectives: NDArray[np.float64], margins: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which candidates (num_candidates, num_weightings) are within their margin of the best."""
    return np.asarray(objectives.max(axis=0) - objectives <= margins[:, None])
