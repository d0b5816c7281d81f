"""Predictions with a promise: the column of answers, what is printed, and what is refused."""

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from fixtures.cohorts import three_classes, three_findings
from fixtures.networks import tiny_config
from fixtures.winners import make_winner

from analysis.answers import describe_answers, describe_judged, find_answers, judge_answers
from analysis.new_images import find_new_images
from analysis.predict import predictions_and_scores
from trainable.cohort.cohort import Cohort
from trainable.cohort.label_rule import LabelRule
from trainable.cohort.scored import Scored
from trainable.errors import InputError
from trainable.evaluation.answers import UNDECIDED, AnswerSteps, Promise, Step
from trainable.evaluation.scoring import Scoring
from trainable.run.winner import Winner

WriteImages = Callable[[Path, Iterable[str]], None]
COHORT = Cohort(pd.DataFrame(), (LabelRule(("alive", "dead")),))
SURE = AnswerSteps(
    300, 60, num_exams=400, no=(Step(0.1, 150, 190, 1, 1.5),), yes=(Step(0.8, 30, 40, 1, 0.0),)
)
UNSURE = AnswerSteps(
    300, 60, num_exams=400, no=(Step(0.1, 150, 190, 40, 40.0),), yes=(Step(0.8, 30, 40, 20, 20.0),)
)
BOTH = Promise(npv=0.95, ppv=0.8)
SCORES = np.array([[0.05], [0.5], [0.9]], np.float32)


def one(steps: AnswerSteps = SURE) -> Winner:
    return make_winner(tiny_config(), answers=(steps,))


def several() -> tuple[Winner, Cohort]:
    """Three findings, of which the second can promise nothing."""
    cohort = three_findings()
    answers = (SURE, UNSURE, SURE)
    return make_winner(tiny_config(), findings=cohort.findings, answers=answers), cohort


def problems(winner: Winner, promise: Promise) -> tuple[str, ...]:
    with pytest.raises(InputError) as refusal:
        find_answers(winner, promise)
    return refusal.value.problems


def test_each_image_has_an_answer_and_nothing_else_changes(
    tmp_path: Path, write_images: WriteImages
) -> None:
    write_images(tmp_path / "new", ["a.png", "b.png", "c.png"])
    (tmp_path / "new" / "b.png").write_bytes(b"")
    new = find_new_images(tmp_path / "new", None, COHORT, leave_out=True)
    answers = find_answers(one(), BOTH)
    rules = COHORT.label_rules
    filled, scores = predictions_and_scores(new, SCORES[[0, 2]], one(), rules, answers)
    assert scores["answer"].tolist() == ["no", "", "yes"]
    alone, before = predictions_and_scores(new, SCORES[[0, 2]], one(), rules)
    pd.testing.assert_frame_equal(scores.drop(columns="answer"), before)
    pd.testing.assert_frame_equal(filled, alone)
    winner, cohort = several()
    new = find_new_images(tmp_path / "new" / "a.png", None, cohort)
    answers = find_answers(winner, BOTH)
    row = np.array([[0.05, 0.05, 0.9]], np.float32)
    _, scores = predictions_and_scores(new, row, winner, cohort.label_rules, answers)
    names = [f"answer:{name}" for name in cohort.findings.names]
    assert scores[names].iloc[0].tolist() == ["no", UNDECIDED, "yes"]


def test_what_is_promised_is_told_with_how_many_have_each_answer() -> None:
    lines = list(describe_answers(find_answers(one(), BOTH), one().findings, SCORES, "image"))
    assert lines[0] == "answers, as the 300 patients of the search had them:"
    assert "below 0.100  150 (50 %)  190 (48 %)" in lines[2]
    assert "0.990" in lines[2], "1.5 of 150 are expected to be wrong"
    assert lines[-1] == "3 images: 1 no, 1 yes, 1 a doctor decides"
    winner, cohort = several()
    scores = np.repeat(SCORES, 3, axis=1)
    answers = find_answers(winner, BOTH)
    lines += describe_answers(answers, cohort.findings, scores, "image")
    assert max(map(len, lines)) <= 80
    name = cohort.findings.names[1]
    assert f"note: NPV 0.95 cannot be kept for {name}: a doctor decides there" in lines
    assert lines[-2].split() == [name, "0", "0", "3"]
    assert not list(describe_answers((), winner.findings, scores, "image"))


def test_new_labels_say_whether_a_promise_was_kept() -> None:
    answers = find_answers(one(), BOTH)
    scores = np.repeat(SCORES[[0, 2]], [40, 10], axis=0)
    labels = np.zeros((50, 1), np.int64)
    scored = Scored(labels, np.arange(50), scores)
    [line] = describe_judged(judge_answers(answers, scored, one().findings))
    assert line == "all labels are the same: a promise cannot be judged by them"
    labels[:1] = 1
    lines = list(describe_judged(judge_answers(answers, scored, one().findings)))
    assert lines[2].endswith("kept")
    assert "0.975" in lines[2], "39 of 40"
    assert lines[3].endswith("broken"), "none of 10"
    assert max(map(len, lines)) <= 80


def test_a_promise_that_cannot_be_kept_is_refused_and_each_is_named() -> None:
    no, yes = problems(one(), Promise(npv=0.999, ppv=0.99))
    assert no == (
        '--promise-npv 0.999 cannot be kept: it would take 2,995 patients who hear "no", none of '
        "them wrongly, and the search has 300 in all; 0.96 is the most that can be"
    )
    assert "--promise-ppv 0.99 cannot be kept: " in yes
    [no] = problems(one(), Promise(npv=0.98))
    assert "it would take about 2,500 patients like the 300 of the search" in no
    [no] = problems(one(UNSURE), Promise(npv=0.9))
    assert 'even of those who are surest to hear "no", too many hear it wrongly' in no
    assert no.endswith("; 0.66 is the most that can be")


def test_a_promise_of_which_nothing_is_known_is_refused() -> None:
    old = make_winner(tiny_config())
    assert find_answers(old, Promise()) == ()
    [problem] = problems(old, BOTH)
    assert "choose the winner again with cxr-search --resume RUN" in problem
    findings = three_classes().findings
    scoring = Scoring(f1_average="macro", exclusive=True)
    classes = make_winner(tiny_config(), findings=findings, scoring=scoring)
    [problem] = problems(classes, BOTH)
    assert "here one of 3 classes holds: leave the promise out" in problem
