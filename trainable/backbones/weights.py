"""Where a backbone's weights come from: torchvision, files of state dicts, or a random start."""

import pickle
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from trainable.backbones import chexnet
from trainable.backbones.encoders import (
    CHEXNET,
    CHEXNET_NETWORK,
    IMAGENET,
    LOCAL,
    NONE,
    TIMM,
    network_of,
    own_start,
)
from trainable.backbones.find import find_backbone
from trainable.backbones.load_body import load_body
from trainable.backbones.state_files import SUFFIXES
from trainable.backbones.table import BACKBONES
from trainable.backbones.timm_networks import TimmBackbone
from trainable.errors import Checks, InputError, listing
from trainable.files import hash_file

_RANDOM_SEED = 20201
_TIMM_FILES = ("model.safetensors", "pytorch_model.bin")
_TORCHVISION_WEIGHTS = "IMAGENET1K_V1"


@dataclass(frozen=True)
class Weights:
    """The start of every body in a search.

    Attributes:
        kind: Weights of the encoders that name none themselves: "imagenet" (torchvision's
            IMAGENET1K_V1, the weights of the source documents), "none" (random, the same in every
            process), "chexnet:" with its file, or a folder of files.
        backbones: Encoders that can be had, as they are named in a trial.
        files: The state dict of each encoder; none for random weights.
        fingerprints: For each encoder, what names its weights in a key of stored features.
        notes: Remarks on how the files were understood, a sentence each.
    """

    kind: str
    backbones: tuple[str, ...]
    files: Mapping[str, Path] = field(default_factory=dict)
    fingerprints: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def start_of(self, name: str) -> str:
        """Where the weights of an encoder come from, as `kind` says it."""
        return own_start(name) or self.kind

    def licence_of(self, name: str) -> str:
        """Licence of the weights of an encoder, as far as it is known."""
        start = self.start_of(name)
        if start == NONE:
            return "none needed: random weights"
        if start.startswith(CHEXNET):
            return chexnet.LICENCE
        backbone = find_backbone(name)
        is_published = start == IMAGENET or start.startswith(LOCAL)
        return backbone.licence if is_published else backbone.file_licence

    def build(self, name: str, cut: str | None = None) -> nn.Module:
        """The whole torchvision network with these weights in a body until `cut`.

        The classifier keeps its random start unless the cut is behind it: a head replaces it.

        Args:
            name: Name of the encoder.
            cut: one of its cut points; the last that is searched if None.

        Raises:
            ValueError: if the cut is behind the classifier, and the file's has another shape.
        """
        backbone, start = find_backbone(name), self.start_of(name)
        if start == NONE:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(_RANDOM_SEED)
                return backbone.build()
        model = backbone.build()
        load_body(model, backbone, self.files[name], cut == backbone.classifier, start)
        return model


def find_weights(kind: str, wanted: Sequence[str] = (), whole: Sequence[str] = ()) -> Weights:
    """Find the weights of the wanted encoders, before anything is trained with them.

    Args:
        kind: Start of the encoders that name none themselves: "imagenet", "none", "chexnet:FILE",
            or a folder of torchvision-named state dicts such as `squeezenet1_0-mine.pth`.
        wanted: Names of encoders; all backbones that can be had from `kind` if empty.
        whole: Those of them whose classifier a body may keep, so that a file must have it too.

    Raises:
        InputError: if weights of a wanted encoder cannot be had or do not fit it.
    """
    checks = Checks()
    by_start: dict[str, list[str]] = {}
    for name in wanted:
        try:
            find_backbone(name)
            by_start.setdefault(own_start(name) or kind, []).append(name)
        except ValueError as error:
            checks.add(str(error))
    parts = [
        checks.attempt(partial(_find, start, names, whole))
        for start, names in (by_start if wanted else {kind: []}).items()
    ]
    checks.raise_if_any()
    found = [part for part in parts if part is not None]
    return Weights(
        kind,
        tuple(wanted) or found[0].backbones,
        {name: path for part in found for name, path in part.files.items()},
        {name: text for part in found for name, text in part.fingerprints.items()},
        tuple(note for part in found for note in part.notes),
    )


def _find(start: str, wanted: Sequence[str], whole: Sequence[str]) -> Weights:
    """The weights of encoders with the same start."""
    if start == IMAGENET:
        return _find_pretrained(wanted or tuple(BACKBONES), whole)
    if start == NONE:
        names = tuple(wanted or BACKBONES)
        random = f"random {_RANDOM_SEED} torch {torch.__version__}"
        return Weights(NONE, names, fingerprints=dict.fromkeys(names, random))
    if start.startswith(CHEXNET):
        return _find_chexnet(Path(start.removeprefix(CHEXNET)).expanduser().resolve(), wanted)
    if start.startswith(LOCAL):
        return _find_local(start, wanted, whole)
    path = Path(start).expanduser().resolve()
    if all(own_start(name) is None for name in wanted) or path.is_dir():
        return _find_folder(path, wanted, whole)
    if not path.exists():
        raise InputError(
            *(
                f"{network_of(name)}@ must name a file of weights, a folder of them, imagenet or "
                f"none; not found: {path}" for name in wanted
            )
        )  # fmt: skip
    return _checked(start, dict.fromkeys(wanted, path), whole, Checks())


