"""How figures look, and how they are kept: SVG that follows the colours of a page, or PNG."""

import io
import re
from collections.abc import Callable, Sequence
from html import escape
from pathlib import Path

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.text import Text

from trainable.files import replacing

MODEL, OTHER = "#2878b5", "#d1603d"
"""Colours that can be read on white and on black, also by people who do not see red."""
INK = "#010203"
"""Stands for the colour of the page's text."""
WEAK = "#888888"
"""Colour of what matters less."""
_CYCLE = (MODEL, OTHER, *(f"tab:{name}" for name in ("green", "purple", "brown", "pink", "olive")))
_INCHES = (4.6, 3.7)  # of a figure on a page
_PNG_INCHES = 5.0

Draw = Callable[[Axes], None]
"""Draws on one pair of axes."""


def new_figure(x: str = "", y: str = "") -> tuple[Figure, Axes]:
    """An empty figure with one pair of axes, named with their units."""
    figure = Figure(figsize=_INCHES, layout="constrained")
    return figure, _with_axes(figure, x, y)


def _with_axes(figure: Figure, x: str = "", y: str = "", panels: int = 1, place: int = 1) -> Axes:
    axes = figure.add_subplot(1, panels, place)
    axes.set(xlabel=x, ylabel=y)
    axes.set_prop_cycle(color=_CYCLE)
    axes.spines[["top", "right"]].set_visible(False)
    return axes


def drawn_svg(title: str, draw: Draw) -> str:
    """What `draw` draws on a figure of its own, as `as_svg`."""
    figure, axes = new_figure()
    draw(axes)
    return as_svg(figure, title)


def save_png(path: Path, panels: Sequence[tuple[str, Draw]]) -> Path:
    """Titled drawings side by side as PNG, replaced as a whole; no display is needed."""
    figure = Figure(figsize=(_PNG_INCHES * len(panels), _PNG_INCHES), layout="constrained")
    FigureCanvasAgg(figure)
    for place, (title, draw) in enumerate(panels, start=1):
        axes = _with_axes(figure, panels=len(panels), place=place)
        draw(axes)
        axes.set_title(title)
    with replacing(path) as partial:
        figure.savefig(partial, format="png", dpi=150)
    return path


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
        {
            "svg.fonttype": "none",
            "svg.hashsalt": title,
            "font.family": "sans-serif",
            "text.parse_math": False,
        }
    ):
        figure.savefig(
            text,
            format="svg",
            transparent=True,
            metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")),
        )
    svg = text.getvalue()
    svg = svg[svg.index("<svg") :].replace(INK, "currentColor")
    head = rf'<svg viewBox="\1" role="img" aria-label="{escape(title)}">'
    return re.sub(r'<svg[^>]*?viewBox="([^"]*)"[^>]*>', head, svg, count=1)


def _take_page_colours(figure: Figure) -> None:
    """Write text, axes and ticks in the stand-in for the text colour, without backgrounds."""
    figure.patch.set_visible(False)
    for axes in figure.axes:
        axes.patch.set_visible(False)
        axes.tick_params(color=INK, labelcolor=INK)
        for spine in axes.spines.values():
            spine.set_edgecolor(INK)
        legend = axes.get_legend()
        if legend is not None:
            legend.get_frame().set_visible(False)
    for text in figure.findobj(Text):
        if isinstance(text, Text):
            text.set_color(INK)
            text.set_parse_math(False)  # a name with two $ is no formula
