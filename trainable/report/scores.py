"""Figures of sets of scores: five for the page of one set, and three that compare several."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray
from sklearn import metrics as sk

from trainable.cohort.scored import Scored
from trainable.evaluation.curves import calibration, calibration_curve, net_benefit
from trainable.report.figures import INK, MODEL, OTHER, WEAK, Draw, drawn_svg, save_png
from trainable.report.page import Figure

_BINS = np.linspace(0, 1, 31)
_MOST_RISK = 0.9
_RECALIBRATED = " The broken line is of the scores before they were recalibrated."

Named = Mapping[str, Scored]
"""Scores of one finding by the name of who gave them; the name is empty where there is one."""


def score_figures(scored: Scored, threshold: float, raw: Scored | None = None) -> list[Figure]:
    """The four essential plots of Van Calster (2025), and precision against recall.

    Args:
        scored: Examinations of one finding; both classes occur.
        threshold: A score of at least this is predicted positive.
        raw: The same before the scores were recalibrated, if they were.
    """
    found: list[tuple[str, Draw, str]] = [
        (
            "ROC curve",
            partial(draw_roc, named={"": scored}),
            "A curve near the upper left corner is good. The grey line is chance.",
        ),
        (
            "Calibration",
            partial(draw_calibration, scored=scored, raw=raw),
            "On the grey line, a score of 0.3 means that 3 in 10 are positive. The band is the "
            "95 % CI." + ("" if raw is None else _RECALIBRATED),
        ),
        (
            "Decision curve",
            partial(draw_decision, scored=scored),
            "The model helps where its line is above both others: at risks from which a person "
            "would act.",
        ),
        (
            "Scores by outcome",
            partial(draw_distribution, scored=scored, threshold=threshold),
            "The less the two classes overlap, the better.",
        ),
        (
            "Precision and recall",
            partial(draw_precision_recall, named={"": scored}),
            "The grey line is the precision of calling every image positive.",
        ),
    ]
    return [Figure(title, drawn_svg(title, draw), caption) for title, draw, caption in found]


def save_comparison(named: Named, thresholds: Mapping[str, float], folder: Path) -> list[Path]:
    """Write `roc.png`, `precision_recall.png` and `scores.png` into `folder`."""
    histograms = [
        (name, partial(draw_distribution, scored=scored, threshold=thresholds[name]))
        for name, scored in named.items()
    ]
    return [
        save_png(folder / "roc.png", [("ROC curve", partial(draw_roc, named=named))]),
        save_png(
            folder / "precision_recall.png",
            [("precision and recall", partial(draw_precision_recall, named=named))],
        ),
        save_png(folder / "scores.png", histograms),
    ]


def draw_roc(axes: Axes, named: Named) -> None:
    """ROC curves, with the areas under them."""
    axes.plot([0, 1], [0, 1], color=WEAK, linewidth=1)
    for name, scored in named.items():
        false, found, _ = sk.roc_curve(*_one_finding(scored))
        axes.plot(false, found, label=_label(name, f"AUC {sk.auc(false, found):.3f}"))
    axes.set(xlabel="1 - specificity", ylabel="sensitivity")
    axes.legend(loc="lower right", fontsize=_font_size(named))


def draw_precision_recall(axes: Axes, named: Named) -> None:
    """Precision against recall, with the average precision; all sets have the same labels."""
    first = next(iter(named.values()))
    axes.axhline(float(first.labels.mean()), color=WEAK, linewidth=1, label="every image positive")
    for name, scored in named.items():
        precision, recall, _ = sk.precision_recall_curve(*_one_finding(scored))
        average = sk.average_precision_score(*_one_finding(scored))
        label = _label(name, f"average precision {average:.3f}")
        axes.plot(recall, precision, drawstyle="steps-post", label=label)
    axes.set(xlabel="recall (sensitivity)", ylabel="precision", ylim=(0, 1.02))
    axes.legend(loc="best", fontsize=_font_size(named))


def draw_calibration(axes: Axes, scored: Scored, raw: Scored | None = None) -> None:
    """Smoothed calibration curve with its 95 % CI, slope and intercept; and that before."""
    found = calibration(scored)
    axes.plot([0, 1], [0, 1], color=WEAK, linewidth=1, label="perfect calibration")
    axes.fill_between(found.scores, found.low, found.high, color=MODEL, alpha=0.2, linewidth=0)
    axes.plot(found.scores, found.shares, color=MODEL, label=found.label)
    if raw is not None:
        before = calibration_curve(raw)
        label = f"before: {before.label}"
        axes.plot(before.scores, before.shares, color=OTHER, linestyle="--", label=label)
    axes.set(xlabel="predicted score", ylabel="share that is positive", xlim=(0, 1), ylim=(0, 1))
    _legend_above(axes)


def draw_decision(axes: Axes, scored: Scored) -> None:
    """Net benefit of acting by the scores, on everybody and on nobody."""
    labels, scores = _one_finding(scored)
    risks = np.linspace(0.01, _MOST_RISK, 90)
    model = net_benefit(labels, scores, risks)
    everybody = net_benefit(labels, np.ones_like(scores), risks)
    axes.axhline(0, color=WEAK, linewidth=1, label="act on nobody")
    axes.plot(risks, everybody, color=OTHER, linestyle="--", label="act on everybody")
    axes.plot(risks, model, color=MODEL, label="act by the score")
    top = max(float(labels.mean()), float(model.max()))
    axes.set(xlabel="risk from which a person would act", ylabel="net benefit")
    axes.set(xlim=(0, _MOST_RISK), ylim=(-0.25 * top, 1.1 * top))
    _legend_above(axes)


def _legend_above(axes: Axes) -> None:
    """Where curves may lie anywhere; for figures of one panel, whose titles are not drawn."""
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), borderaxespad=0.3)


def draw_distribution(axes: Axes, scored: Scored, threshold: float) -> None:
    """Histogram of the scores of each class; each class sums to 1, since one is small."""
    labels, scores = _one_finding(scored)
    for value, name in ((0, "negative"), (1, "positive")):
        of_class = scores[labels == value]
        weights = np.full(len(of_class), 1 / max(1, len(of_class)))
        axes.hist(of_class, bins=_BINS.tolist(), weights=weights, alpha=0.55, label=name)
    axes.axvline(threshold, color=INK, linestyle=":", label=f"threshold {threshold:.3f}")
    axes.set(xlabel="predicted score", ylabel="share of the class")
    axes.legend(loc="best")


def _one_finding(scored: Scored) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Labels and scores (num_exams,) of the only finding."""
    [labels], [scores] = scored.labels.T, scored.scores.T
    return labels, scores


def _label(name: str, measure: str) -> str:
    return f"{name}, {measure}" if name else measure


def _font_size(named: Named) -> str:
    return "small" if len(named) > 1 else "medium"
