"""The learning curve of a run: which trials it takes, what that costs, and what it finds."""

import itertools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from search.rescored.learning_curve import (
    MORE,
    OPTION,
    Curve,
    LearningCurve,
    Line,
    Point,
)
from search.rescored.parts import (
    NUM_QUARTERS,
    STARTS,
    Choice,
    choose_on,
    parts_of,
    require_enough,
)
from search.rescored.power_law import PowerLaw, fit_law
from search.rescored.trials import Part, StoredTrials, is_convex, require_folds
from search.results.search_result import SearchResult
from search.run.trial_log import config_of
from search.space.files import kept_space
from search.tune.study import origins
from trainable.cohort.splits import seen_rows
from trainable.errors import InputError, num_of
from trainable.evaluation.counts import f1_of_each, f1_over_findings
from trainable.evaluation.intervals import (
    Estimate,
    interval_tail,
    percentile_interval,
    resample_patients,
)
from trainable.report.table_lines import table_lines
from trainable.run.winner import digest_of

_FEWEST_TRIALS = 5  # those of the smaller team
_MOST_OF_SEARCH = 0.25
_NUM_RESAMPLES = 200
_SURE = 0.975
"""Share of the resamples in which a part is better than a larger one, where no law is fitted."""

_COUNTS = [len(starts) * size for size, starts in STARTS.items()]
"""What the point of each size counts: the quarters that its draws judge."""


@dataclass(frozen=True)
class CurvePlan:
    """A learning curve that can be computed: all its input is checked.

    Attributes:
        result: The run.
        trials: The trials that are chosen among on each part.
        planned: (num_trials,), whether a trial was planned before any score was seen.
        num_left_out: Complete trials that take no part.
        num_networks: Those of them whose head or body is trained by gradient steps.
        seconds: Expected time on the clock; None where features are no longer stored.
        of_search: Time on the clock in which some trial of the search ran.
    """

    result: SearchResult
    trials: StoredTrials
    planned: NDArray[np.bool_]
    num_left_out: int
    num_networks: int
    seconds: float | None
    of_search: float

    @classmethod
    def of(
        cls,
        result: SearchResult,
        labelled_images: Path | None = None,
        most: float = _MOST_OF_SEARCH,
    ) -> "CurvePlan":
        """Choose the trials, and check what they need; a few fits measure what it costs.

        The first ones take part: those that were planned before any score was seen, then the first
        that the search sampled. The best ones would carry luck of all patients into each part.

        Args:
            result: The run.
            labelled_images: Folder of the labelled images, if they have moved.
            most: Share of the time of the search that trials may take; a few always take part.

        Raises:
            InputError: If there are too few patients, no folds, no trial whose head is a logistic
                regression on frozen stages, or if images or weights are missing or changed.
        """
        require_folds(result, OPTION)
        require_enough(result.cohort, result.winner.folds, OPTION)
        complete = result.complete.sort_values("number").to_dict("records")
        convex = [row for row in complete if is_convex(config_of(row))]
        if not convex:
            raise InputError(
                f"{OPTION} fits logistic heads on frozen stages again, and no trial of "
                f"{result.run.name} has one: search with --unfreeze 0"
            )
        first = StoredTrials.of(result, convex[:_FEWEST_TRIALS], labelled_images)
        seconds_each, of_search = _seconds_each(result, first), _seconds_of(result.trials)
        num_fitting = 0 if seconds_each is None else int(most * of_search / seconds_each)
        taken = convex[: max(num_fitting, _FEWEST_TRIALS)]
        return cls(
            result,
            StoredTrials.of(result, taken, labelled_images),
            _planned(result, taken),
            len(complete) - len(taken),
            len(complete) - len(convex),
            None if seconds_each is None else seconds_each * len(taken),
            of_search,
        )

    @property
    def is_cheap(self) -> bool:
        """Whether it takes less than a quarter of the time of the search."""
        return self.seconds is not None and self.seconds < _MOST_OF_SEARCH * self.of_search

    @property
    def cost(self) -> str:
        """What it costs, in words."""
        if self.seconds is None:
            return "the time depends on the images that are to be run again"
        share = 100 * self.seconds / max(self.of_search, 1e-9)
        return f"about {self.seconds:,.0f} s, {share:.0f} % of the time of the search"

    @property
    def before(self) -> Iterator[str]:
        """What will be done, what it costs, and what is left out, a line each."""
        num_trials, num_draws = len(self.trials.rows), sum(map(len, STARTS.values()))
        yield (
            f"learning curve: {num_of(num_trials, 'trial')} fitted again on parts of the patients, "
            f"{num_trials * num_draws * self.result.winner.folds:,} fits; {self.cost}"
        )
        if self.num_left_out:
            others = self.num_left_out - self.num_networks
            parts = [
                f"{num_of(self.num_networks, 'trial')} trained by gradient steps"
                if self.num_networks
                else "",
                f"the last {num_of(others, 'trial')} with a logistic head, for the time"
                if others
                else "",
            ]
            yield f"  left out: {'; '.join(filter(None, parts))}"
        yield from (f"  {line}" for line in self.trials.missing_line)

    def run(self, done: Callable[[int], None] = lambda _: None) -> LearningCurve:
        """Fit the heads, and choose on each part; the result is kept in the run folder.

        Args:
            done: Called with the number of trials fitted so far.

        Raises:
            InputError: If no trial converges on a part, or there are no parts with both classes.
        """
        start, result = time.monotonic(), self.result
        winner, cohort = result.winner, self.trials.cohort
        parts = parts_of(cohort, winner.folds, winner.seed, OPTION)
        scores = self.trials.scores([*parts.values()], done)
        chosen: dict[int, list[Choice]] = {}
        for (size, _), part, of_part in zip(parts, parts.values(), scores, strict=True):
            one = choose_on(
                part, of_part, self.trials, self.planned, winner.scoring, result.options.scoring
            )
            chosen.setdefault(size, []).append(one)
        found = LearningCurve(
            winner=digest_of(winner, result.cohort),
            trials=tuple(int(row["number"]) for row in self.trials.rows),
            num_left_out=self.num_left_out,
            seconds=round(time.monotonic() - start, 1),
            curves=_Curves(result, chosen).all,
        )
        found.save(result.run, "--out")
        return found


