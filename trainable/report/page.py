"""One self-contained page of HTML: sections of words, figures and tables, and threshold sliders.

The page asks no host for anything: style, script and figures are inside the file.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from trainable.cohort.scored import Scored
from trainable.files import write_text, writing

_MOST_STEPS = 400


@dataclass(frozen=True)
class Figure:
    """A figure with its caption.

    Attributes:
        title: Its name.
        svg: The picture.
        caption: One or two sentences on how to read it.
        is_wide: Whether it takes the width of the page; a narrow screen scrolls it.
    """

    title: str
    svg: str
    caption: str
    is_wide: bool = False

    @property
    def picture(self) -> Markup:
        """The picture as it stands: it was made by this program."""
        return Markup(self.svg)


@dataclass(frozen=True)
class Slider:
    """Confusion matrices by threshold.

    Attributes:
        thresholds: (num_steps,), from the lowest.
        true: (num_steps,), positive examinations with a score of at least the threshold.
        false: (num_steps,), negative examinations with such a score.
        num_positive: All positive examinations.
        num_negative: All negative examinations.
        start: The step of the winner's threshold.
    """

    thresholds: list[float]
    true: list[int]
    false: list[int]
    num_positive: int
    num_negative: int
    start: int

    @property
    def counts(self) -> dict[str, int]:
        """The confusion matrix at the winner's threshold, for readers without scripts."""
        tp, fp = self.true[self.start], self.false[self.start]
        return {"tp": tp, "fn": self.num_positive - tp, "fp": fp, "tn": self.num_negative - fp}

    @property
    def data(self) -> dict[str, Any]:
        """What the script of the page needs."""
        return {
            "steps": self.thresholds,
            "found": self.true,
            "wrong": self.false,
            "positive": self.num_positive,
            "negative": self.num_negative,
        }

    @classmethod
    def of(cls, scored: Scored, threshold: float) -> "Slider":
        """Count at the winner's threshold and at up to 400 others, spread over the scores.

        Args:
            scored: Examinations of one finding.
            threshold: The winner's.
        """
        [labels], [scores] = scored.labels.T, scored.scores.T
        shares = np.linspace(0, 1, min(_MOST_STEPS, len(scores)))
        steps = np.unique([*np.quantile(scores, shares, method="inverted_cdf"), threshold])
        above = scores >= steps[:, None]
        return cls(
            [round(float(step), 6) for step in steps],
            (above & (labels == 1)).sum(axis=1).tolist(),
            (above & (labels == 0)).sum(axis=1).tolist(),
            int((labels == 1).sum()),
            int((labels == 0).sum()),
            int(np.searchsorted(steps, threshold)),
        )


@dataclass(frozen=True)
class Table:
    """A table with its caption; numbers are to the right.

    Attributes:
        frame: The cells, as they are to be shown; the index is not shown.
        caption: One sentence on what a row is.
    """

    frame: pd.DataFrame
    caption: str = ""

    @property
    def columns(self) -> list[tuple[str, bool]]:
        """Name of each column, and whether it holds numbers, also where they are text."""
        return [(str(name), _are_numbers(self.frame[name])) for name in self.frame]

    @property
    def rows(self) -> list[list[str]]:
        """Text of each cell."""
        return [[_text(cell) for cell in row] for row in self.frame.itertuples(index=False)]


@dataclass(frozen=True)
class Section:
    """One part of the page.

    Attributes:
        title: Its heading.
        paragraphs: Sentences before the figures.
        figures: Figures, side by side where there is room.
        slider: Confusion matrix with a slider of its threshold.
        tables: Tables.
        listing: Text to copy, such as a command.
        choices: Parts of which a reader sees one at a time, chosen by their titles; without
            scripts, and on paper, all of them.
    """

    title: str
    paragraphs: Sequence[str] = ()
    figures: Sequence[Figure] = ()
    slider: Slider | None = None
    tables: Sequence[Table] = ()
    listing: str = ""
    choices: Sequence["Section"] = ()


def write_page(path: Path, title: str, sections: Sequence[Section]) -> None:
    """Write the page as a whole.

    Raises:
        OSError: If the disk refuses.
    """
    environment = Environment(
        loader=PackageLoader("trainable.report", "."),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    with writing(path.parent, "--out"):
        write_text(
            path, environment.get_template("page.html").render(title=title, sections=sections)
        )


def as_sentence(text: str) -> str:
    """What a terminal says in a line, with a capital letter and a full stop."""
    return f"{text[:1].upper()}{text[1:]}."


def _are_numbers(column: pd.Series) -> bool:
    texts = column.map(_text).str.replace(",", "")
    filled = texts[texts != ""]
    return len(filled) > 0 and bool(pd.to_numeric(filled, errors="coerce").notna().all())


def _text(cell: object) -> str:
    if isinstance(cell, float):
        return "" if np.isnan(cell) else f"{cell:.3f}"
    return str(cell)
