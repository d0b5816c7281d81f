"""How well odd images are told: `python -m benchmarks.familiar --data DATA --weights FOLDER`.

The guard of `cxr-predict` is fitted to the features of three quarters of the patients, of one
network that is frozen, all stages side by side. Judged are the images of the other patients, the
same ones changed, drawn slices that look like computed tomography (CT), noise, and the images of
`--other`. `AUROC` is the chance that an odd image is farther from the training than a held-out one.
`found` is the share of the odd ones that is called unfamiliar. The row "held out" has the share of
false alarms, to be 2 % at most. The same is printed of the distance to the nearest training image.
All of it is the mean over several such splits by patient. The last line is JSON.
"""

import argparse
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from PIL import Image
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold, GroupShuffleSplit
from torch.nn import functional

from analysis.guard.fit import fit_guard
from analysis.guard.guard import Features, largest_familiar
from trainable.backbones.backbone import FUSED
from trainable.backbones.weights import Weights, find_weights
from trainable.config import TrialConfig
from trainable.features.body import Body
from trainable.images.decoding import decode
from trainable.images.loading import Images
from trainable.images.preprocessing import PixelStatistics
from trainable.reading.options import DataOptions
from trainable.reading.read_cohort import read_cohort
from trainable.store.table_name import TableName

HELD_OUT = "held out"
_SHARE = 0.25
_FOLDS = 5
_COHORT_IS_NOT_USED = PixelStatistics(0.5, 0.25)

Pixels = NDArray[np.uint8]
Distances = Callable[[torch.Tensor], NDArray[np.float32]]


@dataclass(frozen=True)
class Kind:
    """Images of one kind.

    Attributes:
        features: (num_images, width).
        patients: Patient of each; those that no patient of the cohort has where they are others.
    """

    features: torch.Tensor
    patients: NDArray[np.object_]


