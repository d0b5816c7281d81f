"""An encoder: a network, and where its name says so the weights that it starts from.

`resnet50` starts from the weights that `--weights` names. `resnet50@FILE`, `resnet50@FOLDER`,
`resnet50@imagenet` and `resnet50@none` start from their own, so one search can compare several.
"""

import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from trainable.backbones.backbone import Backbone
from trainable.backbones.recipes import RECIPES
from trainable.backbones.start import (
    CHEXNET,
    LOCAL,
    TIMM,
    SavedByTimm,
    Start,
    read_start,
    short_start,
    without_folders,
)
from trainable.backbones.table import BACKBONES
from trainable.backbones.timm_networks import cut_timm, find_timm, timm_names
from trainable.errors import did_you_mean
from trainable.images.preprocessing import NormalizationName, Preprocessing, Square
from trainable.images.scale import IMAGENET_SCALE

CHEXNET_NETWORK = "densenet121"


@dataclass(frozen=True)
class Encoder:
    """A network and its weights, as a trial and a table name them.

    Attributes:
        name: Name of the network.
        start: The weights that the encoder names itself; None if it starts from those of the
            search.
    """

    name: str
    start: Start | None = None

    @classmethod
    def read(cls, text: str) -> "Encoder":
        """An encoder by its name; paths become absolute, so that the name holds in every folder.

        >>> [str(Encoder.read(text)) for text in ("resnet50", "resnet50@/weights/../a.pth")]
        ['resnet50', 'resnet50@/a.pth']
        >>> [str(Encoder.read(text)) for text in ("chexnet@/a.pth", "timm/local-dir:/a/../b")]
        ['densenet121@chexnet:/a.pth', 'timm/local-dir:/b']
        """
        if text.startswith(TIMM + LOCAL):
            saved = read_start(text.removeprefix(TIMM))
            return cls(f"{TIMM}{saved}", saved)
        name, _, start = text.partition("@")
        if start and name == CHEXNET:
            return cls(CHEXNET_NETWORK, read_start(f"{CHEXNET}:{start}"))
        return cls(name, read_start(start) if start else None)

    def __str__(self) -> str:
        is_whole = self.start is None or isinstance(self.start, SavedByTimm)
        return self.name if is_whole else f"{self.name}@{self.start}"

    @property
    def network(self) -> Backbone:
        """The network of the encoder, whatever weights it starts from.

        Raises:
            ValueError: If there is none of this name, with the nearest name of all sources.
        """
        return find_backbone(self.name)

    def preprocessing(self, square: Square, normalization: NormalizationName) -> Preprocessing:
        """What is done to an image before the network sees it."""
        scale = self.network.own if normalization == "own" else IMAGENET_SCALE
        return Preprocessing(square, normalization, scale)

    @property
    def short_name(self) -> str:
        """The network; one in a folder without the folders above.

        >>> Encoder.read("resnet50@none").short_name, Encoder.read("timm/local-dir:/a/b").short_name
        ('resnet50', 'timm/local-dir:b')
        """
        if isinstance(self.start, SavedByTimm):
            return f"{TIMM}{LOCAL}{self.start.folder.name}"
        return self.name

    @property
    def short(self) -> str:
        """The encoder as a line of a report shows it: a file of weights without the folders.

        >>> Encoder.read("resnet50@/weights/resnet50-cxr.pth").short
        'resnet50@resnet50-cxr.pth'
        """
        if self.start is None or isinstance(self.start, SavedByTimm):
            return self.short_name
        return f"{self.name}@{short_start(self.start)}"

    def without_folders(self) -> "Encoder":
        """The same encoder without the folders above a file of weights."""
        return self if self.start is None else replace(self, start=without_folders(self.start))

    @property
    def file_name(self) -> str:
        """A part for names of files: the network, without characters that paths give a meaning.

        >>> Encoder.read("a/b@/weights/b.pth").file_name
        'a_b'
        """
        return re.sub(r"[^\w.-]", "_", self.short_name)


def find_backbone(name: str) -> Backbone:
    """The network of this name, in torchvision, in timm, or of a published encoder.

    Raises:
        ValueError: If there is none, with the nearest name of all sources.
    """
    if name in BACKBONES:
        return BACKBONES[name]
    if name in RECIPES:
        return _published(name)
    if name.startswith(TIMM):
        found = find_timm(name)
        if found:
            return found
    if name == CHEXNET:
        raise ValueError("chexnet is a file of weights: give it as chexnet@FILE")
    raise ValueError(f"unknown backbone {name!r}; {did_you_mean(name, _all_names())}")


@functools.cache
def _published(name: str) -> Backbone:
    found = RECIPES[name]
    is_of_timm = found.network.startswith(TIMM)
    base = cut_timm(found.network, **found.settings) if is_of_timm else BACKBONES[found.network]
    return replace(
        base,
        name=name,
        model=found.network,
        own=found.own,
        size=found.size,
        licence=found.licence,
        recipe=found.recipe,
    )


def _all_names() -> Iterator[str]:
    yield from (*BACKBONES, *RECIPES, CHEXNET, *timm_names())
