"""What a run tells of more patients and of other hospitals, judged on phantoms: a tiny run."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks.more_patients import __main__ as command
from benchmarks.more_patients import searches
from benchmarks.more_patients.phantoms import HOSPITALS, USUAL
from benchmarks.more_patients.searches import Bench, Searched
from benchmarks.more_patients.told import beside, summary
from search.plan.planner import plan_again
from search.space.files import kept_space
from search.winner.winner import evaluate_on_test
from trainable.cohort.splits import Fold, seen_rows
from trainable.evaluation.intervals import Estimate


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(searches, "_FOLDS", 2)
    monkeypatch.setattr(searches, "_CUTS", ("features",))
    monkeypatch.setattr(searches, "_PENALTIES", (1e-2,))


def test_a_tiny_run_prints_all_figures(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = "x --curves 1 --hospitals 1 --patients 60 --new-patients 10 --image-size 32"
    monkeypatch.setattr("sys.argv", words.split())
    command.main()
    said = capsys.readouterr().out
    figures = json.loads(said.splitlines()[-1])
    f1s = ["F1 now", "F1 at 2x", "gain at 2x", "F1 at 4x", "gain at 4x"]
    gaps = [f"gap of {one.name}" for one in HOSPITALS]
    assert {*figures} == {*f1s, *gaps, "gap of all"}
    for figure, found in figures.items():
        assert said.count(f" {figure} ") >= 1
        assert found["cohorts"] == 1
        if not found["not_told"]:
            assert found["bias"] == pytest.approx(found["told"] - found["true"], abs=2e-4)
            assert found["coverage"] in (0, 1)


def test_the_truth_is_what_the_test_of_a_run_would_be_by_labels(tmp_path: Path) -> None:
    new = USUAL.draw(tmp_path, "new", 20, 32, seed=9)
    bench = Bench(tmp_path, 32, "squeezenet1_0", new)
    run = bench.search(USUAL.draw(tmp_path, "cohort", 40, 32, seed=1), "run", seed=0)
    result, cohort = run.result, run.result.cohort
    by_labels = Searched(result, cohort.labels[:, 0].astype(np.float64))
    calls = run.calls(Fold(seen_rows(cohort), run.new))
    plan = plan_again(result.options, kept_space(result.folder.space_yaml), cohort)
    of_test = evaluate_on_test(plan, result.winner)
    assert of_test.num_exams == len(new)
    assert by_labels.true_f1(run.new, calls) == pytest.approx(of_test.estimates["F1"].value)


def test_deaths_follow_the_risk_of_the_hospital_and_more_patients_only_add_rows(
    tmp_path: Path,
) -> None:
    drawn = {one.name: one.draw(tmp_path, one.name, 60, 32, seed=3) for one in HOSPITALS}
    assert drawn["faint"]["risk"].mean() > drawn["usual"]["risk"].mean() + 0.05
    for rows in drawn.values():
        assert rows["died"].mean() == pytest.approx(rows["risk"].mean(), abs=0.1)
        assert (rows.groupby("patient")["died"].nunique() == 1).all()
    fewer = USUAL.draw(tmp_path, "fewer", 20, 32, seed=3)
    columns = ["died", "risk"]
    pd.testing.assert_frame_equal(fewer[columns], drawn["usual"][columns].head(len(fewer)))
    assert (tmp_path / fewer["image"][0]).read_bytes() == (
        tmp_path / drawn["usual"]["image"][0]
    ).read_bytes()


def test_what_was_not_told_is_counted_and_has_no_part_in_the_bias() -> None:
    rows = [
        beside(0, "F1", Estimate(0.5, 0.4, 0.6), 0.45),
        beside(1, "F1", Estimate(0.5, 0.4, 0.6), 0.65),
        beside(2, "F1", None, 0.1),
    ]
    one = summary(pd.DataFrame(rows)).loc["F1"]
    assert one["not_told"] == pytest.approx(1 / 3)
    assert one["bias"] == pytest.approx(-0.05)
    assert one["coverage"] == 0.5
