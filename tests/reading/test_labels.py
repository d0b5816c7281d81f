"""Labels as people write them."""

from typing import Any

import pandas as pd
import pytest

from trainable.errors import Checks, InputError
from trainable.reading.labels import read_labels
from trainable.reading.options import DataOptions


def read(
    values: str, name: str = "label", **options: Any
) -> tuple[list[int], tuple[str, ...], str]:
    raw = pd.Series(values.split(" "), name=name)
    checks = Checks()
    images = pd.Series([f"{number}.png" for number in range(len(raw))])
    labels = read_labels(raw, images, DataOptions(**options), checks)
    checks.raise_if_any()
    assert labels is not None
    return labels.values["label"].tolist(), labels.rules[0].classes, labels.note


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
    assert "1 missing label left out" in note
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


def test_one_value_against_all_others_that_are_positive() -> None:
    values = "Viral Normal Bacterial Normal"
    assert read(values, negative="Normal", positive="rest")[:2] == (
        [1, 0, 1, 0],
        ("Normal", "rest"),
    )
    assert (
        "positive is label = rest (all other labels) (2)"
        in read(values, negative="normal", positive="rest")[2]
    )
    assert "--positive rest needs --negative" in refusal(values, positive="rest")
    assert "did you mean 'Normal'" in refusal(values, negative="Norml", positive="rest")
    masks = "407576_2 -1 -1 557374_2"
    assert read(masks, negative="-1", positive="rest")[0] == [1, 0, 0, 1]


def test_a_cell_with_another_finding_is_positive_against_the_rest_and_is_named() -> None:
    values = "Normal|Mass Normal ['Normal'] Mass;Nodule"
    labels, _, note = read(values, negative="Normal", positive="rest")
    assert labels == [1, 0, 0, 1]
    assert "1 positive one names Normal beside other findings: Normal|Mass" in note


def test_whatever_is_filled_in_may_be_positive() -> None:
    labels, classes, _ = read("20.0 ? 17.5", positive="rest", missing="negative")
    assert (labels, classes) == ([1, 0, 1], ("none", "rest"))
    assert "every image must have a label" in refusal("20.0 ? 17.5", positive="rest")


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        (">=10", [0, 1, 1, 0]),
        (">10", [0, 0, 1, 0]),
        ("<= 9,5", [1, 0, 0, 1]),
        ("≥10", [0, 1, 1, 0]),
    ],
)
def test_a_limit_makes_two_classes_of_a_score(limit: str, expected: list[int]) -> None:
    labels, (negative, positive), _ = read("9.5 10 18,0 0", positive=limit)
    assert labels == expected
    assert {negative[0], positive[0]} == {"<", ">"}


def test_two_limits_leave_out_what_is_between_them() -> None:
    labels, classes, note = read("2 7 12 severe", positive=">=10", negative="<5")
    assert labels == [0, -1, 1, -1]
    assert classes == ("<5", ">=10")
    assert "2 of other labels left out: 7, severe" in note
    assert read("2 7 12 severe", positive=">=10", negative="rest")[0] == [0, 0, 1, 0]


def test_limits_that_leave_a_class_empty_or_overlap_are_refused() -> None:
    assert "some label must be >=20; the labels are from 2 to 12" in refusal(
        "2 12 7", positive=">=20"
    )
    assert "no label in common; in both: 7" in refusal("2 12 7", positive=">=7", negative="<=7")


def test_a_limit_is_offered_where_there_are_many_numbers() -> None:
    assert "by a limit, as in --positive '>=10'" in refusal("0 4 9 18")
    assert "limit" not in refusal("Viral Bacterial Normal")


def test_a_label_that_looks_like_a_limit_is_that_label() -> None:
    assert read(">=10 <10 >=10", positive=">=10")[:2] == ([1, 0, 1], ("<10", ">=10"))
