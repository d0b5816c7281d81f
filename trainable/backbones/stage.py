"""A stage: the modules of a network between two of its cut points."""

from collections import OrderedDict
from dataclasses import dataclass
from itertools import islice
from typing import Any

from torch import nn


@dataclass(frozen=True)
class Stage:
    """Consecutive modules of a network; a body can be cut after the last of them.

    Attributes:
        cut: Name of the cut point, the path in the network of the module that it follows.
        modules: Paths of the stage's modules, in order of execution.
        width: Channels of the stage's output.
        relu: Whether torchvision applies a ReLU after the last module without a module for it.
        layers: How many layers of the last module, a dense block, are kept; None for all.
    """

    cut: str
    modules: tuple[str, ...]
    width: int
    relu: bool = False
    layers: int | None = None

    def holds(self, cut: str) -> bool:
        """Whether a cut point is the end of this stage, or of a layer in its last module."""
        return f"{cut}.".startswith(f"{self.cut}.")

    def module(self, model: nn.Module) -> nn.Sequential:
        """The stage of `model`, sharing its parameters."""
        modules = {path.replace(".", "_"): model.get_submodule(path) for path in self.modules}
        if self.layers:
            name, block = modules.popitem()
            modules[name] = _truncated(block, self.layers)
        if self.relu:
            modules["relu"] = nn.ReLU(inplace=True)
        stage = nn.Sequential(OrderedDict(modules))
        _keep_input(stage)
        return stage


def _keep_input(stage: nn.Module) -> None:
    """Let a stage leave what it takes in as it is: others may need that, too."""
    for module in stage.modules():
        if next(module.parameters(recurse=False), None) is not None:
            break
        if hasattr(module, "inplace"):
            module.inplace = False  # type: ignore[assignment]


def _truncated(block: Any, num_layers: int) -> nn.Module:
    """The first layers of a dense block, in a block of torchvision's without layers of its own."""
    kept: nn.ModuleDict = type(block)(0, 0, 0, 0, 0.0)
    kept.update(dict(islice(block.items(), num_layers)))
    return kept