def _find_pretrained(names: Sequence[str], whole: Sequence[str]) -> Weights:
    """The weights that a network's library publishes for it."""
    checks = Checks()
    published = [name for name in names if not find_backbone(name).recipe]
    for name in names:
        if name not in published:
            checks.add(f"{name} has no weights that are downloaded: give the file as {name}@FILE")
    of_timm = [name for name in published if name.startswith(TIMM)]
    others = [name for name in published if name not in of_timm]
    parts = [
        checks.attempt(lambda: _find_hub(of_timm, whole)) if of_timm else None,
        checks.attempt(lambda: _find_imagenet(others)) if others else None,
    ]
    checks.raise_if_any()
    found = [part for part in parts if part is not None]
    files = {name: path for part in found for name, path in part.files.items()}
    prints = {name: text for part in found for name, text in part.fingerprints.items()}
    return Weights(IMAGENET, tuple(names), files, prints)


def _find_hub(names: Sequence[str], whole: Sequence[str]) -> Weights:
    checks = Checks()
    files: dict[str, Path] = {}
    for name in names:
        backbone = find_backbone(name)
        assert isinstance(backbone, TimmBackbone)
        try:
            files[name] = backbone.download()
        except (OSError, ValueError) as error:
            why = " ".join(str(error).split())
            checks.add(
                f"{name} needs weights, which could not be downloaded ({why}). Three ways on: "
                f"connect to the network; give a file as {network_of(name)}@FILE; or start from "
                f"random weights with {network_of(name)}@none, which learns far less"
            )
    return _checked(IMAGENET, files, whole, checks)


def _find_imagenet(names: Sequence[str]) -> Weights:
    folder = Path(torch.hub.get_dir(), "checkpoints")
    for network in map(network_of, names):
        try:
            # downloads it into the folder if it is not there
            torchvision_weights(network).get_state_dict(progress=False, check_hash=True)
        except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
            raise InputError(
                f"--weights imagenet needs torchvision's weights of {network}, which could not be "
                f"downloaded to {folder} and read from there ({error}). Three ways on: connect "
                f"to the network; put torchvision state dicts ({network}*.pth) into a folder and "
                "give --weights FOLDER; or start from random weights with --weights none, "
                "which learns far less"
            ) from error
    fingerprints = {name: torchvision_weights(network_of(name)).url for name in names}
    files = {name: folder / Path(url).name for name, url in fingerprints.items()}
    return Weights(IMAGENET, tuple(names), files, fingerprints)


def torchvision_weights(name: str) -> Any:
    """Torchvision's entry (`url`, `meta`) for the ImageNet weights of a backbone."""
    import torchvision  # slow, see `Backbone.build`

    return torchvision.models.get_model_weights(name)[_TORCHVISION_WEIGHTS]


def _find_chexnet(file: Path, wanted: Sequence[str]) -> Weights:
    checks = Checks()
    others = [name for name in wanted if network_of(name) != CHEXNET_NETWORK]
    if others:
        checks.add(
            f"--weights chexnet:FILE has weights of {CHEXNET_NETWORK} alone; leave out "
            f"{listing(others)}"
        )
    if not file.is_file():
        checks.add(f"--weights chexnet:FILE must name CheXNet's checkpoint; not found: {file}")
    checks.raise_if_any()
    files = dict.fromkeys(wanted or [CHEXNET_NETWORK], file)
    return _checked(f"{CHEXNET}{file}", files, (), checks)


def _find_folder(folder: Path, wanted: Sequence[str], whole: Sequence[str]) -> Weights:
    if not folder.is_dir():
        raise InputError(
            "--weights must be imagenet, none, chexnet:FILE or a folder of state dicts; not a "
            f"folder: {folder}"
        )
    files = [path for path in sorted(folder.iterdir()) if path.suffix in SUFFIXES]
    checks = Checks()
    found: dict[str, Path] = {}
    for name in wanted or BACKBONES:
        # the name must end there: resnet18 is not in resnet180.pth
        network = network_of(name).rpartition("/")[2]
        fits = [p for p in files if re.match(rf"{re.escape(network)}(?![A-Za-z0-9_])", p.name)]
        if len(fits) > 1:
            checks.add(
                f"one file per backbone is needed in {folder}; {network} has {listing(fits)}"
            )
        elif fits:
            found[name] = fits[0]
        elif wanted:
            checks.add(f"no state dict for {network} in {folder}: name the file {network}.pth")
    if not found and not checks.problems:
        checks.add(
            f"no state dict named after a backbone in {folder}, which holds {listing(files)}; "
            f"name them for example squeezenet1_0.pth. The names: {', '.join(BACKBONES)}"
        )
    return _checked(str(folder), found, whole, checks)


def _find_local(start: str, wanted: Sequence[str], whole: Sequence[str]) -> Weights:
    """The weights beside the config.json of a network that timm has saved."""
    folder, checks = Path(start.removeprefix(LOCAL)).expanduser().resolve(), Checks()
    files = [path for path in sorted(folder.iterdir()) if path.suffix in SUFFIXES]
    # timm writes the same weights as both
    named = [path for path in files if path.name in _TIMM_FILES]
    found = named[:1] or files
    if len(found) != 1:
        checks.add(
            f"{TIMM}{LOCAL} must name a folder with model.safetensors, or one other file of "
            f"weights; {folder} has {listing(found) or 'none'}"
        )
    checks.raise_if_any()
    return _checked(start, dict.fromkeys(wanted, found[0]), whole, checks)


def _checked(kind: str, files: Mapping[str, Path], whole: Sequence[str], checks: Checks) -> Weights:
    """The weights in these files, once each is found to fit its backbone."""
    fingerprints: dict[str, str] = {}
    notes: list[str] = []
    for name, path in files.items():
        backbone = find_backbone(name)
        try:
            remarks = load_body(backbone.build(), backbone, path, name in whole, kind)
            notes.extend(f"{path.name}: {remark}" for remark in remarks)
            fingerprints[name] = hash_file(path)
        except ValueError as error:
            checks.add(str(error))
    checks.raise_if_any()
    return Weights(kind, tuple(files), files, fingerprints, tuple(notes))
