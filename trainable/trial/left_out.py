"""Heat maps of labelled examinations by networks of folds, fitted again, that never saw them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainable.cohort.splits import Fold
from trainable.config import TrialConfig
from trainable.images.loading import Images, load_images
from trainable.model.heat_map import heat_maps_of
from trainable.model.network import Network
from trainable.trial.cross_validation import Assembly, assemble, fold_seed, train_network
from trainable.trial.task import Materials


@dataclass(frozen=True)
class LeftOut:
    """Examinations, and what networks that never saw them or their patients look at.

    Attributes:
        images: The images of the examinations.
        exam_images: int64 (num_exams, views), numbers of `images`, -1 where a view is missing.
        maps: float32 (num_images, edge, edge), as `heat_maps` gives them.
    """

    images: Images
    exam_images: NDArray[np.int64]
    maps: NDArray[np.float32]


def explain_left_out(
    config: TrialConfig,
    materials: Materials,
    folds: Sequence[Fold],
    seed: int,
    exams: Sequence[int],
    finding: int = 0,
) -> LeftOut:
    """Fit the networks of a trial again, as far as they left one of some examinations out.

    Args:
        config: Configuration of the trial, which `has_heat_map`.
        materials: The labelled images of the search, and what its trials started from.
        folds: All folds of the trial.
        seed: Seed of the search.
        exams: Numbers of the examinations; each is in the scored part of a fold.
        finding: Number of the finding, or of the class, that the maps are of.
    """
    data, device = materials.data, materials.device
    numbers = data.exam_images[list(exams)]
    exam_images = numbers.copy()
    exam_images[numbers >= 0] = np.arange((numbers >= 0).sum())
    square = config.preprocessing.square
    paths, hashes = (
        [each[one] for one in numbers[numbers >= 0]] for each in (data.paths, data.hashes)
    )
    images = load_images(paths, hashes, square, data.statistics, materials.store)
    fitted = _fit_folds(assemble(config, materials), folds, seed, exams)
    wanted = {finding: np.arange(len(exams))}
    maps = heat_maps_of(config, images, exam_images, device, fitted, wanted)
    return LeftOut(images, exam_images, maps[finding])


def _fit_folds(
    parts: Assembly, folds: Sequence[Fold], seed: int, exams: Sequence[int]
) -> Iterator[tuple[list[Network], Tensor]]:
    """The network of each fold that is needed, and the places in `exams` of those it left out."""
    left = set(range(len(exams)))
    for number, fold in enumerate(folds, start=1):
        places = [place for place in sorted(left) if exams[place] in fold.valid]
        if places:
            left -= set(places)
            own_seed = fold_seed(seed, number, parts.config.seed)
            network, _ = train_network(parts, fold, own_seed, parts.body.frozen)
            yield [network.eval()], torch.tensor(places)
