"""Would more patients help? The learning curve of a run, as a section of its page."""

import math
from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np
from matplotlib.axes import Axes

from search.rescored.learning_curve import OPTION, Curve, Line, Point
from search.results.search_result import SearchResult
from trainable.errors import num_of
from trainable.report.figures import MODEL, OTHER, WEAK, drawn_svg
from trainable.report.page import Figure, Section, Table, as_sentence

_TITLE = "Would more patients help?"
_NARROW = 0.1  # width of an interval
_CAPTION = (
    "Points: the whole choice made on a quarter, a half, three quarters and all of the patients, "
    "with 95 % confidence intervals by patient. Grey: the inverse power law of the points. Orange: "
    "what it says of up to four times as many patients, with the 95 % interval."
)


def more_patients_section(result: SearchResult) -> Section:
    """What more patients would be worth; where nobody asked, how to find out."""
    curve, width = result.learning_curve, width_of_interval(result)
    if curve is None:
        return Section(
            _TITLE,
            [*width, f"What they would do to the F1 is not known yet: cxr-report RUN {OPTION}."],
        )
    left_out = f"; {num_of(curve.num_left_out, 'other')} took no part" if curve.num_left_out else ""
    words = [
        *map(as_sentence, curve.sentences),
        *width,
        "Candidates, team, threshold and correction were chosen anew on each part of the "
        f"patients, among {num_of(len(curve.trials), 'trial')}{left_out}.",
        "What is told of more patients holds for patients like these, from the same hospitals.",
    ]
    tables = [
        Table(curve.table, "On parts of the patients, on all, and as told for two and four times.")
    ]
    if len(curve.curves) == 1:
        return Section(_TITLE, words, list(_figures(curve.curves[0])), tables=tables)
    choices = [Section(one.name, figures=list(_figures(one))) for one in curve.curves]
    return Section(_TITLE, words, tables=tables, choices=choices)


def width_of_interval(result: SearchResult) -> Iterator[str]:
    """How wide the interval of the F1 is, and how many patients a narrow one takes.

    An interval narrows with the root of the number of patients.
    """
    winner, patients = result.winner, result.scored.num_patients
    low, high = winner.corrected.interval
    width = high - low
    yield (
        f"With {patients:,} patients the 95 % CI of the {winner.f1_name} is {width:.3f} wide "
        f"({low:.3f} to {high:.3f})."
    )
    if width > _NARROW:
        wanted = patients * (width / _NARROW) ** 2
        yield (
            "It narrows with the root of their number: within ±"
            f"{_NARROW / 2:g} takes about {_rounded(wanted):,} patients like these."
        )


def _rounded(number: float) -> int:
    """A number with two digits that count."""
    digits = int(10 ** max(0, math.floor(math.log10(number)) - 1))
    return math.ceil(number / digits) * digits


def _figures(curve: Curve) -> Sequence[Figure]:
    lines = {"F1 by patients": curve.f1, "AUC by patients": curve.auc}
    return [
        Figure(title, drawn_svg(title, partial(_draw, line=line, name=title.split()[0])), _CAPTION)
        for title, line in lines.items()
    ]


def _draw(axes: Axes, line: Line, name: str) -> None:
    patients, values, low, high = _columns(line.points)
    axes.errorbar(
        patients, values, (values - low, high - values), fmt="o", color=MODEL, capsize=3,
        label="this cohort",
    )  # fmt: skip
    if line.law is not None:
        sizes = np.linspace(patients[0] / patients[-1], 1, 50)
        axes.plot(sizes * patients[-1], [line.law.at(one) for one in sizes], color=WEAK)
        further, told, lowest, highest = _columns([line.points[-1], *line.told])
        axes.plot(further, told, color=OTHER, label="with more patients")
        axes.fill_between(further, lowest, highest, color=OTHER, alpha=0.2, linewidth=0)
    axes.set(xlabel="patients", ylabel=name, xlim=(0, None))
    axes.legend(loc="lower right")


def _columns(points: Sequence[Point]) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Patients, values, and the ends of their intervals."""
    cells = [
        (one.patients, one.estimate.value, one.estimate.low, one.estimate.high) for one in points
    ]
    patients, values, low, high = np.array(cells, float).T
    return patients, values, low, high
