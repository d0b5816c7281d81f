"""Cohorts of hospitals with known shifts, judged across them, beside the true gaps."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.more_patients.phantoms import HOSPITALS
from benchmarks.more_patients.searches import Bench, Searched
from benchmarks.more_patients.told import Row, beside
from search.rescored.across import judge_across, leave_out
from trainable.cohort.splits import Fold, seen_rows

COLUMN = "site"


def judge_hospitals(bench: Bench, patients: int, seed: int) -> Iterator[Row]:
    """The gap that is told of each hospital and of all, beside the true one.

    The truth is the F1, on new phantoms of the hospital, of the team fitted to all other hospitals,
    less that of the team fitted to all.

    Args:
        bench: What all cohorts share.
        patients: Patients of each hospital.
        seed: Seed of the cohort, and its number.
    """
    first = len(HOSPITALS) * seed
    cohorts = [
        one.draw(bench.home, f"{one.name}-{seed}", patients, bench.image_size, first + place)
        for place, one in enumerate(HOSPITALS)
    ]
    run = bench.search(pd.concat(cohorts), f"hospitals-{seed}", seed)
    true = _true_gaps(run)
    for one in judge_across(run.result, COLUMN).judged:
        yield beside(seed, f"gap of {one.value}", one.gap, true[one.value])


def _true_gaps(run: Searched) -> dict[str, float]:
    """By hospital, and of all together; their new phantoms are as many."""
    cohort, new = run.result.cohort, run.new
    values = cohort.covariates[COLUMN]
    usual = run.calls(Fold(seen_rows(cohort), new))

    def gap(own: NDArray[np.bool_]) -> float:
        return run.true_f1(new[own], across[own]) - run.true_f1(new[own], usual[own])

    across, found = np.zeros_like(usual), {}
    for value, fold in leave_out(cohort, values).items():
        own = (values.iloc[new] == value).to_numpy(bool)
        across[own] = run.calls(Fold(fold.train, new[own]))
        found[value] = gap(own)
    return {**found, "all": gap(np.ones_like(usual))}
