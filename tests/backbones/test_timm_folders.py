"""Networks that timm has saved in a folder, and those that take in images of one size alone."""

import json
import re
from pathlib import Path

import pytest
import torch
from fixtures.networks import CPU, random_images, tiny_config

from search.options.options import SearchOptions
from search.plan.planner import plan_search
from trainable.backbones.encoder import Encoder, find_backbone
from trainable.backbones.weights import find_weights
from trainable.errors import InputError
from trainable.features.body import Body
from trainable.run.winner import UsedWeights

timm = pytest.importorskip("timm")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A network of one channel with settings of its own, as timm saves it."""
    from timm.models import save_for_hf

    torch.manual_seed(1)
    model = timm.create_model("resnet10t", in_chans=1, num_classes=3)
    save_for_hf(model, str(tmp_path / "mine"))
    config = json.loads((tmp_path / "mine" / "config.json").read_text())
    config["model_args"] = {"in_chans": 1}
    config["pretrained_cfg"] |= {"mean": [0.4], "std": [0.1], "license": "mit"}
    (tmp_path / "mine" / "config.json").write_text(json.dumps(config))
    return tmp_path / "mine"


def test_a_folder_is_an_encoder_without_a_hub(folder: Path) -> None:
    name = f"timm/local-dir:{folder}"
    backbone = find_backbone(name)
    assert (backbone.channels, backbone.own) == (1, ((0.4,), (0.1,)))
    weights = find_weights("imagenet", [name])
    assert weights.licence_of(Encoder.read(name)) == "mit"
    assert str(weights.start_of(Encoder.read(name))) == f"local-dir:{folder}"
    config = tiny_config(backbone=name, cut="layer2", normalization="own")
    body = Body(random_images(2), config, weights, CPU)
    features = body.pooled(torch.arange(2))
    assert features.isfinite().all()
    assert features.std() > 0
    used = UsedWeights(
        kind="imagenet", fingerprints={str(one): text for one, text in weights.fingerprints.items()}
    )
    assert list(used.fingerprints) == [name]


def test_a_folder_of_something_else_is_one_sentence(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    texts = {"no-json": "{", "no-name": "{}", "other": '{"architecture": "resnet10x"}'}
    for name, text in texts.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text(text)
    (folder / "pytorch_model.bin").unlink()
    names = [*texts, "empty", "nowhere", folder.name]
    with pytest.raises(InputError) as caught:
        find_weights("none", [f"timm/local-dir:{tmp_path / name}" for name in names])
    found = "\n".join(caught.value.problems)
    assert len(caught.value.problems) == len(names)
    assert f"not found: {tmp_path / 'empty' / 'config.json'}" in found
    assert "must describe a network as timm writes it" in found
    assert f"{folder} has none" in found


def test_a_network_of_one_size_is_found_before_the_first_trial(
    xray_csv: Path, tmp_path: Path
) -> None:
    asked = SearchOptions.of(
        data=xray_csv, weights="none", backbones="timm/resmlp_12_224,timm/resnet10t,resnet18",
        image_size=64, unfreeze="none", folds=4, cache=tmp_path / "cache",
    )  # fmt: skip
    refusal = "timm/resmlp_12_224 does not take in images of 64 px; use --image-size 224"
    with pytest.raises(InputError, match=re.escape(refusal)) as caught:
        plan_search(asked)
    assert len(caught.value.problems) == 1
    assert find_backbone("timm/resmlp_12_224").takes_in(224)
