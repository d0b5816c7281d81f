"""Options of `cxr-search`: how they are written, what is refused, and the help screen."""

import io
import re
from datetime import timedelta
from pathlib import Path

import pytest
from fixtures.commands import call_command
from pydantic import ValidationError
from rich.console import Console

from search.command import app
from search.options.options import SearchOptions
from search.options.types import duration_text


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("600", 600), ("1.5", 1.5), ("90s", 90), ("30m", 1800), ("1h30m", 5400), ("PT30M", 1800)],
)
def test_a_duration_has_a_unit_or_counts_seconds(text: str, seconds: float) -> None:
    found = SearchOptions.of(time_budget=text).run.time_budget
    assert found == timedelta(seconds=seconds)
    assert SearchOptions.of(time_budget=duration_text(found)).run.time_budget == found


def test_no_time_budget_is_written_none() -> None:
    assert SearchOptions.of(time_budget="none").run.time_budget is None
    assert duration_text(None) == "none"


@pytest.mark.parametrize("text", ["0", "-5m", "-1", "soon", "nat", "nan", "inf", "1e30", ""])
def test_a_duration_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValidationError, match=r"time_budget\n  Value error, must be"):
        SearchOptions.of(time_budget=text)


def test_options_are_found_by_their_names_and_keep_which_were_given() -> None:
    options = SearchOptions.of(data=Path("x.csv"), trials=7, seed=0)
    assert options.given == {"data": Path("x.csv"), "trials": 7, "seed": 0}
    changed = options.replaced({"trials": 9, "folds": 3})
    assert (changed.run.trials, changed.scoring.folds, changed.data.data) == (9, 3, Path("x.csv"))
    assert SearchOptions.model_validate(options.model_dump(mode="json")) == options


@pytest.mark.parametrize(("gpus", "device"), [(0, "cpu"), (0.25, "auto"), (2, "auto")])
def test_the_head_uses_a_gpu_where_trials_may(gpus: float, device: str) -> None:
    assert SearchOptions.of(gpus_per_trial=gpus).compute.own_device == device


def test_no_two_groups_have_an_option_of_one_name() -> None:
    names = [name for _, group in SearchOptions() for name in type(group).model_fields]
    assert len(names) == len(set(names))


def test_all_problems_are_reported_at_once() -> None:
    wrong = ("--trials", 0, "--time-budget", "-5m", "--shares", "80,30", "--unfreeze", "none,tow")
    done = call_command("search", "--data", "x.csv", *wrong, code=2)
    assert done.stdout == ""
    lines = done.stderr.splitlines()
    assert len(lines) == 5
    assert "  - --trials must be at least 1 (got 0)" in lines
    for option in ("--time-budget must be longer", "--shares must be two", "--unfreeze must be"):
        assert any(option in line for line in lines)


@pytest.fixture(scope="module")
def screen() -> str:
    text = io.StringIO()
    app.print_all_help(Console(file=text, width=80))
    return text.getvalue()


def test_the_help_screen_has_its_panels_in_order_and_fits_80_columns(screen: str) -> None:
    titles = re.findall(r"^╭─ (\w+) ─", screen, re.MULTILINE)
    assert titles[:7] == ["Images", "Space", "Scoring", "Compute", "Run", "Output", "Advanced"]
    assert max(map(len, screen.splitlines())) <= 80


def test_every_option_is_described_in_a_sentence(screen: str) -> None:
    inside = [line.strip("│").strip() for line in screen.splitlines() if line.startswith("│")]
    described = [line for line in inside if line.startswith("--")]
    assert len(described) > 40
    for line in described:
        text = re.split(r"  +", line, maxsplit=1)
        assert len(text) == 2, line
        assert text[1][0].isupper() or text[1].startswith("CSV"), line


@pytest.mark.parametrize(
    "leak", ["None", "()", "TIMEDELTA", "BYTESIZE", "--empty", "--no-", "--data.", "8589934592"]
)
def test_the_help_screen_shows_no_python(screen: str, leak: str) -> None:
    assert leak not in screen


@pytest.mark.parametrize("default", ["30m", "8 GiB", "imagenet", "0.25"])
def test_defaults_are_written_as_a_person_writes_them(screen: str, default: str) -> None:
    assert f"[default: {default}]" in re.sub(r"\s*│\n│\s*", " ", screen)
