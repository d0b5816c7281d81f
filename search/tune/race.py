"""Which passes go on in a race: asynchronous successive halving (Li 2020) over the patients.

A pass goes on unless more than a quarter of those that came before it are ahead by more than half
a standard error of the difference on the same patients: a forgiving rule (arXiv 2405.03389). The
first trials of a space run whole for at least the best half of its encoders.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from search.run.trial_log import (
    BASELINE,
    ENDED,
    ReportLog,
    TrialLog,
    config_of,
    has_left_race,
)
from trainable.backbones.encoder import Encoder
from trainable.cohort.scored import is_scored
from trainable.config import TrialConfig
from trainable.evaluation.metrics import Weighted, log_likelihood, log_likelihood_of_each
from trainable.features.passes import PERCENTS, FrozenPass, pass_of

_Values = NDArray[np.float64]
_Seen = tuple[FrozenPass, NDArray[np.bool_], NDArray[np.int64], NDArray[np.float32]]

_MARGIN, _MOST_AHEAD = 0.5, 0.25
"""Standard errors within which no pass is ahead of another one, and the share of the others that
may be ahead of one that goes on (`python -m benchmarks.quality.race`)."""


@dataclass(frozen=True)
class Race:
    """What passes were worth on each part of the patients, in the order in which they came.

    Attributes:
        labels: (num_exams, num_findings), 1 positive, 0 negative, -1 unknown.
        planned: Passes of the first trials of the space, that of the baseline configuration first.
        scores: float32 (num_exams, num_findings), NaN outside of the part, by the share of the
            patients in percent, then by the pass.
    """

    labels: NDArray[np.int64]
    planned: tuple[FrozenPass, ...]
    scores: Mapping[int, dict[FrozenPass, NDArray[np.float32]]] = field(
        default_factory=lambda: {percent: {} for percent in PERCENTS}
    )

    @classmethod
    def of(
        cls,
        parts: Sequence[NDArray[np.int64]],
        labels: NDArray[np.int64],
        first: Iterable[TrialConfig],
        log: TrialLog,
        reports: ReportLog,
    ) -> "Race | None":
        """The race of a search, with what is known of it so far; None if there is none.

        Args:
            parts: Examinations of each part; none where there is no race.
            labels: (num_exams, num_findings), 1 positive, 0 negative, -1 unknown.
            first: What is tried before any score was seen.
            log: The trials that ended.
            reports: What their passes were worth on each part.
        """
        if not parts:
            return None
        passes = [one for config in first if (one := pass_of(config))]
        race = cls(labels, tuple(dict.fromkeys(passes)))
        rows = {row["number"]: row for row in log.table().to_dict("records")}
        for number, percent, _ in reports.rows():
            scores = reports.scores(number, percent)
            if scores is not None and rows.get(number, {}).get("state") in ENDED:
                race.add(config_of(rows[number]), percent, scores)
        return race

    def add(self, config: TrialConfig, percent: int, scores: NDArray[np.float32]) -> None:
        """Take what the pass of a trial is worth on a part, unless it is known."""
        self.scores[percent].setdefault(_raced(config), scores)

    def judge(self, config: Mapping[str, Any], percent: int, scores: bytes) -> bool:
        """Take the report of a trial, and say whether its pass goes on to more patients."""
        read = TrialConfig(**config)
        self.add(read, percent, np.frombuffer(scores, np.float32).reshape(self.labels.shape))
        return bool(self.going_on(percent, self._once)[_raced(read)][0])

    def last_scores(self, config: TrialConfig) -> NDArray[np.float32] | None:
        """Scores of the pass of a trial on the largest part that it came to; None if on none."""
        of_pass = [self.scores[percent].get(_raced(config)) for percent in reversed(PERCENTS)]
        return next((scores for scores in of_pass if scores is not None), None)

    def take(self, exams: NDArray[np.bool_]) -> "Race":
        """The same for some of the examinations."""
        scores = {
            percent: {one: of_pass[exams] for one, of_pass in self.scores[percent].items()}
            for percent in PERCENTS
        }
        return replace(self, labels=self.labels[exams], scores=scores)

    def stopped_too_early(self, log: TrialLog, num_first: int) -> list[int] | None:
        """First trials that were stopped before their encoder proved to be of the best half.

        None while not all of the first trials have ended.
        """
        rows = {row["number"]: row for row in log.table().to_dict("records")}
        if not rows.keys() >= set(range(num_first)):
            return None
        left = {n: _raced(config_of(rows[n])) for n in range(num_first) if has_left_race(rows[n])}
        best = self._best_half(self._once)
        return [number for number, one in left.items() if best[one.encoder][0]]

    def has_stopped(self, config: TrialConfig, log: TrialLog) -> bool:
        """Whether the pass of a trial is known to be behind, and no trial has run it on all."""
        one = pass_of(config)
        came = [percent for percent in PERCENTS if one in self.scores[percent]]
        if one is None or all(self.going_on(percent, self._once)[one][0] for percent in came):
            return False
        table = log.table()
        whole = table[table["state"] == "complete"].to_dict("records")
        return one not in map(pass_of, map(config_of, whole))

    def going_on(
        self, percent: int, weights: NDArray[np.float32]
    ) -> dict[FrozenPass, NDArray[np.bool_]]:
        """For each pass that came to a part whether it goes on, under each weighting of the exams.

        Args:
            percent: Share of the patients.
            weights: (num_weightings, num_exams), how often each examination counts.
        """
        values, best = self._values(percent, weights), self._best_half(weights)
        leads, margins = np.stack([*values.values()]), self._margins(percent)
        found = {}
        for number, (one, value) in enumerate(values.items()):
            ahead = leads[:number] - value > margins[:number, number, None]
            found[one] = ahead.sum(axis=0) <= _MOST_AHEAD * number
            if one in self.planned:
                found[one] |= best[one.encoder] | (one == self.planned[BASELINE])
        return found

    def _values(self, percent: int, weights: NDArray[np.float32]) -> dict[FrozenPass, _Values]:
        """The log likelihood (num_weightings,) of each pass that came to a part."""
        return {
            one: log_likelihood(Weighted(labels, seen, weights.T[rows].T)).mean(axis=1)
            for one, rows, labels, seen in self._seen(percent)
        }

    def _margins(self, percent: int) -> _Values:
        """How far (num_passes, num_passes) each may be ahead of each by chance."""
        by_exam = [
            log_likelihood_of_each(labels, seen).mean(axis=1)
            for _, _, labels, seen in self._seen(percent)
        ]
        covariances = np.atleast_2d(np.cov(by_exam))
        own = np.diag(covariances)
        variances = np.maximum(own[:, None] + own - 2 * covariances, 0)
        return np.asarray(_MARGIN * np.sqrt(variances / len(by_exam[0])))

    def _seen(self, percent: int) -> Iterator[_Seen]:
        """Each pass that came to a part, and its scores of the examinations there."""
        for one, scores in self.scores[percent].items():
            rows = is_scored(scores)
            yield one, rows, self.labels[rows], scores[rows]

    def _best_half(self, weights: NDArray[np.float32]) -> dict[Encoder, NDArray[np.bool_]]:
        """Whether each encoder whose planned passes came is in the best half of them."""
        best: dict[Encoder, _Values] = {}
        for one, value in self._values(PERCENTS[0], weights).items():
            if one in self.planned:
                best[one.encoder] = np.maximum(best.get(one.encoder, value), value)
        ahead = {
            encoder: np.sum([other > value for other in best.values()], axis=0)
            for encoder, value in best.items()
        }
        return {encoder: 2 * count < len(best) for encoder, count in ahead.items()}

    @property
    def _once(self) -> NDArray[np.float32]:
        """Every examination counts once."""
        return np.ones((1, len(self.labels)), np.float32)


def _raced(config: TrialConfig) -> FrozenPass:
    """The pass of a trial that takes part in the race."""
    one = pass_of(config)
    assert one is not None
    return one
