"""A fixed list of configurations: every row is run once, and equal networks in it are found."""

from pathlib import Path

import pytest
from fixtures.run_folders import begun_run

from search.options.options import SearchOptions
from search.space.experiments import Experiments, Row
from search.space.files import dump_space, kept_space, read_space
from search.space.grid import Grid
from search.tune.study import StudySearch, open_study, reconcile
from trainable.config import TrialConfig
from trainable.errors import InputError

LIST = Experiments(
    tuple(
        Row("cut" if seed < 2 else "rate", str(seed), TrialConfig(seed=seed, learning_rate=rate))
        for seed, rate in enumerate((1e-3, 1e-3, 1e-2, 1e-3))
    )
)


def seeds(search: StudySearch, names: str) -> list[int]:
    found = [search.suggest(name) for name in names]
    return [suggested["trial"]["seed"] for suggested in found if suggested]


def test_every_row_is_run_once_in_order(tmp_path: Path) -> None:
    search = StudySearch(Grid(LIST), begun_run(tmp_path / "run"), seed=0, capacity=lambda: 9)
    assert seeds(search, "abcd") == [0, 1, 2, 3]


def test_a_row_that_was_interrupted_is_run_again_and_no_other(tmp_path: Path) -> None:
    run = begun_run(tmp_path / "run")
    before = StudySearch(Grid(LIST), run, seed=0, capacity=lambda: 9)
    assert seeds(before, "ab") == [0, 1]
    run.log.add(0, "complete", LIST.rows[0].config.model_dump(), {"objective": 0.5})
    # a third row was taken from the queue, but was cut off before it was looked at
    open_study(run, Grid(LIST)).ask()
    reconcile(run, open_study(run, Grid(LIST)))
    again = StudySearch(Grid(LIST), run, seed=0, capacity=lambda: 9)
    assert sorted(seeds(again, "cde")) == [1, 2, 3]


def test_rows_that_differ_by_their_seed_alone_are_one_network() -> None:
    assert LIST.same_networks(range(4)) == [[0, 1, 3]]
    assert LIST.same_networks([1, 2]) == []


def test_a_grid_comes_back_from_the_run_folder_as_it_was(tmp_path: Path) -> None:
    grid = Grid(
        Experiments(
            LIST.rows, {"there is no such cut": ("cut, 7", "cut, 8")}, "a list", "accuracy", True
        )
    )
    file = tmp_path / "space.yaml"
    file.write_text(dump_space(grid))
    assert kept_space(file) == grid


def test_experiments_keep_their_rows_together() -> None:
    assert list(LIST.by_title()) == [("cut", [0, 1]), ("rate", [2, 3])]


def test_all_rows_that_cannot_be_are_named() -> None:
    rows = [
        {"epochs": 0, "bakcbone": "x"},
        {"backbone": "resnet18", "cut": "layer9"},
        {"epochs": 3},
        "x",
        {"unfreeze": "tow"},
        {"backbone": 18},
    ]
    with pytest.raises(InputError) as caught:
        Experiments.read({"rows": rows}, "mine.yaml")
    first, second, third, fourth, fifth = caught.value.problems
    assert first.startswith("mine.yaml: row 1: epochs must be at least 1 (got 0)")
    assert "bakcbone is unknown; did you mean 'backbone'?" in first
    assert "row 2" in second
    assert "did you mean 'layer" in second
    assert "row 4: must name settings" in third
    assert "unfreeze must be a number of stages, or all (got tow)" in fourth
    assert "row 6" in fifth


@pytest.mark.parametrize("rows", [3, [], "resnet18"])
def test_what_is_no_list_of_rows_is_refused(rows: object) -> None:
    with pytest.raises(InputError, match=r"mine\.yaml: rows"):
        Experiments.read({"rows": rows}, "mine.yaml")


def test_a_row_without_weights_cannot_run_and_the_gpu_does_not_matter() -> None:
    grid = Grid(LIST)
    assert grid.restricted_to(["squeezenet1_0"], has_gpu=False) == grid
    without = grid.restricted_to(["resnet18"], has_gpu=True).experiments
    assert without.rows == ()
    assert without.left_out["there are no weights for the backbone"][0] == "cut, 0"


def test_a_row_that_names_no_cut_keeps_the_whole_body() -> None:
    found = Experiments.read({"rows": [{"backbone": "resnet18", "unfreeze": "all"}]}, "mine.yaml")
    assert (found.rows[0].config.cut, found.rows[0].config.unfreeze) == ("layer4", 4)


def test_options_do_not_change_the_rows_of_a_file(tmp_path: Path) -> None:
    file = tmp_path / "rows.yaml"
    file.write_text("rows: [{epochs: 3}]")
    with pytest.raises(InputError, match="--image-size, --epochs cannot change rows"):
        read_space(SearchOptions.of(space=file, epochs=5, image_size=64))
    assert read_space(SearchOptions.of(space=file)).values("epochs") == (3,)
