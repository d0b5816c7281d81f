"""Images as a folder or a table lists them: for a search, and for new images after it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from trainable.cohort.exams import ONE_IMAGE_EACH, Grouping
from trainable.errors import Checks, InputError, listing
from trainable.reading.columns import Kind, find_column, find_image_column
from trainable.reading.covariates import as_manifest
from trainable.reading.dicom_columns import patients_in, with_dicom_columns
from trainable.reading.exams import read_exams, same_grouping
from trainable.reading.image_files import is_image, list_folder
from trainable.reading.patterns import find_in_names
from trainable.reading.places import Places
from trainable.reading.several_rows import one_row_each
from trainable.reading.tables import read_table


class Listing(NamedTuple):
    """Images that a folder or a table lists.

    Attributes:
        rows: One row per image, all text: `image`, where they are known `patient`, `exam` and
            `view`, and the covariates under their names in a manifest.
        places: Where the images may be.
    """

    rows: pd.DataFrame
    places: Places


@dataclass(frozen=True)
class Wanted:
    """What is wanted of a list of new images: what the search had of its own.

    Attributes:
        grouping: Grouping of the images into examinations.
        found_by: Columns by what they hold, which are tried first; and `patient_pattern`.
        covariates: Covariates.
    """

    grouping: Grouping = ONE_IMAGE_EACH
    found_by: Mapping[str, str] = field(default_factory=dict)
    covariates: Sequence[str] = ()

    def column(self, kind: Kind, table: pd.DataFrame, checks: Checks) -> str | None:
        """The column of a table that no option names: that of the search first."""
        before = self.found_by.get(kind)
        return find_column(kind, table, None, checks, before=before, has_option=False)

    def image_column(
        self, table: pd.DataFrame, hold_any: Callable[[pd.Series], bool], checks: Checks
    ) -> str | None:
        """The column of images that no option names: that of the search first."""
        before = self.found_by.get("image")
        return find_image_column(table, None, hold_any, checks, before=before, has_option=False)

    def without_covariates(self, found: str) -> str:
        """The sentence that refuses images without the covariates."""
        return (
            f"--images must be a table with the columns {listing(self.covariates)}, which the team "
            f"sees beside the image; {found}"
        )


Source = Path | Sequence[Path | str]
"""New images: a folder, a table, an image, or images one by one."""


def read_listing(source: Source, wanted: Wanted, checks: Checks) -> Listing:
    """List new images, with all that is wanted of them.

    Raises:
        InputError: If there are no images, or something that is wanted is not there.
    """
    if not isinstance(source, Path):
        return _list_files(source, wanted, checks)
    if source.is_file() and is_image(source):
        return _list_files([source], wanted, checks)
    if source.is_dir():
        return Listing(_list_folder(source, wanted, checks), Places([source]))
    if not source.exists():
        raise InputError(f"--images must be a folder, a table or an image; not found: {source}")
    raw, _ = read_table(source, "--images")
    places = Places(folders_beside(source), f"Put them into a folder beside {source.name}")
    columns = {"image": wanted.image_column(raw, places.hold_any, checks)}
    grouping, covariates = wanted.grouping, list(wanted.covariates)
    asked = (grouping.exam_column, grouping.view_column, *covariates)
    raw = with_dicom_columns(raw, columns["image"], asked, places, checks)
    grouping = same_grouping(grouping, raw, checks)
    checks.raise_if_any()
    columns["patient"] = wanted.column("patient", raw, checks)
    lacking = [name for name in covariates if name not in raw]
    if lacking:
        checks.add(wanted.without_covariates(f"{source} lacks {listing(lacking)}"))
        checks.raise_if_any()
    rows = listed_rows(raw, columns, grouping, covariates, checks)
    checks.raise_if_any()
    rows = one_row_each(rows, checks)
    checks.raise_if_any()
    return Listing(rows, places)


def listed_rows(
    raw: pd.DataFrame,
    columns: Mapping[str, str | None],
    grouping: Grouping,
    covariates: list[str],
    checks: Checks,
) -> pd.DataFrame:
    """The rows of a `Listing`, from a table.

    Args:
        raw: The table, with the columns that were read from DICOM files.
        columns: Its columns of images and patients; the latter may be missing.
        grouping: Its columns of examinations and views.
        covariates: Its covariates.
        checks: Given rows without an examination or a view.
    """
    kinds = {kind: columns.get(kind) for kind in ("image", "patient")}
    rows = pd.DataFrame({kind: raw[name] for kind, name in kinds.items() if name})
    rows = rows.join(as_manifest(raw, covariates))
    return rows.join(read_exams(grouping, raw, rows["image"], checks))


def _require_no_table(what: str, wanted: Wanted, checks: Checks) -> None:
    """Refuse images without columns where the team needs some."""
    if wanted.covariates:
        checks.add(wanted.without_covariates(what))
    if wanted.grouping.views > 1:
        checks.add(
            "--images must be a table whose columns say which images are of one examination, "
            f"as in the search; {what}"
        )
    checks.raise_if_any()


def _list_files(files: Sequence[Path | str], wanted: Wanted, checks: Checks) -> Listing:
    """Images one by one, under the names that the user gave."""
    what = f"{files[0]} is an image" if len(files) == 1 else f"{len(files)} images are given"
    _require_no_table(what, wanted, checks)
    if not files:
        raise InputError("--images must name an image at least; the list is empty")
    named = {str(file): Path(file).expanduser().resolve() for file in files}
    rows = pd.DataFrame({"image": [str(file) for file in files]}, dtype=str)
    return Listing(rows, Places([], "Check their names", named))


def _list_folder(folder: Path, wanted: Wanted, checks: Checks) -> pd.DataFrame:
    """The column `image`: names of all images in a folder, which has no other columns."""
    _require_no_table(f"{folder} is a folder", wanted, checks)
    files = list_folder(folder)
    kinds = files.kinds()
    if not files.images:
        also = f"; it holds files of other kinds: {kinds}" if kinds else ""
        raise InputError(f"--images must hold images; there are none in {folder}{also}")
    checks.leave_out(*files.notes(folder))
    if kinds:
        checks.note(f"files of other kinds are not read: {kinds}")
    names = [path.relative_to(folder).as_posix() for path in files.images]
    return pd.DataFrame({"image": names}, dtype=str)


def folders_beside(table: Path) -> list[Path]:
    """Where the images of a table may be: a folder of its name, `images/`, or where it lies.

    The name of `train.csv.gz` is `train`.
    """
    places = [table.parent / table.name.partition(".")[0], table.parent / "images", table.parent]
    return [folder for folder in places if folder.is_dir()]


def known_patients(
    names: Sequence[str],
    paths: Sequence[str],
    folders: Sequence[Path],
    wanted: Wanted,
    checks: Checks,
) -> list[pd.Series]:
    """Patients by the pattern of the search, and in DICOM files, where some are found."""
    found = [patients_in(paths, wanted.found_by.get("patient"), checks)]
    if pattern := wanted.found_by.get("patient_pattern"):
        both = [*names, *(_inside(Path(path), folders) for path in paths)]
        what = "the --patient-pattern of the search"
        by_name = checks.attempt(lambda: find_in_names(pattern, both, what)) or []
        pairs = zip(by_name, by_name[len(names) :], strict=False)
        found.insert(0, pd.Series([one or other for one, other in pairs], dtype=object))
    return [one for one in found if one.any()]


def _inside(path: Path, folders: Sequence[Path]) -> str:
    """The path of a file in the folder that it is in."""
    inside = (path.relative_to(folder) for folder in folders if path.is_relative_to(folder))
    return next(inside, Path(path.name)).as_posix()
