"""A space as a file: what it names changes, what it gets wrong is said at once."""

from pathlib import Path

import pytest

from search.options.options import SearchOptions
from search.space.files import default_text, dump_space, make_space, read_layer, read_space
from trainable.errors import InputError


def write(folder: Path, text: str, name: str = "mine.yaml") -> Path:
    file = folder / name
    file.write_text(text)
    return file


def test_the_default_file_given_back_is_the_default_space(tmp_path: Path) -> None:
    assert make_space(read_layer(write(tmp_path, default_text()))) == make_space()


def test_a_space_comes_back_from_the_run_folder_as_it_was(tmp_path: Path) -> None:
    text = "{cut: {resnet18: layer2}, image_size: [64, 96], dropout: {low: 0, high: 0.5}}"
    space = make_space(read_layer(write(tmp_path, text)))
    assert make_space(read_layer(write(tmp_path, dump_space(space), "kept.yaml"))) == space


def test_a_file_changes_only_what_it_names(tmp_path: Path) -> None:
    text = "learning_rate:\n  trained: 1e-4\nbackbone: resnet18\n"
    found = make_space(read_layer(write(tmp_path, text))).to_dict()
    default = make_space().to_dict()
    assert found.pop("backbone") == "resnet18"
    assert found.pop("learning_rate") == {**default["learning_rate"], "trained": 1e-4}
    assert found == {name: default[name] for name in found}


def test_toml_says_the_same(tmp_path: Path) -> None:
    toml = 'image_size = [64, 96]\ndropout = {low = 0.0, high = 0.5}\ncut.resnet18 = "layer2"\n'
    yaml = "image_size: [64, 96]\ndropout: {low: 0.0, high: 0.5}\ncut: {resnet18: layer2}\n"
    one = make_space(read_layer(write(tmp_path, toml, "mine.toml")))
    assert one == make_space(read_layer(write(tmp_path, yaml)))


def test_options_go_on_top_of_the_file(tmp_path: Path) -> None:
    file = write(tmp_path, "image_size: 224\nbackbone: [resnet18, resnet34]\nepochs: 9\n")
    settings = SearchOptions.of(space=file, backbones=("resnet50",), image_size=64)
    found = read_space(settings).to_dict()
    assert (found["backbone"], found["image_size"], found["epochs"]) == (["resnet50"], 64, 9)


WRONG = """
lerning_rate: 0.1
backbone: [resnet81]
cut: {resnet18: layr3, resnet81: all}
dropout: {low: 0.9, high: 1.5}
normalization: imagnet
unfreeze: [none, tow]
image_size: {low: 64, high: 320}
epochs: {low: 1.5, high: 3}
batch_size: [8, 8]
weight_decay: {low: 1, hihg: 2}
positive_weight: {low: 4, high: 2}
"""


def test_all_mistakes_are_said_at_once_with_the_nearest_name(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        make_space(read_layer(write(tmp_path, WRONG)))
    problems = {text.split(": ")[1]: text for text in caught.value.problems}
    for setting, words in {
        "lerning_rate": "did you mean 'learning_rate'",
        "backbone": "did you mean 'resnet18'",
        "cut.resnet18": "did you mean 'layer3'",
        "cut.resnet81": "did you mean 'resnet18'",
        "dropout": "must be less than 1 (got 1.5)",
        "normalization": "did you mean 'imagenet'",
        "unfreeze": "must be a number of stages, or all (got tow)",
        "image_size": "a value or a list",
        "epochs": "whole numbers",
        "batch_size": "name a value once",
        "weight_decay": "high is missing",
        "positive_weight": "low < high (got 4 to 2)",
    }.items():
        assert words in problems.pop(setting)
    assert not problems


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("image_size: [64", "must be YAML"),
        ("- 1\n- 2\n", "must name settings"),
        ("epochs: 3\nepochs: 5\n", "named twice: epochs"),
    ],
)
def test_what_is_no_space_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_layer(write(tmp_path, text))


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not found"):
        read_layer(tmp_path / "no.yaml")
