"""The section of a page on how sure the scores are, with the instability plot of each finding."""

from collections.abc import Iterator
from functools import partial

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from analysis.how_sure.spread import MANY_FLIPS, HowSure
from trainable.errors import num_of
from trainable.report.figures import INK, MODEL, OTHER, WEAK, drawn_svg
from trainable.report.page import Figure, Section
from trainable.run.winner import Winner

_MOST_DRAWN = 500
"""Images that a figure shows, evenly over the scores; more would be one black area."""


def how_sure_section(
    sure: HowSure, scores: NDArray[np.float32], winner: Winner, unit: str
) -> Section:
    """What models of other cohorts would say of the new images.

    Args:
        sure: What they would say.
        scores: (num_rows, num_findings), of the winner.
        winner: The winner.
        unit: What has a score, an image or an examination.
    """
    findings = winner.findings
    words = [
        f"A search on other patients would have led to another model. So {sure.num_resamples} "
        "times the patients of the search were drawn anew, with as many positive ones; team, "
        "heads, recalibration and threshold were made anew from each draw.",
        f"The interval of {'an' if unit[0] in 'aeiou' else 'a'} {unit} holds the score that the "
        "model of another such cohort, as large and from the same hospitals, would give it, in "
        "95 % of cases. It does not say how the patient's true risk may differ: what all such "
        "models get wrong alike is not in it.",
    ]
    if findings.is_one:
        return Section(
            "How sure is a score?",
            [*words, *_sentences(sure, 0, unit)],
            [_figure(sure, scores, winner, 0, unit)],
        )
    choices = [
        Section(name, list(_sentences(sure, n, unit)), [_figure(sure, scores, winner, n, unit)])
        for n, name in enumerate(findings.names)
    ]
    return Section("How sure is a score?", words, choices=choices)


def _sentences(sure: HowSure, number: int, unit: str) -> Iterator[str]:
    flips, away = sure.flips[:, number], sure.away[:, number]
    width = sure.high[:, number] - sure.low[:, number]
    many = int((flips > MANY_FLIPS).sum())
    yield (
        f"Intervals are {width.mean():.3f} wide on average. The score of another cohort's model "
        f"differs by {away.mean():.3f} on average (mean absolute prediction error)."
    )
    yield (
        f"Another cohort's model gives {100 * flips.mean():.1f} % of the {unit}s another answer. "
        f"Of {num_of(len(flips), unit)}, {many} would get another answer from more than one such "
        "model in ten."
    )


def _figure(
    sure: HowSure, scores: NDArray[np.float32], winner: Winner, number: int, unit: str
) -> Figure:
    title = "Instability plot"
    draw = partial(_draw, sure=sure, scores=scores, winner=winner, number=number, unit=unit)
    level = "" if winner.findings.exclusive else "; dotted: the threshold"
    return Figure(
        title,
        drawn_svg(title, draw),
        f"Each line is the interval of one {unit}, at its score{level}. Red: another answer from "
        "more than one model in ten. Short lines: it matters little which patients were searched.",
    )


def _draw(
    axes: Axes,
    sure: HowSure,
    scores: NDArray[np.float32],
    winner: Winner,
    number: int,
    unit: str,
) -> None:
    order = np.argsort(scores[:, number], kind="stable")
    places = np.linspace(0, len(order) - 1, min(len(order), _MOST_DRAWN)).astype(int)
    some = order[places]
    own, low, high = (one[some, number] for one in (scores, sure.low, sure.high))
    many = sure.flips[some, number] > MANY_FLIPS
    axes.plot([0, 1], [0, 1], color=WEAK, linewidth=1)
    for those, colour in ((~many, MODEL), (many, OTHER)):
        axes.vlines(own[those], low[those], high[those], color=colour, linewidth=1, alpha=0.7)
    if not winner.findings.exclusive:
        for line in (axes.axvline, axes.axhline):
            line(winner.thresholds[number], color=INK, linewidth=0.8, linestyle=":")
    axes.set(
        xlabel=f"score of the {unit}",
        ylabel="scores by models of other cohorts",
        xlim=(0, 1),
        ylim=(0, 1),
    )
