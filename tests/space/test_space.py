"""The search space: what is sampled is valid, and the first trial is the baseline."""

import functools
from collections.abc import Sequence
from typing import Any

import optuna
import pytest

from search.space.files import Layer, make_space
from search.space.settings import OF_COHORT, SETTINGS
from search.space.space import Space
from trainable.backbones.encoder import find_backbone
from trainable.backbones.table import BACKBONES
from trainable.config import TrialConfig
from trainable.errors import InputError


def space(backbones: Sequence[str] = tuple(BACKBONES), **changes: Any) -> Space:
    return make_space(Layer("{}", changes)).restricted_to(backbones, has_gpu=True)


def samples(space: Space, num: int) -> list[TrialConfig]:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    return [space.sample(study.ask()) for _ in range(num)]


@functools.cache
def default_samples() -> list[TrialConfig]:
    """Samples of the whole space."""
    return samples(space(), 600)


def first(space: Space) -> TrialConfig:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    parameters, *_ = space.first_trials()
    study.enqueue_trial(parameters)
    return space.sample(study.ask())


def test_every_choice_occurs_and_every_sample_is_valid() -> None:
    configs = default_samples()
    assert {str(config.backbone) for config in configs} == set(BACKBONES)
    assert {config.normalization for config in configs} == {"none", "imagenet", "cohort", "image"}
    for config in configs:
        stages = config.backbone.network.stages_until(config.cut)
        assert 0 <= config.unfreeze <= len(stages)
    assert {config.unfreeze for config in configs} == {0, 1, 2, 3, 4}


def test_a_trained_body_gets_a_smaller_learning_rate() -> None:
    configs = default_samples()
    assert max(c.learning_rate for c in configs if c.unfreeze) <= 1e-3
    assert min(c.learning_rate for c in configs if not c.unfreeze) >= 1e-4


def test_trained_stages_train_longer_with_a_gpu_alone() -> None:
    without = make_space().restricted_to(tuple(BACKBONES), has_gpu=False)
    assert {c.epochs for c in samples(without, 100) if c.unfreeze} == {5}
    assert {c.epochs for c in default_samples() if c.unfreeze} == {5, 10, 20}
    asked = make_space(Layer("{}", {"epochs": {"trained": 7}}))
    asked = asked.restricted_to(tuple(BACKBONES), has_gpu=True)
    assert {c.epochs for c in samples(asked, 100) if c.unfreeze} == {7}


def test_settings_of_trained_stages_are_sampled_with_them_alone() -> None:
    configs = default_samples()
    assert {c.stage_decay for c in configs if c.unfreeze} == {0.1, 0.3, 1.0}
    assert {c.stage_decay for c in configs if not c.unfreeze} == {1.0}
    whole = [c for c in configs if c.unfreeze == len(c.backbone.network.stages_until(c.cut))]
    assert {c.augment for c in whole} == {"none", "light"}
    assert {c.augment for c in configs if c not in whole} == {"none"}


def test_frozen_bodies_may_train_longer() -> None:
    configs = default_samples()
    networks = [config for config in configs if config.head != "logistic"]
    assert {c.epochs for c in networks if not c.unfreeze} == {5, 10, 20}
    assert {c.epochs for c in samples(space(epochs=7, head="fastai"), 50)} == {7}


def test_a_logistic_head_has_a_frozen_body_and_no_settings_of_networks() -> None:
    configs = default_samples()
    logistic = [config for config in configs if config.head == "logistic"]
    assert {config.unfreeze for config in logistic} == {0}
    assert {config.head for config in configs if not config.unfreeze} == {"logistic", "fastai"}
    assert len({config.C for config in logistic}) > 20
    assert {config.learning_rate for config in logistic} == {TrialConfig().learning_rate}
    assert {config.C for config in configs if config.head == "fastai"} == {TrialConfig().C}


def test_fused_stages_are_a_cut_of_frozen_bodies_alone() -> None:
    configs = default_samples()
    assert {config.unfreeze for config in configs if config.cut == "fused"} == {0}
    assert "fused" not in space(unfreeze=["one", "two"]).values("cut")
    with pytest.raises(InputError, match="add 0 to --unfreeze"):
        space(unfreeze=["one"], cut="fused")
    with pytest.raises(InputError, match="--unfreeze 0"):
        space(head="logistic", unfreeze=["one"])


