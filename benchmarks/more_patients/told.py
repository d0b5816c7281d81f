"""What was told of each cohort beside the truth, and how near it is in all."""

import math
from collections.abc import Iterator

import pandas as pd

from benchmarks.findings.truth import interval
from trainable.evaluation.intervals import Estimate

Row = dict[str, float | str]


def beside(cohort: int, figure: str, told: Estimate | None, true: float) -> Row:
    """An estimate and the truth; where nothing is told, all but the truth is NaN.

    Args:
        cohort: Number of the cohort.
        figure: What is told.
        told: The estimate with its 95 % interval.
        true: The truth.
    """
    one = told or Estimate(math.nan, math.nan, math.nan)
    return {
        "cohort": cohort,
        "figure": figure,
        "told": one.value,
        "low": one.low,
        "high": one.high,
        "true": true,
        "told_minus_true": one.value - true,
        "covered": float(one.low <= true <= one.high) if told else math.nan,
    }


def summary(rows: pd.DataFrame) -> pd.DataFrame:
    """A row per figure over all cohorts; of those that were told but for `not_told`.

    Columns: cohorts; `not_told`, the share of them; means of told and true; their mean difference
    with its 95 % interval, where there are two cohorts; how often the interval holds the truth, and
    its mean width.
    """
    return pd.DataFrame(dict(_summaries(rows))).T.astype({"cohorts": int})


def _summaries(rows: pd.DataFrame) -> Iterator[tuple[str, dict[str, float]]]:
    for figure, of_figure in rows.groupby("figure", sort=False):
        told = of_figure.dropna()
        difference = told["told_minus_true"]
        bias, low, high = (
            interval(difference.tolist())
            if len(told) > 1
            else (difference.mean(), math.nan, math.nan)
        )
        yield (
            str(figure),
            {
                "cohorts": len(of_figure),
                "not_told": 1 - len(told) / len(of_figure),
                "told": told["told"].mean(),
                "true": told["true"].mean(),
                "bias": bias,
                "bias_low": low,
                "bias_high": high,
                "coverage": told["covered"].mean(),
                "width": (told["high"] - told["low"]).mean(),
            },
        )
