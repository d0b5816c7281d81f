"""The forward passes that a space can need: what its trials share is counted once."""

import itertools
from collections.abc import Callable
from pathlib import Path

import optuna
import pandas as pd
import pytest
from fixtures.networks import CPU, tiny_config

from search.options.options import SearchOptions
from search.plan.begin import begin
from search.space.files import Layer, make_space
from search.space.grid import Grid
from search.space.presets import preset_grid
from search.space.space import Space
from search.terminal.plan_lines import plan_lines
from trainable.backbones.encoder import Encoder
from trainable.errors import InputError
from trainable.features.passes import FrozenPass
from trainable.images.preprocessing import Preprocessing, Square
from trainable.store.arrays import ArrayStore
from trainable.trial.cross_validation import cross_validate

NAMES = ("resnet18", "densenet121")


def space(**settings: object) -> Space:
    found = make_space(Layer("a test's {}", {"backbone": list(NAMES), **settings}))
    return found.restricted_to(NAMES, has_gpu=False)


def test_frozen_bodies_need_a_pass_for_each_encoder_normalization_and_size() -> None:
    found = space(unfreeze="none", normalization=["none", "image"], image_size=[64, 96]).passes
    expected = itertools.product(map(Encoder, NAMES), ("none", "image"), (64, 96))
    assert {
        (one.encoder, one.preprocessing.normalization, one.preprocessing.square.size)
        for one in found
    } == set(expected)
    assert len(found) == 8
    assert all(one.pooled for one in found)


def test_trained_stages_need_one_for_each_place_where_they_begin() -> None:
    found = space(unfreeze=["one", "two"], normalization="none", backbone="resnet18").passes
    assert {(one.until, one.pooled) for one in found} == {
        *(("layer1", False), ("layer2", False), ("layer3", False)),
    }
    assert not space(unfreeze="all", normalization="none").passes


def test_no_sampled_trial_needs_a_pass_that_was_not_counted() -> None:
    searched = space(normalization=["none", "image"])
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    needed = set()
    for _ in range(60):
        config = searched.sample(study.ask())
        body = (config.backbone, config.cut, config.unfreeze)
        needed.add(FrozenPass.of(*body, config.preprocessing))
    assert needed - {None} <= searched.passes


def test_rows_that_share_a_pass_need_it_once() -> None:
    grid = preset_grid("assignment", SearchOptions.of(backbones="squeezenet1_0", weights="none"))
    assert isinstance(grid, Grid)
    rows = [row.config for row in grid.experiments.rows]
    assert 0 < len(grid.passes) < len(rows)


@pytest.fixture
def asked(xray_csv: Path, tmp_path: Path) -> Callable[..., SearchOptions]:
    """A search of 24 images in three normalizations."""

    def make(**more: object) -> SearchOptions:
        given: dict[str, object] = {
            "data": xray_csv, "weights": "none", "backbones": "squeezenet1_1", "image_size": 32,
            "folds": 2, "repeats": 1, "cache": tmp_path / "cache", "unfreeze": "none",
            "normalizations": "none,image,cohort", "trials": 9,
        }  # fmt: skip
        return SearchOptions.of(**{**given, **more})

    return make


def test_a_space_of_more_passes_than_allowed_is_refused_and_leaves_no_folder(
    asked: Callable[..., SearchOptions], tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=r"at most 2 passes .* \(got 3\); list fewer --backbones"):
        begin(asked(max_passes=2), tmp_path / "run")
    assert not (tmp_path / "run").exists()
    run, plan = begin(asked(max_passes=3), tmp_path / "run")
    run.release()
    (line,) = [line for line in plan_lines(plan) if "passes" in line]
    assert line.startswith("frozen networks: at most 3 passes of all 24 images; to limit")


def test_stored_features_cost_nothing_again(
    asked: Callable[..., SearchOptions], tmp_path: Path
) -> None:
    run, plan = begin(asked(), tmp_path / "run")
    run.release()
    store = ArrayStore(plan.task.cache, plan.task.cache_bytes)
    config = tiny_config(backbone="squeezenet1_1", cut="features.7", normalization="image")
    list(cross_validate(config.model_copy(update={"image_size": 32}), plan.task, CPU, store))
    run, again = begin(asked(), tmp_path / "again")
    run.release()
    assert plan.passes.keys() - again.passes.keys() == {
        FrozenPass(config.backbone, Preprocessing(Square(32), "image"), "features", pooled=True)
    }
    assert len(again.passes) == 2


def test_how_many_images_are_new_is_said_before_the_search(
    asked: Callable[..., SearchOptions], xray_csv: Path, tmp_path: Path
) -> None:
    part = xray_csv.with_name("part.csv")
    pd.read_csv(xray_csv).head(20).to_csv(part, index=False)
    first = asked(data=part, images=xray_csv.with_suffix(""), normalizations="image")
    run, plan = begin(first, tmp_path / "run")
    run.release()
    store = ArrayStore(plan.task.cache, plan.task.cache_bytes)
    config = tiny_config(backbone="squeezenet1_1", cut="features.7", normalization="image")
    list(cross_validate(config.model_copy(update={"image_size": 32}), plan.task, CPU, store))
    said = {
        "image": "(4 of 24 images are new; the features of the others are stored)",
        "image,none": "(in 1 of 2 of the space, 4 of 24 images are new; in the others, all",
    }
    for number, (normalizations, text) in enumerate(said.items()):
        run, grown = begin(asked(normalizations=normalizations), tmp_path / str(number))
        run.release()
        (line,) = [line for line in plan_lines(grown) if "frozen networks" in line]
        assert text in line


def test_what_pools_by_place_add_to_the_cache_is_said_before_the_search(
    asked: Callable[..., SearchOptions], tmp_path: Path
) -> None:
    (tmp_path / "pools.yaml").write_text("pool: [average, grid, top+average]")
    run, plan = begin(asked(space=tmp_path / "pools.yaml"), tmp_path / "run")
    run.release()
    [line] = [line for line in plan_lines(plan) if "by place" in line]
    of_a_pass = 24 * (9 + 1) * (64 + 128 + 256 + 512) * 4
    assert plan.by_place_bytes == 3 * of_a_pass
    assert line == "note: pools by place (grid, top) add up to 2.6 MiB to the features in the cache"
    store = ArrayStore(plan.task.cache, plan.task.cache_bytes)
    config = tiny_config(backbone="squeezenet1_1", cut="features.7", pool="average")
    list(cross_validate(config, plan.task, CPU, store))
    [table] = plan.task.cache.glob("features-*.npy")
    added = table.stat().st_size - 24 * 2 * (64 + 128 + 256 + 512) * 4
    assert of_a_pass < added < 1.01 * of_a_pass
    run, without = begin(asked(), tmp_path / "without")
    run.release()
    assert not any("by place" in line for line in plan_lines(without))


def test_no_more_passes_are_counted_than_trials(
    asked: Callable[..., SearchOptions], tmp_path: Path
) -> None:
    run, plan = begin(asked(trials=2), tmp_path / "run")
    run.release()
    assert (len(plan.passes), plan.num_passes) == (3, 2)
