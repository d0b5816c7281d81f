"""Pictures of what an experiment's rows score: ROC and precision-recall curves, and histograms."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray
from sklearn import metrics as sk

from search.terminal.tables import Result
from trainable.files import replacing

_INCHES = 5.0
_BINS = np.linspace(0, 1, 41)


def draw_figures(results: Mapping[str, Result], folder: Path) -> list[Path]:
    """Draw `roc.png`, `precision_recall.png` and `scores.png` into `folder`.

    Args:
        results: Results of the rows by their names.
        folder: Run folder.
    """
    return [
        _draw(folder / "roc.png", 1, lambda axes: _roc(axes[0], results)),
        _draw(folder / "precision_recall.png", 1, lambda axes: _precision_recall(axes[0], results)),
        _draw(folder / "scores.png", len(results), lambda axes: _histograms(axes, results)),
    ]


def _draw(path: Path, num_panels: int, draw: Callable[[list[Axes]], None]) -> Path:
    """One figure as PNG, replaced as a whole; no display is needed."""
    size = (_INCHES * num_panels, _INCHES)
    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    draw([figure.add_subplot(1, num_panels, place) for place in range(1, num_panels + 1)])
    with replacing(path) as partial:
        figure.savefig(partial, format="png", dpi=150)
    return path


def _roc(axes: Axes, results: Mapping[str, Result]) -> None:
    axes.plot([0, 1], [0, 1], color="0.8", linewidth=1)
    for name, result in results.items():
        false, found, _ = sk.roc_curve(*_one_finding(result))
        axes.plot(false, found, label=f"{name}, AUC {sk.auc(false, found):.3f}")
    axes.set(xlabel="1 - specificity", ylabel="sensitivity", title="ROC curve")
    axes.set_aspect("equal")
    axes.legend(loc="lower right", fontsize="small")


def _precision_recall(axes: Axes, results: Mapping[str, Result]) -> None:
    for name, result in results.items():
        precision, recall, _ = sk.precision_recall_curve(*_one_finding(result))
        average = sk.average_precision_score(*_one_finding(result))
        axes.plot(recall, precision, drawstyle="steps-post", label=f"{name}, {average:.3f}")
    share = float(np.mean(next(iter(results.values())).scored.labels))
    axes.axhline(share, color="0.8", linewidth=1)
    axes.set(xlabel="recall (sensitivity)", ylabel="precision", ylim=(0, 1.02))
    axes.set_title("precision and recall, with the average precision")
    axes.legend(loc="upper right", fontsize="small")


def _histograms(panels: list[Axes], results: Mapping[str, Result]) -> None:
    for axes, (name, result) in zip(panels, results.items(), strict=True):
        labels, all_scores = _one_finding(result)
        for value, label in ((0, "negative"), (1, "positive")):
            # each class sums to 1, since one of them is small
            scores = all_scores[labels == value]
            weights = np.full(len(scores), 1 / len(scores))
            axes.hist(scores, bins=_BINS.tolist(), weights=weights, alpha=0.6, label=label)
        threshold = float(result.metrics["threshold"])
        axes.axvline(threshold, color="0.3", linestyle="--", label=f"threshold {threshold:.3f}")
        axes.set(title=name, xlabel="predicted score", ylabel="share of the class")
        axes.legend(fontsize="small")


def _one_finding(result: Result) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Labels and scores (num_exams,) of the only finding."""
    [labels], [scores] = result.scored.labels.T, result.scored.scores.T
    return labels, scores
