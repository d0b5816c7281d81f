"""Which trials to take, and what they are worth without the luck of having been chosen."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from search.winner.teams import Candidates, TeamChoice, best_first, planned_first, varied_first
from trainable.evaluation.bootstrap import LEVEL, NUM_RESAMPLES, resample_patients
from trainable.evaluation.intervals import f1_interval
from trainable.evaluation.metrics import f1_of_counts, weighted_counts
from trainable.evaluation.scoring import F1Average, Objective, ThresholdPolicy

TEAM_SIZES = (1, 5, 10)
"""Sizes of a team to choose among."""

_PER_KIND = 2
"""Trials of one kind that a team takes before those of other kinds (docs/selection.md)."""

_PLANNED = 5
"""Planned trials that a team takes first: half of the largest team, so that what the search has
found counts too."""


@dataclass(frozen=True)
class Selection:
    """The team that was taken; trials are named by their row in the scores.

    Attributes:
        members: Trials of the team, the best objective first; its score is their mean score.
        threshold: Threshold of the team's score.
        own_thresholds: Threshold of each member alone.
        apparent_f1: F1 of the team on the scores that it was chosen by.
        corrected_f1: F1 to expect of such a choice on patients who had no part in it.
        interval: 95 % interval of the corrected F1.
        tied: Trials that are statistically tied with the best one, best first.
    """

    members: tuple[int, ...]
    threshold: float
    own_thresholds: tuple[float, ...]
    apparent_f1: float
    corrected_f1: float
    interval: tuple[float, float]
    tied: tuple[int, ...]

    @property
    def optimism(self) -> float:
        """The part of the apparent F1 that is luck."""
        return self.apparent_f1 - self.corrected_f1


@dataclass(frozen=True)
class _Team:
    """One way to make a team, applied to all images and again to each resample."""

    members: NDArray[np.int64]
    on_all: TeamChoice
    on_resamples: TeamChoice


def select(
    labels: NDArray[np.int64],
    patients: NDArray[np.int64],
    scores: NDArray[np.float32],
    policy: ThresholdPolicy,
    average: F1Average,
    sizes: Sequence[int] = TEAM_SIZES,
    complexity: Sequence[Any] | None = None,
    kinds: NDArray[np.int64] | None = None,
    planned: NDArray[np.bool_] | None = None,
    num_resamples: int = NUM_RESAMPLES,
    seed: int = 0,
    objective: Objective = "f1",
) -> Selection:
    """Take the team of the best trials, or the simplest trial that is tied with the best one.

    A team of one is the trial with the best objective. A larger team holds the trials with the
    least log loss: it depends on the score of every image (Gneiting and Raftery 2007, "Strictly
    proper scoring rules, prediction, and estimation"), where F1 depends on the few images near its
    threshold. First come up to five planned trials that are statistically tied with the best one
    by their log loss: no luck has led the search to them. Then come at most two trials of each
    kind: trials of one kind are lucky on the same patients, so that a search on few patients is led
    to the luckiest kind. Of the sizes that are statistically tied with the best size, the largest
    is taken: the mean of several trials depends less on luck.

    The corrected F1 is that of bootstrap bias corrected cross-validation (BBC-CV: Tsamardinos,
    Greasidou and Borboudakis 2018, "Bootstrapping the out-of-sample predictions for efficient and
    accurate cross-validation"). The whole choice, of trials, size and threshold, is made again on
    each resample of the patients. It is judged on the patients whom the resample left out. They
    had no part in the choice, so its F1 is right however few they are.

    Two things differ from the paper. The counts of all resamples are pooled into one F1, since the
    mean of F1s of few positives each is biased (Forman and Scholz 2010, "Apples-to-apples in
    cross-validation studies"). The interval is not that of the F1s of the patients left out, who
    are a third and vary too much. It is that of the chosen team's F1 over resamples, moved to the
    corrected F1. There the share of positives varies, as it does among new patients.

    Args:
        labels: (num_images,), 1 positive, 0 negative.
        patients: (num_images,), images of one patient share a number.
        scores: (num_trials, num_images), out-of-fold probability of the positive class.
        policy: Policy of the thresholds; every trial and every team has its own.
        average: Average of the F1.
        sizes: Sizes of a team to choose among, each at least 1; of fewer trials, all are taken.
        complexity: For each trial something that sorts, the simplest first, to take the simplest
            trial that is tied with the best one, alone; None for a team.
        kinds: (num_trials,), trials of one kind, such as a backbone and its cut, share a number;
            None if all are different.
        planned: (num_trials,), whether a trial was planned before any score was seen; None for
            none.
        num_resamples: Number of resamples.
        seed: Seed of the resamples.
        objective: What trials are compared by; the reported F1s are F1s all the same.
    """
    candidates = Candidates(labels, scores, policy, average, objective)
    resamples = resample_patients(labels, patients, num_resamples, seed, stratified=True)
    once = np.ones((1, len(labels)), np.float32)
    tried, drawn = candidates.each(once), candidates.each(resamples)
    margins = chance_margins(tried.objectives[:, 0], drawn.objectives)
    ranked = best_first(tried.objectives), best_first(drawn.objectives)
    is_tied = _near(tried.objectives, margins)[:, 0]

    if complexity is None:
        counts = sorted({min(size, len(scores)) for size in sizes}, reverse=True)
        teams_of = (
            _team_order(candidates, (once, resamples), kinds, planned) if counts != [1] else ()
        )
        ways = [
            tuple(one[:, :count] for one in (teams_of if count > 1 else ranked)) for count in counts
        ]
    else:
        simplest = np.array(sorted(range(len(scores)), key=lambda trial: complexity[trial]))
        alone = [_take(each.objectives, margins, simplest)[:, None] for each in (tried, drawn)]
        ways = [(alone[0], alone[1])]
    teams = [
        _Team(now[0], candidates.teams(now, once), candidates.teams(again, resamples))
        for now, again in ways
    ]
    team, corrected = _largest_of_the_tied(teams, average)

    best = ranked[0][0]
    members = best[np.isin(best, team.members)]
    threshold = team.on_all.thresholds[0]
    positives = candidates.mean_scores(team.members) >= threshold
    apparent = float(f1_of_counts(weighted_counts(labels, positives, once), average)[0])
    del resamples  # two of them would be the most memory of all
    resamples = resample_patients(labels, patients, num_resamples, seed, stratified=False)
    low, high = f1_interval(labels, patients, positives, average, resamples)
    moved = corrected - apparent
    return Selection(
        members=tuple(members.tolist()),
        threshold=float(threshold),
        own_thresholds=tuple(tried.thresholds[members, 0].tolist()),
        apparent_f1=apparent,
        corrected_f1=corrected,
        interval=(max(0.0, low + moved), min(1.0, high + moved)),
        tied=tuple(trial for trial in best.tolist() if is_tied[trial]),
    )


def _team_order(
    candidates: Candidates,
    weightings: tuple[NDArray[np.float32], NDArray[np.float32]],
    kinds: NDArray[np.int64] | None,
    planned: NDArray[np.bool_] | None,
) -> list[NDArray[np.int64]]:
    """Trials (num_weightings, num_trials) as a team takes them, on all images and on resamples."""
    count = len(candidates.scores)
    if kinds is None:
        kinds = np.arange(count)
    if planned is None:
        planned = np.zeros(count, np.bool_)
    both = [candidates.log_likelihoods(weights) for weights in weightings]
    margins = chance_margins(both[0][:, 0], both[1])
    return [
        planned_first(
            varied_first(best_first(values), kinds, _PER_KIND),
            (_near(values, margins) & planned[:, None]).T,
            _PLANNED,
        )
        for values in both
    ]


def _largest_of_the_tied(teams: Sequence[_Team], average: F1Average) -> tuple[_Team, float]:
    """The first team, the largest first, that is tied with the best; F1 of the same choice anew.

    A team of one is the luckiest of all trials, so it seems better than it is. So each team is
    compared by its F1 on the patients whom the resamples left out: there it has no luck.
    """
    on_all = np.stack([team.on_all.f1s for team in teams])
    drawn = np.stack([team.on_resamples.f1s for team in teams])
    margins = chance_margins(on_all[:, 0], drawn)
    left_out = np.stack([team.on_resamples.left_out for team in teams])
    honest = f1_of_counts(left_out.sum(axis=2).T, average)[:, None]
    order = np.arange(len(teams))
    taken = _take(drawn - on_all + honest, margins, order)
    counts = left_out[taken, :, np.arange(len(taken))].sum(axis=0)
    return teams[int(_take(honest, margins, order)[0])], float(f1_of_counts(counts, average))


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
