"""Where a backbone's weights come from: torchvision, files of state dicts, or a random start."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from trainable.backbones.encoder import CHEXNET_NETWORK, Encoder
from trainable.backbones.load_body import CHEXNET_LICENCE, load_body
from trainable.backbones.start import (
    LOCAL,
    TIMM,
    CheXNet,
    Files,
    Published,
    Random,
    SavedByTimm,
    Start,
    read_start,
)
from trainable.backbones.state_files import SUFFIXES
from trainable.backbones.table import BACKBONES
from trainable.backbones.timm_networks import TimmBackbone
from trainable.errors import Checks, InputError, listing
from trainable.files import hash_file

_RANDOM_SEED = 20201
_TIMM_FILES = ("model.safetensors", "pytorch_model.bin")
_TORCHVISION_WEIGHTS = "IMAGENET1K_V1"
# the first digits of the SHA-256 of the content, as PyTorch names its files
_HASH_IN_NAME = re.compile(r"-([0-9a-f]{8,})\.")
_ALL = tuple(map(Encoder, BACKBONES))


@dataclass(frozen=True)
class Weights:
    """The start of every body in a search.

    Attributes:
        start: Start of the encoders that name none themselves.
        encoders: Encoders that can be had.
        files: The state dict of each encoder; none for random weights.
        fingerprints: For each encoder, what names its weights in a key of stored features.
        notes: Remarks on how the files were understood, a sentence each.
    """

    start: Start
    encoders: tuple[Encoder, ...]
    files: Mapping[Encoder, Path] = field(default_factory=dict)
    fingerprints: Mapping[Encoder, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the encoders."""
        return tuple(map(str, self.encoders))

    def start_of(self, encoder: Encoder) -> Start:
        """Where the weights of an encoder come from."""
        return encoder.start or self.start

    def licence_of(self, encoder: Encoder) -> str:
        """Licence of the weights of an encoder, as far as it is known."""
        match self.start_of(encoder):
            case Random():
                return "none needed: random weights"
            case CheXNet():
                return CHEXNET_LICENCE
            case Published() | SavedByTimm():
                return encoder.network.licence
            case Files():
                return encoder.network.file_licence

    def build(self, encoder: Encoder, cut: str | None = None) -> nn.Module:
        """The whole torchvision network with these weights in a body until `cut`.

        The classifier keeps its random start unless the cut is behind it: a head replaces it.

        Args:
            encoder: One of the encoders.
            cut: one of its cut points; the last that is searched if None.

        Raises:
            ValueError: if the cut is behind the classifier, and the file's has another shape.
        """
        backbone, start = encoder.network, self.start_of(encoder)
        if start == Random():
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(_RANDOM_SEED)
                return backbone.build()
        model = backbone.build()
        load_body(model, backbone, self.files[encoder], cut == backbone.classifier, start)
        return model


def find_weights(start: str, wanted: Sequence[str] = (), whole: Sequence[str] = ()) -> Weights:
    """Find the weights of the wanted encoders, before anything is trained with them.

    Args:
        start: Start of the encoders that name none themselves: "imagenet", "none", "chexnet:FILE",
            or a folder of state dicts that are named after networks, as `squeezenet1_0-mine.pth`.
        wanted: Names of encoders; all backbones that can be had from `start` if empty.
        whole: Those of them whose classifier a body may keep, so that a file must have it too.

    Raises:
        InputError: if weights of a wanted encoder cannot be had or do not fit it.
    """
    checks = Checks()
    of_search, encoders = read_start(start), tuple(map(Encoder.read, wanted))
    by_start: dict[Start, list[Encoder]] = {} if wanted else {of_search: []}
    for encoder in encoders:
        try:
            _ = encoder.network
            by_start.setdefault(encoder.start or of_search, []).append(encoder)
        except ValueError as error:
            checks.add(str(error))
    parts = [
        checks.attempt(partial(_find, each, alike, [*map(Encoder.read, whole)]))
        for each, alike in by_start.items()
    ]
    checks.raise_if_any()
    return _joined(of_search, encoders, parts)


def _joined(start: Start, wanted: Sequence[Encoder], parts: Iterable[Weights | None]) -> Weights:
    """Weights that were found part by part, in the order that they were wanted in."""
    found = [part for part in parts if part is not None]
    return Weights(
        start,
        tuple(wanted) or found[0].encoders,
        {encoder: path for part in found for encoder, path in part.files.items()},
        {encoder: text for part in found for encoder, text in part.fingerprints.items()},
        tuple(note for part in found for note in part.notes),
    )


