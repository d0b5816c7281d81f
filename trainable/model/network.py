"""One network: a body cut from a backbone, partly frozen, and a head above it."""

import itertools
import math
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import isqrt
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from trainable.backbones.layout import GRID, MAPS, STATISTICS, Pool, Statistic, TensorLayout
from trainable.device import autocast
from trainable.images.batches import Batch, Batches
from trainable.model.covariate_encoder import ColumnCode
from trainable.model.outputs import ONE_FINDING, Outputs

_MOST_RADIANS = math.radians(10)
_MOST_SHIFT = 0.05  # of the edge
_MOST_CONTRAST = 0.2


class LightAugmentation(nn.Module):
    """Changes images while a network is trained, and hands them on as they are otherwise.

    Nothing is mirrored: a chest that is mirrored has its heart on the wrong side. torchvision's
    transforms draw once for a whole batch; here each image has a draw of its own.

    Maps normalized images (batch, channels, height, width) to the same shape.
    """

    def forward(self, images: Tensor) -> Tensor:
        """Turn by up to 10 degrees, shift by up to 5 %, change the contrast by up to 20 %."""
        if not self.training:
            return images
        draws = torch.rand(4, len(images), device=images.device, dtype=images.dtype) * 2 - 1
        angles = _MOST_RADIANS * draws[0]
        across, down = 2 * _MOST_SHIFT * draws[1:3]  # the edge has a length of 2 in the grid
        cos, sin = angles.cos(), angles.sin()
        rows = (torch.stack([cos, -sin, across], dim=1), torch.stack([sin, cos, down], dim=1))
        grid = functional.affine_grid(
            torch.stack(rows, dim=1), list(images.shape), align_corners=False
        )
        moved = functional.grid_sample(images, grid, padding_mode="border", align_corners=False)
        means = moved.mean(dim=(2, 3), keepdim=True)
        factors = (1 + _MOST_CONTRAST * draws[3])[:, None, None, None]
        changed: Tensor = means + factors * (moved - means)
        return changed.contiguous(memory_format=torch.channels_last)


class ConcatPool(nn.Module):
    """Global maximum and average of each channel, concatenated, in fastai's order.

    Of tokens, those of the image count, and a class token comes third. Statistics by place come
    last: averages over the cells of a 3 x 3 grid, row by row, and the mean of the highest 5 % of
    the places. Cells are those of PyTorch's adaptive pooling: where 3 does not divide the places
    of a side, neighbours share some, and on a side of fewer than 3 some cells are the same. Maps
    the output of a stage to (batch, numbers of the statistics * channels).
    """

    def __init__(
        self, layout: TensorLayout = MAPS, statistics: Sequence[Statistic] | None = None
    ) -> None:
        """Pool what a network of this layout gives; its own statistics if none are given."""
        super().__init__()
        self.layout = layout
        self.statistics = tuple(statistics or layout.statistics)

    def forward(self, maps: Tensor) -> Tensor:
        """Pool the maps or tokens."""
        pooled = (number for one in self.statistics for number in self._numbers(one, maps))
        return torch.cat([*pooled], dim=1)

    def _numbers(self, statistic: Statistic, maps: Tensor) -> list[Tensor]:
        """Each number (batch, channels) of a statistic."""
        is_tokens = maps.ndim == 3
        if statistic == "class":
            return [maps[:, 0]]
        channels = maps.ndim - 1 if is_tokens or self.layout.channels_last else 1
        places = maps[:, self.layout.prefix_tokens :] if is_tokens else maps
        dims = [dim for dim in range(1, maps.ndim) if dim != channels]
        if statistic == "maximum":
            return [places.amax(dim=dims)]
        if statistic == "average":
            return [places.mean(dim=dims)]
        if statistic == "top":
            flat = places.flatten(dims[0], dims[-1])
            return [
                flat.topk(_num_top(flat.shape[dims[0]]), dims[0], sorted=False)[0].mean(dims[0])
            ]
        if is_tokens:
            edge = isqrt(places.shape[1])
            places, dims = places.unflatten(1, (edge, edge)), [1, 2]
        return _cells(places, dims)


