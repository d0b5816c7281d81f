"""Load a file of weights into a network, whole, or refuse it with all that does not fit."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from trainable.backbones.backbone import Backbone
from trainable.backbones.start import CheXNet, Start
from trainable.backbones.state_files import StateFile, find_state, load_file_content
from trainable.errors import listing

CHEXNET_LICENCE = "not stated with the checkpoint"
_PREFIX = "module.densenet121."
_CLASSIFIER = {"classifier.0.weight": (14, 1024), "classifier.0.bias": (14,)}


def load_body(
    model: nn.Module, backbone: Backbone, path: Path, whole: bool, start: Start
) -> list[str]:
    """Load a state dict into a network, or refuse it.

    Args:
        model: The network, as `backbone.build` gives it.
        backbone: Backbone of the network.
        path: File of weights.
        whole: Whether the file must hold the classifier too.
        start: Where the weights come from.

    Returns:
        What was taken off to find the state dict, a phrase each.

    Raises:
        ValueError: if the file is no state dict of this backbone; nothing is skipped silently.
    """
    expected = model.state_dict()
    given, remarks = _read_state(path, start, expected)
    try:
        given = backbone.renamed(given, model)
    except ValueError as error:
        raise ValueError(f"{path} {error}") from error
    if not whole:
        heads = tuple(f"{head}." for head in backbone.heads)
        given = {key: value for key, value in given.items() if not key.startswith(heads)}
        expected = {key: value for key, value in expected.items() if not key.startswith(heads)}
    # PyTorch added this counter later; nothing that is computed here depends on it
    missing = [k for k in expected.keys() - given.keys() if not k.endswith("num_batches_tracked")]
    unknown = given.keys() - expected.keys()
    shapes = [k for k in given.keys() & expected.keys() if given[k].shape != expected[k].shape]
    if missing or unknown or shapes:
        kept = f" with its {backbone.classifier} of 1000 classes, which the cut keeps"
        raise ValueError(
            f"{path} must be {backbone.file_kind}{kept if whole else ''}; "
            f"missing: {listing(sorted(missing), 4) or 'none'}; "
            f"unknown: {listing(sorted(unknown), 4) or 'none'}; "
            f"of another shape: {listing(sorted(shapes), 4) or 'none'}"
            f"{_about_channels(given, expected, shapes)}"
        )
    broken = [key for key, value in given.items() if not torch.isfinite(value).all()]
    if broken:
        raise ValueError(
            f"{path} must hold finite numbers; NaN or infinite: {listing(sorted(broken), 4)}"
        )
    model.load_state_dict(given, strict=False)
    return remarks


def _about_channels(
    given: Mapping[str, Tensor], expected: Mapping[str, Tensor], names: Sequence[str]
) -> str:
    """A hint, if the first convolution of a file is for another number of channels."""
    for name in names:
        if given[name].ndim == expected[name].ndim == 4:
            found, needed = given[name].shape[1], expected[name].shape[1]
            if {found, needed} == {1, 3}:
                return (
                    f". The file is for images of {found} channel{'s' * (found > 1)}, and "
                    f"the network takes in {needed}: choose a backbone of as many channels"
                )
    return ""


def _read_state(path: Path, start: Start, expected: Collection[str]) -> StateFile:
    content = load_file_content(path)
    if not isinstance(start, CheXNet):
        return find_state(content, path, expected)
    try:
        return StateFile(_chexnet_state(content), [])
    except ValueError as error:
        raise ValueError(f"{path} {error}") from error


def _chexnet_state(checkpoint: object) -> dict[str, Tensor]:
    """The weights of the body in the public checkpoint of CheXNet, a DenseNet-121 of chest X-rays.

    They have torchvision's names but for `norm.1`, which is `norm1` there.

    The classifier of the 14 findings must be there, and is left out: a head replaces it. What the
    checkpoint holds beside its `state_dict` (epoch, optimizer) is nothing of the network.

    Raises:
        ValueError: if it is no checkpoint of CheXNet.
    """
    state = checkpoint.get("state_dict") if isinstance(checkpoint, Mapping) else None
    if not isinstance(state, Mapping):
        raise ValueError("must hold a checkpoint with a state_dict, as CheXNet's does")
    named = {
        key.removeprefix(_PREFIX): value
        for key, value in state.items()
        if isinstance(key, str) and key.startswith(_PREFIX) and isinstance(value, Tensor)
    }
    if len(named) < len(state):
        foreign = [key for key in state if str(key).removeprefix(_PREFIX) not in named]
        raise ValueError(
            f"must hold only tensors whose names begin with {_PREFIX}, as in CheXNet "
            f"(got {listing(foreign, 4)})"
        )
    found = {key: tuple(value.shape) for key, value in named.items() if key.startswith("class")}
    if found != _CLASSIFIER:
        raise ValueError(f"must hold CheXNet's classifier, {_CLASSIFIER} (got {found or 'none'})")
    return {key: value for key, value in named.items() if key not in _CLASSIFIER}
