"""The body of one trial's network: frozen stages that are run on images, and trained ones."""

from collections.abc import Callable, Sequence
from functools import cached_property

import torch
from torch import Tensor, fx, nn
from torch.fx.experimental.optimization import fuse

from trainable.backbones.backbone import Backbone
from trainable.backbones.layout import Statistic, by_place
from trainable.backbones.weights import Weights
from trainable.config import TrialConfig
from trainable.device import Batching, autocast, place, return_memory
from trainable.images.batches import Inputs
from trainable.images.loading import Images
from trainable.model.network import ConcatPool, pool_each, split_body


def folded(stage: nn.Module) -> nn.Module:
    """A copy of a stage in evaluation mode that computes the same with fewer passes over the maps.

    In evaluation mode a batch norm is one factor and one addend for each channel, so they can go
    into the weights of the convolution. The numbers differ by float32 rounding alone.

    A stage without batch norm is returned as it is, and so is one whose path depends on what it
    is given, as that of some networks of timm does.
    """
    if not any(type(module) is nn.BatchNorm2d for module in stage.modules()):
        return stage
    try:
        return fuse(stage)
    except fx.proxy.TraceError:
        return stage


_CPU_PIXELS = 4 * 224**2
_GPU_BATCH = 128


def cpu_batch(image_size: int) -> int:
    """Number of images that a processor runs at once: 4 of 224 px or more, 8, 16, or up to 32.

    More leave the processor's caches, and have new memory mapped each time. With fewer small ones,
    the call of a layer takes longer than its arithmetic. It is a power of 2, so that the parts of
    a stored table are whole batches.
    """
    most = min(max(4, _CPU_PIXELS // image_size**2), 32)
    return 1 << (most.bit_length() - 1)


class Body:
    """A backbone as a trial uses it; the network is built when it is first needed.

    Attributes:
        images: Images that the frozen part is run on.
        config: Configuration of the trial.
        weights: Weights that the network starts from.
        device: to compute on.
        by_place: Statistics by place that a pass is to store: those of its trial, and more.
        num_forwarded: images that the frozen part was run on so far.
    """

    def __init__(
        self,
        images: Images,
        config: TrialConfig,
        weights: Weights,
        device: torch.device,
        more_by_place: frozenset[Statistic] = frozenset(),
    ) -> None:
        self.images = images
        self.config = config
        self.weights = weights
        self.device = device
        self.by_place = by_place([config.pool]) | more_by_place
        self.num_forwarded = 0
        size = cpu_batch(config.image_size) if device.type == "cpu" else _GPU_BATCH
        self._batching = Batching(size, str(config.backbone))

    @property
    def frozen(self) -> list[nn.Sequential]:
        """The frozen stages until the cut."""
        return self._split[0]

    @property
    def trained(self) -> list[nn.Sequential]:
        """The trained stages until the cut, as they start: to be copied before training."""
        return self._split[1] if self.config.unfreeze else []

    def pooled(self, rows: Tensor, statistics: Sequence[Statistic] | None = None) -> Tensor:
        """Pooled features of the cut, and of all others that one pass over the images serves.

        Args:
            rows: Numbers of images.
            statistics: What to compute of each channel; what a table has that this pass stores
                if not given.

        Returns:
            float32 of shape (len(rows), the backbone's `pooled_width`): for each stage in order,
            the statistics of its output channels.
        """
        layout = self._backbone.layout
        stages, pool = self._pooled_stages, ConcatPool(layout, statistics or self.stored)
        return self._in_batches(rows, lambda images: pool_each(stages, images, pool), full=True)

    @property
    def stored(self) -> tuple[Statistic, ...]:
        """What a table of pooled features has of each channel that this body computes."""
        return self._backbone.layout.stored(self.by_place)

    def activations(self, rows: Tensor, *, in_full_batches: bool = False) -> Tensor:
        """Output of the frozen stages (len(rows), *boundary_shape), on the device.

        Args:
            rows: Numbers of images.
            in_full_batches: Whether an image is to give the same bits whatever others there are.
        """
        if not self.frozen:
            return self._take(rows)
        return self._in_batches(rows, self._until_boundary, full=in_full_batches)

    @torch.no_grad()
    def boundary_shape(self) -> tuple[int, ...]:
        """Shape of the activations of one image, found on a blank one."""
        size = self.config.image_size
        blank = torch.zeros(1, self._backbone.channels, size, size, device=self.device)
        with autocast(self.device):
            return tuple(nn.Sequential(*self.frozen)(blank).shape[1:])

    @torch.no_grad()
    def _in_batches(
        self, rows: Tensor, forward: Callable[[Tensor], Tensor], *, full: bool
    ) -> Tensor:
        """Run images; where batches are to be `full`, the last image fills the last one up."""
        size = self._batching.size
        lacking = -len(rows) % size if full else 0
        filled = torch.cat([rows, rows[-1:].expand(lacking)])
        with autocast(self.device):
            found = [*self._batching.run(filled, lambda batch: forward(self._take(batch)))]
        self.num_forwarded += len(rows)
        return torch.cat(found)[: len(rows)]

    @cached_property
    def _take(self) -> Inputs:
        """Normalized images; made when they are first needed, since a GPU then holds them."""
        return self.images.as_seen_by(self.config.preprocessing, self.device)

    @property
    def _backbone(self) -> Backbone:
        return self.config.backbone.network

    def _build(self) -> nn.Module:
        model = self.weights.build(self.config.backbone, self.config.cut)
        return place(model, self.device).eval()

    @cached_property
    def _pooled_stages(self) -> list[nn.Module]:
        # of a network of its own, whose stages are freed one by one: a fold copies the weights
        stages = self._backbone.pooled_modules(self._build(), self.config.cut)
        found = [folded(stages.pop(0)) for _ in range(len(stages))]
        return_memory()
        return found

    @cached_property
    def _until_boundary(self) -> nn.Sequential:
        return nn.Sequential(*(folded(stage) for stage in self.frozen))

    @cached_property
    def _split(self) -> tuple[list[nn.Sequential], list[nn.Sequential]]:
        return split_body(self._backbone.body(self._build(), self.config.cut), self.config.unfreeze)
