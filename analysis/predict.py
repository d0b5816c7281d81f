"""Score new images with the final model, and write one row for each, as a template asks."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from analysis.model_file import FinalModel
from trainable.cohort_files import find_column, hash_files, list_images, locate
from trainable.device import autocast, default_num_gpus, pick_device, place
from trainable.inputs import load_images
from trainable.problems import InputProblemsError, Problems, listing
from trainable.store import ArrayStore


@dataclass(frozen=True)
class NewImages:
    """Images to predict, in the order in which they are to be written.

    Attributes:
        table: the rows to write: the template's columns, or `image` and `prediction`.
        image_column: which of them names the image.
        prediction_column: which of them is filled in.
        paths: the file of each row.
        hashes: SHA-256 of each file.
        patients: of each row, where the CSV given for the images names them; else None.
        num_unlisted: images found that the template does not ask for.
    """

    table: pd.DataFrame
    image_column: str
    prediction_column: str
    paths: tuple[str, ...]
    hashes: tuple[str, ...]
    patients: pd.Series | None
    num_unlisted: int


def find_new_images(images: Path, template: Path | None) -> NewImages:
    """List the images of a folder, or of a CSV, in the order of the template if there is one.

    Raises:
        InputProblemsError: naming every missing image or column.
    """
    problems = Problems()
    if not images.exists():
        raise InputProblemsError([f"--images must be a folder or a CSV file; not found: {images}"])
    patients = None
    if images.is_dir():
        folders = [images]
        table = pd.DataFrame(
            {"image": [p.relative_to(images).as_posix() for p in list_images(images)]}
        )
        if table.empty and template is None:
            raise InputProblemsError([f"--images must hold images; there are none in {images}"])
    else:
        raw = pd.read_csv(images, dtype=str, keep_default_na=False)
        column = find_column("image", raw, None, problems)
        problems.refuse()
        table = pd.DataFrame({"image": raw[column or ""].str.strip()})
        patient_column = find_column("patient", raw, None, problems)
        if patient_column:
            patients = raw[patient_column].str.strip().set_axis(table["image"])
        beside = [images.parent, images.parent / images.stem, images.parent / "images"]
        folders = [folder for folder in beside if folder.is_dir()]
    num_found = len(table)
    image_column, prediction_column = "image", "prediction"
    if template is not None:
        listed = set(table["image"])
        table = _read_template(template)
        image_column, prediction_column = _template_columns(table, listed, problems)
        problems.refuse()
    names = table[image_column]
    repeated = names[names.duplicated()]
    if len(repeated):
        problems.add(f"an image may be asked for once; asked for again: {listing(repeated)}")
    paths = tuple(locate(names, folders, problems))
    problems.refuse()
    return NewImages(
        table,
        image_column,
        prediction_column,
        paths,
        tuple(hash_files(paths)),
        None if patients is None else patients.reindex(names),
        max(0, num_found - len(table)),
    )


def _read_template(template: Path) -> pd.DataFrame:
    if not template.is_file():
        raise InputProblemsError([f"--template must be a CSV file; not found: {template}"])
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


@torch.inference_mode()
def score(model: FinalModel, new: NewImages, store: ArrayStore) -> NDArray[np.float32]:
    """Probability of the positive class for each image, the mean over the model's members.

    Raises:
        InputProblemsError: naming every image that cannot be read.
    """
    device = pick_device(default_num_gpus())
    size = model.config.image_size
    images = load_images(new.paths, new.hashes, size, model.statistics, store)
    members = [place(m, device).eval() for m in model.members]
    normalized = images.normalized(model.config.normalization, device)
    scores = []
    for rows in torch.arange(len(new.paths)).split(model.config.batch_size):
        with autocast(device):
            prefix = members[0].prefix(normalized(rows))
            logits = [member.suffix(prefix).float() for member in members]
        scores.append(torch.stack([one.softmax(dim=1)[:, 1] for one in logits]).mean(dim=0).cpu())
    result: NDArray[np.float32] = torch.cat(scores).numpy()
    return result


def fill_in(
    new: NewImages,
    scores: NDArray[np.float32],
    threshold: float,
    classes: tuple[str, str],
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The predictions table, as the template has it, and the table of scores."""
    predictions = np.where(scores >= threshold, classes[1], classes[0])
    filled = new.table.assign(**{new.prediction_column: predictions})
    score_table = pd.DataFrame(
        {"image": new.table[new.image_column], "score": scores, "prediction": predictions}
    )
    return filled, score_table
