"""Whether the head sees covariates is searched where that is asked and possible."""

from pathlib import Path

import optuna
import pytest

from search.demo.phantoms import write_demo
from search.options.options import SearchOptions
from search.plan.planner import plan_search
from search.space.files import read_space
from search.space.space import Space
from trainable.config import TrialConfig
from trainable.errors import InputError


def sampled(**options: object) -> list[TrialConfig]:
    space = read_space(SearchOptions.of(**options))
    assert isinstance(space, Space)
    space = space.restricted_to(("squeezenet1_0",), has_gpu=False)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    return [space.sample(study.ask()) for _ in range(30)]


def test_both_are_tried_and_trained_stages_never_see_columns() -> None:
    configs = sampled(use_covariates=True)
    frozen = [config for config in configs if not config.unfreeze]
    assert {config.covariates for config in frozen} == {True, False}
    assert not any(config.covariates for config in configs if config.unfreeze)
    assert not any(config.covariates for config in sampled())


def test_the_first_trials_have_one_with_columns_where_they_are_searched() -> None:
    def first(**options: object) -> list[dict[str, object]]:
        space = read_space(SearchOptions.of(**options))
        return space.restricted_to(("squeezenet1_0",), has_gpu=False).first_trials()

    with_columns = [one for one in first(use_covariates=True) if one.get("covariates")]
    assert len(with_columns) == 1
    assert len(first()) == len(first(use_covariates=True)) - 1


def test_a_table_without_further_columns_is_refused(tmp_path: Path) -> None:
    write_demo(tmp_path / "demo", num_patients=20, num_test_patients=2, size=32, seed=0)
    options = SearchOptions.of(
        data=tmp_path / "demo" / "train.csv", covariates="none", use_covariates=True,
        weights="none", backbones="squeezenet1_0", image_size=32, cache=tmp_path / "cache",
    )  # fmt: skip
    with pytest.raises(InputError, match="--use-covariates needs covariates of a table"):
        plan_search(options)
