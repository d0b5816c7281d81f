"""The draft for a paper: every item is there, and each sentence follows the options of the run."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from fixtures.winners import OUT_OF_FOLD, make_winner

from search.options.options import SearchOptions
from search.page import drafts
from search.page.assessment import assessment_answers
from search.page.checklists import checklist_facts
from search.page.known import Known
from search.page.paper_facts import paper_facts
from search.results.search_result import SearchResult
from search.run.run_folder import RunFolder
from trainable.cohort.cohort import Cohort
from trainable.cohort.label_rule import LabelRule
from trainable.config import TrialConfig
from trainable.evaluation.intervals import Estimate
from trainable.evaluation.scoring import Scoring, ThresholdPolicy
from trainable.run.exported import Exported
from trainable.run.places import scores_file, sites_folder
from trainable.run.winner import History, Member, TestLook, TestResult, TiedTrial, digest_of

FOUND = {**OUT_OF_FOLD, "average_precision": 0.5}
TEAM = "A team (ensemble) of 2 of 5"
BEST = "The best of 5 trials by F1"
LOGISTIC = TrialConfig(head="logistic")
SEES_AGE = TrialConfig(head="logistic", covariates=True)
WEIGHTED = TrialConfig(head="logistic", positive_weight=4.0)
STOPPED = History(num_stopped=1, are_stops_repeated=False)
TEST = TestResult(
    num_exams=30, num_positive=9, num_trained=90, estimates=dict.fromkeys(
        ("F1", "AUC"), Estimate(0.7, 0.6, 0.8))
)  # fmt: skip

LOOK = TestLook(date="2026-11-29", trials=(0, 4), thresholds=(0.5,), result=TEST)


def team(*configs: TrialConfig) -> dict[str, Any]:
    members = (
        Member(trial=number, config=config, num_steps=8, thresholds=(0.5,))
        for number, config in enumerate(configs)
    )
    return {"members": tuple(members)}


def tied(count: int) -> dict[str, Any]:
    trial = TiedTrial(trial=0, config=LOGISTIC, num_steps=8, f1=0.5)
    return {"tied": (trial,) * count}


RULE = LabelRule(("alive", "dead"))


def run_of(
    folder: Path,
    record: dict[str, Any] | None = None,
    columns: dict[str, Any] | None = None,
    weights: tuple[float, ...] = (1.0, 16.0),
    rule: LabelRule = RULE,
    site: str = "",
    unused: tuple[str, ...] = (),
    **options: Any,
) -> SearchResult:
    """A run of 12 images, with a winner of these facts and options."""
    names = [f"{number}.png" for number in range(12)]
    manifest = pd.DataFrame({"image": names, "path": names, "sha256": names, "split": ""})
    manifest = manifest.assign(label=np.arange(12) % 2, patient=np.arange(12) // 2)
    cohort = Cohort(manifest.assign(**(columns or {})), (rule,), unused=unused)
    winner = make_winner(LOGISTIC, **{"out_of_fold": (FOUND,), **(record or {})})
    for member in winner.members:  # the last image of each class is wrong
        file = scores_file(folder, member.trial)
        file.parent.mkdir(exist_ok=True)
        np.save(file, np.array([[0.2], [0.8]] * 5 + [[0.7], [0.1]], np.float32))
    if site:
        sites_folder(folder).mkdir()
        (sites_folder(folder) / f"{site}.json").touch()
    return SearchResult(
        RunFolder(folder),
        SearchOptions.of(**options),
        cohort,
        winner,
        pd.DataFrame({"positive_weight": weights}),
    )


def draft(folder: Path, **changes: Any) -> str:
    """The draft of such a run."""
    result = run_of(folder, **changes)
    facts = checklist_facts(result) | paper_facts(result, Known.of(result, ""))
    return drafts.checklist_markdown(facts)


def test_every_item_of_a_guideline_is_filled_in_or_open() -> None:
    file = Path(drafts.__file__).with_name("checklists.yaml").read_text()
    names = set(re.findall(r"{(\w+)}", file))
    facts = {name: f"[{name}]" for name in names}
    text = drafts.checklist_markdown(facts)
    assert all(f"[{name}]" in text for name in names)
    numbers = [int(number) for number in re.findall(r"^- (\d+)\.", text, re.MULTILINE)]
    assert numbers == [*range(1, 45), *range(1, 28)]
    num_open = text.count("to be written by the authors")
    assert num_open > 20
    without = drafts.checklist_markdown({**facts, "explained": ""})
    assert without.count("to be written by the authors") == num_open + 1


@pytest.mark.parametrize(
    ("usual", "otherwise", "changes"),
    [
        (BEST, TEAM, {"record": team(LOGISTIC, LOGISTIC)}),
        (BEST, "The best of 5 trials by AUC", {"record": {"scoring": Scoring(objective="auc")}}),
        (
            "The best of 5 trials",
            "The simplest of 3 trials that are statistically tied with the best of 5 by F1",
            {"record": {"preferred_simple": True, **tied(3)}},
        ),
        ("None: one trial", "is the mean of 2 trials", {"record": team(LOGISTIC, LOGISTIC)}),
        (
            "The only predictor is the image",
            "The predictors are the image and, in 1 of the 2 trials of the team, covariates: age",
            {"record": team(LOGISTIC, SEES_AGE), "columns": {"covariate:age": "50"}},
        ),
        (
            "uncertain labels were not accepted.\n",
            "A covariate that is not known is marked as missing",
            {"record": team(SEES_AGE), "columns": {"covariate:age": "50"}},
        ),
        (
            "characteristics: to be written by the authors (columns of age,",
            "images 12; age, mean (SD) 36.5 (18.0); age, median",
            {"columns": {"covariate:age": [str(age) for age in range(9, 70, 5)][:12]}},
        ),
        (
            "uncertain labels were not accepted.\n",
            "Covariates that are not known, of 12 images: sex 4.",
            {"columns": {"covariate:sex": ["F", "M", ""] * 4}},
        ),
        (
            "6 patients and 12 images were included. To be",
            "Not used: 2 missing labels left out.",
            {"unused": ("2 missing labels left out",)},
        ),
        (
            "from chest X-rays was created",
            "from chest X-rays and covariates was created",
            {"record": team(SEES_AGE), "columns": {"covariate:age": "50"}},
        ),
        (
            "1 of 6 negative images is called positive, out of fold. To",
            "2 of these 2 are wrong by each of the 2 trials alone.",
            {"record": team(LOGISTIC, LOGISTIC)},
        ),
        ("updating: None", "recalibrated, each kept beside the model: lyon", {"site": "lyon"}),
        ("without a label were not", "label were counted as negative", {"missing": "negative"}),
        ("without a label were not", "without a label were left out", {"missing": "drop"}),
        (
            "without a label were not",
            "without a label were left out",
            {"rule": replace(RULE, missing="drop")},
        ),
        ("uncertain labels were not", "labels were counted as positive", {"uncertain": "positive"}),
        (
            "threshold was chosen for the best F1",
            "threshold was fixed at 0.5 before the search",
            {"record": {"scoring": Scoring(ThresholdPolicy.parse("0.5"))}},
        ),
        (
            "threshold was chosen for the best F1",
            "threshold is the highest that finds 98 % of the positives",
            {"record": {"scoring": Scoring(ThresholdPolicy.parse("sensitivity:0.98"))}},
        ),
        (
            "weights of the positive class from 1 to 16 were tried",
            "a positive image weighed 1 in every trial",
            {"weights": (1.0, 1.0)},
        ),
        (
            "5 folds, stratified, drawn 3 times (seed 0).",
            "One split into training and validation, drawn by patient.",
            {"columns": {"split": ["train", "valid"] * 6}, "shares": "80,20"},
        ),
        (
            "5 folds",
            "One split into training, validation and test, given with the data.",
            {"columns": {"split": ["train", "valid", "test"] * 4}},
        ),
        (
            "5 folds, stratified",
            "partitions: 2 folds, each without one site or several.",
            {"record": {"folds_by": "site"}},
        ),
        (
            "partitions: 5 folds, stratified",
            "A test part, given with the data; the other images in 5 folds, stratified",
            {"columns": {"split": ["train"] * 10 + ["test"] * 2}},
        ),
        ("(6 patients)", "(12 patients; every image counts", {"columns": {"patient": range(12)}}),
        (
            "have one optimum",
            "Heads that are networks are random (seed 0)",
            {"record": team(TrialConfig())},
        ),
        (
            "from random weights.",
            "Bodies start from imagenet.",
            {"record": team(TrialConfig(backbone="squeezenet1_0@imagenet"))},
        ),
        (
            "average precision 0.500.\n",
            "This is the first of 2 looks at them, of trials 0, 4; later choices may know",
            {"record": {"test_looks": (LOOK, LOOK)}},
        ),
        (
            "average precision 0.500.\n",
            "On 30 test images: F1 0.700",
            {"record": {"test_looks": (LOOK,)}},
        ),
    ],
)  # fmt: skip
def test_a_sentence_follows_its_option(
    tmp_path: Path, usual: str, otherwise: str, changes: dict[str, Any]
) -> None:
    assert usual in (before := draft(tmp_path))
    assert otherwise not in before
    assert otherwise in (after := draft(tmp_path, **changes))
    assert usual not in after


def test_an_export_is_named_by_its_hash(tmp_path: Path) -> None:
    result = run_of(tmp_path)
    assert "exported" not in paper_facts(result, Known.of(result, ""))["available"]
    choice = digest_of(result.winner, result.cohort)
    Exported(winner=choice, sha256="ab12", date="2026-12-01").save(tmp_path)
    found = paper_facts(result, Known.of(result, ""))["available"]
    assert "Model: exported on 2026-12-01, SHA-256 ab12." in found


def answers(folder: Path, **changes: Any) -> dict[str, str]:
    return assessment_answers(run_of(folder, **changes))


def test_every_question_has_an_answer_or_says_what_a_reader_needs(tmp_path: Path) -> None:
    text = drafts.assessment_markdown(answers(tmp_path))
    lines = [line for line in text.splitlines() if line.startswith("- ")]
    assert len(lines) == 16 + 18
    found = [re.split(r"\? ", line, maxsplit=1)[1] for line in lines]
    kinds = [re.match(r"(Yes|Probably yes|No|Does not apply|Not known): \w", one) for one in found]
    assert all(kinds)
    num_yes = sum(one.startswith("Yes") for one in found)
    num_open = sum(one.startswith("Not known") for one in found)
    assert f"Of 34 questions, in our own words: {num_yes} yes, " in text
    assert f"{num_open} not known." in text
    assert "1.1. Do the data come from a source" in text
    assert num_open >= 2 * 9, "what the authors did before the search, a run cannot know"


@pytest.mark.parametrize(
    ("name", "usual", "otherwise", "changes"),
    [
        ("enough", "no", "not known", {"record": {"all_positive_f1": 0.2}}),
        ("incomplete", "yes", "not known", {"missing": "drop"}),
        ("incomplete", "yes", "no", {"uncertain": "negative"}),
        ("balanced", "does not apply", "yes", {"record": team(WEIGHTED)}),
        ("leakage", "yes", "not known", {"columns": {"patient": range(12)}}),
        ("repeated", "probably yes", "no", {"record": {"history": STOPPED}}),
        ("handling", "yes: grey values", "yes: no number", {"record": team(SEES_AGE)}),
    ],
)  # fmt: skip
def test_an_answer_follows_the_run(
    tmp_path: Path, name: str, usual: str, otherwise: str, changes: dict[str, Any]
) -> None:
    assert answers(tmp_path)[name].startswith(usual)
    assert answers(tmp_path, **changes)[name].startswith(otherwise)
