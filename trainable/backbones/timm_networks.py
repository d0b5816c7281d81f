"""timm's networks as sequences of stages, cut where timm's own list of stages ends one.

A network whose modules run one after the other is cut as it is: ResNets, EfficientNets, ConvNeXts,
Swins and most others. Vision transformers of timm's two common kinds are cut after each quarter of
their blocks. Every other network is refused.
"""

import contextlib
import copy
import functools
import inspect
import itertools
import json
import math
import sys
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from trainable.backbones.backbone import Backbone, Stage
from trainable.backbones.encoders import LOCAL, TIMM
from trainable.backbones.layout import Layout
from trainable.images.normalization import Scale

_STEM = "stem"
_QUARTERS = 4
_OF_STEM = ("patch_embed", "pos_drop", "patch_drop", "norm_pre", "rope")


@dataclass(frozen=True)
class TimmBackbone(Backbone):
    """A network of timm.

    Attributes:
        arguments: What timm builds the network with.
        beside: Children of the network that no body has.
        hub: Name of the weights in the Hugging Face hub, and of their file there.
    """

    arguments: tuple[tuple[str, Any], ...] = ()
    beside: tuple[str, ...] = ()
    hub: tuple[str, str] | None = None

    @property
    def heads(self) -> tuple[str, ...]:
        """Children of the network that no body has."""
        return self.beside

    @property
    def libraries(self) -> tuple[str, ...]:
        """Packages whose version decides what the network computes."""
        return ("timm",)

    def build(self) -> nn.Module:
        """The whole network, its weights random."""
        return _build(self.model, dict(self.arguments))

    def takes_in(self, size: int) -> bool:
        """Whether the network takes in square images of this edge, found without computing."""
        with torch.device("meta"):
            maps = torch.zeros(1, self.channels, size, size)
            model = self.build().eval()
        try:
            with torch.no_grad():
                for stage in self.stages:
                    maps = stage.module(model)(maps)
        except (AssertionError, RuntimeError, ValueError):  # by which networks refuse a size
            return False
        return True

    def converted(self, state: Mapping[str, Tensor], model: nn.Module) -> Mapping[str, Tensor]:
        """The weights in a file under timm's names, by timm's own rules for this network.

        Raises:
            ValueError: If these rules do not fit the file.
        """
        convert = getattr(sys.modules[type(model).__module__], "checkpoint_filter_fn", None)
        if convert is None:
            return super().converted(state, model)
        try:
            found: dict[str, Tensor] = convert(dict(state), model)
        except Exception as error:  # whatever the file of another network makes timm raise
            raise ValueError(f"must hold weights of {self.name} (timm: {error!r})") from error
        return found

    def download(self) -> Path:
        """The file of the network's own weights, from the hub or its folder on this machine.

        Raises:
            ValueError: If timm knows of none.
            OSError: If the hub cannot be reached, and the file is not here.
        """
        if self.hub is None:
            raise ValueError("timm names no weights in a hub")
        from huggingface_hub import hf_hub_download  # with timm; slow to import

        return Path(hf_hub_download(*self.hub))


@dataclass(frozen=True)
class TokenStage(Stage):
    """Blocks of a vision transformer; the first stage also makes tokens of the images."""

    def module(self, model: nn.Module) -> nn.Sequential:
        """The stage of `model`, sharing its parameters."""
        rope = getattr(model, "rope", None)
        modules: OrderedDict[str, nn.Module] = OrderedDict()
        for path in self.modules:
            if path == _STEM:
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
            name: child if name in _OF_STEM else nn.Sequential()
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


