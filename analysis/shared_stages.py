"""Equal frozen stages of a team become one, so that each runs once per image for all networks."""

import functools
from collections.abc import Iterable
from hashlib import sha256

from torch import nn

from analysis.model_file import FinalModel
from trainable.features.body import folded


def share_stages(models: Iterable[FinalModel]) -> None:
    """Make equal frozen stages above equal stages one, run as they are for features."""
    known: dict[tuple[int, str], nn.Module] = {}
    content_of = functools.cache(_content)  # networks of a model have the same stages
    for network in (network for model in models for network in model.networks):
        stages: list[nn.Module] = []
        for stage in network.frozen:
            key = (id(stages[-1]) if stages else 0, content_of(stage))
            if key not in known:
                known[key] = folded(stage)
            stages.append(known[key])
        network.frozen = nn.Sequential(*stages)


def _content(stage: nn.Module) -> str:
    """Names a stage by its layers and its weights."""
    content = sha256(str(stage).encode())
    for name, tensor in stage.state_dict().items():
        content.update(name.encode())
        content.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return content.hexdigest()
