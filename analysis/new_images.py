"""The new images: which there are, whose they are, and the rows that a template asks for."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.new_columns import NO_COLUMNS, check_columns, columns_rule
from analysis.new_patients import known_patients, listed_values
from trainable.cohort.cohort import Cohort
from trainable.cohort.exams import Grouping, group_images
from trainable.errors import Checks, InputError, listing
from trainable.images.pixels import check_readable
from trainable.model.covariate_encoder import ColumnCode
from trainable.reading.columns import find_column
from trainable.reading.dicom_columns import with_dicom_columns
from trainable.reading.image_files import FolderListing, hash_files, list_folder
from trainable.reading.names import ImageNames, locate
from trainable.reading.tables import read_table

_SEEN = "seen:"  # a further column may be called as one of the list: view


@dataclass(frozen=True)
class NewImages:
    """Images to predict, and the rows to be written: one an image, or one an examination.

    Attributes:
        table: the rows to write: the template's columns, or `image` or `exam`, and `prediction`.
        name_column: which of them names the image or the examination.
        prediction_column: which of them is filled in.
        images: name of each image.
        paths: the file of each image.
        hashes: SHA-256 of each file.
        exam_images: int64 (num_rows, views), numbers of the images of each row, -1 where a view is
            missing.
        patients: of each row, once for each way to know them: from the table of the images, from
            the template, by the pattern of the search, from DICOM files; "" where not known.
        columns: further columns of each row that the team sees, `ColumnCode.values`.
        notes: remarks on how the folder or table was understood.
        num_unlisted: images or examinations found that the template does not ask for.
    """

    table: pd.DataFrame
    name_column: str
    prediction_column: str
    images: tuple[str, ...]
    paths: tuple[str, ...]
    hashes: tuple[str, ...]
    exam_images: NDArray[np.int64]
    patients: tuple[pd.Series, ...]
    num_unlisted: int
    columns: NDArray[np.float64]
    notes: tuple[str, ...] = ()

    @property
    def groups(self) -> pd.Series:
        """The patient of each row; the row's own name where patients are not known of all rows."""
        known = (one for one in self.patients if (one != "").all())
        return next(known, self.table[self.name_column])

    def rows_named(self, names: pd.Series, checks: Checks) -> pd.Series:
        """Which rows to write are named so in another table; -1 for names of none of them.

        Images are matched as in every table, examinations by their own names. A name that fits
        several images is one problem.
        """
        if self.exam_images.shape[1] > 1:
            own = {name: row for row, name in enumerate(self.table[self.name_column])}
            return names.map(lambda name: own.get(name, -1))
        files = [path.lstrip("/") for path in self.paths]
        rows = {path: row for row, path in enumerate(self.paths)}
        matcher = ImageNames(Path("/"), zip(files, self.paths, strict=True))
        own = {str(name): row for row, name in enumerate(self.table[self.name_column])}
        found = names.map(lambda name: own.get(name, [rows[p] for p in matcher.find(name)]))
        several = names[found.map(lambda one: isinstance(one, list) and len(one) > 1)]
        if len(several):
            checks.add(f"a name must fit one image; these fit several: {listing(several)}")
        return found.map(lambda one: one if isinstance(one, int) else (one or [-1])[0])


def find_new_images(
    images: Path, template: Path | None, cohort: Cohort, columns: ColumnCode = NO_COLUMNS
) -> NewImages:
    """List the images of a folder, or of a CSV, in the order of the template if there is one.

    Args:
        images: a folder, or a CSV, which examinations of several views need.
        template: a CSV with a row for each image or examination.
        cohort: of the search, whose columns are tried first.
        columns: further columns that the team sees, which only a table has.

    Raises:
        InputError: naming every missing image, examination or column.
    """
    checks = Checks()
    grouping = cohort.grouping
    notes: list[str] = []
    if not images.exists():
        raise InputError(f"--images must be a folder or a table; not found: {images}")
    folder = list_folder(images) if images.is_dir() else None
    listed, folders = _list(images, folder, cohort, columns.names, checks)
    checks.raise_if_any()
    kinds = folder.kinds() if folder else ""
    if listed.empty:
        also = f"; it holds files of other kinds: {kinds}" if kinds else ""
        raise InputError(f"--images must hold images; there are none in {images}{also}")
    if kinds:
        notes.append(f"files of other kinds are not read: {kinds}")
    unit = grouping.column
    table = listed[[unit]] if unit == "image" else listed[[unit]].drop_duplicates(ignore_index=True)
    num_found = len(table)
    name_column, prediction_column = unit, "prediction"
    if template is not None:
        table = _read_template(template, notes)
        name_column, prediction_column = _template_columns(table, listed[unit], cohort, checks)
        checks.raise_if_any()
    asked = table[name_column]
    repeated = asked[asked.duplicated()]
    if len(repeated):
        checks.add(
            f"an {grouping.unit} may be asked for once; asked for again: {listing(repeated)}"
        )
    if grouping.views == 1:
        names, exam_images = asked, np.arange(len(asked))[:, None]
    else:
        names, exam_images = _images_of(asked, listed, grouping, checks)
    paths = tuple(locate(names, folders, checks, notes))
    if checks.problems:
        check_readable([path for path in paths if path], checks)
    checks.raise_if_any()
    firsts = exam_images.max(axis=1)
    patients = known_patients(
        [str(names.iloc[number]) for number in firsts],
        [paths[number] for number in firsts],
        folders, cohort, checks,
    )  # fmt: skip
    once = listed.drop_duplicates(unit)
    before = cohort.found_by.get("patient")
    column = find_column("patient", table, None, checks, before=before, has_option=False)
    if column is not None:
        patients.insert(0, table[column])
    if "patient" in listed:
        patients.insert(0, listed_values(asked, once, unit, "patient"))
    seen = pd.DataFrame(
        {name: listed_values(asked, once, unit, _SEEN + name) for name in columns.names},
        index=range(len(asked)),
    )
    notes += check_columns(seen, columns, checks)
    checks.raise_if_any()
    return NewImages(
        table,
        name_column,
        prediction_column,
        tuple(names),
        paths,
        tuple(hash_files(paths)),
        exam_images,
        tuple(patients),
        max(0, num_found - len(table)),
        columns.values(columns.read(seen)),
        tuple(notes),
    )


