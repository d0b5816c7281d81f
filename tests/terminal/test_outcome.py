"""A search whose trials mostly failed says so."""

from pathlib import Path

import pandas as pd
import pytest

from search.terminal.outcome import describe_failures, mostly_failed


def told(*states: str) -> list[str]:
    trials = pd.DataFrame({"state": states, "error": [f"why {n}" for n, _ in enumerate(states)]})
    assert mostly_failed(trials) == any("most trials" in line for line in _lines(trials))
    return _lines(trials)


def _lines(trials: pd.DataFrame) -> list[str]:
    return list(describe_failures(trials, Path("errors")))


def test_nothing_is_said_where_nothing_failed() -> None:
    assert told("complete", "stopped", "interrupted") == []


def test_failed_and_lost_trials_are_counted_apart() -> None:
    failed, lost = told("complete", "failed", "lost", "complete", "interrupted")
    assert failed == "1 of 3 trials failed; see errors"
    assert lost.startswith("1 trial was lost to errors of the machine")
    assert lost.endswith("The last error: why 2")


@pytest.mark.parametrize("bad", ["failed", "lost"])
def test_a_winner_among_few_is_said_to_be_one(bad: str) -> None:
    assert told("complete", bad, bad)[-1].startswith("most trials did not work; 1 is complete")
