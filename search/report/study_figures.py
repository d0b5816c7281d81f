"""Figures of the search itself: the best objective so far, and which settings mattered."""

import numpy as np
import pandas as pd

from search.run_folder import RunFolder
from search.tune.study import importances
from trainable.report.figures import MODEL, OTHER, as_svg, new_figure
from trainable.report.page import Figure

_ENOUGH = 8  # complete trials, for an importance that means anything
_MOST_SETTINGS = 8


def study_figures(run: RunFolder, trials: pd.DataFrame) -> list[Figure]:
    """Best objective so far; after enough trials, the importance of each setting too."""
    complete = trials[trials["state"] == "complete"].sort_values("ended", kind="stable")
    found = [_best_so_far(complete)]
    if len(complete) >= _ENOUGH:
        found.append(_importances(importances(run)))
    return found


def _best_so_far(complete: pd.DataFrame) -> Figure:
    figure, axes = new_figure("complete trials", "objective")
    objectives = complete["objective"].to_numpy()
    numbers = np.arange(1, len(objectives) + 1)
    axes.scatter(numbers, objectives, color=OTHER, s=12, label="one trial")
    axes.step(
        numbers, np.maximum.accumulate(objectives), color=MODEL, where="post", label="best so far"
    )
    axes.legend(loc="lower right")
    caption = "A flat end of the line means that more trials would have gained little."
    return Figure("Best so far", as_svg(figure, "Best so far"), caption)


def _importances(shares: dict[str, float]) -> Figure:
    figure, axes = new_figure("share of the differences between trials", "")
    names = list(shares)[:_MOST_SETTINGS][::-1]
    bars = axes.barh(names, [shares[n] for n in names])
    for bar in bars:
        bar.set_color(MODEL)
    axes.bar_label(bars, fmt="%.2f", padding=3)
    axes.margins(x=0.12)
    caption = (
        "How much of the differences between trials each setting explains, by Optuna "
        "(the cut is one setting per backbone)."
    )
    return Figure("Which settings mattered", as_svg(figure, "Which settings mattered"), caption)
