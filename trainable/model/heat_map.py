"""The log-odds of a score as a mean over the places of an image, or a sum of that over views.

Above the cut there are only the pool and the head. So the slope of the log-odds at each place,
times the activation there, is what the place gives. Above a pool of averages this is Grad-CAM
(Selvaraju and others 2017) with both signs; above a maximum it stays where the maximum is, as in
HiResCAM (Draelos and Carin 2020). With a logistic head it is the head's own sum, place by place.
"""

from collections.abc import Iterable, Mapping, Sequence
from math import isqrt

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from trainable.backbones.layout import STATISTICS, TensorLayout
from trainable.config import TrialConfig
from trainable.device import Batching, autocast
from trainable.images.batches import Batch, by_examination
from trainable.images.loading import Images
from trainable.model.network import Network, SharedMaps

_BATCH = 16  # examinations at once; the activations of all stages are held


def has_heat_map(config: TrialConfig) -> bool:
    """Whether the head sees places of images: not a class token alone, nor covariates."""
    return STATISTICS[config.pool] != {"class"} and not config.covariates


def heat_maps(
    network: Network, exams: Batch, finding: int = 0, shared: SharedMaps | None = None
) -> Tensor:
    """What each place gives to the log-odds of a finding, or of a class against all others.

    The mean over the places of an image, summed over the views of an examination, is its log-odds.
    What belongs to no place, such as the intercept, is spread evenly.

    Args:
        network: In evaluation mode, of a configuration that `has_heat_map`.
        exams: Normalized images (num_images, channels, size, size), on the network's device.
        finding: Number of the finding, or of the class.
        shared: What frozen stages have made of these images, if other networks see them, too.

    Returns:
        float32 (num_images, edge, edge), as fine as the activations at the cut; the finest of them
        where the stages are fused.
    """
    # slow to import: it draws too
    from captum.attr import LayerGradientXActivation

    present = exams.present
    if present is None:
        present = torch.ones(len(exams.images), 1, dtype=torch.bool)
    shared = shared or SharedMaps(exams.images)
    maps = tuple(one.requires_grad_() for one in _at_the_cut(network, shared))
    above = _AboveTheCut(network, finding, len(maps), present)
    products = LayerGradientXActivation(above, list(above.cuts)).attribute(maps)
    with torch.no_grad():
        log_odds = above(*maps)
        grids = [_grid(one, network.pool.layout) for one in products]
        edge = max(grid.shape[1] for grid in grids)
        found = sum((_grown(grid, edge) for grid in grids), torch.zeros(()))
        owners = present.nonzero()[:, 0]
        num_images = owners.bincount(minlength=len(present)).to(found.device)
        owners = owners.to(found.device)
        given = torch.zeros_like(log_odds).index_add(0, owners, found.mean(dim=(1, 2)))
        spread = (log_odds - given) / num_images
        summed: Tensor = found + spread[owners, None, None]
    return summed


def heat_maps_of(
    config: TrialConfig,
    images: Images,
    exam_images: NDArray[np.int64],
    device: torch.device,
    jobs: Iterable[tuple[Sequence[Network], Tensor]],
    wanted: Mapping[int, NDArray[np.int64]],
) -> dict[int, NDArray[np.float32]]:
    """Maps of images, the mean over the networks that look at their examination.

    The frozen stages of a network run once, however many findings are wanted.

    Args:
        config: Configuration of the networks.
        images: Images (num_images, size, size).
        exam_images: Numbers of the images of each examination, -1 where a view is missing.
        device: Device of the networks.
        jobs: Networks, and the examinations that they look at, int64 (num,); together, these are
            all that are wanted.
        wanted: The examinations (num,) of each finding or class, by its number.

    Returns:
        (num_images, edge, edge) of each finding, in the order of the images of its examinations.
    """
    take = by_examination(images.as_seen_by(config.preprocessing, device), exam_images)
    found: dict[int, dict[int, NDArray[np.float32]]] = {finding: {} for finding in wanted}
    batching = Batching(_BATCH, str(config.backbone))
    for networks, exams in jobs:

        def mapped(rows: Tensor, networks: Sequence[Network] = networks) -> None:
            batch, numbers = take(rows), rows.numpy()
            seen = exam_images[numbers]
            shared = SharedMaps(batch.images)
            for finding, of_finding in wanted.items():
                is_wanted = np.isin(numbers, of_finding)[:, None] & (seen >= 0)
                if not is_wanted.any():
                    continue
                maps = torch.stack([heat_maps(one, batch, finding, shared) for one in networks])
                kept = maps.mean(dim=0).cpu().numpy()[is_wanted[seen >= 0]]
                found[finding].update(zip(seen[is_wanted].tolist(), kept, strict=True))

        for _ in batching.run(exams, mapped):
            pass
    return {
        finding: np.stack([maps[image] for image in sorted(maps)])
        for finding, maps in found.items()
    }


class _AboveTheCut(nn.Module):
    """Pool and head: from the activations of each stage that is pooled to the log-odds of exams."""

    def __init__(self, network: Network, finding: int, num_stages: int, present: Tensor) -> None:
        super().__init__()
        self.network, self.finding, self.present = network, finding, present
        self.cuts = nn.ModuleList(nn.Identity() for _ in range(num_stages))

    def forward(self, *maps: Tensor) -> Tensor:
        pooled = [self.network.pool(cut(one)) for cut, one in zip(self.cuts, maps, strict=True)]
        features = Batch(torch.cat(pooled, dim=1), self.present).side_by_side()
        return self.network.outputs.log_odds(self.network.head(features), self.finding)


@torch.no_grad()
def _at_the_cut(network: Network, shared: SharedMaps) -> list[Tensor]:
    """Activations whose pooled features the head sees, float32: of all stages if fused."""
    stages = network.frozen_stages
    with autocast(shared.images.device):
        if network.fused:
            found = [shared.after(stages[:end]) for end in range(1, len(stages) + 1)]
        else:
            found = [network.trained(shared.after(stages))]
    return [one.float().clone() for one in found]


def _grid(products: Tensor, layout: TensorLayout) -> Tensor:
    """Shares (batch, edge, edge) of the places, whose mean is that of all of them together."""
    if products.ndim == 3:
        places = products[:, layout.prefix_tokens :].sum(dim=2)
        edge = isqrt(places.shape[1])
        grid = places.view(-1, edge, edge)
    else:
        grid = products.sum(dim=3 if layout.channels_last else 1)
    return grid * grid[0].numel()


def _grown(grid: Tensor, edge: int) -> Tensor:
    grown: Tensor = functional.interpolate(grid[:, None], (edge, edge), mode="bilinear")
    return grown[:, 0]