def _find(start: Start, wanted: Sequence[Encoder], whole: Sequence[Encoder]) -> Weights:
    """The weights of encoders with the same start."""
    match start:
        case Published():
            return _find_published(wanted or _ALL, whole)
        case Random():
            random = f"random {_RANDOM_SEED} torch {torch.__version__}"
            encoders = tuple(wanted or _ALL)
            return Weights(start, encoders, fingerprints=dict.fromkeys(encoders, random))
        case CheXNet():
            return _find_chexnet(start, wanted)
        case SavedByTimm():
            return _find_saved(start, wanted, whole)
        case Files(path):
            # an encoder may name one file for itself; --weights names a folder for all
            is_file = any(encoder.start for encoder in wanted) and not path.is_dir()
            return (_find_file if is_file else _find_folder)(start, wanted, whole)


def _find_published(encoders: Sequence[Encoder], whole: Sequence[Encoder]) -> Weights:
    """The weights that a network's library publishes for it."""
    checks = Checks()
    of_timm: list[Encoder] = []
    others: list[Encoder] = []
    for encoder in encoders:
        network = encoder.network
        if network.recipe:
            checks.add(
                f"{encoder} has no weights that are downloaded: give the file as {encoder}@FILE"
            )
        else:
            (of_timm if isinstance(network, TimmBackbone) else others).append(encoder)
    parts = [
        checks.attempt(lambda: _find_hub(of_timm, whole)) if of_timm else None,
        checks.attempt(lambda: _find_torchvision(others)) if others else None,
    ]
    checks.raise_if_any()
    return _joined(Published(), encoders, parts)


def _find_hub(encoders: Sequence[Encoder], whole: Sequence[Encoder]) -> Weights:
    checks = Checks()
    files: dict[Encoder, Path] = {}
    for encoder in encoders:
        backbone = encoder.network
        assert isinstance(backbone, TimmBackbone)
        try:
            files[encoder] = backbone.download()
        except (OSError, ValueError) as error:
            why = " ".join(str(error).split())
            checks.add(
                f"{encoder} needs weights, which could not be downloaded ({why}). Three ways on: "
                f"connect to the network; give a file as {encoder.name}@FILE; or start from "
                f"random weights with {encoder.name}@none, which learns far less"
            )
    return _checked(Published(), files, whole, checks)


def _find_torchvision(encoders: Sequence[Encoder]) -> Weights:
    checks = Checks()
    files: dict[Encoder, Path] = {}
    failed: dict[str, list[str]] = {}
    for encoder in encoders:
        try:
            files[encoder] = _download_torchvision(encoder.name)
        except (OSError, RuntimeError) as error:
            failed.setdefault(str(error), []).append(encoder.name)
    for why, names in failed.items():
        checks.add(
            f"--weights imagenet needs torchvision's weights of {listing(names)}, which could not "
            f"be downloaded to {_downloads()} ({why}). Three ways on: connect to the network; put "
            f"torchvision state dicts ({names[0]}*.pth) into a folder and give --weights FOLDER; "
            "or start from random weights with --weights none, which learns far less"
        )
    checks.raise_if_any()
    fingerprints = {encoder: hash_file(path) for encoder, path in files.items()}
    for encoder, path in files.items():
        published = _HASH_IN_NAME.search(path.name)
        if published and not fingerprints[encoder].startswith(published[1]):
            checks.add(
                f"a file of torchvision's weights must have the content that its name stands for; "
                f"{path} is damaged, or has other weights under this name: delete it to download "
                f"it anew, or give it as {encoder.name}@FILE under a name of its own"
            )
    checks.raise_if_any()
    return Weights(Published(), tuple(encoders), files, fingerprints)


def _downloads() -> Path:
    """PyTorch's folder of downloads."""
    return Path(torch.hub.get_dir(), "checkpoints")


def _download_torchvision(name: str) -> Path:
    """The file of torchvision's weights, downloaded if PyTorch's folder of downloads lacks it.

    Raises:
        OSError, RuntimeError: If it is not there, and cannot be downloaded.
    """
    url = torchvision_weights(name).url
    path = _downloads() / Path(url).name
    published = _HASH_IN_NAME.search(path.name)
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        hashed = published and published[1]
        torch.hub.download_url_to_file(url, str(path), hash_prefix=hashed, progress=False)
    return path


