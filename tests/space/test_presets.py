"""The documents' experiments by name: their rows, what options change in them, and one real run."""

import json
from importlib.resources import files
from pathlib import Path
from typing import get_args

import pandas as pd
import pytest
from fixtures.commands import call_command
from fixtures.one_ray import OneRay
from PIL import Image

from search.demo.phantoms import write_demo
from search.options.options import PresetName, SearchOptions
from search.space.experiments import Experiments
from search.space.presets import preset_grid, with_defaults
from search.terminal.plan_lines import changed_lines
from trainable.backbones.encoder import Encoder
from trainable.errors import InputError

PRESETS: tuple[PresetName, ...] = get_args(PresetName)


def preset(name: PresetName, **options: object) -> Experiments:
    return preset_grid(name, with_defaults(SearchOptions.of(preset=name, **options))).experiments


def by_name(found: Experiments, title: str) -> dict[str, int]:
    numbers = dict(found.by_title())[title]
    return {found.rows[number].name: number for number in numbers}


def every(found: Experiments, setting: str) -> set[object]:
    found_values = (getattr(row.config, setting) for row in found.rows)
    return {str(one) if isinstance(one, Encoder) else one for one in found_values}


def test_every_preset_of_the_command_has_a_file_and_no_file_is_left_over() -> None:
    folder = files("search.space") / "presets"
    names = {Path(file.name).stem for file in folder.iterdir() if file.name.endswith(".yaml")}
    assert names == set(PRESETS)


@pytest.mark.parametrize("name", PRESETS)
def test_every_row_can_run_and_has_a_seed_of_its_own(name: PresetName) -> None:
    found = preset(name)
    assert [row.config.seed for row in found.rows] == list(range(len(found.rows)))
    assert found.left_out == {}
    assert found.about


@pytest.mark.parametrize(
    ("name", "table", "num_rows", "settings"),
    [
        ("assignment", "counts", 16, {
            "image_size": 320, "batch_size": 64, "epochs": 5, "unfreeze": 0, "optimizer": "adamw",
            "learning_rate": 1e-3, "head": "fastai", "head_layers": (512,), "positive_copies": 1,
        }),
        ("frozen-sgd", "counts", 4, {
            "head": "plain", "optimizer": "sgd", "schedule": "step", "step_epochs": 7,
            "unfreeze": 0, "momentum": 0.9,
        }),
        ("mammogram", "accuracy", 27, {
            "backbone": "densenet121", "optimizer": "adam", "epochs": 20, "unfreeze": 0,
        }),
        ("deep-covid", "detection", 4, {
            "head": "plain", "head_layers": (), "positive_copies": 5, "unfreeze": 0,
            "normalization": "imagenet",
        }),
    ],
)  # fmt: skip
def test_the_settings_are_those_of_the_document(
    name: PresetName, table: str, num_rows: int, settings: dict[str, object]
) -> None:
    found = preset(name)
    assert (found.table, len(found.rows)) == (table, num_rows)
    found_settings = {setting: every(found, setting) for setting in settings}
    assert found_settings == {setting: {value} for setting, value in settings.items()}


@pytest.mark.parametrize(
    ("name", "shares", "threshold"),
    [
        ("assignment", (80, 20), "0.5"),
        ("frozen-sgd", (80, 20), "0.5"),
        ("mammogram", (60, 20, 20), "0.5"),
        ("deep-covid", (40, 60), "sensitivity:0.98"),
    ],
)
def test_the_split_and_threshold_are_those_of_the_document(
    name: PresetName, shares: tuple[int, ...], threshold: str
) -> None:
    options = with_defaults(SearchOptions.of(preset=name))
    assert (options.scoring.shares, options.scoring.threshold) == (shares, threshold)
    assert options.run.time_budget is None


def test_the_assignment_compares_its_five_networks() -> None:
    found = preset("assignment")
    backbones = [str(found.rows[n].config.backbone) for n in by_name(found, "1: backbone").values()]
    assert backbones == ["resnet18", "resnet34", "resnet50", "squeezenet1_0", "squeezenet1_1"]


def test_the_cuts_that_are_one_network_are_found() -> None:
    found = preset("assignment")
    same = found.same_networks(list(by_name(found, "4: fastai's cut").values()))
    names = [[found.rows[number].name for number in numbers] for numbers in same]
    assert names == [["-1", "1", "None"], ["2", "20"]]
    averages = list(by_name(found, "3: F1 average").values())
    assert found.same_networks(averages) == [averages]


