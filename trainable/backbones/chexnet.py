"""The public CheXNet checkpoint: a DenseNet-121 of chest X-rays under names of its own."""

from collections.abc import Mapping

from torch import Tensor

from trainable.errors import listing

LICENCE = "not stated with the checkpoint"
_PREFIX = "module.densenet121."
_CLASSIFIER = {"classifier.0.weight": (14, 1024), "classifier.0.bias": (14,)}


def body_state(checkpoint: object) -> dict[str, Tensor]:
    """The weights of the body, under torchvision's names but for `norm.1`, which is `norm1` there.

    The classifier of the 14 findings must be there, and is left out: a head replaces it. What the
    checkpoint holds beside its `state_dict` (epoch, optimizer) is nothing of the network.

    Args:
        checkpoint: as it was read from the file.

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
