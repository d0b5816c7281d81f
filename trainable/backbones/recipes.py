"""Published encoders of chest X-rays, whose files a user has: network, normalization, names.

Each recipe is one explicit map from the names in the published file to those of a network. It is
for that file alone: names that it does not know stay as they are, and the file is then refused.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from trainable.backbones.backbone import Recipe
from trainable.backbones.start import TIMM
from trainable.errors import listing
from trainable.images.scale import Scale

_XRV = "xrv/"
"""Start of the names of torchxrayvision's networks."""
_XRV_SCALE = Scale((0.5,), (1 / 2048,))
"""Black becomes -1024 and white 1024, as torchxrayvision's networks take them in."""
_XRV_LICENCE = "apache-2.0; the data sets have terms of their own"
_XRV_DENSENETS = tuple(
    f"{_XRV}densenet121-res224-{data}"
    for data in ("all", "nih", "pc", "chex", "rsna", "mimic_nb", "mimic_ch")
)
_XRV_RESNET = f"{_XRV}resnet50-res512-all"

_RAD_DINO_SCALE = Scale((0.5307,) * 3, (0.2583,) * 3)
_RAD_DINO_NAMES = {
    "embeddings.cls_token": "cls_token",
    "embeddings.position_embeddings": "pos_embed",
    "embeddings.patch_embeddings.projection.weight": "patch_embed.proj.weight",
    "embeddings.patch_embeddings.projection.bias": "patch_embed.proj.bias",
    "layernorm.weight": "norm.weight",
    "layernorm.bias": "norm.bias",
}
_RAD_DINO_LAYER = re.compile(r"encoder\.layer\.(\d+)\.(.+)")
_RAD_DINO_IN_LAYER = {
    "norm1.": "norm1.",
    "norm2.": "norm2.",
    "attention.output.dense.": "attn.proj.",
    "attention.o_proj.": "attn.proj.",
    "layer_scale1.lambda1": "ls1.gamma",
    "layer_scale2.lambda1": "ls2.gamma",
    "mlp.fc1.": "mlp.fc1.",
    "mlp.fc2.": "mlp.fc2.",
}
# before and since version 5 of transformers, whose files have kept the first names
_RAD_DINO_PART = re.compile(r"attention\.(?:attention\.)?([qkv])(?:uery|ey|alue|_proj)\.(.+)")

_EVA_X_SCALE = Scale((0.49185243,) * 3, (0.28509309,) * 3)
_EVA_X_NETWORK: Mapping[str, Any] = {"patch_size": 16, "ref_feat_shape": (14, 14)}
_EVA_X_OF_PRETRAINING = ("mask_token", "lm_head.", "norm.")
"""What the authors' own code leaves out too: their networks have no norm after the last block."""
_EVA_X_IN_BLOCK = {"mlp.w12.": "mlp.fc1.", "mlp.w3.": "mlp.fc2."}


@dataclass(frozen=True)
class PublishedEncoder:
    """An encoder whose file is published, and the network that it is.

    Attributes:
        network: Name of the network.
        own: How the images were normalized that the weights were learned from.
        size: Edge of these images in pixels.
        licence: Licence of the weights.
        recipe: How the file is read.
        settings: What timm builds the network with, beside what it builds it with anyway.
    """

    network: str
    own: Scale
    size: int
    licence: str
    recipe: Recipe
    settings: Mapping[str, Any] = field(default_factory=dict)


def _of_xrv(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Torchxrayvision's networks are torchvision's; a ResNet is in `model`."""
    return {
        name.removeprefix("model."): value
        for name, value in state.items()
        if name != "op_threshs"  # thresholds of its findings, some NaN
    }


def of_rad_dino(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Hugging Face's names of a DINOv2 become timm's, which keeps query, key and value together.

    Raises:
        ValueError: If a block lacks one of these.
    """
    found: dict[str, Tensor] = {}
    parts: dict[str, dict[str, Tensor]] = {}
    for name, value in state.items():
        layer = _RAD_DINO_LAYER.fullmatch(name)
        if layer is None:
            if name != "embeddings.mask_token":  # of the pretraining alone
                found[_RAD_DINO_NAMES.get(name, name)] = value
            continue
        block, rest = f"blocks.{layer[1]}.", layer[2]
        part = _RAD_DINO_PART.fullmatch(rest)
        if part:
            parts.setdefault(f"{block}attn.qkv.{part[2]}", {})[part[1]] = value
        else:
            found[block + _replaced(rest, _RAD_DINO_IN_LAYER)] = value
    for name, three in parts.items():
        if three.keys() != set("qkv"):
            raise ValueError(f"must have query, key and value for {name} (got {listing(three)})")
        found[name] = torch.cat([three[part] for part in "qkv"])
    return found


def of_eva_x(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """EVA-X's names become timm's; the places of tokens are computed and not learned."""
    return {
        _replaced(name, _EVA_X_IN_BLOCK): value
        for name, value in state.items()
        if not name.startswith(_EVA_X_OF_PRETRAINING) and "rope." not in name
    }


def _replaced(name: str, names: Mapping[str, str]) -> str:
    """A name in which the first part that the map knows has become what it says."""
    for old, new in names.items():
        if old in name:
            return name.replace(old, new, 1)
    return name


def _xrv(name: str) -> PublishedEncoder:
    file = f"state dict of torchxrayvision's {name.removeprefix(_XRV)}"
    network, size = ("resnet50", 512) if name == _XRV_RESNET else ("densenet121", 224)
    return PublishedEncoder(network, _XRV_SCALE, size, _XRV_LICENCE, Recipe(file, _of_xrv))


RECIPES: Mapping[str, PublishedEncoder] = {
    **{name: _xrv(name) for name in (*_XRV_DENSENETS, _XRV_RESNET)},
    "rad-dino": PublishedEncoder(
        f"{TIMM}vit_base_patch14_dinov2",
        _RAD_DINO_SCALE,
        518,
        "mit since 2025, before that Microsoft's research licence",
        Recipe("model.safetensors of RAD-DINO, in the layout of Hugging Face", of_rad_dino),
    ),
    "eva-x-small": PublishedEncoder(
        f"{TIMM}eva02_small_patch14_224",
        _EVA_X_SCALE,
        224,
        "mit",
        Recipe("eva_x_small_patch16_merged520k_mim.pt of EVA-X", of_eva_x),
        _EVA_X_NETWORK,
    ),
}
"""The encoders, by their names."""
