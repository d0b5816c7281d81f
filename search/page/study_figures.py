"""Figures of the search itself: the best objective so far, and which settings mattered."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.collections import LineCollection
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.ticker import FuncFormatter

from search.run.run_folder import RunFolder
from search.space.settings import SETTINGS
from search.tune.study_plots import importances, parallel_coordinates, varied_settings
from trainable.backbones.encoder import Encoder
from trainable.report.figures import MODEL, OTHER, WEAK, as_svg, new_figure
from trainable.report.page import Figure

_ENOUGH = 8  # complete trials, for an importance that means anything
_MOST_SETTINGS = 8
_MOST_COORDINATES = 7
_WIDEST = 28
_WIDE_INCHES = (10.5, 4.4)


def study_figures(run: RunFolder, trials: pd.DataFrame) -> list[Figure]:
    """Best objective so far; after enough trials, which settings mattered, and their values."""
    complete = trials[trials["state"] == "complete"].sort_values("ended", kind="stable")
    found = [_best_so_far(complete)]
    if len(complete) >= _ENOUGH:
        shares = importances(run)
        # one setting alone explains what is explained
        if len(shares) > 1:
            found.append(_importances(shares))
        varied = varied_settings(run)
        shown = [name for name in dict.fromkeys((*shares, *varied)) if name in varied]
        common = [name for name in shown if _of_encoder(name) is None]
        found.append(_parallel_coordinates(run, common[:_MOST_COORDINATES]))
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


def _of_encoder(name: str) -> tuple[str, str] | None:
    """The setting and the encoder of a parameter that is of one encoder alone."""
    setting, _, encoder = name.partition("_")
    known = SETTINGS.get(setting)
    return (setting, encoder) if encoder and known and known.by == "encoder" else None


def _label(name: str) -> str:
    """A parameter's name as a figure has room for it; some are of one encoder.

    >>> _label("cut_resnet18@/weights/mine.pth").split(), _label("pool")
    (['cut', 'of', 'resnet18@mine.pth'], 'pool')
    """
    of_encoder = _of_encoder(name)
    return f"{of_encoder[0]} of\n{_short(of_encoder[1])}" if of_encoder else name


def _short(encoder: str) -> str:
    shown = Encoder.read(encoder).short
    return shown if len(shown) <= _WIDEST else "…" + shown[1 - _WIDEST :]


def _importances(shares: dict[str, float]) -> Figure:
    figure, axes = new_figure("share of the variance of the objective", "")
    names = list(shares)[:_MOST_SETTINGS][::-1]
    bars = axes.barh([_label(name) for name in names], [shares[name] for name in names])
    for bar in bars:
        bar.set_color(MODEL)
    axes.bar_label(bars, fmt="%.2f", padding=3)
    axes.margins(x=0.12)
    caption = (
        "Share of the variance of the objective, over the complete trials, that each setting "
        "explains by itself (fANOVA). Settings that only some trials have, such as the cut of one "
        "backbone, are not among them. With few trials the shares are rough."
    )
    return Figure("Which settings mattered", as_svg(figure, "Which settings mattered"), caption)


def _parallel_coordinates(run: RunFolder, settings: Sequence[str]) -> Figure:
    axes = parallel_coordinates(run, settings)
    figure = axes.get_figure(root=True)
    assert figure is not None
    [lines] = (one for one in axes.collections if isinstance(one, LineCollection))
    lines.set_cmap(LinearSegmentedColormap.from_list("objective", [WEAK, OTHER]))
    assert lines.colorbar is not None
    lines.colorbar.remove()  # the first axis says the same
    axes.set_title("")
    axes.tick_params("x", rotation=0)
    figure.set_size_inches(_WIDE_INCHES)
    for one in figure.axes:
        one.set_position((0.05, 0.08, 0.83, 0.89))
        one.tick_params(which="both", labelsize=8)
        if one.get_yscale() == "log":
            one.yaxis.set_major_formatter("{x:g}")
            one.yaxis.set_minor_formatter("{x:g}")
        elif isinstance(one.yaxis.get_major_formatter(), FuncFormatter):
            ticks = one.get_yticks()
            one.set_yticks(ticks, [_short(tick.get_text()) for tick in one.get_yticklabels()])
    caption = (
        "Each line is a complete trial, through its values of the settings, those that mattered "
        "most first; orange lines have a high objective. A setting that a trial does not have is "
        "None."
    )
    title = "Trials by their settings"
    return Figure(title, as_svg(figure, title), caption, is_wide=True)
