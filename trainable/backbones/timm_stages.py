"""Where a network of timm is cut: where timm's own list of stages ends one.

A network whose modules run one after the other is cut as it is: ResNets, EfficientNets, ConvNeXts,
Swins and most others. Vision transformers of timm's two common kinds are cut after each quarter of
their blocks. Every other network is refused.
"""

import copy
import itertools
import math
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from trainable.backbones.layout import TensorLayout
from trainable.backbones.stage import Stage

STEM = "stem"
_QUARTERS = 4
OF_STEM = ("patch_embed", "pos_drop", "patch_drop", "norm_pre", "rope")


def stages_of(model: nn.Module) -> tuple[tuple[Stage, ...], TensorLayout]:
    """The stages of a network on the meta device, and the layout of what they give.

    Raises:
        RuntimeError: If its modules do not run one after the other.
    """
    from timm.models.eva import Eva
    from timm.models.vision_transformer import VisionTransformer

    features = type(model).forward_features  # type: ignore[attr-defined]
    if features in (VisionTransformer.forward_features, Eva.forward_features):
        if getattr(model, "rope_mixed", False):
            raise RuntimeError("its blocks share their position embedding")
        return _token_stages(model)
    return _chained_stages(model)


def _token_stages(model: Any) -> tuple[tuple[Stage, ...], TensorLayout]:
    depth, width = len(model.blocks), model.embed_dim
    ends = [round(depth * quarter / _QUARTERS) for quarter in range(_QUARTERS + 1)]
    paths = [[f"blocks.{block}" for block in range(*pair)] for pair in itertools.pairwise(ends)]
    paths[0].insert(0, STEM)
    paths[-1].append("norm")
    stages = tuple(TokenStage(modules[-1], tuple(modules), width) for modules in paths if modules)
    return stages, TensorLayout(False, model.num_prefix_tokens, model.cls_token is not None)


@dataclass(frozen=True)
class _Call:
    """A module that was run: the module that ran it, and what it took in and gave."""

    path: str
    parent: str
    taken: object
    given: object


def _chained_stages(model: Any) -> tuple[tuple[Stage, ...], TensorLayout]:
    size = model.pretrained_cfg["input_size"]
    images = torch.zeros(1, *size, device="meta")
    calls, features = _calls(model, images)
    ends = list(dict.fromkeys(info["module"] for info in model.feature_info))
    links = list(_links(calls, "", ends))
    flow: list[object] = [images, *(call.given for call in links)]
    taken: list[object] = [*(call.taken for call in links), features]
    if any(one is not other for one, other in zip(flow, taken, strict=True)):
        raise RuntimeError("its modules do not run one after the other")
    channels_last = getattr(model, "output_fmt", "") == "NHWC"
    stages: list[Stage] = []
    modules: list[str] = []
    for call in links:
        modules.append(call.path)
        if call.path in ends:
            stages.append(Stage(call.path, tuple(modules), _width(call.given, channels_last)))
            modules = []
    if modules:
        width = _width(features, channels_last)
        is_fixed = not any(list(model.get_submodule(path).parameters()) for path in modules)
        cut = stages[-1].cut if is_fixed else modules[-1]
        if width == stages[-1].width:  # a norm, or nothing that learns
            modules = [*stages.pop().modules, *modules]
        stages.append(Stage(cut, tuple(modules), width))
    return tuple(stages), TensorLayout(channels_last)


def _width(given: object, channels_last: bool) -> int:
    assert isinstance(given, Tensor)
    return given.shape[-1 if channels_last or given.ndim == 3 else 1]


def _calls(model: Any, images: Tensor) -> tuple[list[_Call], object]:
    """Every module that is run on the images, in order of its end; and the features."""
    calls: list[_Call] = []
    running = [""]
    handles = []
    for path, module in model.named_modules():
        if not path:
            continue

        def begin(_module: nn.Module, _taken: object, path: str = path) -> None:
            running.append(path)

        def end(_module: nn.Module, taken: tuple[object, ...], given: object) -> None:
            path = running.pop()
            calls.append(_Call(path, running[-1], taken[0] if len(taken) == 1 else None, given))

        handles += [module.register_forward_pre_hook(begin), module.register_forward_hook(end)]
    with torch.no_grad():
        features = model.forward_features(images)
    for handle in handles:
        handle.remove()
    return calls, features


def _links(calls: Sequence[_Call], parent: str, ends: Sequence[str]) -> Iterator[_Call]:
    """What a module runs, in order; a module with an end inside is taken apart."""
    for call in calls:
        if call.parent != parent:
            continue
        if any(end.startswith(f"{call.path}.") for end in ends):
            yield from _links(calls, call.path, ends)
        else:
            yield call


@dataclass(frozen=True)
class TokenStage(Stage):
    """Blocks of a vision transformer; the first stage also makes tokens of the images."""

    def module(self, model: nn.Module) -> nn.Sequential:
        """The stage of `model`, sharing its parameters."""
        rope = getattr(model, "rope", None)
        modules: OrderedDict[str, nn.Module] = OrderedDict()
        for path in self.modules:
            if path == STEM:
                module: nn.Module = TokenStem(model)
            else:
                module = model.get_submodule(path)
                if rope is not None and path.startswith("blocks."):
                    module = TurnedBlock(module, rope, int(model.num_prefix_tokens))  # type: ignore[arg-type]
            modules[path.replace(".", "_")] = module
        return nn.Sequential(modules)


class TokenStem(nn.Module):
    """From images to tokens: timm's network without its blocks and what follows on them."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = copy.copy(model)
        self.model._parameters = dict(model._parameters)
        self.model._buffers = dict(model._buffers)
        self.model._modules = {
            name: child if name in OF_STEM else nn.Sequential()
            for name, child in model._modules.items()
        }

    def forward(self, images: Tensor) -> Tensor:
        """Tokens (batch, tokens, channels)."""
        tokens: Tensor = self.model.forward_features(images)  # type: ignore[operator]
        return tokens


class TurnedBlock(nn.Module):
    """A block whose attention turns tokens by their place in the image, which is square."""

    def __init__(self, block: nn.Module, rope: nn.Module, prefix_tokens: int) -> None:
        super().__init__()
        self.block = block
        self.rope = copy.deepcopy(rope)  # stages share nothing
        self.prefix_tokens = prefix_tokens

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens of the same shape."""
        edge = math.isqrt(tokens.shape[1] - self.prefix_tokens)
        turned: Tensor = self.block(tokens, rope=self.rope.get_embed(shape=(edge, edge)))  # type: ignore[operator]
        return turned
