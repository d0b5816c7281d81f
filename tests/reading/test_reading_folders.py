"""Cohorts read from class folders."""

import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from fixtures.cohorts import labels_of, patients_of, problems_of

from trainable.reading.options import DataOptions
from trainable.reading.read_cohort import read_cohort

SHARED = Path(__file__).parents[3] / "shared" / "data"
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason=f"no shared data in {SHARED}")
SPLIT = ["train/non/a.png", "train/covid/b.png", "val/non/c.png", "val/covid/d.png"]
WriteImages = Callable[[Path, Iterable[str]], None]


def test_class_folders_are_read_and_a_third_is_left_out(
    tmp_path: Path, write_images: WriteImages
) -> None:
    write_images(tmp_path, ["output_0/b.png", "output_0/deep/a.png", "output_1/a.png"])
    write_images(tmp_path, ["IML_CXR_TEST/z.png"])
    (tmp_path / "output_1" / "remarks.txt").write_text("no image")
    (tmp_path / "nothing").mkdir()
    cohort = read_cohort(DataOptions(data=tmp_path))
    assert labels_of(cohort) == {"output_0/b.png": 0, "output_0/deep/a.png": 0, "output_1/a.png": 1}
    assert cohort.classes == ("0", "1")
    assert cohort.notes[0] == "class folders: output_0, output_1; left out: IML_CXR_TEST"
    assert cohort.unused == ("1 image in other folders left out",)
    assert not cohort.is_split


@pytest.mark.parametrize(
    ("positive", "negative"), [("c", "a"), ("a", "c"), ("output_0", "output_1"), ("b", "output_1")]
)
def test_positive_and_negative_folders_can_be_chosen(
    tmp_path: Path, write_images: WriteImages, positive: str, negative: str
) -> None:
    folders = ["a", "b", "c", "output_0", "output_1"]
    write_images(tmp_path, [f"{name}/{name}.png" for name in folders])
    cohort = read_cohort(DataOptions(data=tmp_path, positive=positive, negative=negative))
    chosen = {f"{negative}/{negative}.png": 0, f"{positive}/{positive}.png": 1}
    assert labels_of(cohort) == chosen
    assert cohort.classes[1] in (positive, "1")


def test_all_folders_but_one_can_be_positive(tmp_path: Path, write_images: WriteImages) -> None:
    write_images(tmp_path, ["normal/a.png", "viral/b.png", "bacterial/c.png"])
    cohort = read_cohort(DataOptions(data=tmp_path, positive="rest", negative="normal"))
    assert labels_of(cohort) == {"normal/a.png": 0, "bacterial/c.png": 1, "viral/b.png": 1}
    assert cohort.classes == ("normal", "rest")
    assert "positive is rest (2), negative is normal (1)" in cohort.notes


def test_positive_of_two_folders_can_be_chosen(tmp_path: Path, write_images: WriteImages) -> None:
    write_images(tmp_path, ["output_0/a.png", "output_1/b.png"])
    cohort = read_cohort(DataOptions(data=tmp_path, positive="output_0"))
    assert labels_of(cohort) == {"output_0/a.png": 1, "output_1/b.png": 0}


@pytest.mark.parametrize(
    ("positive", "negative", "message"),
    [
        ("other", None, "name both with --positive and --negative"),
        ("output_0", None, "name both with --positive and --negative"),
        (None, "other", "name both with --positive and --negative"),
        ("other", "other", "must be two class folders"),
        ("ouput_1", None, "--positive must be one of the class folders"),
        ("other", "ouput_1", "did you mean 'output_1'?"),
    ],
)
def test_choice_among_three_folders_is_never_guessed(
    tmp_path: Path,
    write_images: WriteImages,
    positive: str | None,
    negative: str | None,
    message: str,
) -> None:
    write_images(tmp_path, ["output_0/a.png", "output_1/b.png", "other/c.png"])
    (problem,) = problems_of(DataOptions(data=tmp_path, positive=positive, negative=negative))
    assert message in problem


