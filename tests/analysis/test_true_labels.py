"""True labels are read by the rule of the search, in a table as users keep it."""

import gzip
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from analysis.new_images import find_new_images
from analysis.true_labels import TrueLabels, read_true_labels
from search.demo.films import draw_phantom
from trainable.cohort.cohort import Cohort
from trainable.errors import InputError
from trainable.reading.options import DataOptions
from trainable.reading.read_cohort import read_cohort


def draw(folder: Path, num: int, first: int = 0) -> list[str]:
    folder.mkdir(parents=True)
    for number in range(first, first + num):
        Image.fromarray(draw_phantom(0.2, number, number, size=64)).save(folder / f"{number}.png")
    return [f"{number}.png" for number in range(first, first + num)]


def write(file: Path, names: list[str], labels: str, column: str = "died") -> Path:
    rows = [f"{name},{label}" for name, label in zip(names, labels.split(" "), strict=True)]
    file.write_text("\n".join([f"image,{column}", *rows]) + "\n")
    return file


def judged(folder: Path, trained_on: str, new: str, **options: Any) -> TrueLabels:
    names = draw(folder / "images", len(trained_on.split(" ")))
    cohort = read_cohort(DataOptions(data=write(folder / "t.csv", names, trained_on), **options))
    cohort.save(folder)
    new_names = draw(folder / "new", len(new.split(" ")), first=100)
    images = find_new_images(folder / "new", None, cohort)
    return read_true_labels(write(folder / "l.csv", new_names, new), images, Cohort.load(folder))


@pytest.mark.parametrize(
    ("trained_on", "new", "labels"),
    [
        ("yes no 1 0", "yes no 1 0", [1, 0, 1, 0]),
        ("yes no 1 0", "1 n TRUE 0", [1, 0, 1, 0]),
        ("1 0 1 0", "1.0 0 01 0", [1, 0, 1, 0]),
    ],
)
def test_words_that_the_search_takes_are_taken_as_true_labels(
    tmp_path: Path, trained_on: str, new: str, labels: list[int]
) -> None:
    assert judged(tmp_path, trained_on, new).labels[:, 0].tolist() == labels


def test_missing_and_uncertain_labels_count_as_in_the_search(tmp_path: Path) -> None:
    truth = judged(tmp_path, "1 0  -1", "1  -1 0", missing="negative", uncertain="drop")
    assert truth.labels[:, 0].tolist() == [1, 0, 0]
    assert truth.rows.tolist() == [0, 1, 3]
    assert len(truth.patients) == 3
    assert truth.notes == (
        "1 missing label counted as negative, as in the search",
        "1 uncertain label left out, as in the search",
    )


def test_one_finding_against_the_rest_is_found_among_others_in_a_cell(tmp_path: Path) -> None:
    truth = judged(
        tmp_path, "Effusion|Mass Mass Effusion Nodule", "Mass|Effusion Mass Nodule effusion",
        label_column="died", positive="Effusion", negative="rest",
    )  # fmt: skip
    assert truth.labels[:, 0].tolist() == [1, 0, 0, 1]


def test_an_image_may_have_several_rows_of_labels_and_of_its_list(tmp_path: Path) -> None:
    names = draw(tmp_path / "images", 2)
    table = write(tmp_path / "t.csv", [*names, names[0]], "Mass Normal Nodule", "finding")
    cohort = read_cohort(DataOptions(data=table, positive="Mass", negative="rest"))
    new = draw(tmp_path / "new", 2, first=100)
    listed = write(tmp_path / "new.csv", [*new, new[1]], "Nodule Nodule Mass", "finding")
    images = find_new_images(listed, None, cohort)
    assert images.images == tuple(new)
    assert read_true_labels(listed, images, cohort).labels[:, 0].tolist() == [0, 1]


def test_a_column_of_the_user_may_have_any_name(tmp_path: Path) -> None:
    names = draw(tmp_path / "images", 2)
    table = write(tmp_path / "t.csv", names, "1 0", "row")
    cohort = read_cohort(DataOptions(data=table, label_column="row"))
    new = draw(tmp_path / "new", 2, first=100)
    labels = write(tmp_path / "l.csv", new, "1 0", "row")
    images = find_new_images(tmp_path / "new", None, cohort)
    assert read_true_labels(labels, images, cohort).labels[:, 0].tolist() == [1, 0]


def test_rows_that_contradict_each_other_are_refused(tmp_path: Path) -> None:
    names = draw(tmp_path / "images", 2)
    cohort = read_cohort(DataOptions(data=write(tmp_path / "t.csv", names, "1 0")))
    new = draw(tmp_path / "new", 1, first=100)
    images = find_new_images(tmp_path / "new", None, cohort)
    labels = write(tmp_path / "l.csv", [*new, *new], "1 0")
    with pytest.raises(InputError, match=r"one label in .*; with two: 100\.png"):
        read_true_labels(labels, images, cohort)


@pytest.mark.parametrize(
    ("new", "options", "message"),
    [
        ("1 0 ? 0", {}, r"must be known; without in died of .* \(1\): 102.png"),
        ("1 0 2 0", {}, "must be 0 or 1, as in the search; died also has 2"),
        ("1 0 yes 0", {}, "must be 0 or 1, as in the search; died also has yes"),
        ("nan ? - .", {"missing": "drop"}, "some label must be known; all in died .* left out"),
    ],
)
def test_labels_that_the_search_would_not_take_are_refused(
    tmp_path: Path, new: str, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        judged(tmp_path, "1 0 1 0", new, **options)


@pytest.mark.parametrize("name", ["list.csv", "list.csv.gz"])
def test_the_folder_of_new_images_is_found_beside_a_table_of_any_kind(
    tmp_path: Path, name: str
) -> None:
    names = draw(tmp_path / "images", 4)
    cohort = read_cohort(DataOptions(data=write(tmp_path / "t.csv", names, "1 0 1 0")))
    new_names = draw(tmp_path / "elsewhere" / "list", 2, first=100)
    table = write(tmp_path / "elsewhere" / "list.csv", new_names, "? ?")
    if name.endswith(".gz"):
        # without the plain table beside it, and with images of the same names in another folder
        draw(tmp_path / "elsewhere" / "other", 2, first=100)
        table.with_name(name).write_bytes(gzip.compress(table.read_bytes()))
        table.unlink()
    new = find_new_images(table.with_name(name), None, cohort)
    assert [Path(path).parent.name for path in new.paths] == ["list", "list"]
