"""Random weights and folders of state dicts; what cannot be had is refused, never made up."""

import re
from collections import OrderedDict
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest
import torch
from fixtures.forks import forks
from fixtures.networks import save_state
from torch import Tensor

from trainable.backbones.encoder import Encoder, find_backbone
from trainable.backbones.table import BACKBONES
from trainable.backbones.weights import find_weights
from trainable.errors import InputError

State = dict[str, Tensor]


def trained_state(name: str, seed: int = 7) -> State:
    """A state dict as torchvision would publish it, with weights that no fresh network has."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return dict(find_backbone(name).build().state_dict())


@pytest.fixture(scope="module")
def squeezenet() -> State:
    return trained_state("squeezenet1_0")


def refusal(folder: Path, *wanted: str) -> str:
    with pytest.raises(InputError) as caught:
        find_weights(str(folder), wanted)
    return str(caught.value)


def test_random_weights_are_the_same_in_two_builds_and_spare_the_generator() -> None:
    weights = find_weights("none", ["squeezenet1_0"])
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = weights.build(Encoder("squeezenet1_0")).state_dict()
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    second = weights.build(Encoder("squeezenet1_0")).state_dict()
    assert all(torch.equal(first[key], second[key]) for key in first)


def total_of_random_weights(seed: int) -> float:
    """Sum of all magnitudes, whatever the process draws otherwise."""
    torch.manual_seed(seed)
    built = find_weights("none").build(Encoder("squeezenet1_0"))
    return sum(values.double().abs().sum().item() for values in built.parameters())


def test_random_weights_are_the_same_in_another_process() -> None:
    with ProcessPoolExecutor(1, forks()) as pool:
        there = pool.submit(total_of_random_weights, 3).result()
    assert there == total_of_random_weights(4)


def test_random_weights_can_be_had_of_the_wanted_backbones_or_of_all() -> None:
    assert find_weights("none").names == tuple(BACKBONES)
    wanted = find_weights("none", ["resnet50", "resnet18"])
    assert wanted.names == ("resnet50", "resnet18")
    assert set(map(str, wanted.fingerprints)) == {"resnet50", "resnet18"}


@pytest.mark.parametrize("kind", ["none", "imagenet", "."])
def test_unknown_backbones_are_refused_all_at_once(kind: str) -> None:
    with pytest.raises(InputError) as caught:
        find_weights(kind, ["resnet81", "resnet18", "squeezenet1_2"])
    assert "unknown backbone 'resnet81'; did you mean 'resnet18'?" in str(caught.value)
    assert "unknown backbone 'squeezenet1_2'" in str(caught.value)


def test_what_is_neither_a_kind_nor_a_folder_is_refused(tmp_path: Path) -> None:
    assert "must be imagenet, none, chexnet:FILE or a folder" in refusal(tmp_path / "absent")
    (tmp_path / "file").touch()
    assert "must be imagenet, none, chexnet:FILE or a folder" in refusal(tmp_path / "file")


@pytest.mark.parametrize("classifier", ["same", "of another task", "absent"])
def test_weights_from_a_folder_arrive_in_the_body_whatever_the_classifier(
    tmp_path: Path, squeezenet: State, classifier: str
) -> None:
    state = dict(squeezenet)
    if classifier == "of another task":
        state["classifier.1.weight"] = torch.zeros(14, 512, 1, 1)
        state["classifier.1.bias"] = torch.zeros(14)
    elif classifier == "absent":
        state = {key: value for key, value in state.items() if key.startswith("features")}
    path = save_state(tmp_path, "squeezenet1_0-x.pth", state)
    weights = find_weights(str(tmp_path))
    assert (str(weights.start), weights.names) == (str(tmp_path), ("squeezenet1_0",))
    assert weights.files == {Encoder("squeezenet1_0"): path}
    body = weights.build(Encoder("squeezenet1_0")).get_submodule("features")
    expected = {key: value for key, value in state.items() if key.startswith("features")}
    assert {f"features.{key}" for key in body.state_dict()} == set(expected)
    for key, value in body.state_dict().items():
        assert torch.equal(value, expected[f"features.{key}"])


def test_a_cut_behind_the_classifier_has_its_weights_too(tmp_path: Path, squeezenet: State) -> None:
    save_state(tmp_path, "squeezenet1_0.pth", squeezenet)
    weights = find_weights(str(tmp_path), ["squeezenet1_0"], ["squeezenet1_0"])
    built = weights.build(Encoder("squeezenet1_0"), "classifier").state_dict()
    assert all(torch.equal(built[key], value) for key, value in squeezenet.items())
    without = weights.build(Encoder("squeezenet1_0"), "features").state_dict()
    assert not torch.equal(without["classifier.1.weight"], squeezenet["classifier.1.weight"])


@pytest.mark.parametrize("shape", [(14, 512, 1, 1), None])
def test_a_classifier_of_another_task_is_refused_where_the_cut_is_behind_it(
    tmp_path: Path, squeezenet: State, shape: tuple[int, ...] | None
) -> None:
    state = {key: value for key, value in squeezenet.items() if key != "classifier.1.weight"}
    if shape:
        state["classifier.1.weight"] = torch.zeros(shape)
    path = save_state(tmp_path, "squeezenet1_0.pth", state)
    why = "of another shape" if shape else "missing"
    complaint = (
        f"{path} must be a torchvision state dict of squeezenet1_0 with its classifier of 1000 "
        f"classes, which the cut keeps; .*{why}: classifier.1.weight"
    )
    with pytest.raises(ValueError, match=complaint):
        find_weights(str(tmp_path)).build(Encoder("squeezenet1_0"), "classifier")
    with pytest.raises(InputError, match=complaint):
        find_weights(str(tmp_path), whole=["squeezenet1_0"])


def test_statistics_arrive_and_the_counter_of_batches_may_be_absent(tmp_path: Path) -> None:
    state = trained_state("resnet18")
    for key, value in state.items():
        if "running" in key:
            value.uniform_(1, 2)
    kept = {key: v for key, v in state.items() if not key.endswith("num_batches_tracked")}
    save_state(tmp_path, "resnet18.pth", OrderedDict(kept))
    built = find_weights(str(tmp_path), ["resnet18"]).build(Encoder("resnet18")).state_dict()
    assert all(torch.equal(built[key], kept[key]) for key in kept if not key.startswith("fc."))


def test_torchvisions_own_densenet_file_with_its_old_names_is_read(tmp_path: Path) -> None:
    state = trained_state("densenet121")
    old = {
        re.sub(r"(denselayer\d+\.(norm|conv))([12])", r"\1.\3", key): value
        for key, value in state.items()
        if not key.endswith("num_batches_tracked")
    }
    assert "features.denseblock1.denselayer1.norm.1.weight" in old
    save_state(tmp_path, "densenet121-a639ec97.pth", old)
    built = find_weights(str(tmp_path)).build(Encoder("densenet121")).state_dict()
    assert all(torch.equal(built[k], state[k]) for k in state if not k.startswith("classifier"))


def test_the_fingerprint_follows_the_content_and_not_the_name(
    tmp_path: Path, squeezenet: State
) -> None:
    changed = squeezenet | {"features.0.bias": squeezenet["features.0.bias"] + 1}
    prints = []
    for folder, name, state in (
        ("a", "squeezenet1_0.pth", squeezenet),
        ("b", "squeezenet1_0.mine.pt", squeezenet),
        ("c", "squeezenet1_0.pth", changed),
    ):
        # one archive name inside both files, as a copy has
        save_state(tmp_path / folder, "archive.pth", state).rename(tmp_path / folder / name)
        prints.append(find_weights(str(tmp_path / folder)).fingerprints[Encoder("squeezenet1_0")])
    assert prints[0] == prints[1]
    assert prints[0] != prints[2]
    assert prints[0] != find_weights("none").fingerprints[Encoder("squeezenet1_0")]
