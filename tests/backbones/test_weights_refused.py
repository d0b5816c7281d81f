"""Files in a folder of weights that are not what they are named after: each is refused by name."""

import os
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from fixtures.networks import save_state
from torch import Tensor

from trainable.backbones.encoder import find_backbone
from trainable.backbones.weights import find_weights
from trainable.errors import InputError

State = dict[str, Tensor]


@pytest.fixture(scope="module")
def states() -> dict[str, State]:
    names = ("squeezenet1_0", "squeezenet1_1", "resnet18", "resnet34")
    return {name: dict(find_backbone(name).build().state_dict()) for name in names}


def refusal(folder: Path, *wanted: str) -> str:
    with pytest.raises(InputError) as caught:
        find_weights(str(folder), wanted)
    return str(caught.value)


@pytest.mark.parametrize(
    "file",
    ["resnet180.pth", "resnet18_mine.pth", "my-resnet18.pth", "resnet18.txt", "Resnet18.pth"],
)
def test_a_file_must_be_named_after_the_backbone(
    tmp_path: Path, states: dict[str, State], file: str
) -> None:
    save_state(tmp_path, file, states["resnet18"])
    assert f"no state dict for resnet18 in {tmp_path}: name the file resnet18.pth" in refusal(
        tmp_path, "resnet18"
    )
    assert "no state dict named after a backbone" in refusal(tmp_path)


def test_two_files_for_one_backbone_are_refused_with_their_names(
    tmp_path: Path, states: dict[str, State]
) -> None:
    save_state(tmp_path, "squeezenet1_0-a.pth", states["squeezenet1_0"])
    save_state(tmp_path, "squeezenet1_0-b.pth", states["squeezenet1_0"])
    message = refusal(tmp_path)
    assert "squeezenet1_0-a.pth" in message
    assert "squeezenet1_0-b.pth" in message


def test_every_wanted_backbone_without_a_file_is_named(
    tmp_path: Path, states: dict[str, State]
) -> None:
    save_state(tmp_path, "squeezenet1_0.pth", states["squeezenet1_0"])
    message = refusal(tmp_path, "squeezenet1_0", "resnet18", "resnet50")
    assert "2 problems" in message
    assert "no state dict for resnet18" in message
    assert "no state dict for resnet50" in message


def test_an_empty_folder_is_refused_with_the_names_that_files_may_have(tmp_path: Path) -> None:
    message = refusal(tmp_path)
    assert "no state dict named after a backbone" in message
    assert "squeezenet1_0.pth" in message
    assert "regnet_y_800mf" in message


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda s: s | {"features.0.weight": s["features.0.weight"][:48]}, "shape: features.0.wei"),
        (lambda s: {k: v for k, v in s.items() if k != "features.0.bias"}, "missing: features.0.b"),
        (lambda s: s | {"features.99.bias": torch.zeros(1)}, "unknown: features.99.bias"),
        (lambda s: s | {"module.loss": torch.zeros(1)}, "unknown: module.loss"),
        (lambda _: {}, "missing: features.0.bias"),
        (lambda s: {"mine": s, "yours": s}, "got several: mine, yours"),
        (lambda _: {"state_dict": {}, "epoch": 3}, "got state_dict (dict), epoch (int)"),
        (lambda s: list(s.values()), "must hold a state dict"),
        (lambda s: s | {0: torch.zeros(1)}, "must hold a state dict"),
        (lambda s: s | {"epoch": 3}, "must hold a state dict"),
    ],
    ids=[
        *("shape", "missing", "unknown", "loss", "empty", "several", "nothing", "list", "numbered"),
        "epoch",
    ],
)
def test_a_file_that_does_not_fit_is_refused_with_what_is_wrong(
    tmp_path: Path, states: dict[str, State], change: Callable[[State], object], complaint: str
) -> None:
    path = save_state(tmp_path, "squeezenet1_0.pth", change(states["squeezenet1_0"]))
    message = refusal(tmp_path)
    assert str(path) in message
    assert complaint in message


@pytest.mark.parametrize(
    ("name", "other"),
    [("squeezenet1_0", "squeezenet1_1"), ("resnet18", "resnet34"), ("resnet34", "resnet18")],
)
def test_the_state_of_another_backbone_is_refused(
    tmp_path: Path, states: dict[str, State], name: str, other: str
) -> None:
    save_state(tmp_path, f"{name}.pth", states[other])
    assert f"must be a torchvision state dict of {name}" in refusal(tmp_path)


class Malicious:
    """Writes a file when it is unpickled without care."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Callable[[str], object], tuple[str]]:
        return os.mkdir, (str(self.target),)


@pytest.mark.parametrize("plain", [True, False])
def test_code_in_a_file_is_refused_and_not_executed(tmp_path: Path, plain: bool) -> None:
    folder, target = tmp_path / "weights", tmp_path / "executed"
    path = save_state(folder, "squeezenet1_0.pth", Malicious(target))
    if plain:
        path.write_bytes(pickle.dumps(Malicious(target)))
    assert f"{path} cannot be read as a state dict of tensors" in refusal(folder)
    assert not target.exists()


def test_a_whole_pickled_network_is_refused_with_how_to_save_its_weights(tmp_path: Path) -> None:
    path = save_state(tmp_path, "squeezenet1_0.pth", find_backbone("squeezenet1_0").build())
    message = refusal(tmp_path)
    assert f"{path} cannot be read as a state dict of tensors" in message
    assert "(torchvision.models.squeezenet.SqueezeNet)" in message
    assert message.endswith("torch.save(model.state_dict(), FILE)")


@pytest.mark.parametrize("kept", [0, 10, 1000, 100_000, -1])
def test_a_truncated_file_is_refused(tmp_path: Path, states: dict[str, State], kept: int) -> None:
    path = save_state(tmp_path, "squeezenet1_0.pth", states["squeezenet1_0"])
    path.write_bytes(path.read_bytes()[:kept])
    assert f"{path} cannot be read as a state dict of tensors" in refusal(tmp_path)


def test_a_link_to_nothing_and_a_folder_named_like_a_file_are_refused(tmp_path: Path) -> None:
    (tmp_path / "squeezenet1_0.pth").symlink_to(tmp_path / "absent")
    (tmp_path / "resnet18.pth").mkdir()
    message = refusal(tmp_path)
    assert "squeezenet1_0.pth cannot be read" in message
    assert "resnet18.pth cannot be read" in message


def test_all_files_are_checked_before_any_is_refused(
    tmp_path: Path, states: dict[str, State]
) -> None:
    save_state(tmp_path, "squeezenet1_0.pth", states["squeezenet1_1"])
    save_state(tmp_path, "resnet18.pth", {})
    save_state(tmp_path, "squeezenet1_1.pth", states["squeezenet1_1"])
    message = refusal(tmp_path)
    assert "2 problems" in message
    assert "squeezenet1_0.pth must be" in message
    assert "resnet18.pth must be" in message
