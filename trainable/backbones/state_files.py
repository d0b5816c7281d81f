"""Read the weights in a file, as training scripts leave them."""

import argparse
import re
import warnings
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from trainable.errors import listing

SUFFIXES = (".pth", ".pt", ".ckpt", ".bin", ".tar", ".safetensors")
"""Endings of files of weights."""

_SAFETENSORS = ".safetensors"
_STATE_NAMES = ("state_dict", "model_state_dict", "model_state", "model", "net", "network")
# plain data that scripts keep beside the weights; reading them runs no code of the file
_PLAIN: list[Any] = [
    argparse.Namespace,
    (np.float64(0).__reduce__()[0], "numpy.core.multiarray.scalar"),
    np.float64(0).__reduce__()[0],
    np.dtype,
    *(type(np.dtype(kind)) for kind in (np.float32, np.float64, np.int32, np.int64, np.bool_)),
]
_REFUSED = re.compile(r"Unsupported (?:global: GLOBAL|class) (\S+)")


class StateFile(NamedTuple):
    """The weights in a file.

    Attributes:
        state: Tensors by the names that the network has for them.
        remarks: What was taken off to find the state, a phrase each.
    """

    state: Mapping[str, Tensor]
    remarks: list[str]


def load_file_content(path: Path) -> object:
    """What a file of weights holds, on the CPU; no code in the file is run.

    Raises:
        ValueError: If the file is damaged, or holds a pickled model.
    """
    try:
        if path.suffix == _SAFETENSORS:
            from safetensors.torch import load_file  # training alone does without it

            return load_file(path)
        with warnings.catch_warnings(), torch.serialization.safe_globals(_PLAIN):
            # of a plain pickle, which is refused below in a sentence
            warnings.filterwarnings("ignore", "Detected pickle protocol")
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # whatever a damaged or foreign file makes the reader raise
        raise ValueError(
            f"{path} cannot be read as a state dict of tensors: {_reason(error)}"
        ) from error


def _reason(error: Exception) -> str:
    refused = _REFUSED.search(str(error))
    if refused:
        return (
            f"the file pickles Python objects ({refused[1]}), whose reading could run code; save "
            "the weights alone with torch.save(model.state_dict(), FILE)"
        )
    if "Weights only load failed" in str(error):
        return "the file is damaged, or was not written by torch.save"
    return str(error).partition("\n")[0].rstrip(".") or type(error).__name__


def find_state(content: object, path: Path, expected: Collection[str]) -> StateFile:
    """The state dict in what a file holds, without what training scripts put around it.

    A dict around the state dict is taken off, as those of Lightning and of most training scripts.
    So is a prefix that all names share, such as `module.` of DataParallel.

    Args:
        content: What the file holds.
        path: The file, for the message.
        expected: Names that the network has.

    Raises:
        ValueError: If there is no state dict, or it is not clear which one is meant.
    """
    remarks = []
    if not _is_state(content):
        name, content = _inner_state(content, path)
        remarks.append(f"the weights under {name!r} are used")
    assert isinstance(content, Mapping)
    state, prefix = _without_prefix(content, expected)
    if prefix:
        remarks.append(f"the prefix {prefix!r} of all names is left out")
    return StateFile(state, remarks)


def _is_state(content: object) -> bool:
    return isinstance(content, Mapping) and all(
        isinstance(key, str) and isinstance(value, Tensor) for key, value in content.items()
    )


def _inner_state(content: object, path: Path) -> tuple[str, Mapping[str, Tensor]]:
    entries = content if isinstance(content, Mapping) else {}
    found = {str(key): value for key, value in entries.items() if _is_state(value) and len(value)}
    named = [name for name in _STATE_NAMES if name in found] or list(found)
    if len(named) == 1 or (named and named[0] in _STATE_NAMES):
        return named[0], found[named[0]]
    if found:
        raise ValueError(
            f"{path} must hold one state dict, names to tensors; got several: {listing(found)}. "
            "Save the one to use alone"
        )
    kinds = listing((f"{key} ({type(value).__name__})" for key, value in entries.items()), 4)
    raise ValueError(
        f"{path} must hold a state dict, names to tensors; got {kinds or type(content).__name__}"
    )


def _without_prefix(
    state: Mapping[str, Tensor], expected: Collection[str]
) -> tuple[Mapping[str, Tensor], str]:
    """The state without the start that all names share, as far as the network lacks it."""
    prefix = ""
    names = list(state)
    while names and not set(names) & set(expected):
        starts = {name.partition(".")[0] for name in names}
        if len(starts) > 1 or not all("." in name for name in names):
            return state, ""
        (start,) = starts
        prefix += f"{start}."
        names = [name.removeprefix(f"{start}.") for name in names]
    return dict(zip(names, state.values(), strict=True)), prefix