def test_the_portfolio_follows_each_baseline_and_no_trial_is_queued_twice() -> None:
    searched = space(("resnet18", "squeezenet1_1"), first_trials=[{"cut": "fused", "C": 0.5}, {}])
    queued = searched.first_trials()
    assert [trial["backbone"] for trial in queued] == [*["resnet18"] * 2, *["squeezenet1_1"] * 2]
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for parameters in queued:
        study.enqueue_trial(parameters)
    configs = [searched.sample(study.ask()) for _ in queued]
    assert [config.cut for config in configs] == ["layer4", "fused", "fused", "features"]
    assert len(space().first_trials()) == 13


def test_every_setting_of_a_trial_has_its_row_and_is_a_dimension() -> None:
    assert set(SETTINGS) == set(TrialConfig.model_fields) - OF_COHORT
    assert set(make_space().dimensions) == set(SETTINGS)


@pytest.mark.parametrize("epochs", ["auto", ["auto"]])
def test_auto_is_the_same_word_in_a_list(epochs: object) -> None:
    assert space(epochs=epochs).values("epochs") == (5, 10, 20)


def test_without_a_gpu_two_stages_are_not_trained_unless_it_is_asked_for() -> None:
    asked = make_space()
    assert asked.restricted_to(["resnet18"], has_gpu=False).values("unfreeze") == (0, 1)
    two = make_space(Layer("{}", {"unfreeze": [2]})).restricted_to(["resnet18"], has_gpu=False)
    assert {config.unfreeze for config in samples(two, 50)} == {1, 2}


def test_values_lists_and_ranges_are_what_is_sampled() -> None:
    narrow = space(
        ("resnet18", "densenet121"),
        backbone="resnet18",
        cut={"resnet18": ["layer2", "layer3"]},
        normalization="imagenet",
        head="fastai",
        learning_rate=1e-2,
        dropout={"low": 0.1, "high": 0.2},
        epochs={"low": 2, "high": 4},
        image_size=[64, 96],
    )
    configs = samples(narrow, 200)
    assert {str(config.backbone) for config in configs} == {"resnet18"}
    assert {config.cut for config in configs} == {"layer2", "layer3"}
    assert {config.learning_rate for config in configs} == {1e-2}
    assert {config.normalization for config in configs} == {"imagenet"}
    assert all(0.1 <= config.dropout <= 0.2 for config in configs)
    assert {config.epochs for config in configs} == {2, 3, 4}
    assert {config.image_size for config in configs} == {64, 96}
    assert first(narrow).epochs == 4


def test_a_value_that_is_the_same_in_every_trial_is_nothing_to_optuna() -> None:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    trial = study.ask()
    space(normalization="none", backbone="resnet18").sample(trial)
    assert not {"normalization", "backbone", "image_size"} & trial.params.keys()
    assert "cut_resnet18" in trial.params


def test_cuts_named_for_all_backbones_are_taken_by_those_that_have_them() -> None:
    both = space(("resnet18", "squeezenet1_0"), cut=["layer2", "features.5"])
    cuts = {(str(config.backbone), config.cut) for config in samples(both, 30)}
    assert cuts == {("resnet18", "layer2"), ("squeezenet1_0", "features.5")}
    with pytest.raises(InputError, match=r"densenet121 .* has none"):
        space(("resnet18", "densenet121"), cut="layer2")


def test_the_first_trial_is_the_baseline_configuration() -> None:
    assert first(space()) == TrialConfig()


@pytest.mark.parametrize(
    ("backbones", "unfreeze"),
    [(("resnet18", "resnet34"), "auto"), (("squeezenet1_0",), ["one", "all"])],
)
def test_a_narrower_space_begins_with_the_nearest_it_has(
    backbones: tuple[str, ...], unfreeze: object
) -> None:
    config = first(space(backbones, unfreeze=unfreeze))
    assert str(config.backbone) == backbones[0]
    assert config.learning_rate == TrialConfig().learning_rate
    assert config.cut == find_backbone(backbones[0]).cuts[-1]
