"""Figures of the search itself: the best objective so far, and which settings mattered."""

import numpy as np
import pandas as pd

from search.run_folder import RunFolder
from search.space.space import BY_ENCODER
from search.tune.study import importances
from trainable.backbones.encoders import short_name
from trainable.report.figures import MODEL, OTHER, as_svg, new_figure
from trainable.report.page import Figure

_ENOUGH = 8  # complete trials, for an importance that means anything
_MOST_SETTINGS = 8
_WIDEST = 28


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


def _label(name: str) -> str:
    """A parameter's name as a figure has room for it; some are of one encoder.

    >>> _label("cut_resnet18@/weights/mine.pth").split(), _label("pool")
    (['cut', 'of', 'resnet18@mine.pth'], 'pool')
    """
    setting, _, encoder = name.partition("_")
    if not encoder or setting not in ("cut", *BY_ENCODER):
        return name
    shown = short_name(encoder)
    return f"{setting} of\n{shown if len(shown) <= _WIDEST else '…' + shown[1 - _WIDEST :]}"


def _importances(shares: dict[str, float]) -> Figure:
    figure, axes = new_figure("share of the differences between trials", "")
    names = list(shares)[:_MOST_SETTINGS][::-1]
    bars = axes.barh([_label(name) for name in names], [shares[name] for name in names])
    for bar in bars:
        bar.set_color(MODEL)
    axes.bar_label(bars, fmt="%.2f", padding=3)
    axes.margins(x=0.12)
    caption = (
        "How much of the differences between trials each setting explains, by Optuna "
        "(the cut is one setting per backbone)."
    )
    return Figure("Which settings mattered", as_svg(figure, "Which settings mattered"), caption)
