"""The new images: which there are, whose they are, and the rows that a template asks for."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from trainable.cohort.columns import find_column
from trainable.cohort.exams import Grouping, group_images
from trainable.cohort.readers import hash_files, list_images, locate
from trainable.errors import InputError, Problems, listing


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
        patients: of each row, where the CSV given for the images names them; else None.
        num_unlisted: images or examinations found that the template does not ask for.
    """

    table: pd.DataFrame
    name_column: str
    prediction_column: str
    images: tuple[str, ...]
    paths: tuple[str, ...]
    hashes: tuple[str, ...]
    exam_images: NDArray[np.int64]
    patients: pd.Series | None
    num_unlisted: int


def find_new_images(images: Path, template: Path | None, grouping: Grouping) -> NewImages:
    """List the images of a folder, or of a CSV, in the order of the template if there is one.

    Args:
        images: a folder, or a CSV, which examinations of several views need.
        template: a CSV with a row for each image or examination.
        grouping: of the search.

    Raises:
        InputError: naming every missing image, examination or column.
    """
    problems = Problems()
    if not images.exists():
        raise InputError(f"--images must be a folder or a CSV file; not found: {images}")
    listed, folders = _list(images, grouping, problems)
    problems.raise_if_any()
    if listed.empty and template is None:
        raise InputError(f"--images must hold images; there are none in {images}")
    unit = grouping.column
    table = listed[[unit]] if unit == "image" else listed[[unit]].drop_duplicates(ignore_index=True)
    num_found = len(table)
    name_column, prediction_column = unit, "prediction"
    if template is not None:
        table = _read_template(template)
        name_column, prediction_column = _template_columns(table, set(listed[unit]), problems)
        problems.raise_if_any()
    asked = table[name_column]
    repeated = asked[asked.duplicated()]
    if len(repeated):
        problems.add(
            f"an {grouping.unit} may be asked for once; asked for again: {listing(repeated)}"
        )
    if grouping.views == 1:
        names, exam_images = asked, np.arange(len(asked))[:, None]
    else:
        names, exam_images = _images_of(asked, listed, grouping, problems)
    paths = tuple(locate(names, folders, problems))
    problems.raise_if_any()
    patients = None
    if "patient" in listed:
        patients = listed.drop_duplicates(unit).set_index(unit)["patient"].reindex(asked)
    return NewImages(
        table,
        name_column,
        prediction_column,
        tuple(names),
        paths,
        tuple(hash_files(paths)),
        exam_images,
        patients,
        max(0, num_found - len(table)),
    )


def _list(images: Path, grouping: Grouping, problems: Problems) -> tuple[pd.DataFrame, list[Path]]:
    """What there is: `image`, where a CSV says so `patient`, `exam` and `view`; and the folders."""
    if images.is_dir():
        if grouping.views > 1:
            problems.add(
                f"--images must be a CSV whose columns say which images are of one examination, as "
                f"in the search; {images} is a folder"
            )
        names = [path.relative_to(images).as_posix() for path in list_images(images)]
        return pd.DataFrame({"image": names}), [images]
    raw = pd.read_csv(images, dtype=str, keep_default_na=False)
    column = find_column("image", raw, None, problems)
    grouping = grouping.found_in(raw, problems)
    problems.raise_if_any()
    listed = pd.DataFrame({"image": raw[column or ""].str.strip()})
    patient_column = find_column("patient", raw, None, problems)
    if patient_column:
        listed["patient"] = raw[patient_column].str.strip()
    beside = [images.parent, images.parent / images.stem, images.parent / "images"]
    folders = [folder for folder in beside if folder.is_dir()]
    return listed.join(grouping.read(raw, listed["image"], problems)), folders


def _images_of(
    exams: pd.Series, listed: pd.DataFrame, grouping: Grouping, problems: Problems
) -> tuple[pd.Series, NDArray[np.int64]]:
    """Names of the images of these examinations, and their numbers in each, -1 where missing."""
    problems.raise_if_any()
    without = exams[~exams.isin(listed["exam"])]
    if len(without):
        problems.add(f"every examination must have images; without: {listing(without)}")
    numbers = pd.Index(exams).get_indexer(pd.Index(listed["exam"]))
    images, numbers = listed[numbers >= 0], numbers[numbers >= 0]
    repeated = images.loc[images["image"].duplicated(), "image"]
    if len(repeated):
        problems.add(f"an image may be listed once; listed again: {listing(repeated)}")
    places = grouping.places(images, problems)
    problems.raise_if_any()
    return images["image"], group_images(numbers, places, grouping.views)


def _read_template(template: Path) -> pd.DataFrame:
    if not template.is_file():
        raise InputError(f"--template must be a CSV file; not found: {template}")
    return pd.read_csv(template, dtype=str, keep_default_na=False)


def _template_columns(table: pd.DataFrame, listed: set[str], problems: Problems) -> tuple[str, str]:
    """Which column of a template names the images, and which one is to be filled in."""
    stems = {Path(name).stem for name in listed}
    hits = {
        str(column): int(table[column].map(lambda v: v in listed or Path(v).stem in stems).sum())
        for column in table.columns
    }
    image_column = max(hits, key=lambda column: hits[column], default="")
    if not hits.get(image_column):
        problems.add(
            f"a column of the template must name the images; none of {listing(table.columns)} does"
        )
        return "", ""
    others = [str(column) for column in table.columns if column != image_column]
    if len(others) == 1:
        return image_column, others[0]
    rest = table[others]
    return image_column, find_column("label", rest, None, problems) or ""
