"""New images that the model was trained on are told, however they become known."""

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from fixtures.dicoms import dataset, written
from PIL import Image

from analysis.check import Leakage, leakage
from analysis.new_images import NewImages, find_new_images
from analysis.true_labels import read_true_labels
from search.demo.films import draw_phantom
from trainable.cohort.cohort import Cohort
from trainable.cohort.look_alikes import with_perceptual_hashes
from trainable.errors import InputError
from trainable.images.perceptual_hash import HOW_SURE, load_perceptual_hashes
from trainable.images.pixels import load_pixels
from trainable.images.preprocessing import Square
from trainable.reading.options import DataOptions
from trainable.reading.read_cohort import read_cohort
from trainable.store.arrays import ArrayStore

PATIENTS = ("p1", "p2", "p3")


def draw(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(draw_phantom(0.2, seed, seed, size=64)).save(path)


def looked_for(
    folder: Path, new: NewImages, cohort: Cohort, patients: pd.Series | None = None
) -> Leakage:
    store = ArrayStore(folder / "cache")
    pixels = load_pixels(new.paths, new.hashes, Square(64), store)
    return leakage(new, load_perceptual_hashes(pixels, new.hashes, store), patients, cohort)


def shared(folder: Path, new: NewImages, cohort: Cohort, patients: pd.Series | None) -> list[str]:
    return list(looked_for(folder, new, cohort, patients).shared)


@pytest.fixture
def cohort(tmp_path: Path) -> Cohort:
    """Three images of three patients, who are found in the names too."""
    for number, patient in enumerate(PATIENTS):
        draw(tmp_path / "images" / f"{patient}_a.png", number)
    table = tmp_path / "t.csv"
    rows = [f"{patient}_a.png,{number % 2},{patient}" for number, patient in enumerate(PATIENTS)]
    table.write_text("\n".join(["image,label,patient", *rows]) + "\n")
    found = read_cohort(DataOptions(data=table, patient_pattern=r"p\d"))
    store, hashes = ArrayStore(tmp_path / "cache"), tuple(found.manifest["sha256"])
    pixels = load_pixels(tuple(found.manifest["path"]), hashes, Square(64), store)
    return with_perceptual_hashes(found, load_perceptual_hashes(pixels, hashes, store))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A new image of a new patient."""
    draw(tmp_path / "new" / "p9.png", 9)
    return tmp_path / "new"


def test_new_patients_share_nothing(folder: Path, cohort: Cohort) -> None:
    new = find_new_images(folder, None, cohort)
    assert shared(folder.parent, new, cohort, pd.Series(["p9"])) == []
    assert new.groups.tolist() == ["p9"]


def test_patients_in_names_and_folders_are_known(folder: Path, cohort: Cohort) -> None:
    draw(folder / "x_p1.png", 10)
    draw(folder / "p2" / "b.png", 11)
    new = find_new_images(folder, None, cohort)
    assert shared(folder.parent, new, cohort, None) == [
        "patients that the model was trained on: p1, p2"
    ]


def test_patients_of_every_table_are_known(folder: Path, cohort: Cohort) -> None:
    (folder / "list.csv").write_text("image,patient\np9.png,p1\n")
    (folder / "template.csv").write_text("image,patient,label\np9.png,p2,\n")
    new = find_new_images(folder / "list.csv", folder / "template.csv", cohort)
    (said,) = shared(folder.parent, new, cohort, pd.Series(["p3"]))
    assert said == "patients that the model was trained on: p1, p2, p3"
    assert new.groups.tolist() == ["p1"]


def test_patients_that_are_written_otherwise_are_known(folder: Path, cohort: Cohort) -> None:
    new = find_new_images(folder, None, cohort)
    (said,) = shared(folder.parent, new, cohort, pd.Series([" P3"]))
    assert said.endswith(":  P3")
    numbered = cohort.manifest.assign(patient=["7", "8", "9"])
    cohort = dataclasses.replace(cohort, manifest=numbered)
    (said,) = shared(folder.parent, new, cohort, pd.Series(["007.0"]))
    assert said.endswith(": 007.0")


def test_images_whose_label_is_not_known_are_named(folder: Path, cohort: Cohort) -> None:
    draw(folder / "p8.png", 8)
    (folder / "p7.gif").write_bytes(b"GIF89a")
    new = find_new_images(folder, None, cohort)
    assert "files of other kinds are not read: .gif (1)" in new.notes
    table = folder.parent / "labels.csv"
    table.write_text("image,label\np9.png,1\np8.png,NA\n")
    with pytest.raises(InputError, match=r"labels must be known; .* \(1\): p8\.png"):
        read_true_labels(table, new, cohort)


def test_labels_that_say_who_survived_are_refused_after_a_search_for_who_died(
    folder: Path, cohort: Cohort
) -> None:
    new = find_new_images(folder, None, cohort)
    table = folder.parent / "labels.csv"
    table.write_text("image,survived\np9.png,1\n")
    with pytest.raises(InputError, match=r"'survived' .* may say the opposite"):
        read_true_labels(table, new, cohort)
    table.write_text("image,survived,label\np9.png,1,0\n")
    assert read_true_labels(table, new, cohort).labels[:, 0].tolist() == [0]


def test_copies_in_another_contrast_are_noted_and_negatives_are_refused(
    folder: Path, cohort: Cohort
) -> None:
    film = draw_phantom(0.2, 1, 1, size=64)
    Image.fromarray(255 - film).save(folder / "negative.png")
    window = np.clip(4.0 * film - 300, 0, 255).astype(np.uint8)
    Image.fromarray(window).save(folder / "p9_other.png")
    new = find_new_images(folder, None, cohort)
    found = looked_for(folder.parent, new, cohort)
    (said,) = found.shared
    assert said.endswith("that the model was trained on: negative.png (like p2_a.png)")
    note, rates = found.notes
    assert rates == HOW_SURE
    assert "in another contrast" in note
    assert "(1): p9_other.png (like p2_a.png)" in note


def test_patients_in_dicom_files_are_known(folder: Path, cohort: Cohort) -> None:
    pixels = draw_phantom(0.2, 12, 12, size=64)
    (folder / "p8").write_bytes(written(dataset(pixels, PatientID="p1")))
    new = find_new_images(folder, None, cohort)
    assert shared(folder.parent, new, cohort, None) == [
        "patients that the model was trained on: p1"
    ]


def test_a_damaged_dicom_file_is_named(folder: Path, cohort: Cohort) -> None:
    whole = written(dataset(PatientID="p1"))
    (folder / "p8.dcm").write_bytes(whole[:140] + b"\xff" * 40)
    with pytest.raises(InputError, match=r"p8\.dcm"):
        find_new_images(folder, None, cohort)


def test_patients_that_were_grouped_are_known_by_their_own_names(
    folder: Path, cohort: Cohort
) -> None:
    together = cohort.manifest.assign(patient="p1", own_patient=cohort.manifest["patient"])
    cohort = dataclasses.replace(cohort, manifest=together)
    new = find_new_images(folder, None, cohort)
    (said,) = shared(folder.parent, new, cohort, pd.Series(["p2"]))
    assert said.endswith(": p2")


def test_equal_files_and_copies_in_another_format_are_known(folder: Path, cohort: Cohort) -> None:
    (folder / "p7.png").write_bytes(Path(cohort.manifest["path"][0]).read_bytes())
    image = Image.open(cohort.manifest["path"][1])
    Image.fromarray(np.asarray(image, np.uint16) * 257).resize((80, 70)).save(folder / "p6.tif")
    new = find_new_images(folder, None, cohort)
    assert shared(folder.parent, new, cohort, None) == [
        "images that the model was trained on: p7.png",
        "images that look like images that the model was trained on: p6.tif (like p2_a.png)",
    ]


def test_the_test_side_of_a_split_may_be_judged(folder: Path, cohort: Cohort) -> None:
    split = cohort.manifest.assign(split=["train", "valid", "test"])
    cohort = dataclasses.replace(cohort, manifest=split)
    (folder / "p3.png").write_bytes(Path(cohort.manifest["path"][2]).read_bytes())
    new = find_new_images(folder, None, cohort)
    assert shared(folder.parent, new, cohort, None) == []


def test_a_cohort_without_looks_knows_equal_files(folder: Path, cohort: Cohort) -> None:
    older = dataclasses.replace(cohort, manifest=cohort.manifest.drop(columns="look"))
    (folder / "p7.png").write_bytes(Path(cohort.manifest["path"][0]).read_bytes())
    new = find_new_images(folder, None, older)
    assert shared(folder.parent, new, older, None) == [
        "images that the model was trained on: p7.png"
    ]