def torchvision_weights(name: str) -> Any:
    """Torchvision's entry (`url`, `meta`) for the ImageNet weights of a backbone."""
    import torchvision  # slow, see `Backbone.build`

    return torchvision.models.get_model_weights(name)[_TORCHVISION_WEIGHTS]


def _find_chexnet(start: CheXNet, wanted: Sequence[Encoder]) -> Weights:
    checks = Checks()
    others = [encoder for encoder in wanted if encoder.name != CHEXNET_NETWORK]
    if others:
        checks.add(
            f"--weights chexnet:FILE has weights of {CHEXNET_NETWORK} alone; leave out "
            f"{listing(others)}"
        )
    if not start.file.is_file():
        checks.add(
            f"--weights chexnet:FILE must name CheXNet's checkpoint; not found: {start.file}"
        )
    checks.raise_if_any()
    files = dict.fromkeys(wanted or [Encoder(CHEXNET_NETWORK)], start.file)
    return _checked(start, files, (), checks)


def _find_file(start: Files, wanted: Sequence[Encoder], whole: Sequence[Encoder]) -> Weights:
    if not start.path.exists():
        raise InputError(
            *(
                f"{encoder.name}@ must name a file of weights, a folder of them, imagenet or "
                f"none; not found: {start.path}"
                for encoder in wanted
            )
        )
    return _checked(start, dict.fromkeys(wanted, start.path), whole, Checks())


def _find_folder(start: Files, wanted: Sequence[Encoder], whole: Sequence[Encoder]) -> Weights:
    folder = start.path
    if not folder.is_dir():
        raise InputError(
            "--weights must be imagenet, none, chexnet:FILE or a folder of state dicts; not a "
            f"folder: {folder}"
        )
    files = [path for path in sorted(folder.iterdir()) if path.suffix in SUFFIXES]
    checks = Checks()
    found: dict[Encoder, Path] = {}
    for encoder in wanted or _ALL:
        # the name must end there: resnet18 is not in resnet180.pth
        name = encoder.name.rpartition("/")[2]
        fits = [p for p in files if re.match(rf"{re.escape(name)}(?![A-Za-z0-9_])", p.name)]
        if len(fits) > 1:
            checks.add(f"one file per backbone is needed in {folder}; {name} has {listing(fits)}")
        elif fits:
            found[encoder] = fits[0]
        elif wanted:
            checks.add(f"no state dict for {name} in {folder}: name the file {name}.pth")
    if not found and not checks.problems:
        checks.add(
            f"no state dict named after a backbone in {folder}, which holds {listing(files)}; "
            f"name them for example squeezenet1_0.pth. The names: {', '.join(BACKBONES)}"
        )
    return _checked(start, found, whole, checks)


def _find_saved(start: SavedByTimm, wanted: Sequence[Encoder], whole: Sequence[Encoder]) -> Weights:
    files = [path for path in sorted(start.folder.iterdir()) if path.suffix in SUFFIXES]
    # timm writes the same weights as both
    named = [path for path in files if path.name in _TIMM_FILES]
    found = named[:1] or files
    if len(found) != 1:
        raise InputError(
            f"{TIMM}{LOCAL} must name a folder with model.safetensors, or one other file of "
            f"weights; {start.folder} has {listing(found) or 'none'}"
        )
    return _checked(start, dict.fromkeys(wanted, found[0]), whole, Checks())


def _checked(
    start: Start, files: Mapping[Encoder, Path], whole: Sequence[Encoder], checks: Checks
) -> Weights:
    """The weights in these files, once each is found to fit its backbone."""
    fingerprints: dict[Encoder, str] = {}
    notes: list[str] = []
    for encoder, path in files.items():
        backbone = encoder.network
        try:
            remarks = load_body(backbone.build(), backbone, path, encoder in whole, start)
            notes.extend(f"{path.name}: {remark}" for remark in remarks)
            fingerprints[encoder] = hash_file(path)
        except ValueError as error:
            checks.add(str(error))
    checks.raise_if_any()
    return Weights(start, tuple(files), files, fingerprints, tuple(notes))
