"""What new images share with the training: a score on such images is too good."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.new_images import NewImages
from trainable.cohort.cohort import Cohort
from trainable.cohort.look_alikes import perceptual_hashes_of
from trainable.cohort.words import same_value
from trainable.errors import listing
from trainable.images.perceptual_hash import find_alike


def leakage(
    new: NewImages, perceptual_hashes: NDArray[np.uint8], patients: pd.Series | None, cohort: Cohort
) -> list[str]:
    """What the new images share with the images of the training, a phrase each.

    Args:
        new: New images, with their patients where those are known.
        perceptual_hashes: (num_images, 32), perceptual hashes of the new images.
        patients: Patient of each row, as the table of labels has them; None if it has none.
        cohort: Cohort of the search.
    """
    is_trained_on = (cohort.manifest["split"] != "test").to_numpy()
    trained_on, trained_hashes = cohort.manifest[is_trained_on], perceptual_hashes_of(cohort)
    if len(trained_hashes):
        trained_hashes = trained_hashes[is_trained_on]
    is_same = np.isin(new.hashes, trained_on["sha256"])
    found = [
        ("images that the model was trained on", np.asarray(new.images)[is_same].tolist()),
        (
            "images that look like images that the model was trained on",
            _alike(new, find_alike(perceptual_hashes, trained_hashes), is_same, trained_on),
        ),
        ("patients that the model was trained on", _patients(new, patients, trained_on)),
    ]
    return [f"{what}: {listing(names)}" for what, names in found if names]


def _alike(
    new: NewImages,
    pairs: NDArray[np.int64],
    is_same: NDArray[np.bool_],
    trained_on: pd.DataFrame,
) -> list[str]:
    """Each new image that looks like one of the training, and that image."""
    twins = {image: trained for image, trained in pairs.tolist() if not is_same[image]}
    return [
        f"{new.images[image]} (like {trained_on['image'].iloc[trained]})"
        for image, trained in twins.items()
    ]


def _patients(new: NewImages, patients: pd.Series | None, trained_on: pd.DataFrame) -> list[str]:
    columns = [column for column in ("patient", "own_patient") if column in trained_on]
    trained = {same_value(patient) for column in columns for patient in trained_on[column]}
    known = (*new.patients, *(() if patients is None else (patients,)))
    return sorted({patient for one in known for patient in one if same_value(patient) in trained})
