"""What each pool sees of a small sign: `python -m benchmarks.signs`.

    python -m benchmarks.signs --weights FOLDER [--phantoms 600] [--widths 0.01 0.02 0.04 0.08]

Half of the phantoms have a round spot in one lung, and nothing else tells the two halves apart. Its
diameter is about a share of the picture's width; for each share there are fresh phantoms. One
network, the first that there are weights of, takes them in once, and every pool sees all its
stages. On half of the phantoms a logistic regression is fitted, its penalty the best in folds; the
AUC is that on the others. The last line is JSON.
"""

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold

from search.demo.films import draw_phantom
from search.demo.shapes import Plane, edge, ellipse
from search.demo.signs import Signs
from trainable.backbones.backbone import FUSED
from trainable.backbones.layout import BY_PLACE, STATISTICS, Pool
from trainable.backbones.weights import Weights, find_weights
from trainable.config import TrialConfig
from trainable.features.body import Body
from trainable.images.loading import Images
from trainable.images.preprocessing import PixelStatistics
from trainable.model.bounded_linear import LARGEST
from trainable.store.table_name import TableName
from trainable.training.convex import solve

_PENALTIES = np.logspace(-5, 0, 6)
_FOLDS = 3
_DENSITY = 0.3  # of the spot, as the demo's
_COHORT_IS_NOT_USED = PixelStatistics(0.5, 0.25)

_Array = NDArray[np.float64]


@dataclass(frozen=True)
class Spot(Signs):
    """A spot in one lung.

    Attributes:
        width: Its diameter, a share of the picture's width; 0 for none.
    """

    width: float = 0.0

    def spot(self, anatomy_seed: int, x: Plane, y: Plane) -> Plane | float:
        """Density of the spot, at a place of its own in each patient."""
        if not self.width:
            return 0.0
        rng = np.random.default_rng([anatomy_seed, 2])
        place = rng.uniform(0.28, 0.5) * rng.choice([-1.0, 1.0]), rng.uniform(-0.45, 0.15)
        radii = self.width, self.width  # the picture is 2 wide
        return _DENSITY * edge(ellipse(x, y, place, radii), width=0.8)


def phantoms(width: float, count: int, size: int) -> NDArray[np.uint8]:
    """Phantoms (count, size, size), every other one with a spot of this width."""
    seeds = np.random.default_rng(round(1e4 * width)).integers(2**62, size=(count, 2)).tolist()
    films = [
        draw_phantom(0.0, anatomy, day, size, Spot(width=width * (number % 2)))
        for number, (anatomy, day) in enumerate(seeds)
    ]
    return np.stack(films)


def features_of(pixels: NDArray[np.uint8], weights: Weights) -> dict[Pool, _Array]:
    """What each pool sees of all stages (num_images, num_features), from one pass."""
    config = TrialConfig(
        backbone=weights.names[0], cut=FUSED, normalization="own", image_size=pixels.shape[1]
    )
    images = Images(pixels, _COHORT_IS_NOT_USED, TableName("pixels-signs", ()))
    body = Body(images, config, weights, torch.device("cpu"), frozenset(BY_PLACE))
    table = body.pooled(torch.arange(len(pixels))).double().numpy()
    backbone, stored = config.backbone.network, body.stored
    found: dict[Pool, _Array] = {}
    for pool in backbone.layout.pools:
        wanted = tuple(one for one in stored if one in STATISTICS[pool])
        found[pool] = table[:, backbone.pooled_columns(FUSED, wanted, stored)]
    return found


def auc_of(features: _Array, labels: NDArray[np.int64]) -> float:
    """AUC on the second half of the rows of a regression that is fitted to the first."""
    half = len(labels) // 2
    train, test = np.arange(half), np.arange(half, len(labels))
    folds = [*StratifiedKFold(_FOLDS).split(train, labels[train])]

    def in_folds(penalty: float) -> float:
        return sum(_auc(features, labels, fit, judged, penalty) for fit, judged in folds)

    return _auc(features, labels, train, test, max(_PENALTIES, key=in_folds))


def _auc(
    features: _Array,
    labels: NDArray[np.int64],
    train: NDArray[np.int64],
    test: NDArray[np.int64],
    penalty: float,
) -> float:
    mean, deviation = features[train].mean(axis=0), features[train].std(axis=0)
    deviation[deviation == 0] = np.inf
    seen = np.clip((features - mean) / deviation, -LARGEST, LARGEST)
    found = solve(seen[train], labels[train, None], penalty, (1.0,), exclusive=False)
    return float(roc_auc_score(labels[test], seen[test] @ found.coefficients[0]))


def judge(widths: Sequence[float], count: int, size: int, weights: Weights) -> Iterator[pd.Series]:
    """The AUC of each pool, for each width in turn."""
    labels = np.arange(count) % 2
    for width in widths:
        found: Mapping[Pool, _Array] = features_of(phantoms(width, count, size), weights)
        of_pools = {pool: auc_of(features, labels) for pool, features in found.items()}
        yield pd.Series(of_pools, name=f"{width:.0%}")


def main() -> None:
    """Print the table, then one line of JSON."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.signs",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--weights", default="none", help="weights as cxr-search takes them (none: random)")
    add("--phantoms", type=int, default=600, help="phantoms for each width (600)")
    add("--widths", type=float, nargs="+", default=[0.01, 0.02, 0.04, 0.08], help="of the spot")
    add("--image-size", type=int, default=224, help="pixels (224)")
    options = parser.parse_args()
    weights = find_weights(options.weights)
    found = judge(options.widths, options.phantoms, options.image_size, weights)
    table = pd.concat([*found], axis=1)
    network = f"AUC by the width of the sign, {weights.names[0]}, {options.phantoms} phantoms each"
    print(network, table.to_string(float_format="{:.3f}".format), sep="\n")
    print(json.dumps(table.round(4).T.to_dict()))


if __name__ == "__main__":
    main()
