"""How a guard is fitted to the training images, its distances out of fold by patient."""

from dataclasses import fields

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.linalg import eigh
from sklearn.model_selection import GroupKFold
from torch import Tensor

from analysis.guard.guard import Features, Guard, largest_familiar
from trainable.images.batches import Batches
from trainable.model.network import Network

FEWEST = 50
"""Patients that a guard takes: of fewer, one alone is more than `SHARE` of them."""

_MOST = 1000
_FOLDS = 5
_NUM_AXES = 16
_LEAST = 0.1  # of the median deviation: a feature that hardly varies is no more sensitive
_BATCH = 64
_ROUNDING = 1e-7  # of features whose squares add up to 1
_TINY = 1e-9  # of steps by the deviation, where all images are the same

_Array = NDArray[np.float64]


def fitted_rows(rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """1000 of the training examinations by chance, or all: the same for each member of a team."""
    if len(rows) <= _MOST:
        return rows
    return np.sort(np.random.default_rng(0).choice(rows, _MOST, replace=False))


@torch.inference_mode()
def features_of(network: Network, inputs: Batches, rows: NDArray[np.int64]) -> Features:
    """What the frozen stages of a network give of training examinations.

    Args:
        network: A network that has frozen stages.
        inputs: Maps rows to what these give.
        rows: Numbers of examinations.
    """
    values, present = [], []
    for some in torch.from_numpy(rows).split(_BATCH):
        batch = inputs(some)
        values.append(network.frozen_features(batch).cpu())
        there = batch.present
        present.append(torch.ones(len(some), 1, dtype=torch.bool) if there is None else there.cpu())
    views = torch.cat(present)
    return Features(torch.cat(values).view(*views.shape, -1), views)


def fit_guard(features: Features, patients: NDArray[np.int64]) -> Guard:
    """Learn what the training images look like, of at least `FEWEST` patients.

    Args:
        features: Of the training examinations, those of `fitted_rows`.
        patients: (num_exams,), examinations of one patient share a number.
    """
    fitted, distances = [], []
    for view in range(features.values.shape[1]):
        there = np.flatnonzero(features.present[:, view].numpy())
        values = features.values[torch.from_numpy(there), view][:, None]
        one, found = _fit_view(values, patients[there])
        fitted.append(one)
        distances.append(np.zeros(len(patients), np.float32))
        distances[-1][there] = found
    joined = {
        one.name: torch.cat([getattr(view, one.name) for view in fitted])
        for one in fields(Guard)[:-1]
    }
    return Guard(**joined, out_of_fold=torch.from_numpy(np.max(distances, axis=0)))


def _fit_view(values: Tensor, patients: NDArray[np.int64]) -> tuple[Guard, NDArray[np.float32]]:
    """The guard of one view (num_images, 1, width), and its distances out of fold.

    A view of fewer than `FEWEST` patients has a guard that knows every image.
    """
    found = np.zeros(len(values), np.float32)
    if len(np.unique(patients)) < FEWEST:
        return _knows_all(values.shape[2]), found
    for train, valid in GroupKFold(_FOLDS).split(found, groups=patients):
        one = _fit(values[torch.from_numpy(train)])
        found[valid] = one.distance(_all_there(values[torch.from_numpy(valid)])).numpy()
    largest = max(largest_familiar(found), _TINY)
    return _fit(values).divided(largest), found / np.float32(largest)


def _all_there(values: Tensor) -> Features:
    return Features(values, torch.ones(values.shape[:2], dtype=torch.bool))


def _fit(values: Tensor) -> Guard:
    """The distribution of one view, of at least as many images as there are axes."""
    seen = _all_there(values.double()).of_one_length[:, 0].numpy()
    mean, deviation = seen.mean(axis=0), seen.std(axis=0)
    varied = deviation[deviation > _ROUNDING]
    deviation = np.maximum(deviation, _LEAST * np.median(varied) if len(varied) else 1.0)
    steps = (seen - mean) / deviation
    num, width = steps.shape
    num_axes, gram = _num_axes(width), steps @ steps.T
    sums, places = eigh(gram, subset_by_index=[num - num_axes, num - 1])
    sums = np.maximum(sums, _TINY)
    variances, total = sums / num, np.trace(gram) / num
    shrinkage, middle = _shrinkage(gram, width), total / width
    rest = (total - variances.sum()) / (width - num_axes)
    variances, rest = (
        np.maximum((1 - shrinkage) * one + shrinkage * middle, _TINY) for one in (variances, rest)
    )
    axes = (steps.T @ (places / np.sqrt(sums))).T
    found = {
        "mean": mean, "deviation": deviation, "axes": axes,
        "along": 1 / variances - 1 / rest, "rest": 1 / rest,
    }  # fmt: skip
    numbers = {name: torch.tensor(one[None], dtype=torch.float32) for name, one in found.items()}
    return Guard(**numbers, out_of_fold=torch.empty(0))


def _shrinkage(gram: _Array, width: int) -> float:
    """How far Ledoit and Wolf (2004) move the covariance to one variance in all directions.

    Args:
        gram: (num, num), products of the images' steps from their mean.
        width: Number of features.
    """
    num, squares = len(gram), np.diag(gram)
    middle = squares.sum() / num / width
    spread = (gram**2).sum() / num**2
    apart = spread / width - middle**2
    noise = ((squares**2).sum() / num - spread) / num / width
    return float(np.clip(noise / apart, 0, 1)) if apart > 0 else 1.0


def _num_axes(width: int) -> int:
    return min(_NUM_AXES, width // 2)


def _knows_all(width: int) -> Guard:
    """A guard of one view whose distances are 0."""
    num_axes = _num_axes(width)
    sizes = (1, width), (1, num_axes, width), (1, num_axes), (1,), (0,)
    mean, axes, along, rest, none = (torch.zeros(size) for size in sizes)
    return Guard(mean, torch.ones(1, width), axes, along, rest, none)
