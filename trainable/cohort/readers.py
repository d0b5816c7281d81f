"""Read a cohort as users keep it: a table beside the images, or a folder of class folders."""

import dataclasses
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal, NamedTuple

import pandas as pd
from pydantic import BaseModel, ConfigDict, Field

from trainable.cohort.cohort import EXAM_COLUMNS, MANIFEST_COLUMNS, Cohort
from trainable.cohort.columns import find_column
from trainable.cohort.exams import (
    ONE_IMAGE_EACH,
    Grouping,
    check_exams,
    describe_missing,
    find_grouping,
)
from trainable.errors import InputError, Problems, did_you_mean, listing
from trainable.files import hash_file
from trainable.images.decoding import SUFFIXES

_KNOWN_CLASSES = (
    ("0", "1"), ("false", "true"), ("no", "yes"), ("n", "y"), ("neg", "pos"),
    ("negative", "positive"), ("alive", "dead"), ("survived", "died"), ("non", "covid"),
)  # fmt: skip
_TRAIN_NAMES = ("train", "training")
_VALID_NAMES = ("val", "valid", "validation")


class DataOptions(BaseModel):
    """Where the labelled images are and how to read them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    data: Path | None = None
    """CSV file, folder of class folders, or folder with train/ and val/."""
    images: Path | None = None
    """Folder of the CSV's file names; found beside the CSV if not given."""
    image_column: str | None = None
    """Column of file names in the CSV; found by its name if not given."""
    label_column: str | None = None
    """Column of labels in the CSV; found by its name if not given."""
    patient_column: str | None = None
    """Column of patients in the CSV; found by its name if not given."""
    positive: str | None = None
    """Label, or class folder, of the positive class; 1, yes or true, for example, if not given."""
    negative: str | None = None
    """Class folder of the negative class, where there are more than two class folders."""
    patient_pattern: str | None = None
    """Regular expression that finds the patient in a file name, as group 1 or the whole match."""
    split: Literal["merge", "keep"] | None = None
    """Use of train/ and val/: merge them for cross-validation, or keep them as one split."""
    views: int = Field(1, ge=1)
    """Most images per examination; from 2 on, examinations are labelled, scored and predicted."""
    exam_column: str | None = None
    """Column of examinations in the CSV, for 2 views and more; found by its name if not given."""
    view_column: str | None = None
    """Column of views in the CSV; found by its name if not given; none for images in order."""


class _Read(NamedTuple):
    """What was read of a source; in the table `exam` and `view` are as the user wrote them."""

    table: pd.DataFrame
    classes: tuple[str, str]
    notes: list[str]
    grouping: Grouping = ONE_IMAGE_EACH


def read_cohort(source: DataOptions) -> Cohort:
    """Read the labelled images that `source` names, hashing every file.

    Raises:
        InputError: naming every missing file, column, class or patient.
    """
    problems = Problems()
    if source.data is None:
        raise InputError("name the labelled images with --data: a CSV, a folder, or demo")
    data = source.data.expanduser().resolve()
    if data.is_dir():
        read = _read_folders(data, source, problems)
    elif data.is_file():
        read = _read_csv(data, source, problems)
    else:
        raise InputError(
            f"DATA must be a CSV file, a folder of class folders, or demo; not found: {data}"
        )
    problems.raise_if_any()
    table, classes, notes, grouping = read
    table["patient"] = _patients(table, source.patient_pattern, notes, problems)
    columns = list(MANIFEST_COLUMNS)
    if grouping.views > 1:
        table["view"] = grouping.places(table, problems)
        check_exams(table, problems)
        columns += EXAM_COLUMNS
    problems.raise_if_any()
    table["sha256"] = hash_files(table["path"])
    if table["patient"].isna().all():
        table["patient"] = _own_patients(table, notes)
    cohort = Cohort(table[columns].reset_index(drop=True), classes, tuple(notes), grouping)
    if grouping.views == 1:
        return cohort
    missing = describe_missing(cohort.exam_images, grouping)
    return dataclasses.replace(cohort, notes=(*notes, missing))


def list_images(folder: Path) -> list[Path]:
    """All image files in `folder` and below, sorted by their path."""
    return sorted(
        path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file()
    )


def require_unchanged(cohort: Cohort) -> Cohort:
    """The same cohort, once its images are found to have the content that was read at first.

    Raises:
        InputError: Naming every image that is missing or has changed.
    """
    manifest = cohort.manifest
    missing = [path for path in manifest["path"] if not Path(path).is_file()]
    if missing:
        raise InputError(f"labelled images of the search are missing: {listing(missing)}")
    changed = manifest.loc[manifest["sha256"] != hash_files(manifest["path"]), "path"]
    if len(changed):
        raise InputError(
            f"labelled images have changed since the search began: {listing(changed)}; put the "
            "old files back, or start a new search"
        )
    return cohort


