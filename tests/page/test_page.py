"""The page of a run: what it counts, what it escapes, and the command that it names."""

from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import pytest
from cyclopts import Parameter

from search.options.options import SearchOptions, command_line
from trainable.cohort.scored import Scored
from trainable.commands.cli import new_app
from trainable.evaluation.metrics import evaluate
from trainable.evaluation.scoring import Scoring
from trainable.report.figures import as_svg, new_figure
from trainable.report.page import Figure, Section, Slider, Table, write_page
from trainable.report.scores import score_figures

RNG = np.random.default_rng(1)
LABELS = np.repeat([0, 1], [60, 20])
SCORES = np.clip(RNG.normal(0.3 + 0.3 * LABELS, 0.15), 0, 1).astype(np.float32)
SCORED = Scored(LABELS[:, None], np.arange(80), SCORES[:, None])


@pytest.mark.parametrize("threshold", [0.0, 0.41, float(SCORES[70]), 1.0])
def test_the_slider_counts_as_the_metrics_do(threshold: float) -> None:
    slider = Slider.of(SCORED, threshold)
    assert slider.thresholds[slider.start] == pytest.approx(threshold, abs=1e-6)
    thresholds = np.array([threshold], np.float32)
    [found] = evaluate(SCORED.labels, SCORED.scores, thresholds, Scoring())
    assert slider.true[slider.start] == found["tp"]
    assert slider.false[slider.start] == found["fp"]
    assert (slider.num_positive, slider.num_negative) == (20, 60)
    assert slider.true == sorted(slider.true, reverse=True)


def test_numbers_stand_to_the_right_also_where_they_are_text() -> None:
    frame = pd.DataFrame(
        {"a": ["1,419", ""], "b": ["0.5 to 0.6", "1"], "c": [0.5, np.nan], "d": ["", ""]}
    )
    assert Table(frame).columns == [("a", True), ("b", False), ("c", True), ("d", False)]


def test_words_of_a_user_are_text_and_never_part_of_the_page(tmp_path: Path) -> None:
    table = Table(pd.DataFrame({"<b>": ["<script>x</script>", "b"], "n": [0.5, np.nan]}))
    write_page(tmp_path / "page.html", "a & b", [Section("<i>", ["<u>"], tables=[table])])
    page = (tmp_path / "page.html").read_text()
    for tag in ("<b>", "<script>x", "<i>", "<u>"):
        assert tag not in page
    assert "a &amp; b" in page
    assert ">0.500<" in page


def test_without_scripts_the_page_has_the_matrix_of_the_winner(tmp_path: Path) -> None:
    slider = Slider.of(SCORED, 0.41)
    write_page(tmp_path / "page.html", "a", [Section("Scores", slider=slider)])
    page = (tmp_path / "page.html").read_text()
    [found] = evaluate(SCORED.labels, SCORED.scores, np.array([0.41], np.float32), Scoring())
    for name in ("tp", "fn", "fp", "tn"):
        assert f'{name}">{found[name]}</td>' in page
    assert "0.410</output>" in page
    assert "default-src 'none'" in page, "nothing can be asked from another host"


def test_a_name_with_two_dollars_is_no_formula() -> None:
    figure, axes = new_figure("$cost$", "")
    axes.barh(["us$a$_{"], [1])
    assert "us$a$_{" in as_svg(figure, "Names")


def test_figures_have_no_colour_of_text_of_their_own_and_a_name_for_the_blind() -> None:
    found: list[Figure] = score_figures(SCORED, 0.5)
    assert len(found) == 5
    for figure in found:
        assert figure.svg.startswith("<svg viewBox=")
        assert f'aria-label="{figure.title}"' in figure.svg
        assert "currentColor" in figure.svg
        assert "http://" not in figure.svg.replace("http://www.w3.org", "")


def test_the_command_of_a_run_asks_for_the_same_search() -> None:
    options = SearchOptions.of(
        data="a folder/train.csv", trials=7, backbones="resnet18,squeezenet1_0",
        time_budget="90s", prefer_simple=True, shares="80,20", cache_bytes="1 GiB",
    )  # fmt: skip
    app = new_app("cxr-search")
    found: list[SearchOptions] = []

    @app.default
    def search(*, options: Annotated[SearchOptions | None, Parameter(name="*")] = None) -> None:
        found.append(options or SearchOptions())

    app(command_line(options)[1:], result_action="return_value")
    given = found[0].given
    assert {name: given[name] for name in options.given} == options.given
