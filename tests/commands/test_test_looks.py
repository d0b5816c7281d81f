"""Test images are judged once for each choice, and the first result stays the first."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from fixtures.commands import call_command

from search.demo.phantoms import write_demo
from search.results.search_result import SearchResult
from trainable.run.winner import read_winner

pytestmark = pytest.mark.timeout(240)


@pytest.mark.usefixtures("ray_of_tests")
def test_a_later_choice_is_another_look_that_replaces_none(tmp_path: Path) -> None:
    write_demo(tmp_path / "demo", num_patients=60, num_test_patients=1, size=32, seed=1)
    table = pd.read_csv(data := tmp_path / "demo" / "train.csv", dtype=str)
    is_test = table["patient"].isin(table["patient"].unique()[::4])
    table.assign(set=np.where(is_test, "test", "train")).to_csv(data, index=False)
    run = tmp_path / "run"
    options = (
        *("--data", data, "--split", "keep", "--folds", 2, "--repeats", 1),
        *("--cache", tmp_path / "cache", "--out", run),
        *("--weights", "none", "--backbones", "squeezenet1_0", "--image-size", 32, "--epochs", 1),
        *("--trials", 3, "--time-budget", "none", "--unfreeze", "none"),
    )
    call_command("search", *options, "--team", 2)
    [first] = read_winner(run).test_looks
    assert len(first.trials) == 2
    assert (first.result.num_exams, first.result.num_trained) == (is_test.sum(), (~is_test).sum())
    found = SearchResult.read(run)
    assert found.rows.tolist() == (~is_test).tolist(), "test rows have no out-of-fold score"
    assert len(found.folds) == 2

    call_command("search", "--resume", run)
    assert read_winner(run).test_looks == (first,), "the same choice is not judged again"

    again = call_command("search", "--resume", run, "--team", 1, "--json")
    winner = read_winner(run)
    kept, second = winner.test_looks
    assert (kept, winner.test) == (first, first.result)
    assert second.trials == (winner.best.trial,)
    assert winner.own_look == second
    assert "report that one, and that there were 2" in again.stdout
    summary = json.loads(again.stdout.splitlines()[-1])["winner"]
    assert summary["test"] == first.result.model_dump(mode="json")
    assert [look["trials"] for look in summary["test_looks"]] == [
        list(first.trials), list(second.trials),
    ]  # fmt: skip
    assert SearchResult.read(run).winner == winner

    (run / "winner.json").write_text("{")
    refused = call_command("search", "--resume", run, code=2)
    assert "holds each look at the test images and cannot be read" in refused.stderr
