"""What the trials of a study say of its settings: shares of the variance, and Optuna's own plot."""

import warnings
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.importance import FanovaImportanceEvaluator
from optuna.trial import FrozenTrial, TrialState

from search.run.run_folder import RunFolder
from search.run.trial_log import METRIC
from search.tune.study import load_study

if TYPE_CHECKING:
    from matplotlib.axes import Axes  # slow to import


def importances(run: RunFolder) -> dict[str, float]:
    """Share of the variance of the objective that each setting explains by itself, largest first.

    That is fANOVA (Hutter, Hoos and Leyton-Brown 2014), which has no answer for a setting that some
    of the complete trials lack. What the shares leave to 1 is explained by several settings
    together, or by none. Optuna's default, PED-ANOVA, says which settings the best tenth of the
    trials have in common, so a setting that alone decides the objective may come last.
    """
    return FanovaImportanceEvaluator(seed=0).evaluate(load_study(run))


def varied_settings(run: RunFolder) -> list[str]:
    """The settings that differ between complete trials, those that most trials have first."""
    trials = _complete(load_study(run))
    counts = Counter(name for trial in trials for name in trial.params)
    return [
        name
        for name, _ in counts.most_common()
        if len({trial.params.get(name) for trial in trials}) > 1
    ]


def parallel_coordinates(run: RunFolder, settings: Sequence[str]) -> "Axes":
    """Optuna's plot of a line per complete trial through the values of some settings.

    The axes are the first of a figure that pyplot has forgotten; the lines are their collection.
    """
    # pyplot takes a second to import
    from matplotlib import pyplot
    from optuna.visualization.matplotlib import plot_parallel_coordinate

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        axes: Axes = plot_parallel_coordinate(load_study(run), [*settings], target_name=METRIC)
    pyplot.close(axes.get_figure(root=True))
    return axes


def _complete(study: optuna.Study) -> list[FrozenTrial]:
    return study.get_trials(deepcopy=False, states=[TrialState.COMPLETE])
