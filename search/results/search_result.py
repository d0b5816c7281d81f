"""What a search found, read again: its winner, its scores, and the best trial of each encoder."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from search.options.options import SearchOptions
from search.rescored.learning_curve import LearningCurve
from search.run.run_folder import RunFolder
from search.run.trial_log import complete_best_first
from trainable.backbones.encoder import Encoder
from trainable.backbones.start import read_start, short_start
from trainable.cohort.cohort import Cohort
from trainable.cohort.look_alikes import describe_look_alikes
from trainable.cohort.scored import Scored, is_scored
from trainable.cohort.splits import Fold, make_folds
from trainable.errors import num_of
from trainable.evaluation.intervals import estimate
from trainable.evaluation.metrics import f1_at, of_scores
from trainable.evaluation.thresholds import own_thresholds
from trainable.run.winner import Winner, read_winner

TIED = "tied"
PASSES = "passed"
SECONDS = "CPU s"


@dataclass(frozen=True, repr=False)
class SearchResult:
    """What a search found.

    Attributes:
        folder: The run folder and its log.
        options: What the search was asked.
        cohort: Its labelled images.
        winner: The winner, with its members, threshold and metrics.
        trials: Every trial that ended, a row each, as in `trials.csv`.
    """

    folder: RunFolder
    options: SearchOptions
    cohort: Cohort
    winner: Winner
    trials: pd.DataFrame

    @classmethod
    def read(cls, path: Path) -> "SearchResult":
        """Read a run folder, and change nothing.

        Raises:
            InputError: If it is no run folder of this version, or has no winner yet.
        """
        run = RunFolder(path)
        options = run.read_options()
        return cls(run, options, Cohort.load(run.path), read_winner(run.path), run.log.table())

    def __repr__(self) -> str:
        low, high = self.interval
        return (
            f"SearchResult({str(self.run)!r}: expected F1 {self.expected_f1:.3f}, "
            f"{low:.3f} to {high:.3f})"
        )

    @property
    def run(self) -> Path:
        """Run folder, which `cxr-predict`, `cxr-report` and `cxr-export` take."""
        return self.folder.path

    @property
    def expected_f1(self) -> float:
        """The F1 to expect on new patients, corrected for having picked the best."""
        return self.winner.corrected.f1

    @property
    def interval(self) -> tuple[float, float]:
        """95 % CI of `expected_f1`."""
        return self.winner.corrected.interval

    @cached_property
    def encoders(self) -> pd.DataFrame:
        """The best trial of each encoder with its interval, the best encoder first."""
        return by_encoder(self)

    @property
    def scores(self) -> pd.DataFrame:
        """Out-of-fold scores of the winner, a row per scored examination.

        Columns: `image` (or `exam`), `patient`, `label` (1 positive), `score` (0 to 1) and
        `predicted` (1 positive). Of several findings each has its own, such as `label:mass` (empty
        where it is not known); of several classes, `label` and `predicted` name the class.
        """
        findings, scored = self.winner.findings, self.scored
        predicted = self.winner.decide(scored.scores).astype(int)
        who = self.cohort.exams.loc[self.rows, [self.cohort.grouping.column, "patient"]]
        parts = [who.reset_index(drop=True)]
        scores = dict(zip(findings.names, scored.scores.T, strict=True))
        if findings.exclusive:
            names = np.array(findings.names, object)
            label, taken = (names[one.argmax(axis=1)] for one in (scored.labels, predicted))
            of_class = {f"score:{name}": column for name, column in scores.items()}
            parts.append(pd.DataFrame({"label": label, **of_class, "predicted": taken}))
        for number, (name, column) in enumerate([] if findings.exclusive else scores.items()):
            label = pd.Series(scored.labels[:, number])
            if (label < 0).any():
                label = label.astype("Int64").where(label >= 0)
            part = pd.DataFrame(
                {"label": label, "score": column, "predicted": predicted[:, number]}
            )
            parts.append(part if findings.is_one else part.add_suffix(f":{name}"))
        return pd.concat(parts, axis=1)

    @cached_property
    def out_of_fold(self) -> NDArray[np.float32]:
        """(num_exams, num_findings), out-of-fold scores of the winner."""
        return self.winner.out_of_fold_scores(self.run)

    @cached_property
    def rows(self) -> NDArray[np.bool_]:
        """(num_exams,), whether an examination has out-of-fold scores."""
        return is_scored(self.out_of_fold)

    @cached_property
    def scored(self) -> Scored:
        """These examinations, with the scores of the winner."""
        return self.cohort.scored(self.out_of_fold)

    @property
    def raw_scored(self) -> Scored:
        """The same with the scores before they were recalibrated."""
        return self.cohort.scored(self.winner.raw_out_of_fold_scores(self.run))

    @property
    def learning_curve(self) -> LearningCurve | None:
        """What more patients would be worth, once `cxr-report RUN --learning-curve` has found out.

        None where nobody asked, or another winner was chosen since.
        """
        return LearningCurve.read(self.run, self.winner, self.cohort)

    @property
    def remarks(self) -> tuple[str, ...]:
        """How the data were understood, and which images look the same, a sentence each."""
        return (*self.cohort.notes, *describe_look_alikes(self.cohort))

    def for_sharing(self) -> "SearchResult":
        """The same result without names of images, of folders, and of what errors say of them."""
        count = len(self.remarks)
        left_out = (
            (f"{num_of(count, 'remark is', 'remarks are')} not on this page",) if count else ()
        )
        return replace(
            self,
            cohort=replace(self.cohort, notes=left_out, unused=(), look_alikes=()),
            winner=self.winner.without_folders(),
            trials=self.trials.assign(error=""),
        )

    @property
    def is_demo(self) -> bool:
        """Whether the images are the phantoms of the demo."""
        return self.options.is_demo

    @property
    def complete(self) -> pd.DataFrame:
        """Complete trials, the best first."""
        return complete_best_first(self.trials)

    @property
    def folds(self) -> tuple[Fold, ...]:
        """The folds that all trials were scored on."""
        scoring = self.options.scoring
        return make_folds(self.cohort, scoring.folds, self.winner.seed, scoring.repeats)


def by_encoder(result: SearchResult) -> pd.DataFrame:
    """One row per encoder with a complete trial, the best first.

    The costs are those of all trials of the encoder, whatever they ended with.
    """
    best = best_of_each(result, ["backbone"])
    costs = result.trials.groupby("backbone")[["num_forwarded", "seconds"]].sum()
    costs = costs.loc[best["backbone"]]
    rows = {
        "network": [Encoder.read(name).short_name for name in best["backbone"]],
        "weights": [short_start(read_start(text)) for text in best["weights"]],
        **{name: list(best[name]) for name in ("trial", "F1", "95 % CI", "AUC", TIED)},
        PASSES: [f"{count:,.0f}" for count in costs["num_forwarded"]],
        SECONDS: [
            f"{cpu:,.0f}" for cpu in costs["seconds"] * result.options.compute.cpus_per_trial
        ],
    }
    return pd.DataFrame(rows)


def by_body(result: SearchResult) -> pd.DataFrame:
    """One row per encoder and cut with a complete trial, the best first.

    Several findings have no AUC in common.
    """
    best = best_of_each(result, ["backbone", "cut"]).drop(columns="weights")
    return best.dropna(axis="columns", how="all").assign(
        backbone=[Encoder.read(name).short for name in best["backbone"]]
    )


def best_of_each(result: SearchResult, settings: Sequence[str]) -> pd.DataFrame:
    """The best complete trial for each value of some settings, out of fold, the best first."""
    tied = {trial.trial for trial in result.winner.tied}
    best = result.complete.drop_duplicates(list(settings))
    metrics, rows = {}, []
    row: Any
    for row in best.itertuples():
        scores, scoring = result.folder.log.scores(row.number), result.winner.scoring
        f1 = f1_at(own_thresholds(result.cohort.labels, scores, scoring), scoring)
        metrics[str(row.number)] = of_scores(scores[result.rows], f1)
    found = estimate(result.scored, metrics)
    for row in best.itertuples():
        interval = found[str(row.number)]
        rows.append(
            {
                **{name: getattr(row, name) for name in settings},
                "weights": row.weights,
                "trial": row.number,
                "head": row.head,
                "F1": row.f1,
                "95 % CI": f"{interval.low:.3f} to {interval.high:.3f}",
                "AUC": row.auc,
                TIED: "yes" if row.number in tied else "no",
            }
        )
    return pd.DataFrame(rows)