@pytest.mark.parametrize(
    ("folders", "message"),
    [((), "no folder of images"), (("dead",), "found 1: dead"), (("mild", "severe"), "--positive")],
)
def test_folders_that_are_no_two_known_classes_are_refused(
    tmp_path: Path, write_images: WriteImages, folders: tuple[str, ...], message: str
) -> None:
    write_images(tmp_path, [f"{folder}/a.png" for folder in folders])
    (problem,) = problems_of(DataOptions(data=tmp_path))
    assert message in problem


def test_split_can_be_merged(tmp_path: Path, write_images: WriteImages) -> None:
    write_images(tmp_path, SPLIT)
    cohort = read_cohort(DataOptions(data=tmp_path, split="merge"))
    assert labels_of(cohort) == {name: int("covid" in name) for name in SPLIT}
    assert cohort.classes == ("non", "covid")
    assert not cohort.is_split


@pytest.mark.parametrize(("train", "valid"), [("train", "val"), ("Training", "VALIDATION")])
def test_split_can_be_kept(
    tmp_path: Path, write_images: WriteImages, train: str, valid: str
) -> None:
    names = [name.replace("train", train).replace("val", valid) for name in SPLIT]
    write_images(tmp_path, names)
    cohort = read_cohort(DataOptions(data=tmp_path, split="keep"))
    sides = dict(zip(cohort.manifest["image"], cohort.manifest["split"], strict=True))
    assert sides == {name: "train" if name.startswith(train) else "valid" for name in names}
    assert labels_of(cohort) == {name: int("covid" in name) for name in names}
    assert (cohort.has_one_fold, cohort.has_test) == (True, False)


def test_a_test_part_alone_is_kept_for_the_end(tmp_path: Path, write_images: WriteImages) -> None:
    write_images(tmp_path, [name.replace("val", "Test") for name in SPLIT])
    cohort = read_cohort(DataOptions(data=tmp_path, split="keep"))
    assert cohort.manifest["split"].tolist() == ["train", "train", "test", "test"]
    assert (cohort.has_one_fold, cohort.has_test) == (False, True)
    assert not read_cohort(DataOptions(data=tmp_path, split="merge")).is_split


def test_what_becomes_of_a_split_must_be_said(tmp_path: Path, write_images: WriteImages) -> None:
    write_images(tmp_path, SPLIT)
    (problem,) = problems_of(DataOptions(data=tmp_path))
    assert "--split merge" in problem
    assert "--split keep" in problem


@pytest.mark.parametrize("names", [("a_0", "b_0", "c_1"), ("not alive", "dead")])
def test_a_class_that_two_folders_may_be_or_none_is_never_guessed(
    tmp_path: Path, write_images: WriteImages, names: tuple[str, ...]
) -> None:
    write_images(tmp_path, [f"{name}/{number}.png" for number, name in enumerate(names)])
    (problem,) = problems_of(DataOptions(data=tmp_path))
    assert "--positive" in problem


def test_files_of_other_kinds_beside_images_are_named(
    tmp_path: Path, write_images: WriteImages
) -> None:
    write_images(tmp_path, ["0/a.png", "1/b.png"])
    (tmp_path / "0" / "c.gif").write_bytes(b"GIF89a")
    (tmp_path / "manifest.txt").write_text("beside the class folders")
    notes = read_cohort(DataOptions(data=tmp_path)).notes
    assert "files of other kinds are not read: .gif (1)" in notes


