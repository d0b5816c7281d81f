"""Images of a cohort that look the same: to be named, or to be kept on one side of every split."""

import dataclasses
from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from trainable.cohort.cohort import Cohort
from trainable.errors import listing
from trainable.images.perceptual_hash import HASH_BYTES, HOW_SURE, find_alike


def with_perceptual_hashes(cohort: Cohort, perceptual_hashes: NDArray[np.uint8]) -> Cohort:
    """The cohort with its column `look`, and the pairs of its images that look the same.

    Args:
        cohort: Labelled images.
        perceptual_hashes: (num_images, 32), perceptual hashes.
    """
    texts = [row.tobytes().hex() for row in perceptual_hashes]
    hashed = dataclasses.replace(cohort, manifest=cohort.manifest.assign(look=texts))
    pairs = tuple((one, other) for one, other in _compare(hashed).tolist())
    return dataclasses.replace(hashed, look_alikes=pairs)


def perceptual_hashes_of(cohort: Cohort) -> NDArray[np.uint8]:
    """Shape (num_images, 32): perceptual hashes; no rows in the cohort of an older search."""
    texts = cohort.manifest.get("look", pd.Series(dtype=str))
    return np.array([[*bytes.fromhex(text)] for text in texts], np.uint8).reshape(-1, HASH_BYTES)


def find_look_alikes(cohort: Cohort) -> NDArray[np.int64]:
    """Pairs (num_pairs, 2) of different files that look the same, as rows of the manifest.

    They are compared anew only in the cohort of a search of an earlier version, which kept none.
    """
    if cohort.look_alikes is None:
        return _compare(cohort)
    return np.array(cohort.look_alikes, np.int64).reshape(-1, 2)


def _compare(cohort: Cohort) -> NDArray[np.int64]:
    seen, hashes = perceptual_hashes_of(cohort), cohort.manifest["sha256"].to_numpy()
    pairs = find_alike(seen, seen)
    pairs = pairs[pairs[:, 0] < pairs[:, 1]]
    is_copy = hashes[pairs[:, 0]] == hashes[pairs[:, 1]]
    return np.asarray(pairs[~is_copy])


def keep_together(cohort: Cohort, pairs: NDArray[np.int64]) -> Cohort:
    """The cohort with one patient for all images that look the same.

    The column `own_patient` keeps the patients as they were.
    """
    patients, names = cohort.manifest["patient"].factorize()
    links = coo_array((np.ones(len(pairs)), patients[pairs].T), shape=(len(names), len(names)))
    _, groups = connected_components(links, directed=False)
    first = np.unique(groups, return_index=True)[1]
    own = cohort.manifest.get("own_patient", cohort.manifest["patient"])
    together = names[first[groups[patients]]]
    manifest = cohort.manifest.assign(patient=together, own_patient=own)
    return dataclasses.replace(cohort, manifest=manifest)


def describe_look_alikes(cohort: Cohort) -> Iterator[str]:
    """A sentence for images that look the same but have two labels, sides or patients.

    The last sentence says how often that is wrong.
    """
    pairs = find_look_alikes(cohort)
    first, second = (cohort.manifest.iloc[pairs[:, place]] for place in (0, 1))

    def differs(column: str) -> NDArray[np.bool_]:
        return np.asarray(first[column].to_numpy() != second[column].to_numpy())

    labels = [one[cohort.label_columns].to_numpy() for one in (first, second)]
    # what is unknown of one may be known of the other
    two_labels = ((labels[0] != labels[1]) & (labels[0] >= 0) & (labels[1] >= 0)).any(axis=1)
    two_sides = differs("split")
    two_patients = differs("patient") & ~two_labels & ~two_sides
    advice = "to keep them together, use --group-duplicates"
    for rows, what in (
        (two_labels, "have two labels"),
        (two_sides & ~two_labels, "are on two sides of the split, so the score is too high"),
        (two_patients, f"count as two patients, so a score can be too high; {advice}"),
    ):
        if rows.any():
            names = zip(first["image"][rows], second["image"][rows], strict=True)
            pairs_text = listing(f"{one} and {other}" for one, other in names)
            yield f"images look the same but {what} (pairs: {int(rows.sum())}): {pairs_text}"
    if (two_labels | two_sides | two_patients).any():
        yield HOW_SURE
