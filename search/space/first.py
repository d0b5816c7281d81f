"""What a search tries before any score was seen, as configurations."""

from typing import cast

from optuna.trial import FixedTrial, Trial

from search.space.protocol import SearchSpace
from trainable.config import TrialConfig


def first_configs(space: SearchSpace) -> list[TrialConfig]:
    """The configurations of the trials that are queued before the first one."""
    queued = [cast("Trial", FixedTrial(parameters)) for parameters in space.first_trials()]
    return [TrialConfig(**space(trial)["trial"]) for trial in queued]
