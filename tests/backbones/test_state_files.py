"""Weights as training scripts leave them are found, and what was around them is told."""

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from fixtures.networks import save_state
from safetensors.torch import save_file
from torch import Tensor

from trainable.backbones.encoder import Encoder, find_backbone
from trainable.backbones.weights import Weights, find_weights

State = dict[str, Tensor]
NAME = "squeezenet1_0"


@pytest.fixture(scope="module")
def state() -> State:
    return dict(find_backbone(NAME).build().state_dict())


def prefixed(prefix: str, state: State) -> State:
    return {prefix + key: value for key, value in state.items()}


def assert_same_body(weights: Weights, state: State) -> None:
    built = weights.build(Encoder.read(NAME)).state_dict()
    assert all(torch.equal(built[key], state[key]) for key in state if key.startswith("features."))


@pytest.mark.parametrize(
    ("around", "said"),
    [
        (lambda s: s, ()),
        (lambda s: {"state_dict": s, "epoch": 3}, ("weights under 'state_dict'",)),
        (
            lambda s: {"model_state_dict": s, "optimizer": {"state": {}, "param_groups": []}},
            ("weights under 'model_state_dict'",),
        ),
        (lambda s: {"model": s, "ema": s}, ("weights under 'model'",)),
        (lambda s: {"teacher": s}, ("weights under 'teacher'",)),
        (lambda s: prefixed("module.", s), ("prefix 'module.'",)),
        (lambda s: prefixed("_orig_mod.module.", s), ("prefix '_orig_mod.module.'",)),
        (
            lambda s: {"state_dict": prefixed("model.", s), "pytorch-lightning_version": "2.1"},
            ("weights under 'state_dict'", "prefix 'model.'"),
        ),
        (
            lambda s: {"state_dict": s, "args": argparse.Namespace(lr=1), "f1": np.float64(0.5)},
            ("weights under 'state_dict'",),
        ),
    ],
    ids=["plain", "nested", "model", "ema", "any", "parallel", "compiled", "lightning", "data"],
)
def test_what_is_around_a_state_dict_is_taken_off_and_told(
    tmp_path: Path, state: State, around: Callable[[State], object], said: tuple[str, ...]
) -> None:
    save_state(tmp_path, f"{NAME}.pth", around(state))
    weights = find_weights(str(tmp_path))
    assert_same_body(weights, state)
    assert len(weights.notes) == len(said)
    for note, text in zip(weights.notes, said, strict=True):
        assert note.startswith(f"{NAME}.pth: the {text}")


def test_a_body_without_classifier_keeps_the_start_that_its_names_share(
    tmp_path: Path, state: State
) -> None:
    body = {key: value for key, value in state.items() if key.startswith("features.")}
    save_state(tmp_path, f"{NAME}.pth", body)
    weights = find_weights(str(tmp_path))
    assert_same_body(weights, state)
    assert weights.notes == ()


def test_safetensors_are_read(tmp_path: Path, state: State) -> None:
    save_file(prefixed("module.", state), tmp_path / f"{NAME}.safetensors")
    weights = find_weights(str(tmp_path))
    assert_same_body(weights, state)
    assert weights.notes == (f"{NAME}.safetensors: the prefix 'module.' of all names is left out",)


def test_damaged_safetensors_are_named(tmp_path: Path) -> None:
    (tmp_path / f"{NAME}.safetensors").write_bytes(b"\x00" * 20)
    with pytest.raises(ValueError, match=r"squeezenet1_0\.safetensors cannot be read"):
        find_weights(str(tmp_path))