def _list(
    images: Path,
    folder: FolderListing | None,
    cohort: Cohort,
    columns: tuple[str, ...],
    checks: Checks,
) -> tuple[pd.DataFrame, list[Path]]:
    """What there is: `image`, where a table says so `patient`, `exam` and `view`; the folders.

    Beside them stand the further columns that the team sees.
    """
    grouping = cohort.grouping
    if folder:
        if columns:
            checks.add(columns_rule(columns, f"{images} is a folder"))
        if grouping.views > 1:
            checks.add(
                "--images must be a table whose columns say which images are of one examination, "
                f"as in the search; {images} is a folder"
            )
        names = [path.relative_to(images).as_posix() for path in folder.images]
        return pd.DataFrame({"image": names}, dtype=str), [images]
    raw, _ = read_table(images, "--images")
    before = cohort.found_by
    column = find_column("image", raw, None, checks, before=before.get("image"), has_option=False)
    beside = [images.parent / images.stem, images.parent / "images", images.parent]
    folders = [folder for folder in beside if folder.is_dir()]
    wanted = (grouping.exam_column, grouping.view_column, *columns)
    raw = with_dicom_columns(raw, column, wanted, folders, checks)
    grouping = grouping.found_in(raw, checks)
    checks.raise_if_any()
    listed = pd.DataFrame({"image": raw[column or ""]})
    patient_column = find_column(
        "patient", raw, None, checks, before=before.get("patient"), has_option=False
    )
    if patient_column:
        listed["patient"] = raw[patient_column]
    lacking = [name for name in columns if name not in raw]
    if lacking:
        checks.add(columns_rule(columns, f"{images} lacks {listing(lacking)}"))
        checks.raise_if_any()
    listed = listed.join(raw[list(columns)].add_prefix(_SEEN))
    return listed.join(grouping.read(raw, listed["image"], checks)), folders


def _images_of(
    exams: pd.Series, listed: pd.DataFrame, grouping: Grouping, checks: Checks
) -> tuple[pd.Series, NDArray[np.int64]]:
    """Names of the images of these examinations, and their numbers in each, -1 where missing."""
    checks.raise_if_any()
    without = exams[~exams.isin(listed["exam"])]
    if len(without):
        checks.add(f"every examination must have images; without: {listing(without)}")
    numbers = pd.Index(exams).get_indexer(pd.Index(listed["exam"]))
    images, numbers = listed[numbers >= 0], numbers[numbers >= 0]
    repeated = images.loc[images["image"].duplicated(), "image"]
    if len(repeated):
        checks.add(f"an image may be listed once; listed again: {listing(repeated)}")
    places = grouping.places(images, checks)
    checks.raise_if_any()
    return images["image"], group_images(numbers, places, grouping.views)


def _read_template(template: Path, notes: list[str]) -> pd.DataFrame:
    if not template.is_file():
        raise InputError(f"--template must be a table; not found: {template}")
    rows, remarks = read_table(template, "--template")
    notes.extend(remarks)
    return rows


def _template_columns(
    table: pd.DataFrame, listed: pd.Series, cohort: Cohort, checks: Checks
) -> tuple[str, str]:
    """Which column of a template names the images, and which one is to be filled in."""
    matcher = ImageNames(Path("/"), zip(listed, listed, strict=True))
    hits = {
        str(column): sum(bool(matcher.find(value)) for value in table[column])
        for column in table.columns
    }
    image_column = max(hits, key=lambda column: hits[column], default="")
    if not hits.get(image_column):
        checks.add(
            f"a column of the template must name the images; none of {listing(table.columns)} does"
        )
        return "", ""
    others = [str(column) for column in table.columns if column != image_column]
    if not others:
        checks.add(
            f"the template needs a column for the predictions beside {image_column!r}; add one"
        )
        return "", ""
    if len(others) == 1:
        return image_column, others[0]
    before = cohort.found_by.get("label")
    rest = table[others]
    found = find_column("label", rest, None, checks, before=before, has_option=False)
    return image_column, found or ""
