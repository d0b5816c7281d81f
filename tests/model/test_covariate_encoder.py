"""Covariates become numbers by what the training rows say, and unknown cells are marked."""

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.typing import NDArray

from trainable.model.covariate_encoder import ColumnCode

ROWS = pd.DataFrame(
    {
        "age": [40.0, 60.0, np.nan, 50.0],
        "sex": pd.Series(["M", "F", np.nan, "M"], dtype=object),
        "constant": [3.0, 3.0, 3.0, 3.0],
    }
)


def encode(code: ColumnCode, rows: pd.DataFrame) -> NDArray[np.float32]:
    found: NDArray[np.float32] = code.encode(torch.from_numpy(code.values(rows))).numpy()
    return found


def test_numbers_are_standardized_and_categories_one_hot() -> None:
    code = ColumnCode.fit(ROWS)
    found = encode(code, ROWS)
    assert found.shape == (4, code.width) == (4, 5)  # nothing of the constant
    age, no_age, female, male, no_sex = found.T
    known = [0, 1, 3]
    assert age[known].mean() == pytest.approx(0, abs=1e-6)
    assert age[known].std() == pytest.approx(1)
    assert (age[2], no_age.tolist()) == (0, [0, 0, 1, 0])
    assert (female.tolist(), male.tolist()) == ([0, 1, 0, 0], [1, 0, 0, 1])
    assert no_sex.tolist() == [0, 0, 1, 0]


def test_other_rows_are_encoded_by_the_training_rows_alone() -> None:
    code = ColumnCode.fit(ROWS.iloc[:2])
    other = encode(code, ROWS.assign(sex=pd.Series(["X", "F", np.nan, "M"], dtype=object)))
    # of mean 50 and deviation 10; what is missing is marked only where training rows miss some
    assert other[:, 0].tolist() == [-1, 1, 0, 0]
    assert other[:, 1:].tolist() == [[0, 0], [1, 0], [0, 0], [0, 1]]


def test_the_numbers_are_repeated_until_they_are_as_many_as_the_features() -> None:
    code = ColumnCode.fit(ROWS, num_features=512)
    assert code.width == 510
    assert np.array_equal(encode(code, ROWS)[:, :5], encode(code, ROWS)[:, -5:])


def test_rows_that_are_all_alike_say_nothing() -> None:
    assert encode(ColumnCode.fit(ROWS.iloc[[0, 0]]), ROWS).shape == (4, 0)


def test_text_of_another_table_is_read_as_the_training_rows_were() -> None:
    code = ColumnCode.fit(ROWS)
    text = pd.DataFrame({"age": [" 60", "055Y", "unknown", "old"], "sex": ["f", "M ", "", "m"]})
    found = code.read(text)
    assert found["age"].tolist()[:2] == [60, 55]
    assert found["age"].isna().tolist() == [False, False, True, True]
    assert found["sex"].tolist()[:2] == ["F", "M"]
    assert found["sex"].isna().tolist() == [False, False, True, False]


def test_it_comes_back_from_json() -> None:
    code = ColumnCode.fit(ROWS)
    again = ColumnCode.model_validate_json(code.model_dump_json())
    assert again == code
    assert np.array_equal(encode(again, ROWS), encode(code, ROWS))


def test_the_columns_of_values_are_those_that_the_values_were_made_of() -> None:
    code = ColumnCode.fit(ROWS)
    found = code.columns(code.values(ROWS))
    pd.testing.assert_frame_equal(found, ROWS[["age", "sex"]])
    other = ROWS.assign(sex=pd.Series(["X", "F", "Y", "M"], dtype=object))
    assert code.columns(code.values(other))["sex"].tolist() == ["", "F", "", "M"]
    assert code.columns(np.empty((3, 2))).shape == (3, 2)
