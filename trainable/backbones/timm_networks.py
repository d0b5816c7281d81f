"""timm's networks as backbones: found by name or in a folder, built, and downloaded."""

import contextlib
import functools
import inspect
import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from trainable.backbones.backbone import Backbone
from trainable.backbones.start import LOCAL, TIMM
from trainable.backbones.timm_stages import OF_STEM, STEM, stages_of
from trainable.images.scale import Scale


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
            if arguments != settings:
                model = _build(network, arguments)
            stages, layout = stages_of(model.eval())
    except RuntimeError as error:
        raise ValueError(f"{network} cannot be built or cut into stages ({error})") from error
    config: Mapping[str, Any] = model.pretrained_cfg  # type: ignore[assignment]
    channels, *_, size = config["input_size"]
    used = {path.partition(".")[0] for stage in stages for path in stage.modules}
    used |= set(OF_STEM) if STEM in stages[0].modules else set()
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
