"""The whole choice of a search, repeated on parts of its patients, each within the next one."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from search.options.options import ScoringOptions
from search.rescored.trials import Part, StoredTrials
from search.winner.pool import Pool
from search.winner.selection import Selection
from trainable.cohort.cohort import Cohort
from trainable.cohort.nested import equal_parts, kept_apart
from trainable.cohort.scored import Scored, scores_of_teams, team_scores
from trainable.cohort.splits import make_folds, seen_rows
from trainable.errors import InputError
from trainable.evaluation.counts import decide, weighted_counts
from trainable.evaluation.metrics import Weighted, auc
from trainable.evaluation.scoring import Scoring

NUM_QUARTERS = 4
STARTS = {1: (0, 1, 2, 3), 2: (0, 2), 3: (0, 2), 4: (0, 2)}
"""Draws of a part by its number of quarters: the quarter that each begins with. A draw goes on with
the next quarters, so its parts are nested, and each patient is in as many parts of a size as any
other, but for three quarters. Two draws of all patients differ by their folds."""

_NUM_RESAMPLES = 200  # of each choice; they only take the luck out of it
_DRAWS = 20


@dataclass(frozen=True)
class Choice:
    """What was chosen on a part of the patients, on the examinations of the part.

    Attributes:
        exams: (num_part,), their numbers in the cohort.
        scored: Raw scores of the teams, out of fold.
        positives: (num_part, num_findings), what the teams predict.
        luck: (num_findings,), what F1 and then AUC lose on patients who had no part in the choice.
        luck_of_average: The same of the F1 over the findings.
        auc_luck: (num_findings,), the same of the AUC.
    """

    exams: NDArray[np.int64]
    scored: Scored
    positives: NDArray[np.bool_]
    luck: NDArray[np.float64]
    luck_of_average: float
    auc_luck: NDArray[np.float64]

    def counts(self, weights: NDArray[np.float32]) -> NDArray[np.float64]:
        """TP, FN, FP and TN (4, num_weightings, num_findings).

        Args:
            weights: (num_weightings, num_exams), of all examinations of the cohort.
        """
        return weighted_counts(self.scored.labels, self.positives, weights[:, self.exams])

    def aucs(self, weights: NDArray[np.float32]) -> NDArray[np.float64]:
        """AUCs (num_weightings, num_findings) without the luck; NaN without both classes."""
        given = Weighted(self.scored.labels, self.scored.scores, weights[:, self.exams])
        both = [given.weights @ (given.labels == label) > 0 for label in (0, 1)]
        return np.where(np.all(both, axis=0), auc(given) - self.auc_luck, np.nan)


def fewest_patients_of(num_folds: int) -> int:
    """Patients of each class that a curve needs: one in each fold of a quarter."""
    return NUM_QUARTERS * num_folds


def require_enough(cohort: Cohort, num_folds: int, option: str) -> None:
    """Refuse a cohort with too few patients.

    Raises:
        InputError: Naming all findings that have too few, and how many would be enough.
    """
    seen, needed = seen_rows(cohort), fewest_patients_of(num_folds)
    labels, patients = cohort.labels[seen], cohort.patients[seen]
    few = []
    for name, column in zip(cohort.findings.names, labels.T, strict=True):
        counts = {
            kind: len(np.unique(patients[column == value]))
            for kind, value in (("positive", 1), ("negative", 0))
        }
        of = "" if cohort.findings.is_one else f" of {name}"
        few += [f"{have} {kind}{of}" for kind, have in counts.items() if have < needed]
    if few:
        raise InputError(
            f"{option} needs {needed} positive and {needed} negative patients, one for each of "
            f"{num_folds} folds of a quarter of them (got {', '.join(few)}): collect more, or "
            "search with fewer --folds"
        )


def parts_of(cohort: Cohort, num_folds: int, seed: int, option: str) -> dict[tuple[int, int], Part]:
    """The parts, by their number of quarters and the quarter that they begin with.

    Raises:
        InputError: If some fold would lack a class in every one of some draws.
    """
    for draw in range(_DRAWS):
        quarters = equal_parts(cohort, NUM_QUARTERS, _seed(seed, draw))
        try:
            return dict(_parts_of(cohort, quarters, num_folds, seed))
        except InputError:
            continue
    raise InputError(
        f"{option} finds no quarters of the patients whose {num_folds} folds all hold both "
        "classes: collect more patients of the rarest one, or search with fewer --folds"
    )


def _parts_of(
    cohort: Cohort, quarters: Sequence[NDArray[np.int64]], num_folds: int, seed: int
) -> Iterator[tuple[tuple[int, int], Part]]:
    for size, starts in STARTS.items():
        for start in starts:
            some = [quarters[(start + step) % NUM_QUARTERS] for step in range(size)]
            exams = np.sort(np.concatenate(some))
            own = kept_apart(cohort, exams)
            yield (size, start), Part(exams, make_folds(own, num_folds, _seed(seed, size, start)))


def _seed(*of: int) -> int:
    return int(np.random.SeedSequence(of).generate_state(1)[0])


def choose_on(
    part: Part,
    scores: NDArray[np.float32],
    trials: StoredTrials,
    planned: NDArray[np.bool_],
    scoring: Scoring,
    options: ScoringOptions,
) -> Choice:
    """Choose teams on a part by its scores (num_trials, num_exams, num_findings).

    Raises:
        InputError: If no trial converged there.
    """
    there = np.asarray(~np.isnan(scores[:, part.exams]).any(axis=(1, 2)))
    if not there.any():
        raise InputError(
            "no logistic head converged on a part of the patients: search again with smaller C"
        )
    rows = [row for row, is_there in zip(trials.rows, there, strict=True) if is_there]
    pool = Pool.of_complete(rows, trials.cohort, scores[there], planned[there])
    plain = options.model_copy(update={"calibration": "none"})  # no map changes an order
    found = pool.choose(scoring, plain, trials.seed, _NUM_RESAMPLES)
    raw = scores_of_teams(pool.scored.scores, found.teams)
    levels = np.array(found.thresholds, np.float32)
    return Choice(
        np.flatnonzero(pool.rows),
        Scored(pool.scored.labels, pool.scored.patients, raw),
        decide(raw, levels, exclusive=scoring.exclusive),
        np.array([one.optimism for one in found.corrected_each]),
        found.corrected.optimism,
        _auc_luck(pool.scored, found, raw),
    )


def _auc_luck(scored: Scored, found: Selection, raw: NDArray[np.float32]) -> NDArray[np.float64]:
    """By how much the AUC (num_findings,) is too high, since the teams were chosen by its scores.

    As in bootstrap bias corrected cross-validation (Tsamardinos 2018): the choice made on each
    resample is judged on the patients whom it left out.
    """
    luck = np.zeros(raw.shape[1])
    for number, teams in enumerate(found.resampled.teams):
        [own] = auc(Weighted.once(scored.labels, raw))[:, number]
        left_out = []
        for team, counts in zip(teams, found.resampled.counts, strict=True):
            rows = (counts == 0) & (scored.labels[:, number] >= 0)
            labels = scored.labels[rows, number : number + 1]
            if {0, 1} <= set(labels.ravel().tolist()):
                scores = team_scores(scored.scores[team, :, number])[rows, None]
                left_out.append(float(auc(Weighted.once(labels, scores))[0, 0]))
        luck[number] = own - np.mean(left_out) if left_out else 0.0
    return luck
