"""The learning curve after a search: when it is drawn, what is said, and what a signal leaves."""

import dataclasses
import io
import shutil
from pathlib import Path

import pandas as pd
import pytest
from rich.console import Console

from search.launch import growth_line
from search.rescored.growing import CurvePlan
from search.rescored.learning_curve import LearningCurve
from search.results.search_result import SearchResult
from search.terminal.output import Voice
from trainable.run.places import winner_file

VOICE = Voice(Console(file=io.StringIO()), as_json=False)


def took(run: Path, seconds: float) -> SearchResult:
    """The result of a search whose trials took so long, one after the other."""
    result = SearchResult.read(run)
    ends = pd.Timestamp("2026-12-01", tz="UTC") + pd.to_timedelta(
        [seconds * number for number in range(1, len(result.trials) + 1)], unit="s"
    )
    return dataclasses.replace(result, trials=result.trials.assign(seconds=seconds, ended=ends))


@pytest.fixture
def run(searched_run: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(searched_run, tmp_path / "run"))


def test_a_curve_that_costs_little_of_the_search_is_kept_and_told(run: Path) -> None:
    said = growth_line(took(run, 1000), VOICE)
    curve = SearchResult.read(run).learning_curve
    assert curve is not None
    assert said == curve.sentences[-1]
    kept = LearningCurve.file(run).read_bytes()
    assert growth_line(took(run, 0.001), VOICE) == said, "the curve of this winner is there"
    assert LearningCurve.file(run).read_bytes() == kept


def test_of_a_curve_that_costs_more_the_command_is_told(run: Path) -> None:
    said = growth_line(took(run, 0.001), VOICE)
    assert said is not None
    assert said.startswith("what more patients would be worth (about ")
    assert said.endswith(f"cxr-report {run} --learning-curve")
    assert not LearningCurve.file(run).exists()


def test_nothing_is_told_of_a_run_that_can_have_no_curve(run: Path) -> None:
    result = took(run, 1000)
    manifest = result.cohort.manifest.assign(split="train")
    manifest.loc[:9, "split"] = "valid"
    one_split = dataclasses.replace(result.cohort, manifest=manifest)
    assert growth_line(dataclasses.replace(result, cohort=one_split), VOICE) is None


def test_a_signal_leaves_the_curve_out_and_the_winner_as_it_is(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(_: CurvePlan) -> None:
        raise KeyboardInterrupt

    before = winner_file(run).read_bytes()
    monkeypatch.setattr(CurvePlan, "run", stopped)
    said = growth_line(took(run, 1000), VOICE)
    assert said == (
        f"Ctrl-C came before the learning curve; draw it with: cxr-report {run} --learning-curve"
    )
    assert winner_file(run).read_bytes() == before
    assert not LearningCurve.file(run).exists()


def test_the_time_of_a_search_is_that_in_which_some_trial_ran(searched_run: Path) -> None:
    result = SearchResult.read(searched_run)
    ends = pd.to_datetime(["2026-12-01T10:00:10Z", "2026-12-01T10:00:14Z", "2026-12-02T08:00:05Z"])
    table = result.trials.iloc[1:4].assign(ended=ends, seconds=[10.0, 8.0, 5.0])
    # two ran at a time, from 10:00:00 to 10:00:14, and one on the next day
    assert CurvePlan.of(dataclasses.replace(result, trials=table)).of_search == 19