def hash_files(paths: Sequence[str] | pd.Series) -> list[str]:
    """SHA-256 of each file's bytes, in order."""
    with ThreadPoolExecutor() as pool:
        return list(pool.map(hash_file, map(Path, paths)))


def locate(names: pd.Series, folders: Sequence[Path], problems: Problems) -> list[str]:
    """Absolute paths of the named images, all in one of `folders`, with or without file endings.

    Images that are in none of the folders are noted as one problem.
    """
    best: list[str | None] = []
    for folder in folders:
        files = {p.relative_to(folder).as_posix(): p for p in list_images(folder)}
        stems = {name.rsplit(".", 1)[0]: path for name, path in files.items()}
        paths = [files.get(name) or stems.get(name) for name in names]
        found = [str(path) if path else None for path in paths]
        if not best or found.count(None) < best.count(None):
            best = found
    missing = [name for name, path in zip(names, best, strict=True) if path is None]
    if missing:
        problems.add(
            f"every listed image must be a file; {len(missing)} of {len(names)} are not found in "
            f"{listing(folders)}: {listing(missing)}. Name their folder with --images"
        )
    return [path or "" for path in best]


def _read_csv(csv: Path, source: DataOptions, problems: Problems) -> _Read:
    try:
        raw = pd.read_csv(csv, dtype=str, keep_default_na=False)
    except (UnicodeDecodeError, pd.errors.EmptyDataError, pd.errors.ParserError) as error:
        raise InputError(
            f"DATA must be comma-separated values in UTF-8; {csv}: {str(error).strip()}"
        ) from error
    columns = {
        "image": find_column("image", raw, source.image_column, problems),
        "label": find_column("label", raw, source.label_column, problems),
        "patient": find_column("patient", raw, source.patient_column, problems),
    }
    grouping = ONE_IMAGE_EACH
    if source.views > 1:
        grouping = find_grouping(
            raw, source.views, source.exam_column, source.view_column, problems
        )
        columns |= {"exam": grouping.exam_column, "view": grouping.view_column}
    elif source.exam_column or source.view_column:
        problems.add("--exam-column and --view-column group images only with --views of 2 or more")
    if columns["image"] is None or columns["label"] is None:
        problems.raise_if_any()
    names = raw[columns["image"]].str.strip()
    table = pd.DataFrame({"image": names, "split": ""})
    beside = [csv.parent, csv.parent / csv.stem, csv.parent / "images"]
    folders = [source.images.expanduser().resolve()] if source.images else beside
    table["path"] = locate(names, [f for f in folders if f.is_dir()] or folders[:1], problems)
    values = raw[columns["label"]].str.strip()
    empty = table.loc[values.isin(["", "nan", "NaN", "NA"]), "image"]
    if len(empty):
        problems.add(f"every image must have a label; without: {listing(empty)}")
    classes = _two_classes(
        sorted(set(values) - {"", "nan", "NaN", "NA"}),
        source.positive,
        "labels",
        problems,
    )
    table["label"] = (values == classes[1]).astype("int64")
    read = ", ".join(f"{kind} in {name!r}" for kind, name in columns.items() if name)
    notes = [f"columns: {read}; positive is {columns['label']} = {classes[1]}"]
    if columns["patient"] is not None:
        table["patient"] = raw[columns["patient"]].str.strip()
        without = table.loc[table["patient"] == "", "image"]
        if len(without):
            problems.add(f"every image must have a patient; without: {listing(without)}")
    return _Read(table.join(grouping.read(raw, names, problems)), classes, notes, grouping)


def _read_folders(folder: Path, source: DataOptions, problems: Problems) -> _Read:
    inner = {path.name.lower(): path for path in sorted(folder.iterdir()) if path.is_dir()}
    train = next((inner[name] for name in _TRAIN_NAMES if name in inner), None)
    valid = next((inner[name] for name in _VALID_NAMES if name in inner), None)
    notes: list[str] = []
    if source.views > 1 or source.exam_column or source.view_column:
        problems.add(
            "--views, --exam-column and --view-column need a CSV, whose columns say which images "
            f"are of one examination; {folder} is a folder"
        )
    if train and valid:
        if source.split is None:
            problems.add(
                f"{folder} holds {train.name}/ and {valid.name}/: say with --split merge that all "
                "images are cross-validated together, or with --split keep that the split stands"
            )
        sides = {"train": train, "valid": valid} if source.split == "keep" else None
        parts = sides or {"": train, " ": valid}
    else:
        parts = {"": folder}
    tables = []
    classes = ("0", "1")
    for side, part in parts.items():
        names = [p.name for p in sorted(part.iterdir()) if p.is_dir() and list_images(p)]
        classes = _two_classes(names, source.positive, "class folders", problems, source.negative)
        left = [name for name in names if name not in classes]
        if left and not problems.found:
            notes.append(f"class folders: {', '.join(classes)}; left out: {listing(left)}")
        for label, name in enumerate(classes):
            paths = list_images(part / name) if (part / name).is_dir() else []
            images = [path.relative_to(folder).as_posix() for path in paths]
            rows = {"image": images, "path": [str(path) for path in paths]}
            tables.append(pd.DataFrame(rows).assign(label=label, split=side.strip()))
    table = pd.concat(tables, ignore_index=True)
    _add_listed_patients(folder / "manifest.csv", table, notes, problems)
    written = [name.rsplit("_", 1)[-1] for name in classes]
    if written == ["0", "1"]:
        classes = ("0", "1")
    return _Read(table, classes, notes)


