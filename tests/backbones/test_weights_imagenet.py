"""ImageNet weights: downloaded or found, checked, and never replaced by random ones in silence.

The download is torchvision's own, from a file:// address instead of its server.
"""

import hashlib
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from trainable.backbones.encoder import Encoder, find_backbone
from trainable.backbones.table import BACKBONES
from trainable.backbones.weights import find_weights, torchvision_weights
from trainable.errors import InputError

Publish = Callable[[str, dict[str, Tensor]], Path]


@pytest.fixture
def checkpoints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """PyTorch's own folder of downloads, empty; nothing can be downloaded into it."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    for name in BACKBONES:
        nowhere = (tmp_path / "server" / f"{name}-01234567.pth").as_uri()
        monkeypatch.setattr(torchvision_weights(name).value, "url", nowhere)
    return tmp_path / "torch" / "hub" / "checkpoints"


@pytest.fixture
def publish(tmp_path: Path, checkpoints: Path, monkeypatch: pytest.MonkeyPatch) -> Publish:
    """Put a state dict onto the server, named by its hash as torchvision's are."""

    def put(name: str, state: dict[str, Tensor]) -> Path:
        server = tmp_path / "server"
        server.mkdir(exist_ok=True)
        torch.save(state, server / "new.pth")
        digest = hashlib.sha256((server / "new.pth").read_bytes()).hexdigest()[:8]
        path = (server / "new.pth").rename(server / f"{name}-{digest}.pth")
        monkeypatch.setattr(torchvision_weights(name).value, "url", path.as_uri())
        return path

    assert not checkpoints.exists()
    return put


def state_of(name: str) -> dict[str, Tensor]:
    return {
        key: value.float() + 1 for key, value in find_backbone(name).build().state_dict().items()
    }


def refusal(name: str) -> str:
    with pytest.raises(InputError) as caught:
        find_weights("imagenet", [name])
    return str(caught.value)


def test_every_backbone_has_the_weights_of_the_source_documents() -> None:
    for name in BACKBONES:
        assert torchvision_weights(name).name == "IMAGENET1K_V1"
        assert torchvision_weights(name).url.startswith("https://download.pytorch.org/models/")


@pytest.mark.usefixtures("checkpoints")
def test_a_failed_download_is_refused_with_the_three_ways_on() -> None:
    message = refusal("squeezenet1_0")
    assert "needs torchvision's weights of squeezenet1_0, which could not be downloaded" in message
    assert "No such file" in message, "the cause"
    for way in ("connect to the network", "squeezenet1_0*.pth", "--weights none"):
        assert way in message
    assert "--weights FOLDER" in message


def test_a_server_that_cannot_be_reached_is_refused(
    checkpoints: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("no_proxy", "*")
    closed_port = "http://127.0.0.1:9/resnet18-f37072fd.pth"
    for name in ("resnet18", "resnet34"):
        monkeypatch.setattr(torchvision_weights(name).value, "url", closed_port)
    with pytest.raises(InputError) as refused:
        find_weights("imagenet", ["resnet18", "resnet34"])
    [problem] = refused.value.problems
    assert "weights of resnet18, resnet34, which could not be downloaded" in problem
    assert list(checkpoints.iterdir()) == []


def test_a_download_is_kept_and_used(publish: Publish, checkpoints: Path) -> None:
    state = state_of("squeezenet1_0")
    published = publish("squeezenet1_0", state)
    weights = find_weights("imagenet", ["squeezenet1_0"])
    assert (checkpoints / published.name).read_bytes() == published.read_bytes()
    published.unlink()
    built = weights.build(Encoder("squeezenet1_0")).state_dict()
    assert all(torch.equal(built[key], state[key]) for key in state if "classifier" not in key)
    assert weights.names == ("squeezenet1_0",)
    content = (checkpoints / published.name).read_bytes()
    assert weights.fingerprints == {Encoder("squeezenet1_0"): hashlib.sha256(content).hexdigest()}


def test_the_densenet_file_of_torchvision_with_its_old_names_is_used(publish: Publish) -> None:
    state = {
        key: value
        for key, value in state_of("densenet121").items()
        if not key.endswith("num_batches_tracked")
    }
    old = {re.sub(r"(layer\d+\.(norm|conv))([12])", r"\1.\3", k): v for k, v in state.items()}
    assert len(old.keys() - state.keys()) == 580, "five of each of the 116 norms and convolutions"
    publish("densenet121", old)
    weights = find_weights("imagenet", ["densenet121"])
    built = weights.build(Encoder("densenet121")).state_dict()
    assert all(torch.equal(built[key], state[key]) for key in state if "classifier" not in key)


def test_what_was_downloaded_before_is_used_without_a_network(
    publish: Publish, checkpoints: Path
) -> None:
    state = state_of("squeezenet1_1")
    published = publish("squeezenet1_1", state)
    checkpoints.mkdir(parents=True)
    published.rename(checkpoints / published.name)
    weights = find_weights("imagenet", ["squeezenet1_1"])
    built = weights.build(Encoder("squeezenet1_1")).state_dict()
    assert all(torch.equal(built[key], state[key]) for key in state if "classifier" not in key)


def test_a_download_with_the_wrong_hash_is_refused_and_not_kept(
    publish: Publish, checkpoints: Path
) -> None:
    published = publish("squeezenet1_0", state_of("squeezenet1_0"))
    published.write_bytes(published.read_bytes() + b"!")
    assert "invalid hash value" in refusal("squeezenet1_0")
    assert list(checkpoints.iterdir()) == []


def test_files_on_the_disk_without_their_published_content_are_all_refused(
    publish: Publish, checkpoints: Path
) -> None:
    """Damaged, of other weights, or of a Python object, which is not unpickled to find out."""
    checkpoints.mkdir(parents=True)
    names = ["squeezenet1_0", "squeezenet1_1", "resnet18"]
    for name in names:
        published = publish(name, {"name": torch.tensor([ord(letter) for letter in name])})
        published.rename(checkpoints / published.name)
    damaged, other, foreign = (next(checkpoints.glob(f"{name}-*")) for name in names)
    damaged.write_bytes(damaged.read_bytes()[:-100])
    torch.save(state_of("squeezenet1_1"), other)
    torch.save(Unpickled(), foreign)
    with pytest.raises(InputError) as refused:
        find_weights("imagenet", names)
    assert len(refused.value.problems) == 3
    assert f"{other} is damaged, or has other weights under this name" in str(refused.value)
    assert "give it as squeezenet1_1@FILE" in str(refused.value)


class Unpickled:
    """A Python object in a file; reading it says so."""

    def __setstate__(self, state: object) -> None:
        raise AssertionError("code of the file was run")

    def __getstate__(self) -> object:
        return {"weights": 1}


def test_one_backbone_without_weights_is_enough_to_refuse(publish: Publish) -> None:
    publish("squeezenet1_0", state_of("squeezenet1_0"))
    with pytest.raises(InputError, match="weights of squeezenet1_1"):
        find_weights("imagenet", ["squeezenet1_0", "squeezenet1_1"])
    with pytest.raises(InputError, match="could not be downloaded"):
        find_weights("imagenet")