def find_timm(network: str) -> TimmBackbone | None:
    """The backbone of one of timm's networks, such as `timm/resnet18`; None if it has none.

    Raises:
        ValueError: If timm is not installed, a folder holds no network, or it cannot be cut into
            stages.
    """
    timm, name = _timm(), network.removeprefix(TIMM)
    if not name.startswith(LOCAL):
        return cut_timm(network) if timm.is_model(name) else None
    file = Path(name.removeprefix(LOCAL), "config.json")
    if not file.is_file():
        raise ValueError(
            f"{TIMM}{LOCAL} must name a folder with config.json and weights, as timm saves a "
            f"network; not found: {file}"
        )
    try:
        return cut_timm(network)
    except (KeyError, TypeError, AttributeError, json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(
            f"{file} must describe a network as timm writes it (timm: {error!r})"
        ) from error


@functools.cache
def cut_timm(network: str, **settings: Any) -> TimmBackbone:
    """A network of timm, which is built with these settings, as a backbone.

    Raises:
        ValueError: If timm is not installed, or the network cannot be cut into stages.
    """
    try:
        with torch.device("meta"):  # neither time nor memory for the weights
            model = _build(network, settings)
            arguments = {**settings, **_arguments(model)}
            model = _build(network, arguments).eval()
            stages, layout = _stages(model)
    except RuntimeError as error:
        raise ValueError(f"{network} cannot be built or cut into stages ({error})") from error
    config: Mapping[str, Any] = model.pretrained_cfg  # type: ignore[assignment]
    channels, *_, size = config["input_size"]
    used = {path.partition(".")[0] for stage in stages for path in stage.modules}
    used |= set(_OF_STEM) if _STEM in stages[0].modules else set()
    beside = tuple(child for child, _ in model.named_children() if child not in used)
    file = config.get("hf_hub_filename") or "model.safetensors"
    return TimmBackbone(
        network,
        stages,
        beside[-1] if beside else "",
        layout=layout,
        own=Scale(tuple(config["mean"])[:channels], tuple(config["std"])[:channels]),
        size=size,
        licence=str(config.get("license") or "unknown"),
        model=network,
        arguments=tuple(arguments.items()),
        beside=beside,
        hub=(config["hf_hub_id"], file) if config.get("hf_hub_id") else None,
    )


def timm_names() -> Iterator[str]:
    """Names of timm's networks; none if it is not installed."""
    with contextlib.suppress(ValueError):
        yield from (f"{TIMM}{name}" for name in _timm().list_models())


def published_by_timm() -> Iterator[tuple[str, int, str]]:
    """Each network of timm with weights: its name, the edge of their images, and their licence.

    Raises:
        ValueError: If timm is not installed.
    """
    timm = _timm()
    for name in timm.list_models(pretrained=True):
        config = timm.get_pretrained_cfg(name)
        yield f"{TIMM}{name}", config.input_size[-1], config.license or "unknown"


def _timm() -> Any:
    try:
        import timm  # an extra, and slow to import
    except ImportError as error:
        raise ValueError(
            "networks of timm, rad-dino and eva-x-small need timm, which is not installed: run "
            "`uv sync --extra timm`"
        ) from error
    return timm


def _build(network: str, arguments: Mapping[str, Any]) -> nn.Module:
    model: nn.Module = _timm().create_model(network.removeprefix(TIMM), **arguments)
    return model


def _arguments(model: nn.Module) -> dict[str, Any]:
    """Lets a network take in images of any size, if it can."""
    known = inspect.signature(type(model).__init__).parameters
    if "dynamic_img_size" in known:
        return {name: True for name in ("dynamic_img_size", "dynamic_img_pad") if name in known}
    return {"strict_img_size": False} if "strict_img_size" in known else {}


def _stages(model: nn.Module) -> tuple[tuple[Stage, ...], Layout]:
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


def _token_stages(model: Any) -> tuple[tuple[Stage, ...], Layout]:
    depth, width = len(model.blocks), model.embed_dim
    ends = [round(depth * quarter / _QUARTERS) for quarter in range(_QUARTERS + 1)]
    paths = [[f"blocks.{block}" for block in range(*pair)] for pair in itertools.pairwise(ends)]
    paths[0].insert(0, _STEM)
    paths[-1].append("norm")
    stages = tuple(TokenStage(modules[-1], tuple(modules), width) for modules in paths if modules)
    return stages, Layout(False, model.num_prefix_tokens, model.cls_token is not None)


@dataclass(frozen=True)
class _Call:
    """A module that was run: the module that ran it, and what it took in and gave."""

    path: str
    parent: str
    taken: object
    given: object


def _chained_stages(model: Any) -> tuple[tuple[Stage, ...], Layout]:
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
    return tuple(stages), Layout(channels_last)


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
