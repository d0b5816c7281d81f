"""Which of two tied trials is the simpler one."""

from typing import Any

import pytest

from search.winner.rule import complexity
from trainable.backbones.table import BACKBONES
from trainable.config import TrialConfig


@pytest.mark.parametrize("name", BACKBONES)
def test_every_backbone_has_one_and_it_grows_with_what_is_trained(name: str) -> None:
    first, *_, last = BACKBONES[name].cuts
    frozen = complexity(TrialConfig(backbone=name, cut=last))
    assert complexity(TrialConfig(backbone=name, cut=last, unfreeze=1)) > frozen
    assert complexity(TrialConfig(backbone=name, cut=last)) == frozen, "nothing stays unfrozen"
    assert complexity(TrialConfig(backbone=name, cut=first)) < frozen


@pytest.mark.parametrize(
    ("simple", "other"),
    [
        ({"head_layers": ()}, {}),
        ({"head": "plain", "head_layers": ()}, {"head_layers": ()}),
        ({}, {"head_layers": (512, 64)}),
        ({}, {"cut": "classifier"}),
    ],
)
def test_a_smaller_head_is_simpler(simple: dict[str, Any], other: dict[str, Any]) -> None:
    assert complexity(TrialConfig(**simple)) < complexity(TrialConfig(**other))
