"""Labelled images in a folder of class folders, split or not."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pandas as pd

from trainable.cohort.label_rule import REST, LabelRule
from trainable.cohort.left_out import LeftOut
from trainable.errors import Checks, InputError, listing, num_of
from trainable.reading.classes import several_folders, two_classes
from trainable.reading.covariates import asked_covariates
from trainable.reading.dicom_columns import PATIENT, is_dicom_column, with_dicom_columns
from trainable.reading.from_names import read_flat_folder
from trainable.reading.from_table import LabelledImages
from trainable.reading.image_files import READ, list_folder, list_images
from trainable.reading.names import ImageNames
from trainable.reading.options import DataOptions
from trainable.reading.own_split import SIDE_WORDS
from trainable.reading.places import Places
from trainable.reading.tables import read_table
from trainable.reading.unusable import usable_files


def read_folders(folder: Path, source: DataOptions, checks: Checks) -> LabelledImages:
    """Read class folders, or images with labels in their names; split into folders or not."""
    listed = list_folder(folder)
    checks.leave_out(*listed.notes(folder))
    checks.note(*listed.other_notes(folder))
    _check_table_options(folder, source, checks)
    sides = _find_sides(folder, list_images if source.label_pattern else _class_folders)
    _check_split(folder, sides, source, checks)
    if source.label_pattern:
        checks.raise_if_any()
        read = read_flat_folder(folder, sides or {"": folder}, source, checks)
    else:
        read = _read_class_folders(folder, sides, source, checks)
    table, columns = read.table, dict(read.found_by)
    left_out: tuple[LeftOut, ...] = ()
    if source.unusable == "drop":
        table, left_out = usable_files(table, read.rules, checks)
    if source.patient_column:
        columns["patient"] = source.patient_column
        _add_dicom_patients(table, folder, source.patient_column, checks)
    else:
        _add_listed_patients(folder / "manifest.csv", folder, table, checks)
    return LabelledImages(table, read.rules, found_by=columns, left_out=left_out)


def _read_class_folders(
    folder: Path, sides: dict[str, Path], source: DataOptions, checks: Checks
) -> LabelledImages:
    """Read class folders, in `folder` or in each of its sides."""
    parts = list(sides.values()) or [folder]
    inside = {part: _class_folders(part) for part in parts}
    names = sorted({name for found in inside.values() for name in found})
    if not names:
        _add_what_is_there(folder, checks)
        checks.raise_if_any()
    counts = {
        name: sum(len(list_images(part / name)) for part in parts if (part / name).is_dir())
        for name in names
    }
    classes = _classes(counts, source, checks)
    _note_left_out(folder, counts, classes, checks)
    tables = []
    for side, part in sides.items() or [("", folder)]:
        for name in inside[part]:
            if name not in classes and REST not in classes:
                continue
            paths = list_images(part / name)
            rows = {
                "image": [path.relative_to(folder).as_posix() for path in paths],
                "path": [str(path) for path in paths],
            }
            label = int(name != classes[0]) if classes[1] == REST else [*classes].index(name)
            kept = side if source.split == "keep" else ""
            tables.append(pd.DataFrame(rows).assign(label=label, split=kept))
    checks.raise_if_any()
    table = pd.concat(tables, ignore_index=True)
    table = table.sort_values(["split", "label"], kind="stable", key=_in_order, ignore_index=True)
    if [name.rsplit("_", 1)[-1] for name in classes] == ["0", "1"]:
        classes = ("0", "1")
    return LabelledImages(table, (LabelRule(classes),))


def _classes(counts: Mapping[str, int], source: DataOptions, checks: Checks) -> tuple[str, ...]:
    """The negative and the positive class folder, or three and more of which one holds."""
    is_open = source.positive is None and source.negative is None
    if is_open and (several := several_folders(counts, checks)):
        return several
    classes = two_classes([*counts], source.positive, source.negative, "class folders", checks)
    if classes is None:
        raise InputError(*checks.problems)
    return classes


def _check_table_options(folder: Path, source: DataOptions, checks: Checks) -> None:
    """Refuse options that name columns of a table."""
    given = {
        "image": source.image_column,
        "label": source.label_column,
        "split": source.split_column,
    }
    if not is_dicom_column(source.patient_column):
        given["patient"] = source.patient_column
    if source.images:
        checks.add(f"--images is for the images of a table; {folder} is a folder: drop the option")
    if source.findings and not source.label_pattern:
        checks.add(
            f"--findings names findings in the cells of a table; {folder} is a folder, where three "
            "class folders or more are classes: drop the option"
        )
    if source.label_column and source.label_pattern:
        checks.add("--label-pattern and --label-column both find the labels: drop one")
    named = [f"--{kind}-column {name}" for kind, name in given.items() if name]
    if named:
        checks.add(
            f"{listing(named)} names a column of a table; {folder} is a folder, whose patients are "
            f"found with --patient-pattern, or with --patient-column {PATIENT} in DICOM files"
        )
    if asked_covariates(source.covariates):
        checks.add(
            f"--covariates {source.covariates} names columns of a table; {folder} is a folder"
        )
    if source.views > 1 or source.exam_column or source.view_column:
        checks.add(
            "--views, --exam-column and --view-column need a table, whose columns say which images "
            f"are of one examination; {folder} is a folder"
        )


def _add_dicom_patients(table: pd.DataFrame, folder: Path, column: str, checks: Checks) -> None:
    read = with_dicom_columns(table[["path"]], "path", [column], Places([folder]), checks)
    table["patient"] = read[column]
    without = table.loc[table["patient"] == "", "image"]
    if len(without):
        checks.add(f"every image must have a patient in {column}; without: {listing(without)}")
    checks.note(f"patients from {column}: {table['patient'].nunique()} for {len(table)} images")


def _in_order(column: pd.Series) -> pd.Series:
    """Negative before positive, and train before validation before test."""
    if column.name == "split":
        return column.map({"": 0, **{side: place for place, side in enumerate(SIDE_WORDS)}})
    return column


def _find_sides(folder: Path, holds: Callable[[Path], Sequence[object]]) -> dict[str, Path]:
    """`train/`, `val/` and `test/` with what is looked for in them, where two of them are there."""
    inner = {path.name.lower(): path for path in sorted(folder.iterdir()) if path.is_dir()}
    found = {
        side: inner[name]
        for side, names in SIDE_WORDS.items()
        for name in names
        if name in inner and holds(inner[name])
    }
    return found if "train" in found and len(found) > 1 else {}


def _class_folders(part: Path) -> list[str]:
    return [p.name for p in sorted(part.iterdir()) if p.is_dir() and list_images(p)]


def _check_split(folder: Path, sides: dict[str, Path], source: DataOptions, checks: Checks) -> None:
    if not sides:
        if source.split == "keep":
            checks.add(
                "--split keep needs train/, and val/ or test/ or both, with the same class folders "
                f"in each; they are not in {folder}. Drop the option, or make them with cxr-sort"
            )
        return
    if source.split is None:
        names = ", ".join(f"{path.name}/" for path in sides.values())
        checks.add(
            f"{folder} holds {names}: say with --split merge that all images are cross-validated "
            "together, or with --split keep that the split stands (test/ is judged at the end)"
        )


def _note_left_out(
    folder: Path, counts: Mapping[str, int], classes: Sequence[str], checks: Checks
) -> None:
    """A note on the class folders, with counts, and on all images that are left out."""
    left = [] if REST in classes else [name for name in counts if name not in classes]
    text = ", ".join(name for name in classes)
    checks.notes.insert(
        0, f"class folders: {text}" + (f"; left out: {listing(left)}" if left else "")
    )
    used = sum(count for name, count in counts.items() if name not in left)
    others = len(list_images(folder)) - used
    if len(classes) > 2:
        said = f"the classes are {', '.join(f'{name} ({counts[name]})' for name in classes)}"
    else:
        positive = used - counts[classes[0]] if classes[1] == REST else counts[classes[1]]
        said = (
            f"positive is {classes[1]} ({positive}), negative is {classes[0]} ({used - positive})"
        )
    if others > 0:
        left_out = f"{num_of(others, 'image')} in other folders left out"
        checks.unused.append(left_out)
        said += f"; {left_out}"
    checks.note(said)


def _add_what_is_there(folder: Path, checks: Checks) -> None:
    """Where there are no class folders of images: what is there."""
    listed = list_folder(folder)
    if listed.others and not listed.images:
        checks.add(
            f"images must be {READ}, and only DICOM files may lack the ending; {folder} holds "
            f"other files: {listed.kinds()}"
        )
    else:
        checks.add(
            f"--data must be a table, or a folder with a folder of images for each class; {folder} "
            f"has no folder of images, and {num_of(len(listed.images), 'image')} outside of "
            "folders. If the "
            "file names hold the labels, find them with --label-pattern, such as '_([01])[.]png'"
        )


def _add_listed_patients(manifest: Path, folder: Path, table: pd.DataFrame, checks: Checks) -> None:
    """Patients from the manifest that `cxr-sort` leaves beside class folders, if it is there."""
    if not manifest.is_file():
        return
    listed = read_table(manifest, manifest.name).rows
    if not {"image", "patient"} <= set(listed.columns):
        checks.note(f"{manifest} has no columns image and patient, and is not used")
        return
    names = ImageNames(folder, ((image, image) for image in table["image"]))
    patients: dict[str, str] = {}
    for image, patient in zip(listed["image"], listed["patient"], strict=True):
        patients |= dict.fromkeys(names.find(image), patient)
    found = table["image"].map(patients)
    without = table.loc[found.isna(), "image"]
    if len(without):
        checks.add(f"{manifest} must list every image; it lacks: {listing(without)}")
    table["patient"] = found
    checks.note(f"patients from {manifest.name}: {found.nunique()} for {len(table)} images")
