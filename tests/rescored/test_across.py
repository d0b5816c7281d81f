"""A run judged across the values of a column: who trains what, what is told, what is refused."""

import dataclasses
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from search.rescored.across import judge_across
from search.results.search_result import SearchResult
from trainable.cohort.covariates import groups_of
from trainable.cohort.splits import leave_out
from trainable.errors import InputError


@pytest.fixture
def result(searched_run: Path, tmp_path: Path) -> SearchResult:
    """A copy of the run, whose table is in a folder of its own."""
    table = tmp_path / "train.csv"
    shutil.copy(searched_run.parent / "demo" / "train.csv", table)
    found = SearchResult.read(searched_run)
    data = found.options.data.model_copy(update={"data": table})
    return dataclasses.replace(found, options=found.options.model_copy(update={"data": data}))


def change(result: SearchResult, **columns: Any) -> None:
    """Write columns into the table."""
    file = result.options.data.data
    assert file is not None
    pd.read_csv(file, dtype=str).assign(**columns).to_csv(file, index=False)


def refusal(result: SearchResult, column: str) -> str:
    with pytest.raises(InputError) as error:
        judge_across(result, column)
    return str(error.value)


def test_a_kept_column_and_one_of_the_table_are_judged_beside_the_usual_folds(
    result: SearchResult,
) -> None:
    for column, values in (
        ("site", ["north", "south", "all"]),
        ("scanner", ["0", "1", "2", "all"]),
    ):
        across = judge_across(result, column)
        assert [one.value for one in across.judged] == values
        assert sum(one.patients for one in across.judged[:-1]) == across.judged[-1].patients == 100
        for one in across.judged:
            assert one.gap.value == pytest.approx(one.f1.value - one.usual_f1.value)
            assert one.smallest_gap == pytest.approx(1.43 * (one.gap.high - one.gap.low) / 2, 0.01)
        assert across.num_members + across.num_left_out == len(result.winner.members)


def test_patients_of_a_value_train_nothing_that_is_judged_on_it(
    result: SearchResult,
) -> None:
    """A patient with an image of each value trains for neither."""
    cohort = result.cohort
    views = np.arange(len(cohort.labels)) % 2
    for fold in leave_out(cohort, pd.Series(np.where(views, "AP", "PA"))).values():
        assert not set(cohort.patients[fold.train]) & set(cohort.patients[fold.valid])
        assert len(set(views[fold.train])) == len(set(views[fold.valid])) == 1


def test_a_column_that_is_the_label_is_warned_of(result: SearchResult) -> None:
    died, patients = result.cohort.labels[:, 0], result.cohort.patients
    few = [np.unique(patients[died == label])[:count] for label, count in ((1, 2), (0, 4))]
    change(result, ward=np.where(np.isin(patients, np.concatenate(few)), 1 - died, died))
    across = judge_across(result, "ward")
    assert any(one.startswith("warning: ward alone has an AUC of 0.") for one in across.sentences)


def test_values_that_cannot_be_judged_are_refused_with_what_would_be_enough(
    result: SearchResult,
) -> None:
    count, died = len(result.cohort.manifest), result.cohort.labels[:, 0]
    year = np.where(died == 1, "2020", "2021").astype(object)
    year[0] = ""
    change(result, one=["a"] * count, year=year)
    assert "needs a column with two values or more; one has 1 (a)" in refusal(result, "one")
    several = refusal(result, "year")
    assert "year has none for 1 of" in several
    assert "2 positive and 2 negative patients of the value" in several
    assert "2020: 0 negative" in several
    assert "did you mean 'scanner'?" in refusal(result, "scaner")
    assert "needs DICOM files" in refusal(result, "dicom:Manufacturer")
    table = result.options.data.data
    assert table is not None
    table.unlink()
    assert "those kept are site" in refusal(result, "scanner")
    assert judge_across(result, "site").judged


def test_an_image_that_left_the_table_or_has_two_values_is_named(result: SearchResult) -> None:
    table = result.options.data.data
    assert table is not None
    rows = pd.read_csv(table, dtype=str)
    other = rows.iloc[[1]].assign(scanner="7")
    pd.concat([rows.iloc[1:], other]).to_csv(table, index=False)
    text = refusal(result, "scanner")
    assert f"no longer lists 1: {rows['image'][0]}" in text
    assert f"scanner has several of {rows['image'][1]}" in text


def test_numbers_of_many_values_are_cut_into_thirds() -> None:
    ages = groups_of(pd.Series([str(20 + age) for age in range(60)], name="age"))
    assert list(ages.value_counts()) == [20, 20, 20]
    assert ages[0] == "20 to 39"
    years = groups_of(pd.Series(["2015", "2016", "2017", "2018", "2019", "2020", ""], name="year"))
    assert years.dropna().tolist()[0] == "2015"
    assert years.isna().sum() == 1