def draw_curve(
    result: SearchResult, labelled_images: Path | None, report: Callable[[str], None]
) -> LearningCurve:
    """Compute the learning curve of a run, and keep it in its folder.

    Args:
        result: The run.
        labelled_images: Folder of the labelled images, if they have moved.
        report: Takes a line for the user: what it costs before, and then what was found.

    Raises:
        InputError: As `CurvePlan.of` and `CurvePlan.run` do.
    """
    plan = CurvePlan.of(result, labelled_images)
    for line in plan.before:
        report(line)
    found = plan.run()
    for line in (*table_lines(found.table), *found.sentences):
        report(f"  {line}")
    return found


def _seconds_each(result: SearchResult, first: StoredTrials) -> float | None:
    """Seconds on the clock that a trial takes, by a fold of the first ones and a choice among them.

    A fold is fitted twice, since the first time also loads what later ones find in memory. Time is
    taken to grow with the patients. None if features are no longer stored.
    """
    if first.missing:
        return None
    part = Part.of(result.folds)
    one_fold = Part(part.exams, part.folds[:1])
    scores = np.stack([result.folder.log.scores(int(row["number"])) for row in first.rows])
    winner, planned = result.winner, np.ones(len(first.rows), bool)
    first.scores([one_fold])
    start = time.monotonic()
    first.scores([one_fold])
    fitted = time.monotonic()
    choose_on(part, scores, first, planned, winner.scoring, result.options.scoring)
    of_choice = time.monotonic() - fitted
    of_all = (fitted - start) * winner.folds + of_choice
    return of_all / len(first.rows) * sum(_COUNTS) / NUM_QUARTERS


def _seconds_of(trials: pd.DataFrame) -> float:
    """Seconds on the clock in which some trial ran, also where a search went on on another day."""
    ends = pd.to_datetime(trials["ended"], utc=True)
    starts = ends - pd.to_timedelta(trials["seconds"].fillna(0), unit="s")
    order = starts.sort_values().index
    starts, ends = starts.loc[order], ends.loc[order]
    earlier = ends.cummax().shift(fill_value=starts.iloc[0])
    new = ends - starts.where(starts > earlier, earlier)
    return float(new.dt.total_seconds().clip(lower=0).sum())


def _planned(result: SearchResult, rows: Sequence[Mapping[Any, Any]]) -> NDArray[np.bool_]:
    space = kept_space(result.folder.space_yaml)
    num_planned = len(space.restricted_to(space.backbones, has_gpu=False).first_trials())
    of = origins(result.folder)
    return np.array([of[row["number"]].number < num_planned for row in rows])


