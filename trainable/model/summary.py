"""`cxr-model`: list the backbones with their cut points, or print one network layer by layer."""

import argparse
import sys
from collections.abc import Iterator

import pandas as pd
import torch
from pydantic import ValidationError
from torch import Tensor, nn

from trainable.backbones.table import BACKBONES, find_backbone
from trainable.config import TrialConfig
from trainable.errors import explain, flag
from trainable.model.network import ConcatPool, Network, build_network, count_parameters
from trainable.unfreeze import count_trained


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="cxr-model", description=__doc__)
    parser.add_argument("backbone", nargs="?", help="torchvision's name; without it all are listed")
    parser.add_argument(
        "--cut",
        help="cut point that the body ends at, the last one that is listed if not given; also such "
        "as features.denseblock2.denselayer6 (DenseNet-121) and classifier (SqueezeNet)",
    )
    parser.add_argument("--unfreeze", default="0", help="last stages to train: a number, or all")
    parser.add_argument("--head", default="fastai", help="fastai (if not given) or plain")
    parser.add_argument(
        "--head-layers", default="512", help="units of its hidden layers: 512, or 256,64, or none"
    )
    parser.add_argument("--image-size", type=int, default=320, help="edge in pixels (320)")
    options = parser.parse_args()
    if options.backbone is None:
        print(backbone_table().to_string(index=False))
        return
    try:
        if options.image_size < 32:
            raise ValueError(f"--image-size must be at least 32; got {options.image_size}")
        network = _build(
            options.backbone, options.cut, options.unfreeze, options.head, options.head_layers
        )
    except ValidationError as error:
        sys.exit("\n".join(f"cxr-model: {sentence}" for sentence in explain(error, flag)))
    except ValueError as error:
        sys.exit(f"cxr-model: {error}")
    print(layer_table(network, options.image_size).to_string(index=False))
    count = count_parameters(network)
    print(f"\ntotal parameters  {count.total:>12,}")
    print(f"trainable         {count.trainable:>12,}")
    print(f"frozen            {count.frozen:>12,}")


def _build(name: str, cut: str | None, unfreeze: str, head: str, head_layers: str) -> Network:
    backbone = find_backbone(name)
    stages = backbone.stages_until(cut or backbone.cuts[-1])
    if unfreeze != "all" and not unfreeze.isdecimal():
        raise ValueError(f"--unfreeze must be a number of stages, or all; got {unfreeze!r}")
    if unfreeze.isdecimal() and int(unfreeze) > len(stages):
        raise ValueError(
            f"--unfreeze must be at most the {len(stages)} stages until the cut; got {unfreeze}"
        )
    num_trained = count_trained(int(unfreeze) if unfreeze.isdecimal() else unfreeze, len(stages))
    settings = {"cut": stages[-1].cut, "unfreeze": num_trained, "head": head}
    settings |= {"backbone": name, "head_layers": head_layers}
    return build_network(backbone.build(), TrialConfig.model_validate(settings))


def backbone_table() -> pd.DataFrame:
    """One row a backbone: parameters of its body, and its cut points with their channels."""
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


def layer_table(network: Network, image_size: int) -> pd.DataFrame:
    """One row a layer, in order of execution: its kind, output shape for one image, parameters."""
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
        network.eval()(torch.zeros(1, 3, image_size, image_size))
    for handle in handles:
        handle.remove()
    return pd.DataFrame(rows)


def _layers(network: Network) -> Iterator[tuple[str, nn.Module]]:
    for name, module in network.named_modules():
        if isinstance(module, ConcatPool) or not any(module.children()):
            yield name, module


if __name__ == "__main__":
    main()
