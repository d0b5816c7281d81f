"""What a person sees while a search runs fits 80 columns and breaks no word."""

import io
import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from search.run.trial_log import COLUMNS
from search.terminal.display import (
    BestSoFar,
    Pace,
    SearchDisplay,
    best_table,
    describe_states,
    trial_line,
)
from search.terminal.output import Amount, Voice, wrapped
from trainable.cohort.cohort import Cohort
from trainable.cohort.label_rule import LabelRule
from trainable.config import TrialConfig
from trainable.evaluation.scoring import Scoring

LONG = "a rather long sentence about trials and patients " * 3


def trials(count: int = 3) -> pd.DataFrame:
    config = TrialConfig(backbone="mobilenet_v3_large", cut="features.12", learning_rate=1.5e-3)
    metrics = {"f1": 0.5, "auc": 0.8, "average_precision": 0.6, "threshold": 0.4, "seconds": 2.0}
    counts = dict.fromkeys(("tp", "fn", "fp", "tn"), 100)
    row = {**config.model_dump(), **metrics, **counts, "state": "complete", "objective": 0.5}
    rows = [{**row, "number": number, "objective": 0.1 * number} for number in range(count)]
    return pd.DataFrame(rows, columns=COLUMNS)


def printed(voice: Voice, terminal: Console, line: str) -> str:
    voice.say(line)
    assert isinstance(terminal.file, io.StringIO)
    return terminal.file.getvalue()


def terminal(is_terminal: bool = True) -> Console:
    return Console(file=io.StringIO(), width=80, force_terminal=is_terminal, color_system=None)


def test_the_table_keeps_the_learning_rate_at_80_columns() -> None:
    console = terminal()
    console.print(best_table(trials()))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert max(map(len, text.splitlines())) <= 80
    words = text.split()
    assert words.count("1.5e-03") == 3
    assert "mobilenet_v3_large" in words
    assert "…" not in text


def test_sentences_wrap_between_words_on_a_terminal_and_nowhere_else() -> None:
    here, there = terminal(), terminal(is_terminal=False)
    shown = printed(Voice(here, as_json=False), here, LONG)
    assert max(map(len, shown.splitlines())) <= 80
    assert shown.split() == LONG.split()
    assert printed(Voice(there, as_json=False), there, LONG) == LONG + "\n"
    command = "predict with: cxr-predict " + "/a folder" * 20
    console = terminal()
    assert printed(Voice(console, as_json=False), console, command) == command + "\n"
    assert wrapped("run: /" + "a" * 99, 80).endswith("a" * 99)


def test_quiet_says_the_announcement_and_the_line_for_a_program() -> None:
    console = terminal(is_terminal=False)
    voice = Voice(console, "quiet", as_json=True)
    voice.say("a note")
    voice.show(best_table(trials()))
    voice.announce("winner: trial 1")
    voice.conclude({"winner": None})
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert lines[0] == "winner: trial 1"
    assert [json.loads(line) for line in lines[1:]] == [{"winner": None}]


def test_a_program_is_given_events_and_a_person_the_same_in_words() -> None:
    def said(amount: Amount) -> list[str]:
        console = terminal(is_terminal=False)
        voice = Voice(console, amount, as_json=False)
        voice.say("a note", 1)
        voice.say()
        voice.show(best_table(trials()))
        voice.tell("trial", "trial 3 ended", number=3, f1=None)
        voice.announce("winner: trial 1")
        voice.refuse(["one", "two"])
        voice.conclude({"winner": None})
        lines: list[str] = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
        return lines

    words = said("normal")
    assert words[:2] == ["  a note", ""]
    assert words[-2:] == ["trial 3 ended", "winner: trial 1"]
    said_not = {"text": "", "level": 0, "announced": False}
    assert [json.loads(line) for line in said("events")] == [
        {"event": "line", **said_not, "text": "a note", "level": 1},
        {"event": "trial", **said_not, "text": "trial 3 ended", "number": 3, "f1": None},
        {"event": "line", **said_not, "text": "winner: trial 1", "announced": True},
        {"event": "refused", "problems": ["one", "two"]},
        {"event": "end", "winner": None},
    ]


def test_the_display_tells_of_each_trial_once() -> None:
    console, rows = terminal(), [trials(1)]
    log = SimpleNamespace(table=lambda: rows[-1], num_ended=lambda: len(rows[-1]))
    plan = SimpleNamespace(num_trials=5)
    voice = Voice(console, "events", as_json=False)
    display = SearchDisplay(SimpleNamespace(log=log), plan, voice)  # type: ignore[arg-type]
    display.begin(None)
    rows.append(trials(3).assign(state=["complete", "complete", "failed"], error="no memory"))
    display.end()
    display.end()
    text = console.file.getvalue()  # type: ignore[attr-defined]
    begin, *told = [json.loads(line) for line in text.splitlines()]
    assert (begin["event"], begin["num_trials"]) == ("begin", 5)
    assert [(one["number"], one["state"], one["f1"], one["num_ended"]) for one in told] == [
        (1, "complete", 0.5, 3),
        (2, "failed", None, 3),
    ]
    assert told[0]["text"].startswith("trial   1  F1 0.500")


def test_verbose_adds_metrics_and_settings() -> None:
    [row] = trials(1).itertuples()
    line = trial_line(row, verbose=True)
    assert line.startswith(trial_line(row))
    assert "AUC 0.800" in line
    assert "batch_size 64" in line


@pytest.mark.parametrize(
    ("ended", "budget", "text"),
    [(4, None, "about 1 min left"), (4, 1e9, "at most 277777 h 47 min left"), (4, 30, "1 min")],
)
def test_the_time_left_is_that_of_the_trials_or_of_the_budget(
    ended: int, budget: float | None, text: str
) -> None:
    import time

    pace = Pace(ended, 10, budget and time.monotonic() + budget)
    assert pace.describe(ended + (budget is None)).endswith(text) or text in pace.describe(ended)


def test_the_best_so_far_has_an_interval_and_states_are_counted() -> None:
    rows = np.arange(60).astype(str)
    manifest = pd.DataFrame({"label": np.tile([0, 0, 1], 20), "patient": rows})
    plan = SimpleNamespace(
        task=SimpleNamespace(scoring=Scoring()), cohort=Cohort(manifest, (LabelRule(("0", "1")),))
    )
    log = SimpleNamespace(scores=lambda _: np.linspace(0, 1, 60, dtype=np.float32)[:, None])
    best = BestSoFar(plan, log)  # type: ignore[arg-type]
    assert best.describe(trials(0)) == "no trial is complete yet"
    text = best.describe(trials())
    assert text.startswith("best so far: trial 2, F1 0.500 (0.")
    assert describe_states(trials(), 2) == "2 running, 3 complete"
