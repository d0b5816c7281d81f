"""The public CheXNet checkpoint, rebuilt: a real DenseNet state under the names of that file."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from trainable.backbones.encoder import Encoder, find_backbone
from trainable.backbones.weights import find_weights
from trainable.errors import InputError

State = dict[str, Tensor]
NAME = "densenet121"


@pytest.fixture(scope="module")
def state() -> State:
    """A DenseNet-121 as torchvision names it, with weights that no fresh network has."""
    with torch.random.fork_rng():
        torch.manual_seed(11)
        built = find_backbone(NAME).build().state_dict()
    for key, value in built.items():
        if "running" in key:
            value.uniform_(1, 2)
    return dict(built)


@pytest.fixture(scope="module")
def checkpoint(state: State) -> dict[str, Any]:
    """As the public file holds it: no counters, `norm.1`, a sigmoid classifier of 14 findings."""
    renamed = {
        "module.densenet121." + re.sub(r"(denselayer\d+\.(norm|conv))([12])", r"\1.\3", key): value
        for key, value in state.items()
        if key.startswith("features.") and not key.endswith("num_batches_tracked")
    }
    renamed["module.densenet121.classifier.0.weight"] = torch.zeros(14, 1024)
    renamed["module.densenet121.classifier.0.bias"] = torch.zeros(14)
    assert "module.densenet121.features.denseblock1.denselayer1.norm.1.weight" in renamed
    optimizer = {"state": {}, "param_groups": [{"lr": 1e-3}]}
    return {"epoch": 3, "state_dict": renamed, "best_loss": 0.5, "optimizer": optimizer}


def saved(folder: Path, content: object, *, legacy: bool = False) -> Path:
    path = folder / "model.pth.tar"
    torch.save(content, path, _use_new_zipfile_serialization=not legacy)
    return path


def refusal(kind: str, *wanted: str) -> str:
    with pytest.raises(InputError) as caught:
        find_weights(kind, wanted)
    return str(caught.value)


@pytest.mark.parametrize("legacy", [False, True])
def test_every_weight_of_the_body_arrives_under_torchvisions_name(
    tmp_path: Path, checkpoint: dict[str, Any], state: State, legacy: bool
) -> None:
    path = saved(tmp_path, checkpoint, legacy=legacy)
    weights = find_weights(f"chexnet:{path}")
    assert str(weights.start) == f"chexnet:{path}"
    assert weights.names == (NAME,)
    assert weights.files == {Encoder(NAME): path}
    built = weights.build(Encoder.read(NAME)).state_dict()
    body = [k for k in state if k.startswith("features.") and not k.endswith("batches_tracked")]
    # a convolution and a norm of four tensors for each of the 120, and one norm more at the end
    assert len(body) == 120 + 121 * 4
    assert all(torch.equal(built[key], state[key]) for key in body)


def test_the_file_may_be_named_relatively_and_is_found_again(
    tmp_path: Path, checkpoint: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = saved(tmp_path, checkpoint)
    monkeypatch.chdir(tmp_path)
    weights = find_weights(f"chexnet:{path.name}", [NAME])
    assert weights == find_weights(str(weights.start), [NAME])


def test_another_backbone_and_a_missing_file_are_refused_at_once(tmp_path: Path) -> None:
    message = refusal(f"chexnet:{tmp_path / 'absent'}", "resnet18", NAME)
    assert "2 problems" in message
    assert "has weights of densenet121 alone; leave out resnet18" in message
    assert f"not found: {tmp_path / 'absent'}" in message


CLASSIFIER = "module.densenet121.classifier.0."
NORM0 = "module.densenet121.features.norm0.weight"


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda s: s | {"fc.bias": torch.zeros(1)}, "begin with module.densenet121., as in Che"),
        (lambda s: s | {NORM0: 3}, "must hold only tensors"),
        (lambda s: {k: v for k, v in s.items() if k != NORM0}, "missing: features.norm0.weight"),
        (lambda s: s | {NORM0 + "x": torch.zeros(1)}, "unknown: features.norm0.weightx"),
        (lambda s: s | {NORM0: torch.zeros(3)}, "of another shape: features.norm0.weight"),
        (lambda s: {k: v for k, v in s.items() if CLASSIFIER not in k}, "classifier.0.weight"),
        (lambda s: s | {CLASSIFIER + "bias": torch.zeros(2)}, "'classifier.0.bias': (2,)"),
        (lambda s: s | {CLASSIFIER + "more": torch.zeros(2)}, "classifier.0.more"),
    ],
    ids=["foreign", "number", "missing", "unknown", "shape", "none", "two", "more"],
)
def test_nothing_is_skipped_silently(
    tmp_path: Path,
    checkpoint: dict[str, Any],
    change: Callable[[dict[str, Any]], dict[str, Any]],
    complaint: str,
) -> None:
    changed = checkpoint | {"state_dict": change(checkpoint["state_dict"])}
    path = saved(tmp_path, changed)
    message = refusal(f"chexnet:{path}")
    assert str(path) in message
    assert complaint in message


def test_a_plain_state_dict_is_refused(tmp_path: Path, state: State) -> None:
    path = saved(tmp_path, state)
    assert "must hold a checkpoint with a state_dict" in refusal(f"chexnet:{path}")


def test_objects_in_the_file_are_refused_and_not_executed(
    tmp_path: Path, checkpoint: dict[str, Any]
) -> None:
    path = saved(tmp_path, checkpoint | {"best_loss": Path("x")})
    assert f"{path} cannot be read as a state dict of tensors" in refusal(f"chexnet:{path}")
