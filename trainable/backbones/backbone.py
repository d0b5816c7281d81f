"""A backbone: a network with named cut points in order, their widths, and how to build it."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from trainable.backbones.layout import MAPS, NUM_NUMBERS, Statistic, TensorLayout, num_numbers
from trainable.backbones.stage import Stage
from trainable.errors import did_you_mean
from trainable.images.scale import IMAGENET_SCALE, Scale

RGB = 3
"""Channels of the images that networks of photographs take in."""

FUSED = "fused"
"""The cut point whose features are those of all stages side by side, from one pass."""

# torchvision's files of a DenseNet still call `norm.1` what the network calls `norm1`
_OLD_NAME = re.compile(r"(denselayer\d+\.(?:norm|conv))\.([12]\.)")


@dataclass(frozen=True)
class Recipe:
    """How the file of a published encoder is read.

    Attributes:
        file: What the file is, for messages.
        rename: Gives the weights in the file the names that the network has for them, and refuses
            the file of another encoder.
    """

    file: str
    rename: Callable[[Mapping[str, Tensor]], Mapping[str, Tensor]]


@dataclass(frozen=True)
class Backbone:
    """One classification network as a sequence of stages.

    Attributes:
        name: Name of the network, or of the published encoder that is this network.
        stages: in order of execution; each ends in a cut point.
        classifier: Child of the network after the stages, which the head replaces.
        further: the stages of bodies that end elsewhere, by the names of their cut points.
        taps: the same modules as the stages, in stages at whose ends one pass pools the features
            of every cut in them; the stages themselves if empty.
        layout: Shape of the output of every stage.
        own: How the images were normalized that the weights were learned from.
        size: Edge of these images in pixels.
        licence: Licence of the weights that are published, as far as it is known.
        model: Name of the network in its library; `name` if empty.
        recipe: How a file is read; by the names that the library has for it if None.
    """

    name: str
    stages: tuple[Stage, ...]
    classifier: str
    further: Mapping[str, tuple[Stage, ...]] = field(default_factory=dict)
    taps: tuple[Stage, ...] = ()
    layout: TensorLayout = MAPS
    own: Scale = IMAGENET_SCALE
    size: int = 224
    licence: str = "not stated by torchvision"
    model: str = ""
    recipe: Recipe | None = None

    @property
    def channels(self) -> int:
        """Channels of the images that the network takes in."""
        return len(self.own.mean)

    @property
    def file_licence(self) -> str:
        """Licence of weights in a file of the user's, as far as it is known."""
        return self.licence if self.recipe else "not known: weights in a file"

    @property
    def file_kind(self) -> str:
        """What a file of weights for this network must be."""
        if self.recipe:
            return f"the {self.recipe.file}"
        return f"a {self.libraries[0]} state dict of {self.name}"

    @property
    def heads(self) -> tuple[str, ...]:
        """Children of the network that no body has."""
        return (self.classifier,)

    @property
    def libraries(self) -> tuple[str, ...]:
        """Packages whose version decides what the network computes."""
        return ("torchvision",)

    @property
    def cuts(self) -> tuple[str, ...]:
        """Names of the cut points that are searched, in order."""
        return tuple(stage.cut for stage in self.stages)

    @property
    def all_cuts(self) -> tuple[str, ...]:
        """Names of all cut points: the ends of stages, all of them fused, then the further ones."""
        return (*self.cuts, FUSED, *self.further)

    def stages_until(self, cut: str) -> tuple[Stage, ...]:
        """The stages of a body that is cut at `cut`.

        Raises:
            ValueError: if this backbone has no such cut.
        """
        if cut in self.further:
            return self.further[cut]
        if cut == FUSED:
            return self.stages
        if cut not in self.cuts:
            raise ValueError(
                f"cut must be a cut point of {self.name} (got {cut!r}); "
                f"{did_you_mean(cut, self.all_cuts)}"
            )
        return self.stages[: self.cuts.index(cut) + 1]

    def widths(self, cut: str) -> tuple[int, ...]:
        """Channels of each map whose features a head sees: the last one, or all if fused."""
        stages = self.stages_until(cut)
        return tuple(stage.width for stage in (stages if cut == FUSED else stages[-1:]))

    def pooled_stages(self, cut: str) -> tuple[Stage, ...]:
        """The stages at whose ends one pass over the images pools features, those of `cut` too.

        They are the same for all cuts of a backbone but SqueezeNet's `classifier`, which would cost
        every other cut a convolution more.
        """
        taps = self.taps or self.stages
        is_served = cut == FUSED or any(stage.holds(cut) for stage in taps)
        return taps if is_served else self.stages_until(cut)

    def pooled_columns(
        self,
        cut: str,
        wanted: Sequence[Statistic] | None = None,
        stored: Sequence[Statistic] | None = None,
    ) -> NDArray[np.int64]:
        """Which columns of the features at the ends of `pooled_stages` are those of `cut`.

        A stage has a column for each of its channels and each number of its statistics, one number
        after the other. A dense block hands on what each layer adds behind what it took in, so the
        channels of its first layers are its first channels.

        Args:
            cut: Cut point.
            wanted: Statistics whose columns are asked for, the layout's if not given.
            stored: Statistics that the features are, `wanted` among them in the same order; the
                layout's if not given.
        """
        wanted, stored = wanted or self.layout.statistics, stored or self.layout.statistics
        if cut == FUSED:
            return np.concatenate([self.pooled_columns(one, wanted, stored) for one in self.cuts])
        width, start = self.stages_until(cut)[-1].width, 0
        for stage in self.pooled_stages(cut):
            if stage.holds(cut):
                break
            start += num_numbers(stored) * stage.width
        is_wanted = [one in wanted for one in stored for _ in range(NUM_NUMBERS[one])]
        starts = start + stage.width * np.flatnonzero(is_wanted)
        return (starts[:, None] + np.arange(width)).ravel()

    def pooled_width(self, cut: str, stored: Sequence[Statistic] | None = None) -> int:
        """Number of the features at the ends of `pooled_stages`: `stored`, the layout's if None."""
        numbers = num_numbers(stored or self.layout.statistics)
        return numbers * sum(one.width for one in self.pooled_stages(cut))

    def build(self) -> nn.Module:
        """The whole network, its weights random."""
        # slow to import, and needless to a trial that finds its features stored
        import torchvision

        model: nn.Module = torchvision.models.get_model(self.model or self.name, weights=None)
        if self.channels != RGB:
            path = self.stages[0].modules[0]
            first = model.get_submodule(path)
            assert isinstance(first, nn.Conv2d)
            model.set_submodule(path, _of_channels(first, self.channels))
        return model

    def takes_in(self, size: int) -> bool:
        """Whether the network takes in square images of this edge; torchvision's take in any."""
        return size > 0

    def renamed(self, state: Mapping[str, Tensor], model: nn.Module) -> Mapping[str, Tensor]:
        """The weights in a file under the names that the network `model` has for them.

        Raises:
            ValueError: If the file is found to be of another network.
        """
        return self.recipe.rename(state) if self.recipe else self.converted(state, model)

    def converted(self, state: Mapping[str, Tensor], model: nn.Module) -> Mapping[str, Tensor]:
        """The weights in a file of the network's own library under the names of today."""
        return {_OLD_NAME.sub(r"\1\2", key): value for key, value in state.items()}

    def body(self, model: nn.Module, cut: str) -> list[nn.Sequential]:
        """The stages of `model` until `cut`, sharing its parameters."""
        return [stage.module(model) for stage in self.stages_until(cut)]

    def pooled_modules(self, model: nn.Module, cut: str) -> list[nn.Sequential]:
        """The modules of `pooled_stages`, sharing the parameters of `model`."""
        return [stage.module(model) for stage in self.pooled_stages(cut)]


def _of_channels(first: nn.Conv2d, channels: int) -> nn.Conv2d:
    """The first convolution of a network for images of another number of channels, random."""
    size, stride, padding = first.kernel_size, first.stride, first.padding
    bias = first.bias is not None
    return nn.Conv2d(channels, first.out_channels, size, stride, padding, bias=bias)  # type: ignore[arg-type]