@dataclass(frozen=True)
class _Curves:
    """The curves of all findings, from what was chosen on the parts.

    Attributes:
        result: The run.
        chosen: The choices on all draws of each number of quarters.
    """

    result: SearchResult
    chosen: Mapping[int, Sequence[Choice]]

    @property
    def all(self) -> tuple[Curve, ...]:
        """A curve per finding; of several, one of their average at the end."""
        cohort, winner = self.result.cohort, self.result.winner
        seen, names = seen_rows(cohort), winner.findings.names
        labels, patients = cohort.labels[seen], cohort.patients[seen]
        drawn = resample_patients(
            labels, patients, _NUM_RESAMPLES, winner.seed, stratified=False, with_all=True
        )
        weights = np.zeros((len(drawn), len(cohort.labels)), np.float32)
        weights[:, seen] = drawn
        each, average, aucs = self._metrics(weights)
        # fewer trials, and folds drawn once, end a little beside the F1 that the winner promises
        now = np.array([one.f1 for one in winner.corrected_each])
        each += now - each[-1, 0]
        average += winner.corrected.f1 - average[-1, 0]
        found = []
        for number, name in enumerate(names):
            column = labels[:, number : number + 1]
            line = _Lines(
                interval_tail(column, patients),
                len(np.unique(patients)),
                len(np.unique(patients[column[:, 0] == 1])),
            )
            found.append(
                Curve(name=name, f1=line.of(each[..., number]), auc=line.of(aucs[..., number]))
            )
        if len(names) > 1:
            line = _Lines(interval_tail(labels, patients), len(np.unique(patients)), None)
            auc = _known_mean(np.moveaxis(aucs, -1, 0))
            found.append(Curve(name=winner.f1_name, f1=line.of(average), auc=line.of(auc)))
        return tuple(found)

    def _metrics(
        self, weights: NDArray[np.float32]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """F1 of each finding (num_sizes, num_weightings, num_findings), their average, AUC of each.

        The counts of all draws of a size are pooled, since F1s of few positives are biased.
        """
        kind = self.result.winner.scoring.f1_average
        each, average, aucs = [], [], []
        for choices in self.chosen.values():
            counts = np.sum([one.counts(weights) for one in choices], axis=0)
            luck = np.mean([one.luck for one in choices], axis=0)
            each.append(f1_of_each(counts, kind) - luck)
            lucks = [one.luck_of_average for one in choices]
            average.append(f1_over_findings(counts, kind) - np.mean(lucks))
            aucs.append(_known_mean(np.stack([one.aucs(weights) for one in choices])))
        return np.stack(each), np.stack(average), np.stack(aucs)


def _known_mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean over the first axis of what is known; NaN where nothing is."""
    known = ~np.isnan(values)
    total = np.where(known, values, 0).sum(axis=0)
    return np.asarray(np.where(known.any(axis=0), total / np.maximum(known.sum(axis=0), 1), np.nan))


@dataclass(frozen=True)
class _Lines:
    """Makes lines of a finding.

    Attributes:
        tail: Share of the resampled values to leave out on each side of an interval.
        patients: Patients of the cohort.
        positive: Those of them who are positive; None of an average.
    """

    tail: float
    patients: int
    positive: int | None

    def of(self, values: NDArray[np.float64]) -> Line:
        """A line of a metric (num_sizes, 1 + num_resamples), of all patients and of resamples."""
        sizes = [size / NUM_QUARTERS for size in STARTS]
        points = tuple(
            self._point(size, self._estimate(one)) for size, one in zip(sizes, values, strict=True)
        )
        drawn = values[:, np.isfinite(values).all(axis=0)]
        falls = [(one > other).mean() > _SURE for one, other in itertools.pairwise(drawn)]
        if any(falls):
            return Line(points=points, law=None)
        laws = [fit_law(sizes, column, _COUNTS) for column in drawn.T]
        # what is told goes on from the metric of now
        now = drawn[-1]
        told = tuple(self._told(size, laws, now) for size in MORE)
        return Line(points=points, law=laws[0], told=told)

    def _told(self, size: int, laws: Sequence[PowerLaw], now: NDArray[np.float64]) -> Point:
        gains = np.array([law.at(size) - law.at(1) for law in laws])
        gain = self._estimate(gains)
        return self._point(size, self._estimate(now + gains)).model_copy(update={"gain": gain})

    def _estimate(self, values: NDArray[np.float64]) -> Estimate:
        low, high = percentile_interval(values[1:][np.isfinite(values[1:])], self.tail)
        inside = np.clip([values[0], min(low, values[0]), max(high, values[0])], 0, 1)
        return Estimate(*inside.tolist())

    def _point(self, size: float, estimate: Estimate) -> Point:
        positive = None if self.positive is None else round(size * self.positive)
        return Point(patients=round(size * self.patients), positive=positive, estimate=estimate)