def test_the_mammogram_s_layers_are_those_of_the_second_dense_block() -> None:
    rows = by_name(found := preset("mammogram"), "layers of the last of two blocks")
    cuts = [found.rows[number].config.cut for number in rows.values()]
    assert list(rows) == [str(layers) for layers in range(12, 0, -1)]
    assert cuts[0] == "features.denseblock2"
    assert cuts[6] == "features.denseblock2.denselayer6"


def test_options_change_every_row_but_what_a_row_is_about() -> None:
    found = preset("assignment", image_size=64, normalizations="imagenet", unfreeze="one")
    assert every(found, "image_size") == {64}
    assert every(found, "unfreeze") == {1}
    rows = by_name(found, "2: normalize")
    assert found.rows[rows["no"]].config.normalization == "none"
    assert found.rows[rows["yes"]].config.normalization == "imagenet"
    assert found.rows[0].config.normalization == "imagenet"


def test_what_options_change_is_reported() -> None:
    options = SearchOptions.of(preset="assignment", epochs=2, threshold="best", weights="none")
    [line] = changed_lines("assignment", with_defaults(options))
    assert "epochs 2 in place of 5" in line
    assert "threshold best in place of 0.5" in line
    assert "weights none in place of imagenet" in line
    assert "image size" not in line
    assert (
        list(changed_lines("assignment", with_defaults(SearchOptions.of(preset="assignment"))))
        == []
    )


@pytest.mark.parametrize("given", [{"folds": 3}, {"split": "keep"}])
def test_the_user_s_own_split_or_folds_take_the_place_of_the_shares(
    given: dict[str, object],
) -> None:
    assert with_defaults(SearchOptions.of(preset="assignment", **given)).scoring.shares is None


def test_backbones_that_are_not_asked_for_are_left_out() -> None:
    found = preset("frozen-sgd", backbones="resnet18")
    assert every(found, "backbone") == {"resnet18"}
    [titles] = found.left_out.values()
    assert titles == ("last layer, ResNet-50", "own layers above, SqueezeNet 1.0, 256 and 64")


def test_options_without_a_meaning_for_a_list_are_refused_together(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        preset("assignment", unfreeze="none,one", space=tmp_path / "s.yaml", backbones="resnet81")
    assert len(caught.value.problems) == 3
    assert "did you mean 'resnet18'?" in str(caught.value)


@pytest.fixture(scope="module")
def deep_covid(one_ray: OneRay, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The run folder of a small search by a preset, and all that it printed."""
    home = tmp_path_factory.mktemp("deep-covid")
    write_demo(home / "demo", num_patients=60, num_test_patients=2, size=48, seed=1)
    options = ("--data", home / "demo" / "train.csv", "--cache", home / "cache")
    small = ("--image-size", 32, "--epochs", 3, "--weights", "none", "--shares", "40,40,20")
    networks = ("--backbones", "squeezenet1_0,resnet18", "--out", home / "run")
    with one_ray.joined():
        done = call_command("search", "--preset", "deep-covid", *options, *small, *networks)
    assert not done.stderr
    return home / "run", done.stdout


@pytest.mark.timeout(240)
def test_a_preset_prints_the_table_of_the_rows_that_were_run(
    deep_covid: tuple[Path, str],
) -> None:
    _, out = deep_covid
    assert "left out, since not of --backbones: networks, ResNet-50" in out
    assert {"ResNet-18", "SqueezeNet"} <= {line.split("  ")[0] for line in out.splitlines()}
    assert "images through frozen bodies:" in out


def test_a_preset_logs_each_row_once(deep_covid: tuple[Path, str]) -> None:
    trials = pd.read_csv(deep_covid[0] / "trials.csv")
    assert trials["state"].tolist() == ["complete"] * 2
    assert trials["positive_copies"].tolist() == [5, 5]


@pytest.mark.parametrize("name", ["roc.png", "precision_recall.png", "scores.png"])
def test_a_preset_draws_its_figures(deep_covid: tuple[Path, str], name: str) -> None:
    with Image.open(deep_covid[0] / name) as picture:
        assert min(picture.size) > 500


def test_a_preset_with_test_rows_judges_its_winner_on_them(deep_covid: tuple[Path, str]) -> None:
    [look] = json.loads((deep_covid[0] / "winner.json").read_text())["test_looks"]
    test = look["result"]["estimates"]
    assert 0 <= test["AUC"]["low"] <= test["AUC"]["value"] <= test["AUC"]["high"] <= 1


@pytest.mark.usefixtures("ray_of_tests")
def test_a_preset_keeps_its_settings_when_it_is_resumed(deep_covid: tuple[Path, str]) -> None:
    refused = call_command("search", "--resume", deep_covid[0], "--epochs", 4, code=2)
    assert "epochs: 3 cannot change" in refused.stderr
