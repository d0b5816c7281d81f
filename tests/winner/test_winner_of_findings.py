"""The winner of a search for several findings: its record, and the table of all trials."""

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from fixtures.cohorts import three_findings
from fixtures.networks import tiny_config
from fixtures.run_folders import run_of

from search.demo.phantoms import write_demo
from search.options.options import SearchOptions
from search.plan.plan import SearchPlan
from search.plan.planner import complete, plan_search
from search.tune.study import open_study
from search.winner.winner import choose_winner
from trainable.cohort.label_rule import LabelRule
from trainable.cohort.scored import team_scores
from trainable.errors import Checks, InputError
from trainable.evaluation.counts import f1_over_findings
from trainable.evaluation.metrics import counts_of
from trainable.evaluation.scoring import Scoring
from trainable.run.places import resampled_file
from trainable.run.resampled import NUM_KEPT, ResampledChoices
from trainable.run.winner import read_winner, save_winner

NAMES = ("dead", "mass, large")


def plan_of(folder: Path) -> SearchPlan:
    """A plan for two findings of the demo's images, the second unknown of a fifth."""
    write_demo(folder / "demo", num_patients=60, num_test_patients=1, size=32, seed=1)
    options = SearchOptions.of(
        data=folder / "demo" / "train.csv", weights="none", backbones=("squeezenet1_0",),
        image_size=32, cache=folder / "cache",
    )  # fmt: skip
    plan = plan_search(options, options.data)
    assert plan.task.scoring == Scoring()
    mass = np.arange(len(plan.cohort.manifest)) % 5 - 1
    manifest = plan.cohort.manifest.rename(columns={"label": "label:dead"})
    manifest[f"label:{NAMES[1]}"] = np.minimum(mass, 1)
    rules = tuple(LabelRule(("0", "1"), missing="drop", finding=name) for name in NAMES)
    cohort = dataclasses.replace(plan.cohort, manifest=manifest, label_rules=rules)
    data = dataclasses.replace(plan.task.data, labels=cohort.labels)
    task = dataclasses.replace(plan.task, data=data, scoring=Scoring(f1_average="macro"))
    return dataclasses.replace(plan, cohort=cohort, task=task)


def test_the_record_has_a_team_per_finding_and_a_table_has_each_trial(tmp_path: Path) -> None:
    plan = plan_of(tmp_path)
    run = run_of(plan, tmp_path / "run")
    study = open_study(run, plan.space_here(has_gpu=False))
    labels, rng = plan.cohort.labels, np.random.default_rng(0)
    assert (labels == -1).any()
    for number in range(4):
        study.ask()
        noise = rng.random(labels.shape)
        # each trial is good for one finding
        told = np.where(np.arange(2) == number % 2, 0.6, 0.2) * (labels == 1)
        scores = np.clip(told + 0.4 * noise, 0, 1).astype(np.float32)
        objective, found = plan.task.judge(scores)
        f1 = f1_over_findings(counts_of(found), "macro")
        metrics = {"objective": objective, "f1": float(f1), "num_steps": 8}
        config = tiny_config().model_dump()
        run.log.add(number, "complete", config, metrics, scores=scores)
    winner = choose_winner(run, plan)
    assert winner is not None
    assert winner.findings == plan.cohort.findings
    assert winner.findings.names == NAMES
    assert {trial % 2 for trial in winner.teams[0]} >= {0}
    assert {member.trial for member in winner.members} == {*winner.teams[0], *winner.teams[1]}
    raw, scores = winner.raw_out_of_fold_scores(run.path), winner.out_of_fold_scores(run.path)
    for column, team in enumerate(winner.teams):
        each = np.stack([run.log.scores(trial)[:, column] for trial in team])
        assert np.array_equal(raw[:, column], team_scores(each))
        assert np.array_equal(scores[:, column].argsort(), raw[:, column].argsort())
    known = (labels >= 0).sum(axis=0).tolist()
    counts = counts_of(winner.out_of_fold)
    assert counts.sum(axis=0).tolist() == known
    assert winner.corrected.apparent == pytest.approx(f1_over_findings(counts, "macro"))
    scored = plan.cohort.scored(scores)
    assert winner.evaluate(scored) == winner.out_of_fold
    save_winner(winner, run.path)
    assert read_winner(run.path) == winner

    kept = ResampledChoices.read(run.path)
    assert kept.teams.shape[:2] == kept.thresholds.shape == kept.maps.shape[:2] == (NUM_KEPT, 2)
    assert kept.trials == [tiny_config()] * len(kept.configs)
    assert kept.counts.shape == (NUM_KEPT, len(labels))
    patients = plan.cohort.patients
    assert len(np.unique(kept.counts[0][patients == patients[0]])) == 1

    whole = resampled_file(run.path).read_bytes()
    for damaged in (whole[: len(whole) // 2], whole[:200] + bytes(300) + whole[500:]):
        resampled_file(run.path).write_bytes(damaged)
        with pytest.raises(InputError, match="is damaged"):
            ResampledChoices.read(run.path)

    table = pd.read_csv(run.path / "findings.csv")
    assert table["number"].tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    assert table["finding"].tolist() == list(NAMES) * 4
    means = table.groupby("number")["f1"].mean().to_numpy()
    assert means == pytest.approx(run.log.table()["f1"].to_numpy())


def test_a_binary_f1_of_several_findings_is_refused_beside_all_other_problems() -> None:
    options = SearchOptions.of(f1_average="binary", prefer_simple=True, team=5)
    with pytest.raises(InputError) as refused:
        complete(options, None, three_findings(), None, Checks())
    said = "\n".join(refused.value.problems)
    assert "--f1-average binary is of one finding, and there are 3: drop it for macro" in said
    assert "--prefer-simple chooses one trial" in said
