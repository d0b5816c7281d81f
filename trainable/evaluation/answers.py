"""Three answers: "no", "yes" and "a doctor decides", with a promise for the first two.

Who promises a negative predictive value (NPV) of 0.98 says: of the patients who hear "no", at least
98 % are negative. The promise holds with 95 % confidence. A search that is made again with other
patients breaks it at most once in 20 times.

The lowest scores become "no". Where they end is found by fixed sequence testing (Angelopoulos and
others 2021, "Learn then test", arXiv 2110.01052): thresholds are tried from the lowest up, and the
first that cannot be proved right ends it. The proof is the exact binomial one (Clopper and Pearson
1934): the upper end of the 95 % interval of the wrong share must stay below what is promised. The
thresholds and the first of them are fixed by counts of patients, and never by labels. So no
correction for the number of thresholds is needed. The highest scores become "yes" in the same way,
from the highest down, for a positive predictive value (PPV).

A patient counts once. One with several images and at least one wrong "no" counts as wrong.

The trials were chosen by the same scores. So a threshold is tested with the wrong answers to expect
of such a choice (`search/winner/answers.py`), where these are more than those that were seen.
"""

from bisect import bisect_left
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from trainable.cohort.scored import Scored
from trainable.errors import InputError
from trainable.evaluation.intervals import LEVEL, Estimate

_FIRST = 3
"""The first threshold may have up to a third of the negative patients below it, or a third of the
positive ones above it: as many as prove the promise at the most wrong answers that those can bear.
So a few odd scores at the very end decide nothing. In simulated cohorts that decided the most."""

_MOST_PATIENTS = 1_000_000
_HUNDREDTHS = np.arange(99, 50, -1) / 100


@dataclass(frozen=True)
class Kind:
    """An answer that a promise can be given for.

    Attributes:
        word: The answer.
        measure: What is promised.
    """

    word: str
    measure: str

    @property
    def option(self) -> str:
        """The option that promises it."""
        return f"--promise-{self.measure.lower()}"


NO, YES = Kind("no", "NPV"), Kind("yes", "PPV")
UNDECIDED = "a doctor decides"


@dataclass(frozen=True)
class Promise:
    """The predictive values that are promised, each above 0.5 and below 1; None for no promise.

    Raises:
        InputError: If a value is not between these.
    """

    npv: float | None = None
    ppv: float | None = None

    def __post_init__(self) -> None:
        """Check the values."""
        odd = {kind: value for kind, value in self.given.items() if not 0.5 < value < 1}
        if odd:
            raise InputError(
                *(
                    f"{kind.option} must be more than 0.5 and less than 1 (got {value:g})"
                    for kind, value in odd.items()
                )
            )

    @property
    def given(self) -> dict[Kind, float]:
        """What is promised of each answer."""
        both = {NO: self.npv, YES: self.ppv}
        return {kind: value for kind, value in both.items() if value is not None}


@dataclass(frozen=True)
class Step:
    """A threshold, and what the answer beyond it was worth out of fold.

    Attributes:
        threshold: Scores below it are "no"; or scores of at least it are "yes".
        num_patients: Patients with such a score, 1 or more.
        num_exams: Their images, or examinations, with such a score.
        num_wrong: Patients for whom one of these answers is wrong.
        expected_wrong: The same to expect of a team that was chosen without them; not whole.
    """

    threshold: float
    num_patients: int
    num_exams: int
    num_wrong: int
    expected_wrong: float

    @property
    def wrong(self) -> float:
        """Patients with a wrong answer, with what the choice of the trials has hidden."""
        return max(float(self.num_wrong), self.expected_wrong)

    @property
    def value(self) -> float:
        """The predictive value to expect on new patients."""
        return 1 - self.wrong / self.num_patients

    @cached_property
    def at_least(self) -> float:
        """The lower end of its one-sided 95 % interval."""
        return lower_bound(self.num_patients, self.wrong)


@dataclass(frozen=True)
class AnswerSteps:
    """The thresholds that may be tried for one finding.

    Attributes:
        num_patients: All patients.
        num_positive: Patients with a positive image or examination.
        num_exams: All images, or examinations.
        no: From the lowest threshold up, none above the threshold of the prediction.
        yes: From the highest threshold down, none below it.
    """

    num_patients: int
    num_positive: int
    num_exams: int
    no: tuple[Step, ...]
    yes: tuple[Step, ...]

    def of(self, kind: Kind) -> tuple[Step, ...]:
        """Those of an answer."""
        return self.no if kind == NO else self.yes

    def last(self, kind: Kind, promised: float) -> Step | None:
        """The last step that keeps a promise; None if it cannot be kept."""
        first = self._first(kind, promised)
        found = None
        for step in self.of(kind):
            if step.num_patients < first:
                continue
            if step.at_least < promised:
                break
            found = step
        return found

    def _first(self, kind: Kind, promised: float) -> int:
        """Patients at the first threshold, by counts alone."""
        of_class = self.num_positive if kind == YES else self.num_patients - self.num_positive
        some = of_class // _FIRST
        too_many = bisect_left(range(some), True, key=lambda n: lower_bound(some, n) < promised)
        return fewest_patients(promised, num_wrong=max(too_many - 1, 0))

    def most(self, kind: Kind) -> float | None:
        """The most that can be promised, in hundredths; None if nothing above 0.5 can be."""
        kept = (value for value in _HUNDREDTHS.tolist() if self.last(kind, value))
        return next(kept, None)

    def patients_needed(self, kind: Kind, promised: float) -> int | None:
        """About how many patients like these would keep a promise; None if no number is in sight.

        The wrong share beyond a step is taken to be (wrong + 0.5) / (all + 1), as by Jeffreys'
        prior: a few right answers prove little.

        Returns:
            Two digits, rounded up.
        """
        needed = []
        for step in self.of(kind):
            wrong = (step.wrong + 0.5) / (step.num_patients + 1)
            if wrong < 1 - promised:
                share = step.num_patients / self.num_patients
                needed.append(_fewest(promised, wrong) / share)
        if not needed or min(needed) > _MOST_PATIENTS:
            return None
        least = max(min(needed), self.num_patients + 1)
        unit = max(10.0 ** (int(np.log10(least)) - 1), 1.0)
        return int(np.ceil(least / unit) * unit)


