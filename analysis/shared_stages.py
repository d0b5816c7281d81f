"""Frozen stages are run as they are for features, and those that networks share once per image."""

from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import Any

from torch import Tensor, nn

from analysis.model_file import FinalModel
from trainable.errors import num_of
from trainable.features.body import folded
from trainable.model.network import Network


class SharedStage(nn.Module):
    """A frozen stage that remembers its last output, for the next network with the same input.

    Attributes:
        stage: The stage, with batch norm folded into its convolutions.
    """

    def __init__(self, stage: nn.Module) -> None:
        super().__init__()
        self.stage = stage
        # in a list of its own, since a module that is exported must not be assigned tensors
        self._last: list[Tensor] = []

    def __getstate__(self) -> dict[str, Any]:
        """All but the last batch, which no other process needs."""
        return {**self.__dict__, "_last": []}

    def forward(self, maps: Tensor) -> Tensor:
        """Run the stage, unless its last input was this very tensor."""
        if not self._last or maps is not self._last[0]:
            self._last[:] = maps, self.stage(maps)
        return self._last[1]


def share_stages(models: Iterable[FinalModel]) -> None:
    """Make equal frozen stages above equal stages one `SharedStage` in all networks."""
    known: dict[tuple[int, str], SharedStage] = {}
    for network in (network for model in models for network in model.networks):
        stages: list[SharedStage] = []
        for stage in network.frozen:
            key = (id(stages[-1]) if stages else 0, _content(stage))
            if key not in known:
                known[key] = SharedStage(folded(stage))
            stages.append(known[key])
        network.frozen = nn.Sequential(*stages)


def describe_cost(models: Sequence[FinalModel]) -> str:
    """Cost of the prediction of one image, after `share_stages`."""
    chains = {
        (model.preprocessing, _chain(network)) for model in models for network in model.networks
    }
    longest = [
        (seen_as, chain)
        for seen_as, chain in chains
        if not any(
            seen_as == other and chain == longer[: len(chain)] and chain != longer
            for other, longer in chains
        )
    ]
    num_trained = sum(len(network.trained) > 0 for model in models for network in model.networks)
    trained = f", and {num_trained} of trained stages" if num_trained else ""
    passes = num_of(len(longest), "forward pass", "forward passes")
    return f"cost per image: {passes} of frozen stages{trained}"


def _chain(network: Network) -> tuple[int, ...]:
    return tuple(id(stage) for stage in network.frozen)


def _content(stage: nn.Module) -> str:
    """Names a stage by its layers and its weights."""
    content = sha256(str(stage).encode())
    for name, tensor in stage.state_dict().items():
        content.update(name.encode())
        content.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return content.hexdigest()
