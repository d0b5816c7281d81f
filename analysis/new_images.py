"""The new images: which there are, whose they are, and the rows that a template asks for."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.template import rows_to_write
from trainable.cohort.cohort import Cohort
from trainable.cohort.covariates import PREFIX, known_text
from trainable.cohort.exams import Grouping, group_images
from trainable.cohort.left_out import LeftOut, describe_left_out
from trainable.errors import Checks, listing, num_of
from trainable.images.pixels import check_readable
from trainable.model.covariate_encoder import NO_COLUMNS, ColumnCode
from trainable.reading.covariates import limit_notes
from trainable.reading.exams import places_of
from trainable.reading.image_files import hash_files
from trainable.reading.listing import Source, Wanted, known_patients, read_listing
from trainable.reading.names import ImageNames
from trainable.reading.places import Places, locate
from trainable.reading.unusable import find_unusable


@dataclass(frozen=True)
class NewImages:
    """Images to predict, and the rows to be written: one per image, or one per examination.

    Attributes:
        table: the rows to predict: the template's columns, or `image` or `exam`.
        name_column: which of them names the image or the examination.
        prediction_columns: which of them are filled in, by what is predicted there; see
            `what_is_predicted`.
        images: name of each image.
        paths: the file of each image.
        hashes: SHA-256 of each file.
        exam_images: int64 (num_rows, views), numbers of the images of each row, -1 where a view is
            missing.
        patients: of each row, once for each way to know them: from the table of the images, from
            the template, by the pattern of the search, from DICOM files; "" where not known.
        columns: covariates of each row that the team sees, `ColumnCode.values`.
        notes: remarks on how the folder or table was understood.
        num_unlisted: images or examinations found that the template does not ask for.
        whole: the rows to write, those to predict among them.
        usable: the numbers of these in `whole`.
        left_out: images that the user had left out, as they are absent or damaged.
    """

    table: pd.DataFrame
    name_column: str
    prediction_columns: Mapping[str, str]
    images: tuple[str, ...]
    paths: tuple[str, ...]
    hashes: tuple[str, ...]
    exam_images: NDArray[np.int64]
    patients: tuple[pd.Series, ...]
    num_unlisted: int
    columns: NDArray[np.float64]
    notes: tuple[str, ...]
    whole: pd.DataFrame
    usable: NDArray[np.int64]
    left_out: tuple[LeftOut, ...]

    @property
    def groups(self) -> pd.Series:
        """The patient of each row; the row's own name where patients are not known of all rows."""
        known = (one for one in self.patients if (one != "").all())
        return next(known, self.table[self.name_column])

    def rows_with(self, images: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Which rows (num_rows,) have one of some images (num_images,)."""
        # the number -1 of a missing view is that of no image
        return np.asarray(np.append(images, False)[self.exam_images].any(axis=1))

    def hashes_of(self, rows: NDArray[np.int64]) -> list[str]:
        """SHA-256 of each image of some of the rows."""
        numbers = self.exam_images[rows]
        return [self.hashes[number] for number in numbers[numbers >= 0]]

    def without(self, rows: NDArray[np.bool_], reason: str) -> "NewImages":
        """The same with some rows (num_rows,) left out, whose cells stay empty."""
        kept, numbers = ~rows, self.exam_images[rows]
        left_out = (
            LeftOut(self.images[number], self.paths[number], reason)
            for number in numbers[numbers >= 0]
        )
        return replace(
            self,
            table=self.table[kept].reset_index(drop=True),
            exam_images=self.exam_images[kept],
            patients=tuple(one[kept].reset_index(drop=True) for one in self.patients),
            columns=self.columns[kept],
            usable=self.usable[kept],
            left_out=(*self.left_out, *left_out),
        )

    def are_named_in(self, names: pd.Series) -> bool:
        """Whether any of the names in a column of another table is that of one of these images."""
        return bool((self.rows_named(names, Checks()) >= 0).any())

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
    images: Source,
    template: Path | None,
    cohort: Cohort,
    columns: ColumnCode = NO_COLUMNS,
    *,
    leave_out: bool = False,
) -> NewImages:
    """List new images, in the order of the template if there is one.

    Args:
        images: a folder, an image or several, or a table, which examinations of several views need.
        template: a table with a row for each image or examination.
        cohort: of the search, whose columns are tried first.
        columns: covariates that the team sees, which only a table has.
        leave_out: whether images that are absent or damaged are left out.

    Raises:
        InputError: naming every missing image, examination or column.
    """
    checks = Checks()
    grouping, unit = cohort.grouping, cohort.grouping.column
    wanted = Wanted(grouping, cohort.found_by, columns.names)
    listed, places = read_listing(images, wanted, checks)
    table, name_column, to_fill = rows_to_write(listed, template, cohort.findings, wanted, checks)
    whole, usable, left_out = table, np.arange(len(table)), tuple[LeftOut, ...]()
    if leave_out and not checks.problems:
        listed, usable, left_out = _usable(table[name_column], listed, unit, places, checks)
        table = table.iloc[usable].reset_index(drop=True)
    asked = table[name_column]
    # the images of each row, and their files: a template may ask for some of those listed
    names, exam_images = _images_of(asked, listed, grouping, checks)
    paths = tuple(locate(names, places, checks))
    if checks.problems:
        check_readable([path for path in paths if path], checks)
    checks.raise_if_any()
    # whose they are, by one image each, and what else the team sees of them
    once, firsts = listed.drop_duplicates(unit), exam_images.max(axis=1)
    files = [paths[first] for first in firsts]
    of_files = known_patients(
        [*map(str, names.iloc[firsts])], files, places.folders, wanted, checks
    )
    patients = [*_patients_in_tables(table, asked, once, wanted, checks), *of_files]
    seen = _covariates_of(asked, once, unit, columns)
    checks.note(*_check_columns(seen, columns, checks))
    checks.raise_if_any()
    return NewImages(
        table, name_column, to_fill,
        images=tuple(names),
        paths=paths,
        hashes=tuple(hash_files(paths)),
        exam_images=exam_images,
        patients=tuple(patients),
        num_unlisted=max(0, len(once) - len(whole)),
        columns=columns.values(columns.read(seen)),
        notes=tuple(checks.notes),
        whole=whole,
        usable=usable,
        left_out=left_out,
    )  # fmt: skip


def _patients_in_tables(
    table: pd.DataFrame, asked: pd.Series, once: pd.DataFrame, wanted: Wanted, checks: Checks
) -> Iterator[pd.Series]:
    """Patients as the table of the images names them, then as the template does."""
    if "patient" in once:
        yield _listed_values(asked, once, wanted.grouping.column, "patient")
    if column := wanted.column("patient", table, checks):
        yield table[column]


def _covariates_of(
    asked: pd.Series, once: pd.DataFrame, unit: str, columns: ColumnCode
) -> pd.DataFrame:
    """A row for each one to write, with the covariates that the team sees."""
    found = {name: _listed_values(asked, once, unit, PREFIX + name) for name in columns.names}
    return pd.DataFrame(found, index=range(len(asked)))


def _usable(
    asked: pd.Series, listed: pd.DataFrame, unit: str, places: Places, checks: Checks
) -> tuple[pd.DataFrame, NDArray[np.int64], tuple[LeftOut, ...]]:
    """The images that can be used, the numbers of the rows to write that have some, and the others.

    Where no image can be used, all come back, to be refused as ever.
    """
    images = asked if unit == "image" else listed.loc[listed["exam"].isin(asked), "image"]
    unusable = find_unusable(list(images), places)
    kept = listed if unit == "image" else listed[~listed["image"].isin(unusable)]
    is_usable = ~asked.isin(unusable)
    if unit == "exam":
        is_usable = asked.isin(kept["exam"]) | ~asked.isin(listed["exam"])
    if not unusable or not is_usable.any():
        return listed, np.arange(len(asked)), ()
    num_empty = int((~is_usable).sum())
    for note in describe_left_out(unusable.values(), images.nunique()):
        checks.note(f"{note}; {num_of(num_empty, 'prediction is', 'predictions are')} empty")
    return kept, np.flatnonzero(is_usable), tuple(unusable.values())


def _images_of(
    exams: pd.Series, listed: pd.DataFrame, grouping: Grouping, checks: Checks
) -> tuple[pd.Series, NDArray[np.int64]]:
    """Names of the images of these examinations, and their numbers in each, -1 where missing."""
    if grouping.views == 1:
        return exams, np.arange(len(exams))[:, None]
    checks.raise_if_any()
    without = exams[~exams.isin(listed["exam"])]
    if len(without):
        checks.add(f"every examination must have images; without: {listing(without)}")
    numbers = pd.Index(exams).get_indexer(pd.Index(listed["exam"]))
    images, numbers = listed[numbers >= 0], numbers[numbers >= 0]
    repeated = images.loc[images["image"].duplicated(), "image"]
    if len(repeated):
        checks.add(f"an image may be listed once; listed again: {listing(repeated)}")
    places = places_of(grouping, images, checks)
    checks.raise_if_any()
    return images["image"], group_images(numbers, places, grouping.views)


def _listed_values(asked: pd.Series, listed: pd.DataFrame, unit: str, column: str) -> pd.Series:
    """A column of the list of images or examinations, for each row to write."""
    if unit == "exam":
        return listed.set_index(unit)[column].reindex(asked).reset_index(drop=True)
    matcher = ImageNames(Path("/"), zip(listed["image"], listed["image"], strict=True))
    values = dict(zip(listed["image"], listed[column], strict=True))
    found = [matcher.find(str(name)) for name in asked]
    return pd.Series([values.get(names[0], "") if names else "" for names in found])


def _check_columns(new: pd.DataFrame, columns: ColumnCode, checks: Checks) -> Iterator[str]:
    """A note on each column whose categories the models have not seen."""
    read = columns.read(new)
    for category in columns.categories:
        found = read[category.name].dropna()
        odd = found[~found.isin(category.categories)].unique()
        if len(odd):
            yield (
                f"{category.name} has values that the training lacks ({listing(odd)}); these rows "
                "count as none of the known values"
            )
    names = [number.name for number in columns.numbers]
    yield from limit_notes({name: new[name] for name in names})
    for name in names:
        odd = known_text(new[name])[read[name].isna()].dropna().unique()
        if len(odd):
            checks.add(
                f"the column {name} must hold numbers, as in the search (got {listing(odd)}); "
                "leave a cell empty where it is not known"
            )