def _num_top(num_places: int) -> int:
    """How many places the highest 5 % are, at least one."""
    return max(1, num_places // 20)


def _cells(places: Tensor, dims: list[int]) -> list[Tensor]:
    """The average (batch, channels) of each cell of the grid; `dims` are its rows and columns."""
    height, width = (places.shape[dim] for dim in dims)
    return [
        places.narrow(dims[0], top, bottom - top).narrow(dims[1], left, right - left).mean(dims)
        for (top, bottom), (left, right) in itertools.product(_thirds(height), _thirds(width))
    ]


def _thirds(size: int) -> list[tuple[int, int]]:
    """Where the cells of a side begin and end: each is at least one place."""
    return [(cell * size // GRID, -(-(cell + 1) * size // GRID)) for cell in range(GRID)]


def pool_each(stages: Iterable[nn.Module], images: Tensor, pool: ConcatPool) -> Tensor:
    """Pooled features of each stage side by side, (batch, sum of those of each stage)."""
    maps, pooled = images, []
    for stage in stages:
        maps = stage(maps)
        pooled.append(pool(_exact(maps)))
    return torch.cat(pooled, dim=1)


class SharedMaps:
    """What frozen stages make of one batch of images; each runs once, whoever asks for it.

    Networks share a stage if it is the same module above the same stages.
    """

    def __init__(self, images: Tensor) -> None:
        """Take normalized images (batch, channels, size, size)."""
        self.images = images
        self._maps: dict[tuple[int, ...], Tensor] = {(): images}
        self._pooled: dict[tuple[object, ...], Tensor] = {}

    @property
    def num_passes(self) -> int:
        """How often the images have gone into frozen stages so far."""
        return sum(len(stages) == 1 for stages in self._maps)

    def after(self, stages: Sequence[nn.Module]) -> Tensor:
        """Output of the last of consecutive stages, the first of which takes in the images."""
        key = tuple(map(id, stages))
        if key not in self._maps:
            self._maps[key] = stages[-1](self.after(stages[:-1]))
        return self._maps[key]

    def pooled(self, stages: Sequence[nn.Module], pool: ConcatPool) -> Tensor:
        """Pooled features of that output."""
        key = (*map(id, stages), pool.statistics)
        if key not in self._pooled:
            self._pooled[key] = pool(_exact(self.after(stages)))
        return self._pooled[key]


class KeptStatistics(nn.Module):
    """Some of the statistics that `ConcatPool` gives of each channel.

    Maps (batch, views * statistics * sum of widths) to fewer columns. What stands behind them is
    kept.
    """

    def __init__(
        self,
        pool: Pool,
        widths: Sequence[int],
        views: int,
        layout: TensorLayout = MAPS,
        num_behind: int = 0,
    ) -> None:
        """Keep `pool` of stages with `widths` channels, whose features stand side by side."""
        super().__init__()
        self.columns: Tensor
        self.pool = pool
        is_kept = torch.tensor([one in STATISTICS[pool] for one in layout.statistics])
        repeats = torch.tensor(widths).repeat_interleave(len(is_kept))
        of_view = is_kept.repeat(len(widths)).repeat_interleave(repeats)
        kept = torch.cat([of_view.repeat(views), torch.ones(num_behind, dtype=torch.bool)])
        self.register_buffer("columns", kept.nonzero()[:, 0], persistent=False)

    def forward(self, pooled: Tensor) -> Tensor:
        """Keep some columns."""
        return pooled.index_select(1, self.columns)

    def extra_repr(self) -> str:
        """Name of what is kept."""
        return self.pool


class TrueOdds(nn.Module):
    """Takes from the log-odds what the weights and copies of positive images have added to them.

    A network that is trained on positives that each count k times gives k times the odds (Elkan
    2001, "The foundations of cost-sensitive learning", theorem 2). Without them, scores of trials
    of any weight are on one scale. It is the last layer of a head, and does nothing in training.
    """

    def __init__(self, outputs: Outputs, factor: float) -> None:
        """Divide odds by `factor`, more than 0, until `take_out` says what training has done."""
        super().__init__()
        self.added: Tensor
        self.outputs, self.factor = outputs, factor
        self.register_buffer("added", torch.empty(outputs.num_logits))
        self.take_out([factor] * outputs.num_findings)

    def take_out(self, factors: Sequence[float]) -> None:
        """Divide the odds of each finding, or class, by its own factor."""
        self.added.copy_(self.outputs.added(factors))

    def forward(self, logits: Tensor) -> Tensor:
        """Correct logits (batch, num_logits), unless in training."""
        return logits if self.training else logits - self.added

    def extra_repr(self) -> str:
        """What odds are divided by; of several classes, at most."""
        return f"{self.factor:g}"

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
        # a model of an earlier version has the one factor of its configuration
        state_dict.setdefault(f"{prefix}added", self.added)
        super()._load_from_state_dict(state_dict, prefix, *args)


class Network(nn.Module):
    """A frozen part, a trained part, a pool and a head.

    Where the stages are fused, all are frozen. Each is pooled, and the head sees the features of
    all stages side by side.

    Of an examination of several views, each goes through both parts and the pool; the head sees
    their features side by side, and behind them the covariates of a batch that has some.

    What the frozen part computes for an image never changes, so it can be computed once and kept:
    `prefix` computes it, `suffix` goes on from it, and calling the network does both. The frozen
    part stays in evaluation mode, so that its batch-norm statistics never move (fastai freezes the
    weights, but lets the statistics drift).

    The stages compute in the precision of their device, pool and head in float32: scores of eight
    bits would be alike for many patients.

    Attributes:
        outputs: What the logits mean.
        column_code: What turns covariates into the numbers that the head sees, if it does.
    """

    column_code: ColumnCode | None = None

    def __init__(
        self,
        frozen: Sequence[nn.Module],
        trained: Sequence[nn.Module],
        head: nn.Sequential,
        *,
        outputs: Outputs = ONE_FINDING,
        pool: ConcatPool | None = None,
        fused: bool = False,
        augmented: bool = False,
    ) -> None:
        """Freeze the stages of `frozen`; those of `trained` follow on them."""
        super().__init__()
        self.outputs, self.fused = outputs, fused
        self.frozen = nn.Sequential(*frozen).requires_grad_(False).eval()
        self.augment = LightAugmentation() if augmented else None
        self.trained = nn.Sequential(*trained)
        self.pool = pool or ConcatPool()
        self.head = head

    def train(self, mode: bool = True) -> "Network":
        """Set the mode of the trained part and the head; the frozen part stays in evaluation."""
        super().train(mode)
        self.frozen.eval()
        return self

    def prefix(self, images: Tensor) -> Tensor:
        """Output of the frozen part for normalized images (batch, channels, size, size).

        Pooled features (batch, statistics * channels) if the whole body is frozen, of each stage in
        turn if the stages are fused; else activations at the freeze boundary.
        """
        return self.prefix_from(SharedMaps(images))

    @torch.no_grad()
    def prefix_from(self, maps: SharedMaps) -> Tensor:
        """The same of images that other networks see, too."""
        stages = self.frozen_stages
        with autocast(maps.images.device):
            if len(self.trained):
                return maps.after(stages)
            ends = range(1 if self.fused else len(stages), len(stages) + 1)
            return torch.cat([maps.pooled(stages[:end], self.pool) for end in ends], dim=1)

    def pooled(self, inputs: Batch) -> Tensor:
        """Inputs of the head, from the output of `prefix`."""
        if self.augment:
            inputs = inputs.of_images(self.augment)
        if len(self.trained):
            inputs = inputs.of_images(self._pooled_maps)
        return inputs.side_by_side()

    def frozen_features(self, inputs: Batch) -> Tensor:
        """Pooled features (batch, views * width) of the frozen part, from the output of `prefix`.

        Where stages are trained, they are those of the freeze boundary. Covariates are left out.
        """
        if len(self.trained):
            inputs = inputs.of_images(lambda maps: self.pool(_exact(maps)))
        return inputs._replace(columns=None).side_by_side()

    def _pooled_maps(self, inputs: Tensor) -> Tensor:
        with autocast(inputs.device):
            maps = self.trained(inputs)
        pooled: Tensor = self.pool(_exact(maps))
        return pooled

    def take_out(self, factors: Sequence[float]) -> None:
        """Divide the odds of each finding, or class, by what training multiplies them by."""
        for layer in self.head:
            if isinstance(layer, TrueOdds):
                layer.take_out(factors)

    @property
    def frozen_stages(self) -> list[nn.Module]:
        """The frozen stages, in order of execution."""
        # an export wraps a module anew each time that an attribute gives it
        frozen = self._modules["frozen"]
        assert isinstance(frozen, nn.Sequential)
        return list(frozen)

    @property
    def trained_stages(self) -> list[nn.Module]:
        """The trained stages, in order of execution."""
        return list(self.trained)

    def suffix(self, inputs: Batch) -> Tensor:
        """Logits (batch, num_logits) from what `prefix` computed of the images of a batch."""
        logits: Tensor = self.head(self.pooled(inputs))
        return logits

    def logits(self, inputs: Batches, rows: Tensor) -> Tensor:
        """Logits (len(rows), num_logits) of rows; `inputs` maps them to what `prefix` gives."""
        return self.suffix(inputs(rows))

    def forward(self, images: Batch) -> Tensor:
        """Logits (batch, num_logits) of examinations; images are (..., channels, size, size)."""
        return self.suffix(images.of_images(self.prefix))


def _exact(maps: Tensor) -> Tensor:
    """The same numbers in float32, or in float64 if they are in it."""
    return maps.to(torch.promote_types(maps.dtype, torch.float32))


def split_body(
    stages: Sequence[nn.Sequential], num_trained: int
) -> tuple[list[nn.Sequential], list[nn.Sequential]]:
    """The frozen and the trained stages of a body.

    Layers without parameters at the start of the trained stages join the frozen ones: nothing is
    learnt in them, and a pooling layer leaves a quarter of the activations to be kept.
    """
    boundary = len(stages) - num_trained
    frozen, trained = list(stages[:boundary]), list(stages[boundary:])
    if frozen and trained:
        layers = list(trained[0].named_children())
        fixed = list(itertools.takewhile(lambda item: not list(item[1].parameters()), layers))
        frozen[-1] = nn.Sequential(OrderedDict([*frozen[-1].named_children(), *fixed]))
        trained[0] = nn.Sequential(OrderedDict(layers[len(fixed) :]))
    return frozen, trained


@dataclass(frozen=True)
class ParameterCount:
    """Numbers of parameters: all, those that training changes, and the rest."""

    total: int
    trainable: int

    @property
    def frozen(self) -> int:
        """Parameters that keep the weights that they came with."""
        return self.total - self.trainable


def count_parameters(module: nn.Module) -> ParameterCount:
    """Count the parameters of a module."""
    sizes = [(parameter.numel(), parameter.requires_grad) for parameter in module.parameters()]
    return ParameterCount(sum(n for n, _ in sizes), sum(n for n, grad in sizes if grad))