def test_options_that_would_do_nothing_are_refused(
    tmp_path: Path, write_images: WriteImages
) -> None:
    write_images(tmp_path, ["0/a.png", "1/b.png"])
    table = tmp_path / "t.csv"
    table.write_text("filename,label,patient\n0/a.png,0,p\n1/b.png,1,q\n")
    keep = problems_of(DataOptions(data=tmp_path, split="keep", images=tmp_path))
    assert any(
        "--split keep needs train/, and val/ or test/ or both" in problem for problem in keep
    )
    assert any("--images is for the images of a table" in problem for problem in keep)
    (problem,) = problems_of(DataOptions(data=table, split="keep"))
    assert "needs a column that says train, val or test of each row" in problem
    (problem,) = problems_of(DataOptions(data=table, split_column="label"))
    assert "--split-column names the split that --split keep keeps" in problem
    both = DataOptions(data=table, patient_column="patient", patient_pattern=r"(\w)\.png")
    assert problems_of(both) == (
        "--patient-pattern and --patient-column both find the patients: drop one",
    )
    (problem,) = problems_of(DataOptions(data=table, images=tmp_path / "no"))
    assert "the folder of the images is not found" in problem
    (problem,) = problems_of(DataOptions(data=table, positive="1", negative="1.0"))
    assert "must be two labels" in problem


def test_test_folder_is_merged_or_kept_for_the_end(
    tmp_path: Path, write_images: WriteImages
) -> None:
    write_images(tmp_path, [*SPLIT, "test/non/e.png", "test/covid/f.png"])
    merged = read_cohort(DataOptions(data=tmp_path, split="merge"))
    assert len(merged.labels) == 6
    kept = read_cohort(DataOptions(data=tmp_path, split="keep"))
    assert sorted(kept.manifest["split"]) == ["test"] * 2 + ["train"] * 2 + ["valid"] * 2
    (problem,) = problems_of(DataOptions(data=tmp_path))
    assert "train/, val/, test/" in problem


def test_hidden_files_of_a_mac_are_passed_over_with_a_note(
    tmp_path: Path, write_images: WriteImages
) -> None:
    write_images(tmp_path, ["0/a.png", "1/b.png"])
    for name in ("0/._a.png", "__MACOSX/0/._a.png", ".ipynb_checkpoints/a.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"\x00\x05\x16\x07")
    cohort = read_cohort(DataOptions(data=tmp_path))
    assert labels_of(cohort) == {"0/a.png": 0, "1/b.png": 1}
    [note] = cohort.unused
    assert note.startswith("3 hidden files are passed over: ")
    assert note in cohort.notes


def test_folders_of_other_files_say_which_and_what_is_read(tmp_path: Path) -> None:
    for name in ("0/a.nii.gz", "1/b.nii.gz"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes(b"\x1f\x8b")
    (there,) = problems_of(DataOptions(data=tmp_path))
    assert ".nii.gz (2)" in there
    assert "DICOM" in there


def test_linked_folders_are_followed_once(tmp_path: Path, write_images: WriteImages) -> None:
    write_images(tmp_path / "store", ["a.png", "b.png"])
    write_images(tmp_path / "data", ["1/c.png"])
    (tmp_path / "data" / "0").symlink_to(tmp_path / "store")
    (tmp_path / "store" / "again").symlink_to(tmp_path / "store")
    cohort = read_cohort(DataOptions(data=tmp_path / "data"))
    assert labels_of(cohort) == {"0/a.png": 0, "0/b.png": 0, "1/c.png": 1}


@pytest.fixture
def csv(tmp_path: Path, write_images: WriteImages) -> Path:
    """A CSV of three images beside it."""
    write_images(tmp_path, ["p1_1.png", "p1_2.png", "p2_1.png"])
    (tmp_path / "train.csv").write_text("name,died\np1_1.png,0\np1_2.png,0\np2_1.png,1\n")
    return tmp_path / "train.csv"


@pytest.mark.parametrize(
    ("pattern", "patients"),
    [(r"p(\d+)_", ["1", "1", "2"]), (r"p\d+", ["p1", "p1", "p2"])],
)
def test_patients_are_found_in_file_names(csv: Path, pattern: str, patients: list[str]) -> None:
    cohort = read_cohort(DataOptions(data=csv, patient_pattern=pattern))
    assert patients_of(cohort) == patients
    assert "patients from file names: 2 for 3 images" in cohort.notes


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        (r"^p1", "finds none in 1: p2_1.png"),
        (r"(z)?", "finds none in 3: p1_1.png, p1_2.png, p2_1.png"),
        (r"(", "must be a regular expression"),
    ],
)
def test_pattern_must_find_every_patient(csv: Path, pattern: str, message: str) -> None:
    (problem,) = problems_of(DataOptions(data=csv, patient_pattern=pattern))
    assert message in problem


