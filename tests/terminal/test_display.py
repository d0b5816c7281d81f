"""What the lines of a search and of a prediction say."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from fixtures.winners import OUT_OF_FOLD, make_winner

from analysis.evaluation_lines import describe_one
from analysis.true_labels import TrueLabels
from search.terminal.display import describe
from search.terminal.outcome import describe_next, describe_winner, winner_sentences
from search.terminal.output import Line
from trainable.cohort.findings import Findings
from trainable.config import TrialConfig
from trainable.evaluation.intervals import EQUAL_ENDS, estimate
from trainable.run.winner import CorrectedF1, TiedTrial


def row(**settings: object) -> object:
    config = TrialConfig.model_validate(settings)
    return next(pd.DataFrame([config.model_dump()]).itertuples())


def test_a_network_shows_its_learning_rate_and_a_logistic_head_its_penalty() -> None:
    network = row(backbone="resnet18", cut="layer3", unfreeze=1, learning_rate=2e-4)
    assert describe(network) == "resnet18 to layer3, 1 trained, normalize none, lr 2.0e-04"
    logistic = row(cut="fused", head="logistic", C=0.01)
    text = "squeezenet1_0 to fused, frozen, normalize none, logistic C 1.0e-02"
    assert describe(logistic) == text
    seeing = row(cut="fused", head="logistic", C=0.01, covariates=True)
    assert describe(seeing) == f"{text}, with columns"


@pytest.mark.parametrize(
    ("config", "images"),
    [
        (TrialConfig(), "FOLDER"),
        (TrialConfig(covariates=True), "CSV"),
        (TrialConfig(views=2), "CSV"),
    ],
)
def test_a_winner_that_needs_more_than_images_is_given_a_table(
    config: TrialConfig, images: str
) -> None:
    predict, _ = describe_next(make_winner(config), Path("/runs/mine"))
    assert predict.text == f"predict with: cxr-predict /runs/mine --images {images}"


@pytest.mark.parametrize(("interval", "is_told"), [((0.9, 0.9), True), ((0.8, 0.9), False)])
def test_an_interval_of_a_search_that_has_no_width_is_told_to_mean_nothing(
    interval: tuple[float, float], is_told: bool
) -> None:
    corrected = CorrectedF1(f1=0.9, interval=interval, optimism=0.1)
    trials = pd.DataFrame({"number": [3], "state": ["complete"], "f1": [1.0]})
    found = {**OUT_OF_FOLD, "average_precision": 0.5}
    tied = (TiedTrial(trial=3, config=TrialConfig(), num_steps=8, f1=1.0),)
    winner = make_winner(TrialConfig(), corrected=corrected, out_of_fold=(found,), tied=tied)
    lines = list(describe_winner(winner, trials, is_sampled=True))
    assert (Line(EQUAL_ENDS, 1) in lines) == is_told


def test_a_page_has_the_facts_of_the_terminal_without_the_list_of_the_team() -> None:
    trials = pd.DataFrame({"number": [3, 4], "state": ["complete"] * 2, "f1": [0.5, 0.6]})
    found = {**OUT_OF_FOLD, "average_precision": 0.5}
    [one] = make_winner(TrialConfig()).members
    team = (one, one.model_copy(update={"trial": 4}))
    tied = (TiedTrial(trial=3, config=TrialConfig(), num_steps=8, f1=0.5),)
    winner = make_winner(TrialConfig(), members=team, out_of_fold=(found,), tied=tied)
    lines = list(describe_winner(winner, trials, is_sampled=True))
    of_team = [line.text for line in lines[1:4]]
    assert of_team[0] == "the score is the mean of 2 trials:"
    assert [text.partition(":")[0] for text in of_team[1:]] == ["trial 3", "trial 4"]
    facts = list(winner_sentences(winner, trials, is_sampled=True))
    assert [line.text for line in lines] == [facts[0], *of_team, *facts[1:]]
    assert [line.level for line in lines] == [0, 1, 2, 2, *[1] * (len(facts) - 1)]


def _facts(low: float, high: float, **changes: Any) -> str:
    corrected = CorrectedF1(f1=high - 0.01, interval=(low, high), optimism=0.1)
    trials = pd.DataFrame({"number": [3], "state": ["complete"], "f1": [0.5]})
    tied = (TiedTrial(trial=3, config=TrialConfig(), num_steps=8, f1=0.5),)
    winner = make_winner(TrialConfig(), corrected=corrected, tied=tied, **changes)
    return "; ".join(winner_sentences(winner, trials, is_sampled=True))


def test_an_expected_f1_that_a_constant_answer_may_reach_is_told() -> None:
    found = {**OUT_OF_FOLD, "average_precision": 0.5}
    of_one = {"out_of_fold": (found,), "all_positive_f1": 0.3}
    assert "not shown to be better" in _facts(0.3, 0.6, **of_one)
    assert "not shown to be better" not in _facts(0.31, 0.6, **of_one)


def test_findings_that_a_constant_answer_may_reach_are_named_with_its_f1() -> None:
    found = {**OUT_OF_FOLD, "average_precision": 0.5}
    # half of the images are positive for A, a tenth for B: calling all positive gives 2/3 and 2/11
    counts = ({"tp": 1, "fn": 1, "fp": 1, "tn": 1}, {"tp": 1, "fn": 1, "fp": 9, "tn": 9})
    findings = Findings(("A", "B"))
    of_two = {"findings": findings, "out_of_fold": tuple({**found, **one} for one in counts)}
    assert "positive (its F1 in brackets): A (0.667)" in _facts(0.3, 0.6, **of_two)
    assert "A (0.667), B (0.182)" in _facts(0.1, 0.6, **of_two)
    assert "not shown to be better" not in _facts(0.67, 0.8, **of_two)


@pytest.mark.parametrize("num_wrong", [0, 3])
def test_an_interval_of_a_prediction_without_a_mistake_is_told_to_mean_nothing(
    num_wrong: int,
) -> None:
    labels, patients = np.repeat([0, 1], 12), np.arange(24)
    scores = np.linspace(0, 1, 24, dtype=np.float32)
    scores[:num_wrong], scores[-num_wrong or 24 :] = 0.9, 0.1
    scored = TrueLabels(labels[:, None], patients, np.arange(24)).scored(scores[:, None])
    winner = make_winner(TrialConfig(), thresholds=(0.5,))
    estimates = estimate(scored, winner.metrics(0.9))
    lines = list(describe_one(scored, winner, estimates))
    assert (f"  {EQUAL_ENDS}" in lines) == (num_wrong == 0)
