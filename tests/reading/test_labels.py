"""Labels as people write them."""

from typing import Any

import pandas as pd
import pytest

from trainable.errors import Checks, InputError
from trainable.reading.labels import read_labels
from trainable.reading.options import DataOptions


def read(
    values: str, name: str = "label", **options: Any
) -> tuple[list[int], tuple[str, str], str]:
    raw = pd.Series(values.split(" "), name=name)
    checks = Checks()
    images = pd.Series([f"{number}.png" for number in range(len(raw))])
    labels = read_labels(raw, images, DataOptions(**options), checks)
    checks.raise_if_any()
    assert labels is not None
    return labels.values.tolist(), labels.rule.classes, labels.note


def refusal(values: str, **options: Any) -> str:
    with pytest.raises(InputError) as caught:
        read(values, **options)
    return str(caught.value)


@pytest.mark.parametrize(
    ("values", "classes"),
    [
        ("1.0 0.0 1 0", ("0", "1")),
        ("TRUE false True FALSE", ("false", "TRUE")),
        ("Yes no YES No", ("no", "Yes")),
        ("Yes n y 0", ("0", "1")),
        ("1,0 0,0 1 0", ("0", "1")),
    ],
)
def test_spellings_of_one_value_are_one_value(values: str, classes: tuple[str, str]) -> None:
    assert read(values)[0] == [1, 0, 1, 0]
    assert read(values)[1] == classes


@pytest.mark.parametrize(
    "word", ["", "None", "N/A", "null", "<NA>", "nan", "?", "unclear", "UNKNOWN", "Unclear"]
)
def test_words_for_not_known_are_missing_and_never_negative(word: str) -> None:
    assert "every image must have a label; without (1): 2.png" in refusal(
        f"1 0 {word}", positive="1"
    )
    assert "images of both classes are needed" in refusal(f"1 1 {word}", missing="drop")
    labels, _, note = read(f"1 0 {word}", missing="drop")
    assert labels == [1, 0, -1]
    assert "1 missing labels left out" in note
    assert read(f"1 0 {word}", missing="negative")[0] == [1, 0, 0]


def test_a_word_that_was_named_is_a_label() -> None:
    assert read("pneumonia none", positive="pneumonia", negative="none")[0] == [1, 0]


def test_the_note_names_both_values_with_their_counts() -> None:
    note = read("1 0 0")[2]
    assert "positive is label = 1 (1), negative is 0 (2)" in note


def test_uncertain_labels_are_refused_or_as_the_user_says() -> None:
    assert "--uncertain positive, negative or drop" in refusal("1.0 0.0 -1.0")
    assert read("1.0 0.0 -1.0", uncertain="positive")[0] == [1, 0, 1]
    assert read("1.0 0.0 -1.0", uncertain="negative")[0] == [1, 0, 0]
    assert read("1.0 0.0 -1.0", uncertain="drop")[0] == [1, 0, -1]
    assert read("1 -1 1", positive="1")[0] == [1, 0, 1]


def test_one_finding_against_the_rest() -> None:
    values = "Effusion|Mass No_Finding Mass Effusion"
    assert read(values, positive="Effusion", negative="rest")[0] == [1, 0, 0, 1]
    assert read(values, positive="effusion", negative="rest")[0] == [1, 0, 0, 1]
    assert read(values, positive="Effusion", negative="rest")[1] == ("rest", "Effusion")
    assert "did you mean" in refusal(values, positive="Efusion", negative="rest")
    labels, classes, note = read(values, positive="Mass", negative="No_Finding")
    assert labels == [-1, 0, 1, -1]
    assert classes == ("No_Finding", "Mass")
    assert "2 of other labels left out" in note


def test_rest_is_offered_where_there_are_three() -> None:
    assert "--negative rest" in refusal("Viral Bacterial Normal", positive="Viral")


def test_survival_is_the_opposite_of_the_outcome() -> None:
    assert read("Y N Y", name="survival")[0] == [0, 1, 0]
    assert read("alive dead alive", name="survival")[0] == [
        0,
        1,
        0,
    ]  # these words say it themselves
    assert read("died survived", name="Survived")[0] == [1, 0]


@pytest.mark.parametrize("name", ["survived_30d", "survival_status", "is alive"])
def test_a_column_that_may_say_who_died_or_who_survived_is_asked_for(name: str) -> None:
    assert "--positive" in refusal("1 0 1", name=name)
    assert read("1 0 1", name=name, positive="0")[0] == [0, 1, 0]
    assert read("dead alive", name=name)[0] == [1, 0]


def test_one_value_and_rows_that_count_as_negative_are_two_classes() -> None:
    assert read("1.0 ? 1", missing="negative")[:2] == ([1, 0, 1], ("0", "1"))
    assert read("1.0 -1 1", uncertain="negative")[:2] == ([1, 0, 1], ("0", "1"))
    assert read("1 -1 ?", missing="negative", uncertain="positive")[0] == [1, 1, 0]
    labels, classes, _ = read("Viral ? ?", missing="negative", positive="viral")
    assert (labels, classes) == ([1, 0, 0], ("rest", "Viral"))
    assert refusal("1 ? 1").startswith("every image must have a label")
    assert "both classes" in refusal("1 ? 1", missing="drop")


@pytest.mark.parametrize(
    "values",
    [
        "Effusion|Mass Effusion Mass",
        "Effusion;Mass Effusion Mass",
        "Effusion,Mass Effusion Mass",
        "Mass/Effusion effusion Mass",
        "['effusion','mass'] ['effusion'] ['mass']",
    ],
)
def test_one_finding_against_the_rest_is_found_beside_others_in_a_cell(values: str) -> None:
    found, classes, _ = read(values, positive="Effusion", negative="rest")
    assert found == [1, 1, 0]
    assert classes[0] == "rest"
    assert classes[1].lower() == "effusion"


def test_a_finding_may_be_named_as_a_list_of_one() -> None:
    values = "['effusion'] ['effusion','mass'] ['mass']"
    assert read(values, positive="['effusion']", negative="rest")[0] == [1, 1, 0]


def test_a_decimal_comma_is_no_mark_between_findings() -> None:
    assert read("1 1,5 2", positive="1", negative="rest")[0] == [1, 0, 0]


def test_a_value_with_marks_in_it_may_be_the_positive_one() -> None:
    values = "Pneumonia/Viral Viral Pneumonia Pneumonia/Viral|Mass"
    assert read(values, positive="Pneumonia/Viral", negative="rest")[0] == [1, 0, 0, 1]