def _add_listed_patients(
    manifest: Path, table: pd.DataFrame, notes: list[str], problems: Problems
) -> None:
    """Patients from the manifest that `cxr-sort` leaves beside class folders, if it is there."""
    if not manifest.is_file():
        return
    listed = pd.read_csv(manifest, dtype=str, keep_default_na=False)
    if not {"image", "patient"} <= set(listed.columns):
        notes.append(f"{manifest} has no columns image and patient, and is not used")
        return
    patients = table["image"].map(dict(zip(listed["image"], listed["patient"], strict=True)))
    without = table.loc[patients.isna(), "image"]
    if len(without):
        problems.add(f"{manifest} must list every image; it lacks: {listing(without)}")
    table["patient"] = patients
    notes.append(f"patients from {manifest.name}: {patients.nunique()} for {len(table)} images")


def _two_classes(
    values: list[str],
    positive: str | None,
    what: str,
    problems: Problems,
    negative: str | None = None,
) -> tuple[str, str]:
    """The names of the negative and the positive class among `values`."""
    if positive is not None and positive not in values:
        problems.add(
            f"--positive must be one of the {what} ({listing(values)}); {positive!r} is not; "
            f"{did_you_mean(positive, values)}"
        )
        return ("", "")
    if negative is not None and negative not in values:
        problems.add(
            f"--negative must be one of the {what} ({listing(values)}); {negative!r} is not; "
            f"{did_you_mean(negative, values)}"
        )
        return ("", "")
    if positive is not None and negative is not None and negative != positive:
        return (negative, positive)
    if positive is not None and len(values) == 2:
        return (next(value for value in values if value != positive), positive)
    ends = {re.split(r"[_\-. ]", value.lower())[-1]: value for value in values}
    for low, high in _KNOWN_CLASSES:
        if low in ends and high in ends and (what == "class folders" or len(values) == 2):
            pair = (ends[low], ends[high])
            if negative in (None, pair[0]) and positive in (None, pair[1]):
                return pair
    rule = f"{what} must have two values, one of them known as positive"
    advice = "name the positive one with --positive"
    if len(values) != 2:
        advice = "keep two" + (
            ", or name both with --positive and --negative" if what == "class folders" else ""
        )
    problems.add(f"{rule}; found {len(values)}: {listing(values)}; {advice}")
    return ("", "")


def _patients(
    table: pd.DataFrame, pattern: str | None, notes: list[str], problems: Problems
) -> pd.Series:
    if pattern is None:
        if "patient" in table:
            return table["patient"]
        return pd.Series([None] * len(table), index=table.index, dtype=object)
    try:
        regex = re.compile(pattern)
    except re.error as error:
        problems.add(f"--patient-pattern must be a regular expression; {pattern!r}: {error}")
        return table["image"]
    matches = [regex.search(Path(image).name) for image in table["image"]]
    found = [(m and m.group(1 if regex.groups else 0)) or "" for m in matches]
    without = [name for name, patient in zip(table["image"], found, strict=True) if not patient]
    if without:
        problems.add(
            f"--patient-pattern must find a patient in every file name; {pattern!r} finds none in "
            f"{len(without)}: {listing(without)}"
        )
    notes.append(f"patients from file names: {len(set(found))} for {len(found)} images")
    return pd.Series(found, index=table.index)


def _own_patients(table: pd.DataFrame, notes: list[str]) -> pd.Series:
    if "exam" in table:
        notes.append(
            "no patients given (--patient-column or --patient-pattern): every examination counts "
            "as its own patient, so two of one patient may fall on both sides of a fold"
        )
        return table["exam"]
    notes.append(
        "no patients given (--patient-column or --patient-pattern): every image counts as its own "
        "patient, so two images of one patient may fall on both sides of a fold"
    )
    first = table.groupby("sha256")["image"].transform("first")
    same = int((first != table["image"]).sum())
    if same:
        notes.append(f"{same} images repeat another's content: kept on one side of every fold")
    return first
