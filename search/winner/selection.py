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
in the choice, so its F1 is right however few they are.

Two things differ from the paper. The counts of all resamples are pooled into one F1, since the mean
of F1s of few positives each is biased (Forman and Scholz 2010, "Apples-to-apples in
cross-validation studies"). The interval is not that of the F1s of the patients left out, who are a
third and vary too much. It is that of the chosen team's F1 over resamples, moved to the corrected
F1. There the share of positives varies, as it does among new patients.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from search.winner.teams import TeamChoice, Trials, best_first, planned_first, varied_first
from trainable.cohort.scored import Scored
from trainable.evaluation.intervals import LEVEL, NUM_RESAMPLES, estimate, resample_patients
from trainable.evaluation.metrics import f1_at, f1_of_counts, of_scores
from trainable.evaluation.scoring import F1Average, Scoring
from trainable.evaluation.thresholds import ThresholdChoice

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
    """

    sizes: Sequence[int] = TEAM_SIZES
    complexity: Sequence[Any] | None = None
    kinds: NDArray[np.int64] | None = None
    planned: NDArray[np.bool_] | None = None


@dataclass(frozen=True)
class Selection:
    """The team that was taken; trials are named by their row in the scores.

    Attributes:
        members: Trials of the team, the best objective first; its score is their mean score.
        thresholds: (num_findings,), thresholds of the team's score.
        own_thresholds: (num_members, num_findings), thresholds of each member alone.
        apparent_f1: F1 of the team on the scores that it was chosen by; as all F1s here, the mean
            over the findings.
        corrected_f1: F1 to expect of such a choice on patients who had no part in it.
        interval: 95 % interval of the corrected F1.
        tied: Trials that are statistically tied with the best one, best first.
    """

    members: tuple[int, ...]
    thresholds: tuple[float, ...]
    own_thresholds: tuple[tuple[float, ...], ...]
    apparent_f1: float
    corrected_f1: float
    interval: tuple[float, float]
    tied: tuple[int, ...]

    @property
    def optimism(self) -> float:
        """The part of the apparent F1 that is luck."""
        return self.apparent_f1 - self.corrected_f1


_Ways = tuple[NDArray[np.int64], NDArray[np.int64]]
"""Numbers of trials (num_weightings, count), on all images and on each resample."""


@dataclass(frozen=True)
class _Team:
    """One way to make a team, applied to all images and again to each resample."""

    members: NDArray[np.int64]
    on_all: TeamChoice
    on_resamples: TeamChoice


@dataclass(frozen=True)
class _Alone:
    """Each trial by itself, on all images and on each resample.

    Attributes:
        on_all: Thresholds and objectives on all images.
        on_resamples: The same on each resample.
        margins: (num_trials,), see `chance_margins`.
    """

    on_all: ThresholdChoice
    on_resamples: ThresholdChoice
    margins: NDArray[np.float64]

    @property
    def ranked(self) -> _Ways:
        """Trials, the best objective first."""
        return best_first(self.on_all.objectives), best_first(self.on_resamples.objectives)


def select(
    scored: Scored,
    scoring: Scoring,
    rule: TeamRule = TeamRule(),
    num_resamples: int = NUM_RESAMPLES,
    seed: int = 0,
) -> Selection:
    """Take the team of the best trials, or the simplest trial that is tied with the best one.

    Args:
        scored: Out-of-fold scores (num_trials, num_images, num_findings).
        scoring: How scores are judged; the reported F1s are F1s, whatever trials are compared by.
        rule: Which teams there are to choose among.
        num_resamples: Number of resamples.
        seed: Seed of the resamples.
    """
    trials = Trials(scored, scoring)
    # first the choice, on all images, and anew on each resample
    alone, team, corrected = _choose(trials, rule, num_resamples, seed)
    best = alone.ranked[0][0]
    members = best[np.isin(best, team.members)]
    # then its worth on all images; two draws of resamples at a time would be the most memory of all
    thresholds = team.on_all.thresholds[0]
    f1 = of_scores(trials.mean_scores(team.members), f1_at(thresholds, scoring.f1_average))
    apparent = estimate(scored, {"F1": f1}, num_resamples, seed)["F1"]
    # last the interval, moved to where the corrected F1 is
    moved = corrected - apparent.value
    is_tied = _near(alone.on_all.objectives, alone.margins)[:, 0]
    return Selection(
        members=tuple(members.tolist()),
        thresholds=tuple(thresholds.tolist()),
        own_thresholds=tuple(map(tuple, alone.on_all.thresholds[members, 0].tolist())),
        apparent_f1=apparent.value,
        corrected_f1=corrected,
        interval=(max(0.0, apparent.low + moved), min(1.0, apparent.high + moved)),
        tied=tuple(trial for trial in best.tolist() if is_tied[trial]),
    )


def _choose(
    trials: Trials, rule: TeamRule, num_resamples: int, seed: int
) -> tuple[_Alone, _Team, float]:
    """Each trial alone, the team that is taken, and the corrected F1 of the choice."""
    labels, patients = trials.scored.labels, trials.scored.patients
    resamples = resample_patients(labels, patients, num_resamples, seed, stratified=True)
    weightings = np.ones((1, len(labels)), np.float32), resamples
    on_all, on_resamples = (trials.each(weights) for weights in weightings)
    margins = chance_margins(on_all.objectives[:, 0], on_resamples.objectives)
    alone = _Alone(on_all, on_resamples, margins)
    teams = [
        _Team(one[0][0], *(trials.teams(*way) for way in zip(one, weightings, strict=True)))
        for one in _ways(trials, weightings, alone, rule)
    ]
    return alone, *_largest_of_the_tied(teams, trials.scoring.f1_average)


def _ways(
    trials: Trials,
    weightings: tuple[NDArray[np.float32], NDArray[np.float32]],
    alone: _Alone,
    rule: TeamRule,
) -> list[_Ways]:
    """Members (num_weightings, size) of each team to choose among, the largest first."""
    if rule.complexity is not None:
        simplest = np.array(sorted(range(len(alone.margins)), key=rule.complexity.__getitem__))
        now, again = (
            _take(one.objectives, alone.margins, simplest)[:, None]
            for one in (alone.on_all, alone.on_resamples)
        )
        return [(now, again)]
    counts = sorted({min(size, len(alone.margins)) for size in rule.sizes}, reverse=True)
    ranked = alone.ranked
    order = _team_order(trials, weightings, rule) if counts != [1] else ranked
    takes = [(order if count > 1 else ranked, count) for count in counts]
    return [(now[:, :count], again[:, :count]) for (now, again), count in takes]


def _team_order(
    trials: Trials, weightings: tuple[NDArray[np.float32], NDArray[np.float32]], rule: TeamRule
) -> _Ways:
    """Trials (num_weightings, num_trials) as a team takes them, on all images and on resamples."""
    on_all, drawn = (trials.log_likelihoods(weights) for weights in weightings)
    count = len(on_all)
    kinds = np.arange(count) if rule.kinds is None else rule.kinds
    planned = np.zeros(count, np.bool_) if rule.planned is None else rule.planned
    margins = chance_margins(on_all[:, 0], drawn)

    def order(values: NDArray[np.float64]) -> NDArray[np.int64]:
        may_be_first = (_near(values, margins) & planned[:, None]).T
        varied = varied_first(best_first(values), kinds, _PER_KIND)
        return planned_first(varied, may_be_first, _PLANNED)

    return order(on_all), order(drawn)


def _largest_of_the_tied(teams: Sequence[_Team], average: F1Average) -> tuple[_Team, float]:
    """The first team, the largest first, that is tied with the best; F1 of the same choice anew.

    A team of one is the luckiest of all trials, so it seems better than it is. So each team is
    compared by its F1 on the patients whom the resamples left out: there it has no luck.
    """
    on_all = np.stack([team.on_all.f1s for team in teams])
    drawn = np.stack([team.on_resamples.f1s for team in teams])
    margins = chance_margins(on_all[:, 0], drawn)
    left_out = np.stack([team.on_resamples.left_out for team in teams])
    pooled = np.moveaxis(left_out.sum(axis=2), 0, 1)
    honest = f1_of_counts(pooled, average).mean(axis=1, keepdims=True)
    order = np.arange(len(teams))
    taken = _take(drawn - on_all + honest, margins, order)
    counts = left_out[taken, :, np.arange(len(taken))].sum(axis=0)
    return teams[int(_take(honest, margins, order)[0])], float(f1_of_counts(counts, average).mean())


def chance_margins(
    objectives: NDArray[np.float64], drawn: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Margin within which each candidate may trail the best one by chance alone.

    Multiple comparisons with the best (Hsu 1981, "Simultaneous confidence intervals for all
    distances from the best"), by a paired bootstrap: all are scored on the same resamples.

    Args:
        objectives: (num_candidates,).
        drawn: (num_candidates, num_resamples), objectives on the resamples.

    Returns:
        (num_candidates,), 0 or more: what the lead of the luckiest other one stays below in 95 % of
        the resamples.
    """
    luck = drawn - objectives[:, None]
    lead = luck.max(axis=0) - luck
    return np.asarray(np.quantile(lead, LEVEL, axis=1))


def _take(
    objectives: NDArray[np.float64], margins: NDArray[np.float64], order: NDArray[np.int64]
) -> NDArray[np.int64]:
    """In each column the first candidate, in this order, that is within its margin of the best."""
    return np.asarray(order[_near(objectives, margins)[order].argmax(axis=0)])


def _near(objectives: NDArray[np.float64], margins: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which candidates (num_candidates, num_weightings) are within their margin of the best."""
    return np.asarray(objectives.max(axis=0) - objectives <= margins[:, None])
