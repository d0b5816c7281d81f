"""Figures of the search itself: best so far, and Optuna's own plots."""

import warnings

import numpy as np
import optuna
import pandas as pd
from matplotlib import pyplot
from optuna.exceptions import ExperimentalWarning
from optuna.visualization import matplotlib as plots

from search.run_folder import RunFolder
from search.tune.storage import open_storage
from search.tune.study import STUDY_NAME
from trainable.report.figures import INCHES, MODEL, OTHER, as_svg, new_figure
from trainable.report.page import Figure

_ENOUGH = 8  # complete trials, for an importance that means anything
_MOST_AXES = 6


def study_figures(run: RunFolder, trials: pd.DataFrame) -> list[Figure]:
    """Best objective so far; and, after enough trials, importances and parallel coordinates."""
    complete = trials[trials["state"] == "complete"].sort_values("ended", kind="stable")
    found = [_best_so_far(complete)]
    if len(complete) < _ENOUGH:
        return found
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        study = optuna.load_study(study_name=STUDY_NAME, storage=open_storage(run))
        importances = optuna.importance.get_param_importances(study)
        if len(importances) < 2:
            return found
        names = list(importances)[:_MOST_AXES]
        axes = plots.plot_param_importances(study, params=names)
        found.append(_from_optuna(
            axes, "Which settings mattered",
            "The share of the differences between trials that a setting explains (Optuna).",
        ))  # fmt: skip
        axes = plots.plot_parallel_coordinate(study, params=names)
        found.append(_from_optuna(
            axes, "Settings of all trials",
            "One line per trial through its settings; dark lines have the best objectives "
            "(Optuna).",
        ))  # fmt: skip
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


def _from_optuna(axes: pyplot.Axes, title: str, caption: str) -> Figure:
    figure = axes.get_figure(root=True)
    assert figure is not None  # Optuna has drawn on it
    figure.suptitle("")
    axes.set_title("")
    figure.set_size_inches(*INCHES)
    svg = as_svg(figure, title)
    pyplot.close(figure)
    return Figure(title, svg, caption)
