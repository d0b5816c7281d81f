"""Figures of one set of scores as SVG, drawn so that they follow the colours of the page."""

import io
import re
from html import escape

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.text import Text
from numpy.typing import NDArray
from sklearn import metrics as sk

from trainable.cohort.scored import Scored
from trainable.evaluation.curves import calibration, net_benefit

MODEL, OTHER = "#2878b5", "#d1603d"
"""Colours that can be read on white and on black, also by people who do not see red."""
INCHES = (4.6, 3.7)
"""Size of every figure."""
_INK = "#010203"  # stands for the colour of the page's text
WEAK = "#888888"
"""Colour of what matters less."""
_BINS = np.linspace(0, 1, 31)
_MOST_RISK = 0.9

Labels = NDArray[np.int64]
Scores = NDArray[np.float32]


def roc_figure(labels: Labels, scores: Scores) -> str:
    """ROC curve, with the area under it."""
    figure, axes = new_figure("1 - specificity", "sensitivity")
    false, found, _ = sk.roc_curve(labels, scores)
    axes.plot([0, 1], [0, 1], color=WEAK, linewidth=1)
    axes.plot(false, found, color=MODEL, label=f"AUC {sk.auc(false, found):.3f}")
    axes.legend(loc="lower right")
    return as_svg(figure, "ROC curve")


def precision_recall_figure(labels: Labels, scores: Scores) -> str:
    """Precision against recall, with the average precision."""
    figure, axes = new_figure("recall (sensitivity)", "precision")
    precision, recall, _ = sk.precision_recall_curve(labels, scores)
    average = sk.average_precision_score(labels, scores)
    axes.axhline(float(labels.mean()), color=WEAK, linewidth=1, label="every image positive")
    axes.plot(
        recall, precision, color=MODEL, drawstyle="steps-post",
        label=f"average precision {average:.3f}",
    )  # fmt: skip
    axes.set_ylim(0, 1.02)
    axes.legend(loc="upper right")
    return as_svg(figure, "Precision and recall")


def calibration_figure(scored: Scored) -> str:
    """Smoothed calibration curve with its 95 % interval, slope and intercept."""
    figure, axes = new_figure("predicted score", "share that is positive")
    found = calibration(scored)
    axes.plot([0, 1], [0, 1], color=WEAK, linewidth=1, label="perfect calibration")
    axes.fill_between(found.scores, found.low, found.high, color=MODEL, alpha=0.2, linewidth=0)
    label = f"slope {found.slope:.2f}, intercept {found.intercept:+.2f}"
    axes.plot(found.scores, found.shares, color=MODEL, label=label)
    axes.set(xlim=(0, 1), ylim=(0, 1))
    axes.legend(loc="upper left")
    return as_svg(figure, "Calibration")


def decision_figure(labels: Labels, scores: Scores) -> str:
    """Net benefit of acting by the scores, on everybody and on nobody."""
    figure, axes = new_figure("risk from which a person would act", "net benefit")
    risks = np.linspace(0.01, _MOST_RISK, 90)
    model = net_benefit(labels, scores, risks)
    everybody = net_benefit(labels, np.ones_like(scores), risks)
    axes.axhline(0, color=WEAK, linewidth=1, label="act on nobody")
    axes.plot(risks, everybody, color=OTHER, linestyle="--", label="act on everybody")
    axes.plot(risks, model, color=MODEL, label="act by the score")
    top = max(float(labels.mean()), float(model.max()))
    axes.set(xlim=(0, _MOST_RISK), ylim=(-0.25 * top, 1.1 * top))
    axes.legend(loc="upper right")
    return as_svg(figure, "Decision curve")


def distribution_figure(labels: Labels, scores: Scores, threshold: float) -> str:
    """Histogram of the scores of each class; each class sums to 1, since one is small."""
    figure, axes = new_figure("predicted score", "share of the class")
    for value, name, colour in ((0, "negative", MODEL), (1, "positive", OTHER)):
        of_class = scores[labels == value]
        weights = np.full(len(of_class), 1 / max(1, len(of_class)))
        axes.hist(
            of_class, bins=_BINS.tolist(), weights=weights, alpha=0.55, label=name, color=colour
        )
    axes.axvline(threshold, color=_INK, linestyle=":", label=f"threshold {threshold:.3f}")
    axes.legend(loc="upper right")
    return as_svg(figure, "Scores by outcome")


def new_figure(x: str, y: str) -> tuple[Figure, Axes]:
    """An empty figure with one pair of axes, named with their units."""
    figure = Figure(figsize=INCHES, layout="constrained")
    axes = figure.add_subplot()
    axes.set(xlabel=x, ylabel=y)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def as_svg(figure: Figure, title: str) -> str:
    """The figure as SVG without a background; its text and axes take the page's text colour.

    Args:
        figure: The figure; its colours of text and axes are changed.
        title: Words for people who cannot see the figure.
    """
    _take_page_colours(figure)
    FigureCanvasSVG(figure)
    text = io.StringIO()
    # text stays text: it can be read aloud, searched and copied; the salt makes names repeatable
    with matplotlib.rc_context(
        {"svg.fonttype": "none", "svg.hashsalt": title, "font.family": "sans-serif"}
    ):
        figure.savefig(
            text,
            format="svg",
            transparent=True,
            metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")),
        )
    svg = text.getvalue()
    svg = svg[svg.index("<svg") :].replace(_INK, "currentColor")
    head = rf'<svg viewBox="\1" role="img" aria-label="{escape(title)}">'
    return re.sub(r'<svg[^>]*?viewBox="([^"]*)"[^>]*>', head, svg, count=1)


def _take_page_colours(figure: Figure) -> None:
    """Write text, axes and ticks in the stand-in for the text colour, without backgrounds."""
    figure.patch.set_visible(False)
    for axes in figure.axes:
        axes.patch.set_visible(False)
        axes.tick_params(color=_INK, labelcolor=_INK)
        for spine in axes.spines.values():
            spine.set_edgecolor(_INK)
        legend = axes.get_legend()
        if legend is not None:
            legend.get_frame().set_visible(False)
    for text in figure.findobj(Text):
        if isinstance(text, Text):
            text.set_color(_INK)
