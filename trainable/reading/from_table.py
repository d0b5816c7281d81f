"""Labelled images that a table lists."""

from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from trainable.cohort.covariates import as_manifest, asked_covariates, find_covariates
from trainable.cohort.exams import ONE_IMAGE_EACH, Grouping, find_grouping
from trainable.errors import Checks, listing
from trainable.reading.classes import same_value
from trainable.reading.columns import find_column, may_hold, plain_name
from trainable.reading.data_sets import Layout, find_layout, with_images
from trainable.reading.dicom_columns import is_dicom_column, with_dicom_columns
from trainable.reading.labels import UNKNOWN_WORDS, read_labels
from trainable.reading.names import locate
from trainable.reading.options import DataOptions
from trainable.reading.tables import read_table


@dataclass(frozen=True)
class LabelledImages:
    """What was read of a source.

    Attributes:
        table: One row per image: `image`, `path`, `label`, `split`, and where they are known
            `patient`, `exam`, `view` and the further columns, as the user wrote them.
        classes: What the user calls the negative and the positive class.
        notes: Remarks on how the input was understood.
        grouping: Of the images into examinations.
        columns: The columns of a table by what they hold.
        patient_pattern: Finds the patient in a name, where the data set is known.
    """

    table: pd.DataFrame
    classes: tuple[str, str]
    notes: list[str]
    grouping: Grouping = ONE_IMAGE_EACH
    columns: dict[str, str] = field(default_factory=dict)
    patient_pattern: str | None = None


def read_labelled_table(file: Path, source: DataOptions, checks: Checks) -> LabelledImages:
    """Read a table of images and labels, and find the images."""
    raw, notes = read_table(file, "--data")
    layout = find_layout(raw)
    if layout is not None:
        raw = _rows_of(with_images(raw, layout, file), layout, notes)
    columns = _find_columns(raw, source, layout, checks)
    folders = _folders(file, source)
    further = asked_covariates(source.covariates)
    wanted = (source.patient_column, source.exam_column, source.view_column, *further)
    raw = with_dicom_columns(raw, columns.get("image"), wanted, folders, checks)
    grouping = ONE_IMAGE_EACH
    if source.views > 1:
        grouping = find_grouping(raw, source.views, source.exam_column, source.view_column, checks)
    _check_options(file, source, checks)
    if "image" not in columns or "label" not in columns:
        checks.raise_if_any()
    table = pd.DataFrame({"image": raw[columns["image"]], "split": ""})
    settings = source
    if layout is not None and layout.missing and source.missing is None:
        settings = source.model_copy(update={"missing": layout.missing})
    labels = read_labels(raw[columns["label"]], table["image"], settings, checks)
    table["label"] = labels.values
    if not checks.problems:  # otherwise images that are not there are reported for all rows
        table = table[table["label"] >= 0].copy()
    if "patient" in columns:
        table["patient"] = raw[columns["patient"]]
    taken = [*columns.values(), grouping.exam_column or ""]
    table = table.join(as_manifest(raw, find_covariates(raw, source.covariates, taken, checks)))
    _check_filled(table, checks)
    table = table.join(grouping.read(raw.loc[table.index], table["image"], checks))
    table = table.reset_index(drop=True)
    if layout is not None and layout.several_rows:
        table = _one_row_each(table, notes)
    table["path"] = locate(table["image"], folders, checks, notes)
    kinds = columns | {"exam": grouping.exam_column, "view": grouping.view_column}
    read = ", ".join(f"{kind} in {name!r}" for kind, name in kinds.items() if name)
    notes.insert(0, f"columns: {read}; {labels.note}")
    if not source.label_column and not (layout and layout.label):
        others = [name for name in may_hold("label", raw) if name not in kinds.values()]
        notes.extend(
            f"the column {name!r} is not read; if it holds the labels, use --label-column"
            for name in others
        )
    pattern = layout.patient_pattern if layout else None
    return LabelledImages(table, labels.classes, notes, grouping, columns, pattern)


def _check_options(file: Path, source: DataOptions, checks: Checks) -> None:
    """Refuse options that would do nothing."""
    if source.views == 1 and (source.exam_column or source.view_column):
        checks.add("--exam-column and --view-column group images only with --views of 2 or more")
    if source.split == "keep":
        checks.add(
            f"--split keep needs a folder with train/ and val/, and {file} is a table: make the "
            "folders with cxr-sort, or drop the option"
        )


def _check_filled(table: pd.DataFrame, checks: Checks) -> None:
    unnamed = table.index[table["image"] == ""]
    if len(unnamed):
        numbers = listing(number + 1 for number in unnamed)
        checks.add(f"every row must name its image; rows without a name: {numbers}")
    if "patient" in table:
        is_unknown = table["patient"].map(same_value).isin(UNKNOWN_WORDS)
        if is_unknown.any():
            words = listing(sorted(set(table.loc[is_unknown, "patient"]) - {""}))
            checks.add(
                f"every image must have a patient{f' (got {words})' * bool(words)}; without "
                f"({int(is_unknown.sum())}): {listing(table.loc[is_unknown, 'image'])}. Give each "
                "such patient a name of its own, or drop the rows"
            )


def _find_columns(
    raw: pd.DataFrame, source: DataOptions, layout: Layout | None, checks: Checks
) -> dict[str, str]:
    """The columns of images, labels and patients: as asked, as the layout says, by their name."""
    asked = {
        "image": source.image_column,
        "label": source.label_column,
        "patient": source.patient_column,
    }
    plain = {plain_name(column): str(column) for column in raw.columns}
    found = {}
    for kind, name in asked.items():
        of_layout = getattr(layout, kind, None) if layout else None
        if kind == "patient" and is_dicom_column(name):
            column = name
        else:
            column = find_column(
                kind,  # type: ignore[arg-type]
                raw, name or plain.get(of_layout or ""), checks,
            )  # fmt: skip
        if column is not None:
            found[kind] = column
    return found


def _rows_of(raw: pd.DataFrame, layout: Layout, notes: list[str]) -> pd.DataFrame:
    """The rows of a known data set that are chest X-rays."""
    notes.append(f"read as {layout.name}")
    if layout.only is None:
        return raw
    plain, value = layout.only
    column = next(column for column in raw.columns if plain_name(column) == plain)
    kept = raw[raw[column] == value].reset_index(drop=True)
    if len(kept) < len(raw):
        others = listing(sorted(set(raw[column]) - {value}))
        notes.append(f"{len(raw) - len(kept)} rows of {column} {others} are left out")
    return kept


def _one_row_each(table: pd.DataFrame, notes: list[str]) -> pd.DataFrame:
    """One row per image, positive if one of its rows is."""
    merged = table.assign(label=table.groupby("image")["label"].transform("max"))
    merged = merged.drop_duplicates("image", ignore_index=True)
    notes.append(
        f"{len(table)} rows for {len(merged)} images, {int(merged['label'].sum())} of them "
        "positive: an image is positive if one of its rows is"
    )
    return merged


def _folders(file: Path, source: DataOptions) -> list[Path]:
    """Where the images may be: the folder that was named, or those beside the table."""
    if source.images:
        return [source.images.expanduser().resolve()]
    beside = [file.parent / file.name.partition(".")[0], file.parent / "images", file.parent]
    return [folder for folder in beside if folder.is_dir()]
