"""The search space: what is sampled is valid, and the first trial is the assignment's own."""

import optuna
import pytest

from search.settings import Unfreeze
from search.space import UNFREEZE, Space
from trainable.backbones import BACKBONES, find_backbone
from trainable.config import TrialConfig
from trainable.normalization import NORMALIZATIONS


def space(
    backbones: tuple[str, ...] = tuple(BACKBONES), unfreeze: tuple[Unfreeze, ...] = UNFREEZE
) -> Space:
    return Space(backbones, unfreeze, NORMALIZATIONS, image_size=320, batch_size=64, epochs=5)


def samples(space: Space, num: int) -> list[TrialConfig]:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    return [space.sample(study.ask()) for _ in range(num)]


def test_every_choice_occurs_and_every_sample_is_valid() -> None:
    configs = samples(space(), 600)
    assert {config.backbone for config in configs} == set(BACKBONES)
    assert {config.normalization for config in configs} == {"none", "imagenet", "cohort", "image"}
    for config in configs:
        stages = find_backbone(config.backbone).stages_until(config.cut)
        assert 0 <= config.unfreeze <= len(stages)
    assert {config.unfreeze for config in configs} == {0, 1, 2, 3, 4}


def test_a_trained_body_gets_a_smaller_learning_rate() -> None:
    configs = samples(space(), 300)
    assert max(c.learning_rate for c in configs if c.unfreeze) <= 1e-3
    assert min(c.learning_rate for c in configs if not c.unfreeze) >= 1e-4


def test_the_space_stays_within_what_was_asked() -> None:
    configs = samples(space(("resnet18", "densenet121"), ("none", "one")), 100)
    assert {config.backbone for config in configs} == {"resnet18", "densenet121"}
    assert {config.unfreeze for config in configs} == {0, 1}


def test_the_first_trial_is_the_assignment_s_configuration() -> None:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    study.enqueue_trial(space().first_trial())
    assert space().sample(study.ask()) == TrialConfig()


@pytest.mark.parametrize(
    ("backbones", "unfreeze"),
    [(("resnet18", "resnet34"), UNFREEZE), (("squeezenet1_0",), ("one", "all"))],
)
def test_a_narrower_space_begins_with_the_nearest_it_has(
    backbones: tuple[str, ...], unfreeze: tuple[Unfreeze, ...]
) -> None:
    narrow = space(backbones, unfreeze)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    study.enqueue_trial(narrow.first_trial())
    config = narrow.sample(study.ask())
    assert config.backbone == backbones[0]
    assert config.learning_rate == TrialConfig().learning_rate
    assert config.cut == find_backbone(backbones[0]).cuts[-1]
