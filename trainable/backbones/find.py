"""Find a backbone by its name, in torchvision or timm."""

from trainable.backbones.backbone import Backbone
from trainable.backbones.encoders import TIMM, network_of
from trainable.backbones.table import BACKBONES
from trainable.errors import did_you_mean


def find_backbone(name: str) -> Backbone:
    """The network of an encoder of this name, whatever weights the encoder starts from.

    Raises:
        ValueError: if there is none, with the nearest name.
    """
    network = network_of(name)
    if network.startswith(TIMM):
        from trainable.backbones.timm_networks import find_timm  # an extra, and slow to import

        return find_timm(network)
    if network not in BACKBONES:
        raise ValueError(f"unknown backbone {network!r}; {did_you_mean(network, BACKBONES)}")
    return BACKBONES[network]
