"""Which teams of the trials of a search there are to choose among, by its options."""

import functools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from torch import nn

from search.options.options import ScoringOptions
from search.winner.entry import Entry
from search.winner.selection import TEAM_SIZES, TeamRule
from trainable.backbones.encoder import Encoder
from trainable.config import TrialConfig
from trainable.model.network import count_parameters
from trainable.trial.cross_validation import build_network


def rule_of(
    configs: Sequence[TrialConfig],
    planned: NDArray[np.bool_],
    entry: Entry,
    options: ScoringOptions,
) -> TeamRule:
    """The rule for these trials.

    Args:
        configs: Configuration of each trial.
        planned: (num_trials,), whether a trial was planned before any score was seen.
        entry: How the trials came to be there.
        options: Options of the search.
    """
    return TeamRule(
        TEAM_SIZES if options.team is None else (options.team,),
        [complexity(config) for config in configs] if options.prefer_simple else None,
        _kinds(configs),
        planned,
        entry,
        recalibrates=options.calibration == "auto",
    )


def _kinds(configs: Sequence[TrialConfig]) -> NDArray[np.int64]:
    """Trials of one backbone and cut share a number."""
    names = [f"{config.backbone} to {config.cut}" for config in configs]
    return np.asarray(np.unique(names, return_inverse=True)[1], np.int64)


def complexity(config: TrialConfig) -> tuple[int, int]:
    """Sorts configurations from the simplest: by trained parameters, then by all parameters."""
    count = count_parameters(build_network(_any_model(config.backbone).requires_grad_(), config))
    return count.trainable, count.total


@functools.cache
def _any_model(encoder: Encoder) -> nn.Module:
    """The network of an encoder, to count; torchvision cannot build RegNet on the meta device."""
    return encoder.network.build()
