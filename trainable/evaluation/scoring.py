"""How trials are scored, as the options say it: which F1, which objective, which threshold.

It imports nothing slow, since the help of a command needs it.
"""

import math
from dataclasses import dataclass
from typing import Literal, cast, get_args

F1Average = Literal["binary", "macro", "micro", "weighted"]
F1_AVERAGES: tuple[F1Average, ...] = get_args(F1Average)

Objective = Literal["f1", "average_precision", "auc", "log_loss"]
"""What trials are compared by."""

RankedBy = Literal["average_precision", "auc", "log_loss"]
"""Objectives that need no threshold."""


@dataclass(frozen=True)
class ThresholdPolicy:
    """How a threshold is chosen; what follows from it is said by `decide` (counts.py).

    Attributes:
        kind: "fixed", the threshold is `value`; "best", where F1 is best over thresholds around it;
            "sensitivity", the highest one that finds the share `value` of the positive images;
            "specificity", the lowest one that leaves out the share `value` of the negative images.
        value: in [0, 1]; 0 and without meaning for "best".
    """

    kind: Literal["fixed", "best", "sensitivity", "specificity"]
    value: float = 0.0

    @classmethod
    def parse(cls, text: str) -> "ThresholdPolicy":
        """Read `best`, a threshold such as `0.5`, `sensitivity:0.98` or `specificity:0.95`.

        Raises:
            ValueError: saying what can be written.

        >>> ThresholdPolicy.parse("sensitivity:0.98")
        ThresholdPolicy(kind='sensitivity', value=0.98)
        """
        if text == "best":
            return cls("best")
        name, colon, number = text.rpartition(":")
        try:
            value = float(number)
        except ValueError:
            value = math.nan
        if name in ("sensitivity", "specificity") and 0 < value <= 1:
            return cls(cast("Literal['sensitivity', 'specificity']", name), value)
        if colon or not 0 <= value <= 1:
            raise ValueError(
                "write best, a number from 0 to 1, sensitivity:0.98, or specificity:0.95"
            )
        return cls("fixed", value)


@dataclass(frozen=True)
class Scoring:
    """How scores are judged.

    Attributes:
        threshold: How a threshold is chosen; every trial, team and finding has its own.
        f1_average: Which F1 is computed: of one finding over its classes, of several over these.
        objective: What trials are compared by, the average over the findings; F1 and threshold are
            reported all the same.
        exclusive: Whether there are several classes, of which one holds.
    """

    threshold: ThresholdPolicy = ThresholdPolicy("best")
    f1_average: F1Average = "binary"
    objective: Objective = "f1"
    exclusive: bool = False
