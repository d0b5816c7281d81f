"""Learning curves of fresh cohorts, beside searches on cohorts that have grown indeed."""

from collections.abc import Iterator

from benchmarks.more_patients.phantoms import USUAL
from benchmarks.more_patients.searches import Bench, Searched
from benchmarks.more_patients.told import Row, beside
from search.rescored.growing import CurvePlan
from search.rescored.learning_curve import MORE, Line
from trainable.cohort.splits import Fold, seen_rows
from trainable.errors import InputError


def judge_curve(bench: Bench, patients: int, seed: int) -> Iterator[Row]:
    """What the curve of a cohort tells of 1, 2 and 4 times its patients, beside the truth.

    The truth is the F1, on new phantoms, of the winner of a search on so many patients: the same
    ones, and others that came later.

    Args:
        bench: What all cohorts share.
        patients: Patients of the cohort.
        seed: Seed of the cohort, and its number.
    """
    films = USUAL.draw(bench.home, f"cohort-{seed}", max(MORE) * patients, bench.image_size, seed)
    number = films.groupby("patient", sort=False).ngroup()
    runs = {
        times: bench.search(films[number < times * patients], f"run-{seed}-{times}", seed)
        for times in (1, *MORE)
    }
    true = {times: _true_f1(run) for times, run in runs.items()}
    line = _line(runs[1])
    yield beside(seed, "F1 now", line.points[-1].estimate if line else None, true[1])
    for place, times in enumerate(MORE):
        point = line.told[place] if line and line.told else None
        f1, gain = (point.estimate, point.gain) if point else (None, None)
        yield beside(seed, f"F1 at {times}x", f1, true[times])
        yield beside(seed, f"gain at {times}x", gain, true[times] - true[1])


def _line(run: Searched) -> Line | None:
    """The curve of the F1; None where it is refused."""
    try:
        [curve] = CurvePlan.of(run.result).run().curves
    except InputError as error:
        print(f"  no curve: {error}", flush=True)
        return None
    return curve.f1


def _true_f1(run: Searched) -> float:
    everything = Fold(seen_rows(run.result.cohort), run.new)
    return run.true_f1(run.new, run.calls(everything))