def test_without_patients_only_identical_files_share_one(csv: Path) -> None:
    shutil.copy(csv.parent / "p1_1.png", csv.parent / "copy.png")
    csv.write_text(csv.read_text() + "copy.png,0\n")
    cohort = read_cohort(DataOptions(data=csv))
    first, second, third, copy = patients_of(cohort)
    assert first == copy
    assert len({first, second, third}) == 3
    assert any(note.startswith("1 image repeats another's content") for note in cohort.notes)


@needs_shared
def test_shared_mortality_cohort() -> None:
    cohort = read_cohort(DataOptions(data=SHARED / "mortality" / "train.csv"))
    assert len(cohort.labels) == 147
    assert cohort.labels.sum() == 31
    assert cohort.manifest["patient"].nunique() == 70


@needs_shared
def test_shared_viral_cohort() -> None:
    cohort = read_cohort(DataOptions(data=SHARED / "viral"))
    assert len(cohort.labels) == 493
    assert cohort.labels.sum() == 67
    assert cohort.classes == ("0", "1")
    assert "left out: IML_CXR_TEST" in cohort.notes[0]


FLAT = ["CHNCXR_0001_0.png", "CHNCXR_0002_1.png", "more/CHNCXR_0003_1.png"]


def test_labels_are_found_in_file_names(tmp_path: Path, write_images: WriteImages) -> None:
    write_images(tmp_path, FLAT)
    pattern = r"_(\d)\.png"
    cohort = read_cohort(DataOptions(data=tmp_path, label_pattern=pattern))
    assert labels_of(cohort) == dict(zip(FLAT, [0, 1, 1], strict=True))
    assert "positive is the file name = 1 (2), negative is 0 (1)" in cohort.notes
    (tmp_path / "t.csv").write_text("\n".join(["image,age", *(f"{name},5" for name in FLAT)]))
    listed = read_cohort(DataOptions(data=tmp_path / "t.csv", label_pattern=pattern))
    assert labels_of(listed) == labels_of(cohort)
    assert "label" not in listed.found_by
    for name in FLAT[2:]:
        (tmp_path / name).unlink()
    (problem,) = problems_of(DataOptions(data=tmp_path))
    assert "find them with --label-pattern" in problem


def test_a_name_without_a_label_is_missing_one(tmp_path: Path, write_images: WriteImages) -> None:
    write_images(tmp_path, [*FLAT, "normal.png"])
    (problem,) = problems_of(DataOptions(data=tmp_path, label_pattern=r"_(\d)\.png"))
    assert "every image must have a label; without (1): normal.png" in problem
    cohort = read_cohort(DataOptions(data=tmp_path, label_pattern=r"_(\d)\.", missing="drop"))
    assert len(cohort.manifest) == 3
    (problem,) = problems_of(DataOptions(data=tmp_path, label_pattern="("))
    assert "must be a regular expression" in problem


def test_a_split_of_flat_folders_is_kept(tmp_path: Path, write_images: WriteImages) -> None:
    write_images(tmp_path, ["train/a_0.png", "train/b_1.png", "val/c_0.png", "val/d_1.png"])
    options = {"data": tmp_path, "label_pattern": r"_(\d)"}
    assert "say with --split merge" in problems_of(DataOptions(**options))[0]
    cohort = read_cohort(DataOptions(**options, split="keep"))
    assert cohort.manifest["split"].tolist() == ["train", "train", "valid", "valid"]
    assert cohort.manifest["label"].tolist() == [0, 1, 0, 1]
