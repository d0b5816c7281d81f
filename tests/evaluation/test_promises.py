"""Answers with a promise: which are given, how they are proved, and what new labels say of them."""

import numpy as np
import pytest
from scipy import stats

from trainable.cohort.scored import Scored
from trainable.errors import InputError
from trainable.evaluation.answers import (
    NO,
    UNDECIDED,
    YES,
    Answers,
    AnswerSteps,
    Kind,
    Promise,
    Step,
    fewest_patients,
    lower_bound,
)

THIRDS = 300, 100  # patients, and positive ones


def steps(wrong: dict[int, float], growth: float = 1) -> AnswerSteps:
    """Steps with as many wrong answers, by their patients; thresholds are hundredths of these."""
    found = tuple(
        Step(count / 1000, round(count * growth), count, round(bad * growth), bad * growth)
        for count, bad in wrong.items()
    )
    num_patients, num_positive = (round(count * growth) for count in THIRDS)
    return AnswerSteps(num_patients, num_positive, 400, no=found, yes=())


@pytest.mark.parametrize(("num", "wrong"), [(20, 0), (149, 0), (150, 3), (10, 9), (7, 7)])
def test_the_bound_is_the_exact_one_of_a_binomial(num: int, wrong: int) -> None:
    exact = stats.binomtest(num - wrong, num, alternative="greater").proportion_ci(0.95, "exact")
    assert lower_bound(num, wrong) == pytest.approx(exact.low, abs=1e-9)


@pytest.mark.parametrize("promised", [0.51, 0.8, 0.95, 0.999])
def test_no_fewer_patients_can_prove_a_promise(promised: float) -> None:
    count = fewest_patients(promised)
    assert lower_bound(count, 0) >= promised > lower_bound(count - 1, 0)


def test_the_first_threshold_that_cannot_be_proved_ends_the_answer() -> None:
    found = steps({80: 0, 100: 0, 120: 9, 200: 0})
    step = found.last(NO, 0.95)
    assert step is not None
    assert step.num_patients == 100


def test_a_few_odd_scores_at_the_end_decide_nothing() -> None:
    assert steps({5: 3, 20: 3, 150: 3}).last(NO, 0.9) is not None
    # of a third of the 200 negative patients, 2 may be wrong, and of 61 as well
    assert fewest_patients(0.9, num_wrong=2) == 61
    assert steps({60: 9, 150: 3}).last(NO, 0.9) is not None
    assert steps({61: 9, 150: 3}).last(NO, 0.9) is None


def test_wrong_answers_that_the_choice_has_hidden_count() -> None:
    step = Step(0.1, 100, 120, num_wrong=0, expected_wrong=4.5)
    assert step.value == 0.955
    assert step.at_least < lower_bound(100, 4)
    assert Step(0.1, 100, 120, num_wrong=6, expected_wrong=4.5).value == 0.94


def test_a_cohort_as_large_as_it_says_keeps_the_promise() -> None:
    wrong = {80: 1.0, 100: 2.0, 150: 3.0}
    for promised in (0.95, 0.97):
        few = steps(wrong)
        assert few.last(NO, promised) is None
        needed = few.patients_needed(NO, promised)
        assert needed is not None
        assert steps(wrong, growth=needed / THIRDS[0]).last(NO, promised) is not None
    assert steps(wrong).patients_needed(NO, 0.99) is None, "even the surest are wrong too often"
    most = steps(wrong).most(NO)
    assert most is not None
    assert steps(wrong).last(NO, most) is not None
    assert steps(wrong).last(NO, most + 0.01) is None


def test_no_ends_before_its_threshold_and_yes_begins_at_its_own() -> None:
    low, high = (np.float32(level) for level in (0.1, 0.7))
    found = AnswerSteps(
        *THIRDS,
        num_exams=300,
        no=(Step(float(low), 200, 200, 0, 0.0),),
        yes=(Step(float(high), 50, 50, 0, 0.0),),
    )
    scores = np.array([low, np.nextafter(low, -1), high, np.nextafter(high, -1)], np.float32)
    both = Answers.of(found, Promise(npv=0.95, ppv=0.9))
    assert both.words(scores).tolist() == [UNDECIDED, "no", "yes", UNDECIDED]
    alone = Answers.of(found, Promise(ppv=0.9))
    assert alone.words(scores).tolist() == [UNDECIDED, UNDECIDED, "yes", UNDECIDED]


def test_new_labels_judge_an_answer_patient_by_patient() -> None:
    found = AnswerSteps(*THIRDS, num_exams=300, no=(Step(0.1, 200, 200, 0, 0.0),), yes=())
    labels = np.array([[1], [1], [0], [0], [1]])
    scores = np.array([[0.0], [0.05], [0.0], [0.0], [0.5]], np.float32)
    scored = Scored(labels, np.array([0, 0, 1, 2, 3]), scores)
    [judged] = Answers.of(found, Promise(npv=0.95)).judge(scored)
    assert (judged.num_patients, judged.num_wrong) == (3, 1)
    exact = stats.binomtest(2, 3).proportion_ci(0.95, "exact")
    assert judged.estimate is not None
    assert [judged.estimate.low, judged.estimate.high] == pytest.approx([exact.low, exact.high])
    [nobody] = Answers.of(found, Promise(npv=0.95)).judge(scored.take(np.array([4])))
    assert nobody.estimate is None


@pytest.mark.parametrize(("kind", "value"), [(NO, 0.5), (NO, 1.0), (YES, -1.0), (YES, 2.0)])
def test_a_promise_that_is_no_promise_is_refused(kind: Kind, value: float) -> None:
    with pytest.raises(InputError, match=rf"{kind.option} must be more than 0.5 and less than 1"):
        Promise(**{kind.measure.lower(): value})
