"""Would it work elsewhere? Heads trained on all other values of a column, judged on each value."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from search.demo import demo
from search.plan.download import download_inputs
from search.rescored.trials import Part, StoredTrials, is_convex, require_folds, stored_team
from search.results.search_result import SearchResult
from trainable.cohort.by_value import num_patients, require_learnable, values_of
from trainable.cohort.scored import Scored, is_scored, scores_of_teams
from trainable.cohort.splits import Fold, leave_out
from trainable.errors import InputError, listing, num_of
from trainable.evaluation.covariates import SUSPICIOUS_AUC, covariate_scores
from trainable.evaluation.intervals import LEVEL, POWER, Estimate, estimate, estimate_each
from trainable.evaluation.metrics import Metric, Weighted, auc, difference, of_scores
from trainable.reading.one_column import read_column, table_of
from trainable.reading.options import DataOptions
from trainable.report.table_lines import table_lines
from trainable.run.found_out import FoundOut
from trainable.run.winner import digest_of

OPTION = "--judge-across"
_SHRINKS = 0.5
"""Share of the usual training patients below which a gap may come from their number."""
_ALL = "all"


@dataclass(frozen=True)
class Judged:
    """What heads that never saw a value are worth on its patients.

    Attributes:
        finding: The finding, class, or average.
        value: A value of the column, or all of them together.
        num_trained: Patients that the heads were trained on; 0 for all values together.
        patients: Patients who have the value.
        positive: Those of them who are positive for the finding, or for any.
        f1: F1 at the threshold of the winner.
        usual_f1: The same by the folds of the search, on the same patients.
        gap: `f1` less `usual_f1`.
        auc: AUC.
        usual_auc: The same by the folds of the search.
    """

    finding: str
    value: str
    num_trained: int
    patients: int
    positive: int
    f1: Estimate
    usual_f1: Estimate
    gap: Estimate
    auc: Estimate
    usual_auc: Estimate

    @property
    def smallest_gap(self) -> float:
        """The gap that these patients would show in 80 % of cohorts: 2.8 standard errors of it."""
        sure = stats.norm.ppf((1 + LEVEL) / 2)
        return float((self.gap.high - self.gap.low) / 2 * (1 + stats.norm.ppf(POWER) / sure))


@dataclass(frozen=True)
class Across:
    """A run, judged across the values of a column.

    Attributes:
        column: Name of the column.
        judged: By finding, and by value; of each finding all values together come last.
        alone: By finding, the out-of-fold AUC of the column without any image.
        num_members: Trials of the team whose heads were fitted again.
        num_left_out: Trials of the team with trained stages.
        num_usual: Patients that the folds of the search train on.
    """

    column: str
    judged: tuple[Judged, ...]
    alone: dict[str, float]
    num_members: int
    num_left_out: int
    num_usual: float

    @property
    def sentences(self) -> Iterator[str]:
        """What was found, a sentence each; without the full stops."""
        several = len(self.alone) > 1
        for one in self.judged:
            if one.value == _ALL:
                name = f"{one.finding}: " if several else ""
                yield (
                    f"{name}of values of {self.column} that no head saw, the F1 is {one.f1}, and "
                    f"{one.usual_f1} by the folds of the search; the gap is {_signed(one.gap)}, "
                    f"and these patients would show one of {one.smallest_gap:.3f}"
                )
        for finding, value in self.alone.items():
            if value >= SUSPICIOUS_AUC:
                of = f" for {finding}" if several else ""
                yield (
                    f"warning: {self.column} alone has an AUC of {value:.2f}{of}, without any "
                    "image, so heads may have learned it in place of the disease"
                )
        fewest = min(one.num_trained for one in self.judged if one.num_trained)
        if fewest < _SHRINKS * self.num_usual:
            yield (
                f"some heads were trained on {fewest:,} patients, and the usual ones on "
                f"{self.num_usual:,.0f}: a part of the gap may come from that"
            )
        if self.num_left_out:
            yield (
                f"{num_of(self.num_left_out, 'trial')} of the team left out on both sides, with "
                "trained stages"
            )

    @property
    def table(self) -> pd.DataFrame:
        """A row per finding and value."""
        return pd.DataFrame(
            [
                {
                    **self._names(one),
                    "trained on": f"{one.num_trained:,}" if one.num_trained else "",
                    "patients": f"{one.patients:,}",
                    "positive": f"{one.positive:,}",
                    "F1": one.f1.short,
                    "usual F1": one.usual_f1.short,
                    "gap": _signed(one.gap),
                    "smallest gap": f"{one.smallest_gap:.3f}",
                    "AUC": one.auc.short,
                    "usual AUC": one.usual_auc.short,
                }
                for one in self.judged
            ]
        )

    @property
    def lines(self) -> Iterator[str]:
        """The table for a terminal, in two parts, and the sentences."""
        names = [*self._names(self.judged[0])]
        for columns in (
            ["patients", "positive", "F1", "usual F1"],
            ["gap", "smallest gap", "AUC"],
        ):
            yield from table_lines(self.table[[*names, *columns]])
        yield from self.sentences

    def _names(self, one: Judged) -> dict[str, str]:
        return ({"finding": one.finding} if len(self.alone) > 1 else {}) | {self.column: one.value}


class JudgedAcross(FoundOut):
    """The columns that a run was judged across.

    Attributes:
        winner: As in `FoundOut`.
        columns: What was found, one per column.
    """

    NAME: ClassVar[str] = "across.json"
    AGAIN: ClassVar[str] = f"remove it, and judge again with cxr-report RUN {OPTION} COLUMN"

    columns: tuple[Across, ...]


def keep_across(result: SearchResult, across: Across) -> None:
    """Keep in a run what was found, beside that of other columns."""
    winner, cohort = result.winner, result.cohort
    kept = JudgedAcross.read(result.run, winner, cohort)
    others = [one for one in kept.columns if one.column != across.column] if kept else []
    found = JudgedAcross(winner=digest_of(winner, cohort), columns=(*others, across))
    found.save(result.run)


def _signed(gap: Estimate) -> str:
    return f"{gap.value:+.3f} ({gap.low:+.3f} to {gap.high:+.3f})"


def judge_across(
    result: SearchResult,
    column: str,
    labelled_images: Path | None = None,
    report: Callable[[str], None] = lambda _: None,
) -> Across:
    """Fit the heads of the winner's team to all other values of a column, and judge each.

    Patients who have images of the value and of others train nothing that is judged on the value.

    Args:
        result: The run.
        column: A covariate of the run, another column of its table, or `dicom:KEYWORD`.
        labelled_images: Folder of the labelled images, if they have moved.
        report: Takes a line for the user before anything is fitted.

    Raises:
        InputError: If the column is none, or its values cannot be judged; if there are no folds, or
            a finding has no trial without trained stages; if images or weights are missing.
    """
    require_folds(result, OPTION)
    if column == result.winner.folds_by:
        raise InputError(
            f"{OPTION} must name a column other than that of --folds-by (got {column}): the "
            f"expected {result.winner.f1_name} is already that of {result.winner.promised_to}"
        )
    members, teams = stored_team(result, OPTION)
    text = read_column(result.cohort, column, table_of(_local(result)), OPTION)
    values = values_of(result.cohort, text, OPTION)
    folds = leave_out(result.cohort, values)
    require_learnable(result.cohort, str(values.name), folds, OPTION)
    table = result.trials.set_index("number", drop=False).loc[members]
    trials = StoredTrials.of(result, table.to_dict("records"), labelled_images)
    report(
        f"judged across {column}: {num_of(len(members), 'trial')} fitted again without each of "
        f"{len(folds)} values"
    )
    for line in trials.missing_line:
        report(f"  {line}")
    across = _scores_across(trials, [*folds.values()], result.winner.repeats)
    usual = np.stack([result.folder.log.scores(number) for number in members])
    there = ~np.isnan(across[:, is_scored(usual)]).any(axis=(1, 2))
    if not there.all():
        lost = listing(np.array(members)[~there])
        raise InputError(f"{OPTION} needs heads that converge, and these trials do not: {lost}")
    scores = [result.winner.recalibrated(scores_of_teams(one, teams)) for one in (across, usual)]
    return Across(
        column,
        tuple(_judge(result, values, folds, *scores)),
        _alone(result, values),
        len(members),
        len(result.winner.members) - len(members),
        float(np.mean([num_patients(result.cohort, fold.train) for fold in result.folds])),
    )


def _local(result: SearchResult) -> DataOptions:
    """Place of the data on this machine."""
    data = result.options.data
    if result.is_demo:
        return demo.write(result.run, data)
    return download_inputs(data, result.options.advanced.cache)


def _scores_across(
    trials: StoredTrials, folds: Sequence[Fold], num_fits: int
) -> NDArray[np.float32]:
    """Scores (num_trials, num_exams, num_findings) by heads that never saw the value.

    A fold learns the odds of what it trains on, since those of the value are not known elsewhere.
    """
    times = num_fits if any(not is_convex(config) for config in trials.configs) else 1
    parts = [Part(fold.train, (fold,) * times) for fold in folds]
    by_value = trials.scores(parts)
    found = np.full(by_value.shape[1:], np.nan, np.float32)
    for fold, scores in zip(folds, by_value, strict=True):
        found[:, fold.valid] = scores[:, fold.valid]
    return found


def _judge(
    result: SearchResult,
    values: pd.Series,
    folds: dict[str, Fold],
    across: NDArray[np.float32],
    usual: NDArray[np.float32],
) -> Iterator[Judged]:
    """Each finding by value, then all values together; of several findings the average at last."""
    cohort, winner = result.cohort, result.winner
    rows_of_value = {value: fold.valid for value, fold in folds.items()}
    rows_of_value[_ALL] = np.flatnonzero(is_scored(np.stack([across, usual])))
    names = [*winner.findings.names] + [winner.f1_name] * (len(winner.findings) > 1)
    by_finding: dict[str, list[Judged]] = {name: [] for name in names}
    for value, rows in rows_of_value.items():
        labels, patients = cohort.labels[rows], cohort.patients[rows]
        own, other = across[rows], usual[rows]
        scored = Scored(labels, patients, own)
        each = estimate_each(scored, _metrics(own, other, winner.metrics(0.9)["F1"]))
        found = dict(zip(winner.findings.names, each, strict=True))
        positive = dict(zip(winner.findings.names, (labels == 1).T, strict=True))
        if len(names) > len(found):
            found[winner.f1_name] = estimate(scored, _metrics(own, other, winner.f1))
            positive[winner.f1_name] = (labels == 1).any(axis=1)
        trained = 0 if value == _ALL else num_patients(cohort, folds[value].train)
        for name, one in found.items():
            by_finding[name].append(
                Judged(
                    name, value, trained, len(np.unique(patients)),
                    len(np.unique(patients[positive[name]])), **one,
                )
            )  # fmt: skip
    for judged in by_finding.values():
        yield from judged


def _metrics(own: NDArray[np.float32], usual: NDArray[np.float32], f1: Metric) -> dict[str, Metric]:
    """The metrics of `Judged`, all from the same resamples."""
    by_own, by_usual = of_scores(own, f1), of_scores(usual, f1)
    return {
        "f1": by_own,
        "usual_f1": by_usual,
        "gap": difference(by_own, by_usual),
        "auc": of_scores(own, auc),
        "usual_auc": of_scores(usual, auc),
    }


def _alone(result: SearchResult, values: pd.Series) -> dict[str, float]:
    """The out-of-fold AUC of the column for each finding."""
    labels = result.cohort.labels
    scores = covariate_scores(values.to_frame(), labels, result.folds)
    rows = is_scored(scores)
    [aucs] = auc(Weighted.once(labels[rows], scores[rows]))
    return dict(zip(result.winner.findings.names, map(float, aucs), strict=True))
