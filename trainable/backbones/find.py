"""Find a backbone by its name, in torchvision, in timm, or among the published encoders."""

from collections.abc import Iterator

from trainable.backbones.backbone import Backbone
from trainable.backbones.encoders import CHEXNET, TIMM, network_of
from trainable.backbones.recipes import RECIPES, find_recipe
from trainable.backbones.table import BACKBONES
from trainable.backbones.timm_networks import find_timm, timm_names
from trainable.errors import did_you_mean

_CHEXNET = CHEXNET.rstrip(":")


def find_backbone(name: str) -> Backbone:
    """The network of an encoder of this name, whatever weights the encoder starts from.

    Raises:
        ValueError: if there is none, with the nearest name of all sources.
    """
    network = network_of(name)
    if network in BACKBONES:
        return BACKBONES[network]
    if network in RECIPES:
        return find_recipe(network)
    if network.startswith(TIMM):
        found = find_timm(network)
        if found:
            return found
    if network == _CHEXNET:
        raise ValueError("chexnet is a file of weights: give it as chexnet@FILE")
    raise ValueError(f"unknown backbone {network!r}; {did_you_mean(network, _all_names())}")


def _all_names() -> Iterator[str]:
    yield from (*BACKBONES, *RECIPES, _CHEXNET, *timm_names())