def middle(films: Pixels) -> Pixels:
    """The middle of each film, in which a chest is no chest any more."""
    size = films.shape[1]
    box = (size // 4, size // 4, size - size // 4, size - size // 4)
    parts = [Image.fromarray(film).resize((size, size), 2, box) for film in films]
    return np.stack([np.asarray(part) for part in parts])


CHANGES: dict[str, Callable[[Pixels], Pixels]] = {
    "inverted": lambda films: 255 - films,
    "turned by 90 degrees": lambda films: np.rot90(films, 1, (1, 2)),
    "upside down": lambda films: films[:, ::-1, ::-1],
    "left and right swapped": lambda films: films[:, :, ::-1],
    "the middle alone": middle,
}
"""What is done to held-out images."""


def slices(count: int, size: int) -> Pixels:
    """Slices through a chest: a grey oval with two dark lungs and a bright spine, on black."""
    y, x = np.mgrid[-1 : 1 : size * 1j, -1 : 1 : size * 1j]
    found = []
    for seed in range(count):
        rng = np.random.default_rng(seed)
        body = (x / rng.uniform(0.8, 0.92)) ** 2 + (y / rng.uniform(0.55, 0.7)) ** 2 < 1
        grey = np.where(body, rng.uniform(120, 160), 2.0)
        for side in (-0.4, 0.4):
            lung = ((x - side) / rng.uniform(0.26, 0.32)) ** 2 + (y / rng.uniform(0.35, 0.45)) ** 2
            grey = np.where(lung < 1, rng.uniform(15, 40), grey)
        grey = np.where((x / 0.1) ** 2 + ((y - 0.42) / 0.1) ** 2 < 1, 240, grey)
        found.append(np.clip(grey + rng.normal(0, 8, grey.shape), 0, 255))
    return np.stack(found).astype(np.uint8)


def films_of(data: Path, pattern: str | None, count: int, size: int) -> tuple[Pixels, pd.Series]:
    """Some images of a cohort (num_images, size, size) by chance, and their patients."""
    cohort = read_cohort(DataOptions(data=data, patient_pattern=pattern, split=None))
    limits = None
    rows = cohort.manifest.sample(frac=1, random_state=0).head(count)
    films = [decode(Path(path).read_bytes(), size, limits) for path in rows["path"]]
    return np.stack(films), rows["patient"]


def kinds_of(options: argparse.Namespace, weights: Weights) -> dict[str, Kind]:
    """The features of all images, by what they are; those of the cohort first."""
    size = options.image_size
    films, patients = films_of(options.data, options.patient_pattern, options.images, size)
    some = np.arange(0, len(films), max(1, len(films) // options.odd))
    of_cohort = patients.to_numpy(object)
    found = {HELD_OUT: (films, of_cohort)}
    found |= {name: (change(films[some]), of_cohort[some]) for name, change in CHANGES.items()}
    noise = np.random.default_rng(0).integers(0, 256, (options.odd, size, size)).astype(np.uint8)
    others = {"like a slice of a CT": slices(options.odd, size), "noise": noise}
    if options.other is not None:
        others["the other cohort"] = films_of(options.other, None, options.images // 2, size)[0]
    nobody = {name: (one, np.full(len(one), None, object)) for name, one in others.items()}
    return {
        name: Kind(features_of(np.ascontiguousarray(pixels), weights), whose)
        for name, (pixels, whose) in (found | nobody).items()
    }


def features_of(pixels: Pixels, weights: Weights) -> torch.Tensor:
    """Features (num_images, width) of all stages of the first network."""
    config = TrialConfig(
        backbone=weights.names[0], cut=FUSED, normalization="own", image_size=pixels.shape[1]
    )
    images = Images(pixels, _COHORT_IS_NOT_USED, TableName("pixels-familiar", ()))
    return Body(images, config, weights, torch.device("cpu")).pooled(torch.arange(len(pixels)))


def guarded(features: torch.Tensor, patients: NDArray[np.object_]) -> tuple[Distances, float]:
    """The guard's distances, and the limit of what is familiar."""

    def whole(values: torch.Tensor) -> Features:
        return Features(values[:, None], torch.ones(len(values), 1, dtype=torch.bool))

    guard = fit_guard(whole(features), pd.factorize(patients)[0])
    limit = largest_familiar(guard.out_of_fold.numpy())
    return lambda values: guard.distance(whole(values)).numpy(), limit


def nearest(features: torch.Tensor, patients: NDArray[np.object_]) -> tuple[Distances, float]:
    """The distance to the nearest training image, of features of one length (Sun et al. 2022)."""

    def away(values: torch.Tensor, known: torch.Tensor) -> NDArray[np.float32]:
        ends = functional.normalize(values), functional.normalize(known)
        return np.asarray(torch.cdist(*ends).amin(dim=1).numpy(), np.float32)

    found = np.empty(len(features), np.float32)
    for train, valid in GroupKFold(_FOLDS).split(found, groups=patients):
        found[valid] = away(features[torch.from_numpy(valid)], features[torch.from_numpy(train)])
    return lambda values: away(values, features), largest_familiar(found)


METHODS = {"guard": guarded, "nearest": nearest}


def judge(kinds: dict[str, Kind], resplits: int) -> Iterator[dict[str, str | float]]:
    """A row for each method, kind of image and split."""
    own = kinds[HELD_OUT]
    splitter = GroupShuffleSplit(resplits, test_size=_SHARE, random_state=0)
    for train, held_out in splitter.split(own.patients, groups=own.patients):
        of_others = set(own.patients[held_out])
        for method, fit in METHODS.items():
            distances, limit = fit(own.features[torch.from_numpy(train)], own.patients[train])
            usual = distances(own.features[torch.from_numpy(held_out)])
            for name, kind in kinds.items():
                rows = [whose is None or whose in of_others for whose in kind.patients]
                far = distances(kind.features[torch.tensor(rows)])
                labels = np.repeat([0, 1], [len(usual), len(far)])
                yield {
                    "images": name,
                    "method": method,
                    "AUROC": float(roc_auc_score(labels, np.concatenate([usual, far]))),
                    "found": float((far > limit).mean()),
                }


def main() -> None:
    """Print the table, then one line of JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.familiar")
    add = parser.add_argument
    add("--data", type=Path, required=True, help="the labelled images as cxr-search takes them")
    add("--patient-pattern", help="regular expression that finds the patient in a file name")
    add("--weights", required=True, help="weights as cxr-search takes them")
    add("--other", type=Path, help="images of another cohort, the same way")
    add("--image-size", type=int, default=128, help="edge of the squares in pixels (128)")
    add("--images", type=int, default=150, help="images of the cohort that are used (150)")
    add("--odd", type=int, default=30, help="odd images of each kind (30)")
    add("--resplits", type=int, default=5, help="number of splits by patient (5)")
    options = parser.parse_args()
    weights = find_weights(options.weights)
    rows = pd.DataFrame(judge(kinds_of(options, weights), options.resplits))
    means = rows.pivot_table(["AUROC", "found"], "images", "method", sort=False)
    print(f"{weights.names[0]}, {options.image_size} px, {options.resplits} splits by patient")
    print(means.round(3).to_string())
    means.columns = ["-".join(one) for one in means.columns]
    print(json.dumps(json.loads(means.round(4).to_json(orient="index"))))


if __name__ == "__main__":
    main()
