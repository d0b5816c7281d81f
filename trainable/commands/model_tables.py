"""Tables of the backbones with their cut points, and of one network layer by layer."""

import contextlib
from collections.abc import Iterator

import pandas as pd
import torch
from torch import Tensor, nn

from trainable.backbones.backbone import RGB
from trainable.backbones.encoder import CHEXNET_NETWORK, Encoder, find_backbone
from trainable.backbones.layout import count_trained, read_unfreeze
from trainable.backbones.load_body import CHEXNET_LICENCE
from trainable.backbones.recipes import RECIPES
from trainable.backbones.table import BACKBONES
from trainable.backbones.timm_networks import published_by_timm
from trainable.config import TrialConfig
from trainable.errors import InputError
from trainable.images.batches import Batch
from trainable.model.network import ConcatPool, Network, count_parameters
from trainable.trial.cross_validation import build_network


def chosen_network(
    name: str, cut: str | None, unfreeze: str, head: str, head_layers: str
) -> Network:
    """Build the network that the options of `cxr-model` describe.

    Raises:
        InputError: naming an unknown backbone or cut point, or stages that do not exist.
        ValidationError: naming wrong settings of the head.
    """
    try:
        backbone = Encoder.read(name).network
        stages = backbone.stages_until(cut or backbone.cuts[-1])
    except ValueError as error:
        raise InputError(str(error)) from error
    try:
        asked = read_unfreeze(unfreeze)
    except ValueError as error:
        raise InputError(f"--unfreeze {error}") from error
    num_trained = count_trained(asked, len(stages))
    if asked not in (num_trained, "all"):
        raise InputError(
            f"--unfreeze must be at most {len(stages)}, the number of stages up to the cut "
            f"(got {unfreeze})"
        )
    settings = {"cut": cut or stages[-1].cut, "unfreeze": num_trained, "head": head}
    settings |= {"backbone": name, "head_layers": head_layers, "normalization": "own"}
    return build_network(backbone.build(), TrialConfig.model_validate(settings))


def backbone_table() -> pd.DataFrame:
    """One row per backbone: parameters of its body, and its cut points with their channels."""
    rows = []
    for name, backbone in BACKBONES.items():
        body = nn.Sequential(*backbone.body(backbone.build(), backbone.cuts[-1]))
        total = f"{count_parameters(body).total:,}"
        cuts = {
            f"cut point {number}": f"{stage.cut} ({stage.width})"
            for number, stage in enumerate(backbone.stages, start=1)
        }
        rows.append({"backbone": name, "body": total, **cuts})
    return pd.DataFrame(rows)


def encoder_lines(part: str = "") -> Iterator[str]:
    """Each encoder of every source with this part in its name, and what is known of its weights."""
    found = [(name, one.size, one.licence) for name, one in BACKBONES.items()]
    found.append(("chexnet@FILE", BACKBONES[CHEXNET_NETWORK].size, CHEXNET_LICENCE))
    for name in RECIPES:
        with contextlib.suppress(ValueError):  # timm is an extra
            recipe = find_backbone(name)
            found.append((f"{name}@FILE", recipe.size, recipe.licence))
    with contextlib.suppress(ValueError):
        found += published_by_timm()
    named = [one for one in found if part in one[0]]
    if not named:
        yield f"no encoder has {part!r} in its name"
        return
    width = max(len(name) for name, _, _ in named)
    yield f"{'encoder':{width}}    px  licence of its published weights"
    yield from (f"{name:{width}}  {size:4}  {licence}" for name, size, licence in named)


def describe_wants(name: str) -> str:
    """What the weights that a library publishes for a network were learned from; their licence."""
    backbone = Encoder.read(name).network
    mean, std = (", ".join(f"{value:.3g}" for value in values) for values in backbone.own)
    return (
        f"published weights: images of {backbone.size} px and {backbone.channels} "
        f"channel{'s' * (backbone.channels > 1)}, mean {mean}, standard deviation {std}; "
        f"licence {backbone.licence}"
    )


def layer_table(network: Network, image_size: int, channels: int = RGB) -> pd.DataFrame:
    """One row per layer, in order of execution: kind, output shape for one image, parameters."""
    rows: list[dict[str, str]] = []
    handles = []
    for name, module in _layers(network):

        def note(layer: nn.Module, _inputs: object, output: Tensor, name: str = name) -> None:
            count = count_parameters(layer)
            rows.append(
                {
                    "layer": name,
                    "kind": type(layer).__name__,
                    "output": " x ".join(map(str, output.shape[1:])),
                    "parameters": f"{count.total:,}",
                    "trained": "" if not count.total else "yes" if count.trainable else "no",
                }
            )

        handles.append(module.register_forward_hook(note))
    with torch.inference_mode():
        network.eval()(Batch(torch.zeros(1, channels, image_size, image_size)))
    for handle in handles:
        handle.remove()
    return pd.DataFrame(rows)


def _layers(network: Network) -> Iterator[tuple[str, nn.Module]]:
    for name, module in network.named_modules():
        if isinstance(module, ConcatPool) or not any(module.children()):
            yield name, module
