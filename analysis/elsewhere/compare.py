"""What was told beside what new labels show, for each finding."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.elsewhere.told import Told, ToldFinding, resampled_finding
from analysis.evaluate import JudgedFinding, JudgedFindings, judge_findings
from trainable.cohort.cohort import Cohort
from trainable.cohort.scored import Scored
from trainable.evaluation.intervals import Estimate
from trainable.evaluation.transport import Causes, Compared, causes
from trainable.run.winner import Winner

_OF_CLASSES = (
    "why an F1 differs is left out: of several classes the scores of all decide which one is "
    "predicted, so that none has a prevalence and a calibration of its own"
)


@dataclass(frozen=True)
class ComparedFinding:
    """What was told of one finding, or class, and what was found.

    Attributes:
        name: The finding.
        metrics: Each metric that is known of both, by its name.
        causes: Why the F1 is another one; None of several classes.
        f1_of_like: F1 of the images that are like those of the training, where some do not, and
            both labels occur among the others.
    """

    name: str
    metrics: Mapping[str, Compared]
    causes: Causes | None
    f1_of_like: Estimate | None

    @property
    def f1(self) -> Compared:
        """The F1."""
        return self.metrics["F1"]


@dataclass(frozen=True)
class Comparison:
    """What was told of all findings, and what was found.

    Attributes:
        by: Who told it.
        kind: What each of several findings or classes is called; "" of one.
        findings: Those of which positive and negative labels are known.
        num_exams: Number of images, or examinations, with labels.
        num_unlike: How many of them are unlike those of the training.
        unit: What is scored, an image or an exam.
        notes: What a reader must know of it, a sentence each.
    """

    by: str
    kind: str
    findings: tuple[ComparedFinding, ...]
    num_exams: int
    num_unlike: int
    unit: str
    notes: tuple[str, ...]

    @property
    def table(self) -> pd.DataFrame:
        """A row for each finding and metric, with `told`, `found`, `difference` and `verdict`.

        The numbers have their intervals beside them: `told_low`, `told_high` and so on.
        """
        rows = []
        for one in self.findings:
            for metric, both in one.metrics.items():
                row: dict[str, object] = {"finding": one.name, "metric": metric}
                for name in ("told", "found", "difference"):
                    found: Estimate = getattr(both, name)
                    row |= {name: found.value, f"{name}_low": found.low, f"{name}_high": found.high}
                rows.append({**row, "verdict": both.verdict})
        return pd.DataFrame(rows)


@dataclass(frozen=True)
class Labelled:
    """New images with labels, and what is known of them.

    Attributes:
        scored: True labels, patients and scores.
        unlike: (num_exams,), which of them are unlike those of the training.
        unit: What is scored, an image or an exam.
        notes: What a reader of their metrics must know, a sentence each.
    """

    scored: Scored
    unlike: NDArray[np.bool_]
    unit: str
    notes: tuple[str, ...]

    @classmethod
    def of(
        cls,
        scored: Scored,
        unlike: NDArray[np.bool_],
        hashes: Sequence[str],
        cohort: Cohort,
        notes: Iterable[str] = (),
    ) -> "Labelled":
        """What is known of new images with labels.

        Args:
            scored: Their true labels, patients and scores.
            unlike: (num_exams,), which of them are unlike those of the training.
            hashes: SHA-256 of each image.
            cohort: Cohort of the search.
            notes: What else a reader must know.
        """
        of_test = cohort.manifest.loc[cohort.manifest["split"] == "test", "sha256"]
        own = _of_own_test(hashes, of_test.tolist())
        return cls(scored, unlike, cohort.grouping.unit, (*own, *notes))


def _of_own_test(hashes: Sequence[str], of_test: Sequence[str]) -> Iterator[str]:
    """A note if images (by their SHA-256) are those that the search has set apart to test."""
    num_own = int(np.isin(hashes, of_test).sum())
    if num_own:
        which = "these are" if num_own == len(hashes) else f"{num_own} of these are"
        yield (
            f"{which} test images of the search itself, of the same places as its others: what "
            "differs is by how they were set apart, or by chance"
        )


def compare(
    told: Told, winner: Winner, new: Labelled, judged: JudgedFindings, operating_point: float
) -> Comparison:
    """Compare what was told with labels.

    Args:
        told: What was told.
        winner: Whose thresholds predict.
        new: New images with labels.
        judged: What their scores are worth.
        operating_point: Specificity at which sensitivity is reported, and the reverse.
    """
    findings = winner.findings
    like = _judge_like(winner, new, operating_point)
    each = tuple(
        _compared(told.each[one.number], one, winner, new, like.get(one.number))
        for one in judged.each
        if one.estimates and one.number in told.each
    )
    return Comparison(
        told.by,
        "" if findings.is_one else findings.kind,
        each,
        len(new.scored),
        int(new.unlike.sum()),
        new.unit,
        (*new.notes, *told.notes, *([_OF_CLASSES] if findings.exclusive else [])),
    )


def _compared(
    told: ToldFinding, found: JudgedFinding, winner: Winner, new: Labelled, like: Estimate | None
) -> ComparedFinding:
    metrics = {
        name: Compared(told.estimates[name], estimate)
        for name, estimate in found.estimates.items()
        if name in told.estimates
    }
    why = None
    if told.drawn is not None:
        here = resampled_finding(new.scored, winner, found.number, seed=1)
        why = causes(told.drawn, metrics["F1"].told.value, here)
    return ComparedFinding(found.name, metrics, why, like)


def _judge_like(winner: Winner, new: Labelled, operating_point: float) -> dict[int, Estimate]:
    """F1 of each finding on the images that look like those of the training, if some do not."""
    if not new.unlike.any() or new.unlike.all():
        return {}
    judged = judge_findings(new.scored.take(~new.unlike), winner.findings, winner, operating_point)
    return {one.number: one.estimates["F1"] for one in judged.each if one.estimates}