@dataclass(frozen=True)
class Kept:
    """An answer that is given.

    Attributes:
        kind: The answer.
        promised: Its predictive value is at least this, with 95 % confidence.
        step: Where it ends.
    """

    kind: Kind
    promised: float
    step: Step

    def of(self, scores: NDArray[np.float32]) -> NDArray[np.bool_]:
        """For which of the scores it is given."""
        at = np.float32(self.step.threshold)
        return np.asarray(scores < at if self.kind == NO else scores >= at)


@dataclass(frozen=True)
class Answers:
    """The answers of one finding.

    Attributes:
        steps: What they were chosen from.
        kept: Those that are given; all other scores are for a doctor.
    """

    steps: AnswerSteps
    kept: tuple[Kept, ...]

    @classmethod
    def of(cls, steps: AnswerSteps, promise: Promise) -> "Answers":
        """Keep of a promise what can be kept."""
        last = {kind: steps.last(kind, value) for kind, value in promise.given.items()}
        return cls(
            steps,
            tuple(Kept(kind, promise.given[kind], step) for kind, step in last.items() if step),
        )

    def words(self, scores: NDArray[np.float32]) -> NDArray[np.object_]:
        """The answer for each of the scores (num_images,)."""
        words: NDArray[np.object_] = np.full(scores.shape, UNDECIDED, object)
        for one in self.kept:
            words[one.of(scores)] = one.kind.word
        return words

    def judge(self, scored: Scored) -> tuple["JudgedAnswer", ...]:
        """What the answers are worth on images (num_images, 1) with labels that are known."""
        [labels], [scores] = scored.labels.T, scored.scores.T
        found = []
        for one in self.kept:
            those = one.of(scores)
            wrong = those & (labels == (1 if one.kind == NO else 0))
            num, num_wrong = (len(np.unique(scored.patients[rows])) for rows in (those, wrong))
            found.append(JudgedAnswer(one, num, num_wrong))
        return tuple(found)


@dataclass(frozen=True)
class JudgedAnswer:
    """What an answer was worth on new images.

    Attributes:
        kept: The answer, with what was promised.
        num_patients: Patients with it.
        num_wrong: Patients for whom an answer was wrong.
    """

    kept: Kept
    num_patients: int
    num_wrong: int

    @property
    def estimate(self) -> Estimate | None:
        """Its predictive value with the exact 95 % CI by patient; None if nobody has the answer."""
        if not self.num_patients:
            return None
        right, tail = self.num_patients - self.num_wrong, (1 - LEVEL) / 2
        return Estimate(
            right / self.num_patients,
            lower_bound(self.num_patients, self.num_wrong, tail),
            1 - lower_bound(self.num_patients, right, tail),
        )


def lower_bound(num: float, num_wrong: float, tail: float = 1 - LEVEL) -> float:
    """Lower end of the exact interval of the share that is right (Clopper and Pearson 1934).

    Args:
        num: How many answers, above 0; the counts need not be whole.
        num_wrong: Wrong ones, 0 to `num`.
        tail: How often the true share lies below it, at most.

    >>> round(lower_bound(149, 0), 3)
    0.98
    """
    return float(stats.beta.ppf(tail, num - num_wrong, num_wrong + 1)) if num_wrong < num else 0.0


def fewest_patients(promised: float, num_wrong: int = 0) -> int:
    """The fewest patients with an answer that prove a promise, with so many wrong answers.

    With none, the logarithm of 0.05 over that of the promise.

    >>> fewest_patients(0.98), fewest_patients(0.98, num_wrong=1)
    (149, 236)
    """
    counts = range(num_wrong + 1, _MOST_PATIENTS)
    proved = bisect_left(counts, True, key=lambda num: lower_bound(num, num_wrong) >= promised)
    return num_wrong + 1 + proved


def _fewest(promised: float, wrong: float) -> float:
    """The fewest patients with an answer that prove a promise, with such a share wrong."""
    count = 1.0
    while lower_bound(count, wrong * count) < promised and count < _MOST_PATIENTS:
        count *= 1.05
    return count
