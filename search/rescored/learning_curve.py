"""What more patients would be worth, as a run keeps it."""

from collections.abc import Iterator
from typing import ClassVar, Literal

import pandas as pd
from pydantic import BaseModel, ConfigDict

from search.rescored.power_law import PowerLaw
from trainable.evaluation.intervals import Estimate
from trainable.run.found_out import FoundOut

OPTION = "--learning-curve"
MORE = (2, 4)
"""Multiples of the patients of now that a metric is told for."""


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Point(_Record):
    """A metric of a search on so many patients.

    Attributes:
        patients: Patients of the search.
        positive: Those of them who are positive; None of an average over several findings.
        estimate: The metric with its 95 % interval.
        gain: What it is above the metric of now, of what is told for more patients.
    """

    patients: int
    positive: int | None
    estimate: Estimate
    gain: Estimate | None = None


class Line(_Record):
    """How a metric grows with the patients.

    Attributes:
        points: On parts of the patients, the smallest first; the last is of all.
        law: What it follows, with sizes as multiples of all patients; None where it follows none.
        told: With more patients; none without a law.
    """

    points: tuple[Point, ...]
    law: PowerLaw | None
    told: tuple[Point, ...] = ()


class Curve(_Record):
    """How a finding is told, by the patients.

    Attributes:
        name: Name of the finding or class, or of the average over several.
        f1: The corrected F1.
        auc: The AUC, corrected for the choice in the same way.
    """

    name: str
    f1: Line
    auc: Line


class LearningCurve(FoundOut):
    """What a search would find on parts of its patients, and on more of them.

    Attributes:
        winner: As in `FoundOut`.
        format: Version of the file.
        trials: Numbers of the trials that were chosen among, whatever the part.
        num_left_out: Complete trials that were not.
        seconds: Time that it took.
        curves: One per finding; of several, that of their average comes last.
    """

    NAME: ClassVar[str] = "learning_curve.json"
    AGAIN: ClassVar[str] = f"write it again with cxr-report RUN {OPTION}"

    format: Literal[1] = 1
    trials: tuple[int, ...]
    num_left_out: int
    seconds: float
    curves: tuple[Curve, ...]

    @property
    def sentences(self) -> tuple[str, ...]:
        """What more patients would be worth, a sentence per finding; without the full stops."""
        return tuple(_sentence(one, has_name=len(self.curves) > 1) for one in self.curves)

    @property
    def table(self) -> pd.DataFrame:
        """A row per finding and number of patients, of parts and of more than now."""
        return pd.DataFrame([row for one in self.curves for row in _rows(one, len(self.curves))])


def _sentence(curve: Curve, *, has_name: bool) -> str:
    name = f"{curve.name}: " if has_name else ""
    now = curve.f1.points[-1]
    if not curve.f1.told:
        return (
            f"{name}the F1 does not rise steadily from part to part of the patients, so that "
            "nothing can be told of more patients"
        )
    more = curve.f1.told[0]
    gain = more.gain
    assert gain is not None
    count = more.patients - now.patients
    added, wanted = f"{count:,} more patients", f"{4 * now.patients:,} patients"
    if now.positive is not None and more.positive is not None:
        added = f"{more.positive - now.positive:,} more positive patients"
        wanted += f" ({4 * now.positive:,} positive)"
    return (
        f"{name}with {added}, twice as many as now, expect an F1 of {more.estimate}, that is "
        f"{gain.value:.3f} more ({gain.low:.3f} to {gain.high:.3f}); the interval of the F1 would "
        f"halve with about {wanted}"
    )


def _rows(curve: Curve, num_curves: int) -> Iterator[dict[str, object]]:
    for f1, auc in zip(_points(curve.f1), _points(curve.auc), strict=False):
        point = f1 or auc
        assert point is not None
        cells: dict[str, object] = {} if num_curves == 1 else {"finding": curve.name}
        yield cells | {
            "patients": f"{point.patients:,}",
            "positive": "" if point.positive is None else f"{point.positive:,}",
            "F1": str(f1.estimate) if f1 else "",
            "AUC": str(auc.estimate) if auc else "",
        }


def _points(line: Line) -> tuple[Point | None, ...]:
    return (*line.points, *(line.told or [None] * len(MORE)))
