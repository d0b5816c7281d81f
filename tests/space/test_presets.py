"""The documents' experiments by name: their rows, what options change in them, and one real run."""

import json
from pathlib import Path
from typing import get_args

import pandas as pd
import pytest
from fixtures.commands import run_command
from PIL import Image

from search.options import PresetName, SearchOptions
from search.prepare import resolve
from search.space.grid import Grid, same_networks
from search.space.presets import PRESETS, describe_preset, preset_grid
from trainable.cohort.phantoms import write_demo
from trainable.errors import InputError


def grid(**options: object) -> Grid:
    return preset_grid(resolve(SearchOptions.of(**options)))


def by_name(grid: Grid, title: str) -> dict[str, int]:
    numbers = dict(grid.experiments())[title]
    return {grid.rows[number].name: number for number in numbers}


def test_every_preset_that_the_command_takes_has_rows_that_can_be() -> None:
    assert set(PRESETS) == set(get_args(PresetName))
    for name in PRESETS:
        found = grid(preset=name)
        assert len({row.config.seed for row in found.rows}) == len(found.rows)
        assert found.left_out == {}


def test_the_assignment_has_the_settings_of_its_document() -> None:
    found = grid(preset="assignment")
    for setting, value in {"image_size": 320, "batch_size": 64, "epochs": 5, "unfreeze": 0}.items():
        assert found.values(setting) == (value,)
    assert found.values("learning_rate") == (1e-3,)
    backbones = [found.rows[n].config.backbone for n in by_name(found, "1: backbone").values()]
    assert backbones == ["resnet18", "resnet34", "resnet50", "squeezenet1_0", "squeezenet1_1"]


def test_the_cuts_that_are_one_network_are_found() -> None:
    found = grid(preset="assignment")
    rows = by_name(found, "4: fastai's cut")
    same = same_networks(found, list(rows.values()))
    names = [[found.rows[number].name for number in numbers] for numbers in same]
    assert names == [["-1", "1", "None"], ["2", "20"]]
    averages = list(by_name(found, "3: F1 average").values())
    assert same_networks(found, averages) == [averages]


def test_the_mammogram_s_layers_are_those_of_the_second_dense_block() -> None:
    rows = by_name(found := grid(preset="mammogram"), "layers of the last of two blocks")
    cuts = [found.rows[number].config.cut for number in rows.values()]
    assert list(rows) == [str(layers) for layers in range(12, 0, -1)]
    assert cuts[0] == "features.denseblock2"
    assert cuts[6] == "features.denseblock2.denselayer6"


def test_options_change_every_row_but_what_a_row_is_about() -> None:
    found = grid(preset="assignment", image_size=64, normalizations="imagenet", unfreeze="one")
    assert found.values("image_size") == (64,)
    assert found.values("unfreeze") == (1,)
    rows = by_name(found, "2: normalize")
    assert found.rows[rows["no"]].config.normalization == "none"
    assert found.rows[rows["yes"]].config.normalization == "imagenet"
    assert found.rows[0].config.normalization == "imagenet"


def test_what_options_change_is_said() -> None:
    options = {"preset": "assignment", "epochs": 2, "threshold": "best", "weights": "none"}
    settings = resolve(SearchOptions.of(**options))
    lines = list(describe_preset(settings, {"it is too large": ["1: backbone, ResNet-50"]}))
    assert "epochs 2 in place of 5" in lines[1]
    assert "threshold best in place of 0.5" in lines[1]
    assert "weights none in place of imagenet" in lines[1]
    assert "image size" not in lines[1]
    assert lines[2] == "left out, since it is too large: 1: backbone, ResNet-50"


def test_the_user_s_own_split_or_folds_take_the_place_of_the_shares() -> None:
    given = {"preset": "assignment"}
    assert resolve(SearchOptions.of(**given)).scoring.shares == (80, 20)
    assert resolve(SearchOptions.of(**given, folds=3)).scoring.shares is None
    assert resolve(SearchOptions.of(**given, split="keep")).scoring.shares is None


def test_backbones_that_are_not_asked_for_are_left_out() -> None:
    found = grid(preset="frozen-sgd", backbones="resnet18")
    assert {row.config.backbone for row in found.rows} == {"resnet18"}
    [names] = found.left_out.values()
    assert names == ("last layer, ResNet-50", "own layers above, SqueezeNet 1.0, 256 and 64")


def test_options_without_a_meaning_for_a_list_are_refused_together(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        grid(
            preset="assignment", unfreeze="none,one", space=tmp_path / "s.yaml",
            backbones="resnet81",
        )  # fmt: skip
    assert len(caught.value.problems) == 3
    assert "did you mean 'resnet18'?" in str(caught.value)


@pytest.mark.timeout(240)
def test_a_preset_runs_and_prints_its_table_and_draws_its_figures(tmp_path: Path) -> None:
    write_demo(tmp_path / "demo", num_patients=60, num_test_patients=2, size=48, seed=1)
    options = ("--data", tmp_path / "demo" / "train.csv", "--cache", tmp_path / "cache")
    small = ("--image-size", 32, "--epochs", 3, "--weights", "none", "--shares", "40,40,20")
    networks = ("--backbones", "squeezenet1_0,resnet18", "--out", tmp_path / "run")
    done = run_command("search", "--preset", "deep-covid", *options, *small, *networks)
    assert not done.stderr
    run = tmp_path / "run"
    assert "left out, since not of --backbones: networks, ResNet-50" in done.stdout
    lines = [line.split("  ")[0] for line in done.stdout.splitlines()]
    assert {"ResNet-18", "SqueezeNet"} <= set(lines)
    assert "images through frozen bodies:" in done.stdout
    trials = pd.read_csv(run / "trials.csv")
    assert trials["state"].tolist() == ["complete"] * 2
    assert trials["positive_copies"].tolist() == [5, 5]
    for name in ("roc.png", "precision_recall.png", "scores.png"):
        with Image.open(run / name) as picture:
            assert min(picture.size) > 500
    test = json.loads((run / "winner.json").read_text())["test"]
    assert 0 <= test["AUC"]["low"] <= test["AUC"]["value"] <= test["AUC"]["high"] <= 1
    refused = run_command("search", "--resume", run, "--epochs", 4, code=2)
    assert refused.returncode == 2
    assert "--epochs 3" in refused.stderr
